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
    std::vector<std::string> texts;
    const auto config = load_config(directory_ / "vrouter.toml", directory_ / "policy.d");
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

TEST_F(LoadConfig, RefusesEveryPolicyFile) {
  write("policy.d/b.toml", "");
  write("policy.d/a.toml", "");
  write("policy.d/README", "");
  write("vrouter.toml", "x = 1\n");
  constexpr auto kSaid =
      ": policy files are not understood by this version, which would leave its rules out; remove it";
  EXPECT_THAT(problems(),
              testing::ElementsAre(testing::StartsWith("vrouter.toml:1:1: unknown key 'x'"),
                                   std::string{"policy.d/a.toml"} + kSaid, std::string{"policy.d/b.toml"} + kSaid));
  std::filesystem::remove(directory_ / "vrouter.toml");
  EXPECT_EQ(problems().size(), 2U);
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

}  // namespace
}  // namespace vrouter::config
