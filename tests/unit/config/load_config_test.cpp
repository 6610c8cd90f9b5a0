// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "config/load.h"

namespace vrouter::config {
namespace {

class LoadConfig : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "vrouter-config-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((directory_ / name).parent_path());
    std::ofstream{directory_ / name} << text;
  }
  [[nodiscard]] std::vector<std::string> problems() const {
    return problems(load_config(directory_ / "vrouter.toml", directory_ / "policy.d"));
  }
  [[nodiscard]] std::vector<std::string> problems(const std::expected<Config, Problems>& config) const {
    std::vector<std::string> texts;
    if (config) return texts;
    for (const auto& problem : config.error()) {
      auto text = problem.to_string();
      EXPECT_TRUE(text.starts_with(directory_.string() + "/")) << text;
      texts.push_back(text.substr(directory_.string().size() + 1));
    }
    return texts;
  }

  std::filesystem::path directory_;
};

TEST_F(LoadConfig, NoFilesMeanTheDefaults) {
  const auto config = load_config(directory_ / "vrouter.toml", directory_ / "policy.d");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(*config, default_config());
}

TEST_F(LoadConfig, ReadsTheFileAndNamesItInPlaces) {
  write("vrouter.toml", "[networks.default]\nmtu = 1400\n");
  const auto config = load_config(directory_ / "vrouter.toml", directory_ / "policy.d");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->file, (directory_ / "vrouter.toml").string());
  EXPECT_EQ(config->networks.at("default").declared_at.file, config->file);
  write("vrouter.toml", "[networks.default]\nmtu = 1\n");
  EXPECT_THAT(problems(), testing::ElementsAre(testing::StartsWith("vrouter.toml:2:7: mtu 1 can't be")));
}

TEST_F(LoadConfig, ReadsThePolicyByNameOfItsFiles) {
  write("policy.d/20-b.toml", "[[rules]]\nto = \"group:web\"\nallow = \"any\"\n");
  write("policy.d/10-a.toml", "[groups.web]\n[[rules]]\nname = \"a\"\nfrom = \"set:x\"\nallow = \"tcp/80\"\n");
  write("policy.d/30-c.toml", "[sets]\nx = [\"10.0.5.0/24\"]\n");
  write("policy.d/README", "no TOML");
  write("policy.d/.#10-a.toml", "no TOML");
  write("vrouter.toml", "[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\ngroups = [\"web\"]\n");
  const auto config = load_config(directory_ / "vrouter.toml", directory_ / "policy.d");
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  ASSERT_EQ(config->policy.rules.size(), 2U);
  EXPECT_EQ(config->policy.rules[0].name, "a");
  EXPECT_EQ(config->policy.rules[1].name, "rule 1 of 20-b.toml");
  EXPECT_EQ(config->policy.rules[1].declared_at, (Place{(directory_ / "policy.d/20-b.toml").string(), 1, 1}));
  EXPECT_TRUE(config->warnings.empty());
}

TEST_F(LoadConfig, SaysAllThatIsWrongInAllFilesInTheirOrder) {
  write("policy.d/b.toml", "[[rules]]\n");
  write("policy.d/a.toml", "x = 1\n[[rules]]\nfrom = \"network:lab\"\nallow = \"any\"\n");
  write("vrouter.toml", "x = 1\n[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\ngroups = [\"web\"]\n");
  EXPECT_THAT(problems(), testing::ElementsAre(
                              testing::StartsWith("vrouter.toml:1:1: unknown key 'x'"),
                              "vrouter.toml:5:11: no policy file declares the group 'web'; declare [groups.web] in "
                              "a policy file",
                              testing::StartsWith("policy.d/a.toml:1:1: unknown key 'x'"),
                              testing::StartsWith("policy.d/a.toml:3:8: there is no network 'lab'; "),
                              testing::StartsWith("policy.d/b.toml:1:1: a rule needs allow, deny or reject; "),
                              testing::StartsWith("policy.d/b.toml:1:1: a rule needs from or to; ")));
  std::filesystem::remove(directory_ / "vrouter.toml");
  EXPECT_EQ(problems().size(), 4U);
}

TEST_F(LoadConfig, SaysNothingOfNamesWhileAFileIsUnreadable) {
  write("policy.d/a.toml", "[[rules]]\nfrom = \"group:web\"\nto = \"set:x\"\nallow = \"any\"\n");
  write("policy.d/b.toml", "[groups\n");
  std::filesystem::create_directory(directory_ / "policy.d/c.toml");
  write("vrouter.toml", "[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\ngroups = [\"web\"]\n");
  EXPECT_THAT(problems(),
              testing::ElementsAre(testing::StartsWith("policy.d/b.toml:1:8: this is no TOML: "),
                                   "policy.d/c.toml: the file is a directory; move it out of the policy directory"));
  write("vrouter.toml", "[networks\n");
  EXPECT_THAT(problems(), testing::ElementsAre(testing::StartsWith("vrouter.toml:1:10: this is no TOML: "),
                                               testing::StartsWith("policy.d/b.toml:1:8: this is no TOML: "),
                                               testing::StartsWith("policy.d/c.toml: the file is a directory")));
}

TEST_F(LoadConfig, RefusesAPolicyTooLargeToBeMeant) {
  write("policy.d/a.toml", "#" + std::string((16U << 20) - 2, 'x'));
  EXPECT_TRUE(problems().empty());
  write("policy.d/b.toml", "#");
  EXPECT_TRUE(problems().empty());
  write("policy.d/b.toml", "##");
  EXPECT_THAT(problems(), testing::ElementsAre("policy.d/b.toml: with this file the policy is larger than 16 MiB; say "
                                               "more with less, by groups and sets"));
  write("policy.d/a.toml", "#" + std::string(16U << 20, 'x'));
  EXPECT_THAT(problems(), testing::ElementsAre("policy.d/a.toml: the file is larger than 16 MiB; move it out of the "
                                               "policy directory"));
}

TEST_F(LoadConfig, RefusesWhatCantBeRead) {
  std::filesystem::create_directory(directory_ / "vrouter.toml");
  write("policy.d", "");
  EXPECT_THAT(problems(),
              testing::ElementsAre("vrouter.toml: the file is a directory; name a vrouter.toml",
                                   "policy.d: the policy directory can't be read (Not a directory); mend its path or "
                                   "its permissions"));
  std::filesystem::remove(directory_ / "vrouter.toml");
  std::filesystem::remove(directory_ / "policy.d");
  std::filesystem::create_symlink("vrouter.toml", directory_ / "vrouter.toml");
  EXPECT_THAT(problems(), testing::ElementsAre("vrouter.toml: the file can't be read (Too many levels of symbolic "
                                               "links); mend its path or its permissions"));
}

// Each file is read by itself and kept as it was read; what is wrong with several together still shows.
TEST_F(LoadConfig, SaysWhatSeveralFilesSayTwice) {
  Files files{directory_ / "vrouter.toml", directory_ / "policy.d"};
  write("policy.d/a.toml", "[groups.web]\n[[rules]]\nname = \"one\"\nto = \"group:web\"\nallow = \"tcp/80\"\n");
  write("policy.d/b.toml", "[[rules]]\nname = \"two\"\nto = \"group:web\"\nallow = \"tcp/81\"\n");
  ASSERT_TRUE(files.load().has_value());
  write("policy.d/b.toml",
        "[groups.web]\n[sets]\nx = [\"192.0.2.0/24\"]\n[[rules]]\nname = \"one\"\nto = \"group:web\"\nallow = "
        "\"tcp/81\"\n");
  write("policy.d/c.toml", "[sets]\nx = [\"192.0.2.0/24\"]\n");
  for (const auto* when : {"at once", "again"}) {
    EXPECT_THAT(problems(files.load()),
                testing::ElementsAre(testing::HasSubstr("b.toml:1:9: group web is declared already ("),
                                     testing::AllOf(testing::HasSubstr("b.toml:5:"), testing::HasSubstr("a.toml:2:1")),
                                     testing::HasSubstr("c.toml:2:1: set x is declared already (")))
        << when;
  }
  std::filesystem::remove(directory_ / "policy.d/a.toml");
  EXPECT_THAT(problems(files.load()),
              testing::ElementsAre(testing::HasSubstr("c.toml:2:1: set x is declared already (")));
  std::filesystem::remove(directory_ / "policy.d/c.toml");
  const auto mended = files.load();
  ASSERT_TRUE(mended.has_value());
  EXPECT_EQ(mended->policy.rules.front().name, "one");
}

// Whatever is kept from one reading to the next, what comes out is what the files say now.
TEST_F(LoadConfig, FilesThatAreReadAgainSayWhatTheySayNow) {
  const auto both_say = [&](Files& files, const char* what) {
    const auto again = files.load();
    const auto anew = load_config(directory_ / "vrouter.toml", directory_ / "policy.d");
    EXPECT_TRUE(again == anew) << what;
  };
  Files files{directory_ / "vrouter.toml", directory_ / "policy.d"};
  both_say(files, "nothing there");
  write("vrouter.toml", "[[guests]]\nname = \"w\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\ngroups = [\"web\"]\n");
  both_say(files, "a group that is not declared");
  write("policy.d/10-web.toml", "[groups.web]\n");
  both_say(files, "declared");
  both_say(files, "the same again");
  write("policy.d/20-rules.toml", "[[rules]]\nto = \"group:web\"\nallow = \"tcp/80\"\n");
  both_say(files, "a file more");
  write("policy.d/20-rules.toml", "[[rules]]\nto = \"group:web\"\nallow = \"tcp/81\"\n");
  both_say(files, "a rule changed");
  write("policy.d/20-rules.toml", "[[rules]]\nto = \"group:wet\"\nallow = \"tcp/81\"\n");
  both_say(files, "a group misspelt");
  write("policy.d/20-rules.toml", "[[rules\n");
  both_say(files, "no TOML");
  std::filesystem::remove(directory_ / "policy.d/20-rules.toml");
  both_say(files, "that file gone");
  write("policy.d/10-web.toml", "[groups.wet]\n");
  both_say(files, "the guest's group lost");
  write("vrouter.toml", "[[guests]]\nname = \"w\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\ngroups = [\"wet\"]\n");
  both_say(files, "the guest moved");
  std::filesystem::remove(directory_ / "vrouter.toml");
  both_say(files, "its file gone");
}

// There are ten thousand of them, here and in what is in force.
TEST_F(LoadConfig, GuestsThatAreReadAgainAreTheSameInMemory) {
  Files files{directory_ / "vrouter.toml", directory_ / "policy.d"};
  write("vrouter.toml", "[[guests]]\ntap = \"tap0\"\naddress = \"10.0.5.2\"\n");
  const auto before = files.load();
  write("policy.d/10-web.toml", "[[rules]]\nto = \"net:10.0.5.2/32\"\nallow = \"tcp/80\"\n");
  const auto after = files.load();
  ASSERT_TRUE(before && after);
  EXPECT_NE(before->policy, after->policy);
  EXPECT_EQ(&before->guests.front(), &after->guests.front());
}

}  // namespace
}  // namespace vrouter::config
