// SPDX-License-Identifier: GPL-2.0-or-later
// Lists of domains with real guests: what a group is kept from, others are told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "router/processes/cage_filter.h"
#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPolicy = "[groups.web]\n[groups.strict]\n";

// The lists themselves, in kB: memory of no process alone, held by descriptors of the daemon's.
std::size_t lists_of(pid_t daemon) {
  std::size_t sum = 0;
  for (const auto& fd : std::filesystem::directory_iterator{"/proc/" + std::to_string(daemon) + "/fd"}) {
    struct stat held{};
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(fd.path(), gone).string();
    if (target.starts_with("/memfd:list") && ::stat(fd.path().c_str(), &held) == 0)
      sum += static_cast<std::size_t>(held.st_blocks) / 2;
  }
  return sum;
}

// The most that it ever had, in kB.
std::size_t peak_of(pid_t process) {
  std::ifstream status{"/proc/" + std::to_string(process) + "/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6));
  }
  return 0;
}

// Of all processes in the tree, in kB; memory that several map is told by each in part. Of a list those pages are in it
// that were looked at.
std::size_t pss_of_tree(pid_t root) {
  std::size_t sum = 0;
  std::ifstream rollup{"/proc/" + std::to_string(root) + "/smaps_rollup"};
  for (std::string line; std::getline(rollup, line);) {
    if (line.starts_with("Pss:")) sum += std::stoul(line.substr(4));
  }
  for (const auto& task : std::filesystem::directory_iterator{"/proc/" + std::to_string(root) + "/task"}) {
    std::ifstream children{task.path() / "children"};
    for (pid_t child = 0; children >> child;) sum += pss_of_tree(child);
  }
  return sum;
}

struct Lists : ::testing::Test {
  Lists() {
    scene.names.reset();
    scene.names = std::make_unique<DnsServer>(
        scene.world, Scene::kWorld,
        std::multimap<std::string, std::string>{{"www.world.example A", "192.0.2.80"},
                                                {"www.ads.example A", "192.0.2.80"},
                                                {"good.ads.example A", "192.0.2.80"},
                                                {"later.example A", "192.0.2.80"},
                                                {"use-application-dns.net A", "192.0.2.80"},
                                                {"cloaked.example CNAME", "t.ads.example"},
                                                {"t.ads.example A", "192.0.2.80"},
                                                {"fresh.example CNAME", "t.ads.example"},
                                                {"honest.example CNAME", "www.world.example"}});
    before = scene.host.read_file(scene.daemon->config_path());
    directory = std::filesystem::path{scene.daemon->config_path()}.parent_path().string();
    write("ads.txt", "# ads\n0.0.0.0 ads.example\n||not.understood^\n");
    write("ok.txt", "good.ads.example\n");
    for (const auto& [tap, address, name] : {std::tuple{"tap0", "10.0.5.2", "web1"}, {"tap1", "10.0.5.3", "db1"}})
      scene.daemon->vrouter(
          {"add-guest", tap, address, "--name", name, "--group", name == std::string{"web1"} ? "web" : "strict"});
    web.set_static("10.0.5.2/32", "10.0.5.1", "10.0.5.1");
    other.set_static("10.0.5.3/32", "10.0.5.1", "10.0.5.1");
    scene.daemon->set_config(before + config());
    scene.daemon->vrouter({"reload"});
    EXPECT_TRUE(wait_until([&] { return rcode(web, "www.ads.example") == "NXDOMAIN"; }));
  }
  [[nodiscard]] std::string config(const std::string& more = {}) const {
    return "\n[dns.lists.ads]\nfiles = [\"" + directory + "/ads.txt\"]\n[dns.lists.ok]\nfiles = [\"" + directory +
           "/ok.txt\"]\n[dns.groups.web]\nblock = [\"ads\"]\nallow = [\"ok\"]\n" + more;
  }
  void write(const std::string& name, const std::string& text) const {
    scene.host.must("cat > " + directory + "/" + name + " <<'END'\n" + text + "END\n");
  }
  static std::string ask(TapGuest& guest, const std::string& arguments) {
    return guest.inside().sh("dig +time=3 +tries=1 @10.0.5.1 " + arguments).out;
  }
  static std::string rcode(TapGuest& guest, const std::string& arguments) {
    const auto text = ask(guest, arguments);
    const auto at = text.find("status: ");
    return at == std::string::npos ? "" : text.substr(at + 8, text.find(',', at) - at - 8);
  }
  std::string counted() { return scene.daemon->vrouter({"dns"}); }

  Scene scene{{.policies = {{"10-groups.toml", kPolicy}}}};
  TapGuest web{scene.host, "tap0"}, other{scene.host, "tap1"};
  std::string before, directory;
};

TEST_F(Lists, KeepAGroupFromWhatTheyHold) {
  EXPECT_EQ(rcode(other, "www.ads.example"), "NOERROR") << "now it is in the cache";
  for (const auto* asked : {"ads.example", "www.ads.example", "wWw.ADS.example AAAA", "a.b.ads.example TXT",
                            "+tcp www.ads.example", "+norec www.ads.example", "use-application-dns.net"})
    EXPECT_EQ(rcode(web, asked), "NXDOMAIN") << asked;
  const auto told = ask(web, "www.ads.example");
  EXPECT_THAT(told, HasSubstr("EDE: 15 (Blocked)"));
  EXPECT_THAT(told, HasSubstr("SOA"));
  EXPECT_EQ(rcode(web, "good.ads.example"), "NOERROR") << "an exception";
  EXPECT_EQ(rcode(web, "www.world.example"), "NOERROR");
  for (const auto* asked : {"www.ads.example", "+tcp www.ads.example", "use-application-dns.net"})
    EXPECT_EQ(rcode(other, asked), "NOERROR") << asked;
  EXPECT_TRUE(wait_until([&] { return counted().find(" by lists") != std::string::npos; }));
  EXPECT_THAT(counted(), HasSubstr("ads   1        1"));
  const auto json = scene.daemon->vrouter({"--json", "dns"});
  EXPECT_THAT(json, HasSubstr("\"refused_by_list\":"));
  EXPECT_THAT(scene.daemon->log(), HasSubstr("/ads.txt:3: the line is neither a domain"));
}

TEST_F(Lists, FollowNamesThatLeadToWhatTheyHold) {
  EXPECT_EQ(rcode(web, "cloaked.example"), "NXDOMAIN") << "fresh";
  EXPECT_EQ(rcode(other, "cloaked.example"), "NOERROR") << "from the cache now";
  EXPECT_EQ(rcode(other, "fresh.example"), "NOERROR");
  EXPECT_EQ(rcode(web, "fresh.example"), "NXDOMAIN") << "brought by another";
  EXPECT_EQ(rcode(web, "+tcp cloaked.example"), "NXDOMAIN");
  EXPECT_EQ(rcode(web, "honest.example"), "NOERROR");
  EXPECT_EQ(rcode(web, "honest.example"), "NOERROR") << "from the cache";
  EXPECT_EQ(rcode(other, "fresh.example"), "NOERROR");
}

TEST_F(Lists, AreReadAnewByAReloadOrNotAtAll) {
  EXPECT_EQ(rcode(web, "later.example"), "NOERROR");
  write("ads.txt", "ads.example\nlater.example\n");
  EXPECT_EQ(rcode(web, "later.example"), "NOERROR") << "nobody has said so yet";
  EXPECT_THAT(scene.daemon->vrouter({"reload"}), HasSubstr("lists of domains changed"));
  EXPECT_TRUE(wait_until([&] { return rcode(web, "later.example") == "NXDOMAIN"; }));
  EXPECT_EQ(rcode(other, "later.example"), "NOERROR");

  scene.host.must("mv " + directory + "/ads.txt " + directory + "/away");
  const auto refused = scene.daemon->cli({"reload"});
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.err, HasSubstr("nothing was changed"));
  EXPECT_THAT(refused.err,
              HasSubstr("the list file " + directory + "/ads.txt can't be read (No such file or directory)"));
  EXPECT_EQ(rcode(web, "later.example"), "NXDOMAIN") << "what was read before holds";
  EXPECT_EQ(rcode(web, "www.ads.example"), "NXDOMAIN");
  EXPECT_EQ(scene.daemon->cli({"check", "--config", scene.daemon->config_path()}).status, 1);

  // A start without them is refused as with any other error of the files; one with them has them in force.
  scene.daemon->stop();
  EXPECT_THROW(scene.daemon->start(5s), LabError);
  EXPECT_THAT(scene.daemon->log(), HasSubstr("vrouter.toml:2:12: list ads: the list file"));
  scene.host.must("mv " + directory + "/away " + directory + "/ads.txt");
  scene.daemon->start();
  EXPECT_TRUE(wait_until([&] { return rcode(web, "later.example") == "NXDOMAIN"; }));
  scene.daemon->set_config(before);
  scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(wait_until([&] { return rcode(web, "later.example") == "NOERROR"; })) << "there are none any more";
}

TEST_F(Lists, FollowAGuestIntoAnotherGroup) {
  EXPECT_EQ(rcode(other, "www.ads.example"), "NOERROR");
  scene.daemon->vrouter({"change-guest", "db1", "--group", "web"});
  EXPECT_TRUE(wait_until([&] { return rcode(other, "www.ads.example") == "NXDOMAIN"; }));
  EXPECT_EQ(rcode(other, "good.ads.example"), "NOERROR");
  scene.daemon->vrouter({"change-guest", "db1", "--group", "strict"});
  EXPECT_TRUE(wait_until([&] { return rcode(other, "www.ads.example") == "NOERROR"; }));
  // The other group blocks without an exception.
  scene.daemon->set_config(before + config("[dns.groups.strict]\nblock = [\"ads\"]\n"));
  scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(wait_until([&] { return rcode(other, "good.ads.example") == "NXDOMAIN"; }));
  EXPECT_EQ(rcode(web, "good.ads.example"), "NOERROR");
}

TEST_F(Lists, OfAMillionTakeLittleAndAreChangedWithoutAPause) {
  const auto small = pss_of_tree(scene.daemon->pid());
  scene.host.must("seq 1000000 | sed 's/.*/0.0.0.0 host-&.tracking.example/' > " + directory + "/ads.txt");
  scene.daemon->vrouter({"reload"}, 60s);
  EXPECT_TRUE(wait_until([&] { return rcode(web, "a.host-999999.tracking.example") == "NXDOMAIN"; }));
  EXPECT_THAT(ask(web, "host-1.tracking.example"), HasSubstr("Blocked"));
  EXPECT_THAT(ask(web, "host-1000001.tracking.example"), Not(HasSubstr("Blocked")));
  const auto daemon = scene.daemon->pid();
  const auto large = pss_of_tree(daemon), packed = lists_of(daemon);
  std::printf("kB: Pss of all processes %zu, with a million entries %zu and %zu in the list; the daemon's peak %zu\n",
              small, large, packed, peak_of(daemon));
  EXPECT_GT(packed, 20U << 10);
  EXPECT_TRUE(large + packed - small < 100U << 10 || router::kSanitized) << "what a sanitizer takes is its own";

  // While a million are read once more, nobody waits for an answer.
  scene.host.must("sed -i s/tracking/trucking/ " + directory + "/ads.txt");
  EXPECT_EQ(rcode(other, "www.world.example"), "NOERROR");
  web.inside().must(
      "(for i in $(seq 40); do dig +short +time=1 +tries=1 @10.0.5.1 www.world.example || echo lost; sleep 0.05; done) "
      "> /tmp/asked &");
  scene.daemon->vrouter({"reload"}, 60s);
  EXPECT_TRUE(wait_until([&] { return rcode(web, "host-7.trucking.example") == "NXDOMAIN"; }));
  EXPECT_TRUE(wait_until([&] { return web.inside().sh("wc -l < /tmp/asked").out == "40\n"; }, 20s));
  EXPECT_EQ(web.inside().sh("sort -u /tmp/asked").out, "192.0.2.80\n");
  // The daemon gives back what it needed within seconds.
  const auto taken = [&] { return pss_of_tree(daemon) + lists_of(daemon) - small; };
  EXPECT_TRUE(wait_until([&] { return taken() < 100U << 10 || router::kSanitized; })) << taken();
  std::printf("kB: %zu more than without, after a reload; the daemon's peak %zu\n", taken(), peak_of(daemon));
}

}  // namespace
}  // namespace vrouter::lab
