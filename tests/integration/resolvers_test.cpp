// SPDX-License-Identifier: GPL-2.0-or-later
// What the resolvers that guests have make of our answers: dig, kdig, delv, curl, and getaddrinfo and getnameinfo of
// glibc and of musl, which sends A and AAAA at once and takes the first word of either for the last.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "tests/integration/scene.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::Value;
using Records = std::multimap<std::string, std::string>;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(text.substr(at, end - at));
  return lines;
}

// Beside www.world.example: both families, a chain, and answers that no datagram of 512 or 1232 bytes holds.
Records more_names() {
  Records records{{"dual.other.example A", "192.0.2.80"},
                  {"dual.other.example AAAA", "2001:db8::80"},
                  {"web.other.example A", "192.0.2.80"},
                  {"six.other.example AAAA", "2001:db8::6"},
                  {"chain0.other.example CNAME", "chain1.other.example"},
                  {"chain1.other.example CNAME", "chain2.other.example"},
                  {"chain2.other.example CNAME", "chain3.other.example"},
                  {"chain3.other.example CNAME", "dual.other.example"},
                  {"4k.other.example TXT", std::string(4000, 't')}};
  for (int i = 1; i <= 8; ++i) records.emplace("eight.other.example A", "198.51.100." + std::to_string(i));
  for (int i = 1; i <= 20; ++i) records.emplace("twenty.other.example A", "198.51.100." + std::to_string(i));
  for (int i = 1; i <= 100; ++i) records.emplace("hundred.other.example A", "198.51.100." + std::to_string(i));
  return records;
}

struct Resolvers : ::testing::Test {
  Resolvers() {
    scene.world.must("ip address add 192.0.2.81/24 dev eth0");
    names = std::make_unique<DnsServer>(scene.world, "192.0.2.81", more_names());
    follow("nameserver 192.0.2.81\n");
    scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--name", "web1"});
    scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3", "--name", "db1"});
    guest.set_static("10.0.5.2/24", "10.0.5.1");
    guest.inside().write_file("/etc/resolv.conf", "nameserver 10.0.5.1\nsearch guests.internal\n");
  }
  // Returns once it is followed.
  void follow(const std::string& servers) {
    scene.daemon->set_resolv_conf(servers);
    const auto first = servers.substr(11, servers.find('\n') - 11);
    if (!wait_until([&] { return scene.daemon->vrouter({"dns"}).find(first) != std::string::npos; }))
      throw LabError{first + " isn't followed"};
  }
  Finished in_guest(const std::string& line) { return guest.inside().sh(line, 20s); }
  std::vector<std::string> ask(const std::string& line) { return lines_of(in_guest(line).out); }

  Scene scene;
  std::unique_ptr<DnsServer> names;
  TapGuest guest{scene.host, "tap0"};
};

// getaddrinfo and getnameinfo. A resolver that has to ask again does so after 2.5 s (musl) or 5 s (glibc): the limit
// shows that none has to.
struct CLibraries : Resolvers, ::testing::WithParamInterface<const char*> {
  Finished getent(const std::string& arguments, const std::string& limit = "2.4") {
    const auto program = GetParam() == std::string{"glibc"} ? "getent -A" : binary_directory() + "/tests/musl_getent";
    return in_guest("timeout " + limit + " " + program + " " + arguments);
  }
  std::vector<std::string> addresses(const std::string& name, const std::string& limit = "2.4") {
    std::vector<std::string> found;
    const auto finished = getent("ahosts " + name, limit);
    for (const auto& line : lines_of(finished.out)) found.push_back(line.substr(0, line.find(' ')));
    std::ranges::sort(found);
    const auto twice = std::ranges::unique(found);  // glibc: once for each type of socket
    found.erase(twice.begin(), twice.end());
    return found;
  }
};

TEST_P(CLibraries, OfTheWorldInBothFamilies) {
  EXPECT_THAT(addresses("dual.other.example"), ElementsAre("192.0.2.80", "2001:db8::80"));
  EXPECT_THAT(addresses("dual.other.example"), ElementsAre("192.0.2.80", "2001:db8::80")) << "from the cache";
  EXPECT_THAT(addresses("web.other.example"), ElementsAre("192.0.2.80")) << "AAAA is NODATA";
  EXPECT_THAT(addresses("six.other.example"), ElementsAre("2001:db8::6")) << "A is NODATA";
  EXPECT_THAT(addresses("chain0.other.example"), ElementsAre("192.0.2.80", "2001:db8::80"));
  EXPECT_THAT(addresses("eight.other.example"), SizeIs(8));
  EXPECT_EQ(getent("ahosts nothing.other.example").status, 2);
}

TEST_P(CLibraries, OfGuestsBareFullAndReverse) {
  EXPECT_THAT(addresses("db1.guests.internal"), ElementsAre("10.0.5.3"));
  EXPECT_THAT(addresses("db1"), ElementsAre("10.0.5.3")) << "the search domain";
  EXPECT_EQ(getent("ahosts nobody").status, 2);
  EXPECT_THAT(getent("hosts 10.0.5.3").out, HasSubstr("db1.guests.internal"));
  // SERVFAIL, or silence, would cost musl all its tries.
  EXPECT_EQ(getent("hosts 10.0.5.77").status, 2);
  EXPECT_EQ(getent("hosts 172.16.9.9").status, 2);
}

TEST_P(CLibraries, PastADeadServerAndThroughASlowOne) {
  follow("nameserver 192.0.2.99\nnameserver 192.0.2.81\n");
  EXPECT_THAT(addresses("dual.other.example"), ElementsAre("192.0.2.80", "2001:db8::80"));
  follow("nameserver 192.0.2.81\n");
  scene.daemon->vrouter({"dns", "flush"});
  names->set_mood(DnsMood::slow);
  // Two questions, which this server answers one after the other, and time for a repeated one.
  EXPECT_THAT(addresses("dual.other.example", "10"), ElementsAre("192.0.2.80", "2001:db8::80"));
}

INSTANTIATE_TEST_SUITE_P(Of, CLibraries, ::testing::Values("glibc", "musl"),
                         [](const auto& info) { return std::string{info.param}; });

// The servers before are asked for answers that are under way, while the firewall knows the new ones.
TEST_F(Resolvers, ResolvConfIsReplacedWhileTheyAsk) {
  scene.world.must("ip address add 192.0.2.82/24 dev eth0");
  Records records;
  for (int i = 0; i < 800; ++i) records.emplace("n" + std::to_string(i) + ".other.example A", "192.0.2.80");
  const DnsServer first{scene.world, "192.0.2.82", records};
  scene.world.must("ip address add 192.0.2.83/24 dev eth0");
  const DnsServer second{scene.world, "192.0.2.83", records};
  follow("nameserver 192.0.2.82\n");
  guest.inside().write_file("/etc/names", [] {
    std::string names;
    for (int i = 0; i < 800; ++i) names += "n" + std::to_string(i) + ".other.example A\n";
    return names;
  }());
  auto asked = std::async(std::launch::async, [&] {
    return in_guest("dig +noall +answer +tries=1 +time=5 @10.0.5.1 -f /etc/names | grep -c 192.0.2.80").out;
  });
  unsigned replaced = 0;
  while (asked.wait_for(5ms) != std::future_status::ready) {
    ++replaced;
    scene.daemon->set_resolv_conf("nameserver 192.0.2." + std::to_string(82 + replaced % 2) + "\n");
  }
  EXPECT_EQ(asked.get(), "800\n");
  EXPECT_GE(replaced, 3U);
  EXPECT_FALSE(second.queries().empty());
}

TEST_F(Resolvers, LongAnswersReachWhoCanTakeThemOverTcp) {
  EXPECT_THAT(ask("dig +short hundred.other.example"), SizeIs(100));
  EXPECT_THAT(ask("dig +short +noedns hundred.other.example"), SizeIs(100));
  EXPECT_THAT(ask("kdig +short hundred.other.example | grep 198"), SizeIs(100));
  EXPECT_THAT(ask("getent -A ahostsv4 hundred.other.example | grep STREAM"), SizeIs(100));
  EXPECT_THAT(in_guest("dig +noedns +ignore hundred.other.example").out, HasSubstr("flags: qr tc rd ra;"));
  for (const auto* client : {"dig +short", "dig +short +tcp", "dig +short +bufsize=4096", "kdig +short", "kdig +tcp"}) {
    const auto text = in_guest(std::string{client} + " 4k.other.example TXT").out;
    EXPECT_GE(std::ranges::count(text, 't'), 4000) << client << ": " << text;
  }
}

// No reply leaves in fragments: what the TAP doesn't take in one piece is asked for over TCP.
TEST_F(Resolvers, LongAnswersReachWhoseTapTakesShortPackets) {
  scene.host.must("ip link set tap0 mtu 600");
  guest.inside().must("ip link set eth0 mtu 600");
  for (const auto* when : {"first", "from the cache"}) {
    EXPECT_THAT(in_guest("dig +ignore twenty.other.example").out,
                AllOf(HasSubstr("status: NOERROR"), HasSubstr("flags: qr tc rd ra;"), HasSubstr("EDNS: version: 0")))
        << when;
    EXPECT_THAT(ask("dig +short twenty.other.example"), SizeIs(20)) << when;
    EXPECT_THAT(ask("dig +short eight.other.example"), SizeIs(8)) << when;
  }
  EXPECT_THAT(ask("getent -A ahostsv4 twenty.other.example | grep STREAM"), SizeIs(20));
  scene.host.must("ip link set tap0 mtu 1500");
  guest.inside().must("ip link set eth0 mtu 1500");
  EXPECT_THAT(in_guest("dig +ignore twenty.other.example").out, HasSubstr("ANSWER: 20")) << "and back";
}

TEST_F(Resolvers, KdigAgreesWithDig) {
  for (const auto* question : {"dual.other.example A", "dual.other.example AAAA", "chain0.other.example A",
                               "db1.guests.internal A", "-x 10.0.5.3"}) {
    const auto wanted = ask(std::string{"dig +short "} + question);
    EXPECT_THAT(wanted, Not(SizeIs(0))) << question;
    EXPECT_EQ(ask(std::string{"kdig +short "} + question), wanted) << question;
    EXPECT_EQ(ask(std::string{"kdig +short +tcp "} + question), wanted) << question;
  }
}

// A resolver of its own that validates unless told not to: it sets DO and CD, and reads strictly.
TEST_F(Resolvers, Delv) {
  const auto delv = [&](const std::string& what) { return in_guest("delv -i +short @10.0.5.1 " + what).out; };
  EXPECT_EQ(delv("dual.other.example A"), "192.0.2.80\n");
  EXPECT_EQ(delv("dual.other.example AAAA"), "2001:db8::80\n");
  EXPECT_THAT(delv("chain0.other.example A"), HasSubstr("192.0.2.80\n"));
  EXPECT_EQ(delv("db1.guests.internal A"), "10.0.5.3\n");
  EXPECT_EQ(delv("-x 10.0.5.3"), "db1.guests.internal.\n");
  EXPECT_THAT(lines_of(delv("hundred.other.example A")), SizeIs(100));
  const auto missing = in_guest("delv -i @10.0.5.1 nothing.other.example A");
  EXPECT_THAT(missing.out + missing.err, HasSubstr("ncache nxdomain"));
}

TEST_F(Resolvers, CurlByName) {
  for (const auto* name : {"web.other.example", "dual.other.example", "chain0.other.example"})
    EXPECT_EQ(fetch(guest.inside(), std::string{"http://"} + name + "/"), "hello from the world") << name;
}

TEST_F(Resolvers, WithAllServersSilentTheyAreToldSo) {
  names->set_mood(DnsMood::silent);
  EXPECT_THAT(in_guest("dig +time=5 +tries=1 dual.other.example").out, HasSubstr("status: SERVFAIL"));
  EXPECT_THAT(in_guest("kdig +time=5 +retry=0 web.other.example").out, HasSubstr("status: SERVFAIL"));
  EXPECT_THAT(ask("dig +short +time=1 +tries=1 db1.guests.internal"), ElementsAre("10.0.5.3"));
  int asked = 0;
  const auto ask_anew = [&] { in_guest("dig +time=5 +tries=1 n" + std::to_string(++asked) + ".other.example"); };
  const auto status = [&] { return scene.daemon->cli({"status"}).out; };
  const auto told = HasSubstr("dns: 192.0.2.81 can't be asked: no answer came");
  const auto is_told = [&] {
    ask_anew();
    return Value(status(), told);
  };
  EXPECT_TRUE(wait_until(is_told, 20s)) << status();
  names->set_mood(DnsMood::answers);
  EXPECT_TRUE(wait_until([&] { return !is_told(); }, 20s)) << status();
}

}  // namespace
}  // namespace vrouter::lab
