// SPDX-License-Identifier: GPL-2.0-or-later
// Guests that ask other resolvers than their gateway, by the groups that say what becomes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char *kGateway = "10.0.5.1", *kElsewhere = "198.51.100.53";
constexpr const char* kPolicy = "[groups.kids]\n[groups.locked]\n[groups.free]\n";

std::string groups(const std::string& kids) {
  return "[host]\ntable_owner = false\n[dns.groups.kids]\nother_resolvers = \"" + kids +
         "\"\n[dns.groups.locked]\nother_resolvers = \"refuse\"\n";
}

// 198.51.100.53 is a resolver of the world's, with an answer of its own.
struct OtherResolvers : ::testing::Test {
  OtherResolvers() {
    scene.world.must(std::string{"ip address add "} + kElsewhere + "/32 dev eth0");
    elsewhere = std::make_unique<DnsServer>(
        scene.world, kElsewhere, std::multimap<std::string, std::string>{{"www.world.example A", "203.0.113.66"}});
    add("tap0", "10.0.5.2", "fd76:7274:5::2", "kid1", "kids");
    add("tap1", "10.0.5.3", "fd76:7274:5::3", "locked1", "locked");
    add("tap2", "10.0.5.4", "fd76:7274:5::4", "free1", "free");
    set_up(kid, "10.0.5.2", "fd76:7274:5::2");
    set_up(locked, "10.0.5.3", "fd76:7274:5::3");
    set_up(free, "10.0.5.4", "fd76:7274:5::4");
  }
  void add(const std::string& tap, const std::string& v4, const std::string& v6, const std::string& name,
           const std::string& group) {
    std::string addresses = v4;
    addresses += ',' + v6;
    scene.daemon->vrouter({"add-guest", tap, addresses, "--name", name, "--group", group});
  }
  static void set_up(TapGuest& guest, const std::string& v4, const std::string& v6) {
    guest.set_static(v4 + "/32", kGateway, kGateway);
    guest.inside().must("ip -6 address replace " + v6 +
                        "/64 dev eth0 nodad; ip -6 route replace default via fe80::1 dev eth0");
  }
  static std::string dig(TapGuest& guest, const std::string& arguments) {
    return guest.inside().sh("dig +short +time=2 +tries=1 " + arguments + " www.world.example").out;
  }
  // "refused" at once, "open", or "silent".
  static std::string tcp(TapGuest& guest, const std::string& address, int port) {
    return guest.inside()
        .sh("timeout 2 bash -c 'exec 3<>/dev/tcp/" + address + "/" + std::to_string(port) +
            "' 2>/dev/null; case $? in 0) printf open;; 124) printf silent;; *) printf refused;; esac")
        .out;
  }
  Scene scene{{.config = groups("redirect"), .policies = {{"10-groups.toml", kPolicy}}}};
  std::unique_ptr<DnsServer> elsewhere;
  TapGuest kid{scene.host, "tap0"}, locked{scene.host, "tap1"}, free{scene.host, "tap2"};
};

TEST_F(OtherResolvers, AreAnsweredForByTheGatewayWhereAGroupRedirects) {
  EXPECT_EQ(dig(kid, "@198.51.100.53"), "192.0.2.80\n");
  EXPECT_EQ(dig(kid, "+tcp @198.51.100.53"), "192.0.2.80\n");
  EXPECT_TRUE(wait_until([&] { return kid.inside().sh("ping -c 1 -W 1 fd76:7274:5::1").ok(); }));
  EXPECT_EQ(dig(kid, "@2001:db8:9::53"), "192.0.2.80\n");
  EXPECT_EQ(dig(kid, "+tcp @2001:db8:9::53"), "192.0.2.80\n");
  EXPECT_EQ(dig(kid, "@192.0.2.1"), "192.0.2.80\n") << "another address of the host's";
  EXPECT_EQ(dig(kid, "@10.0.5.1"), "192.0.2.80\n");
  EXPECT_EQ(tcp(kid, kElsewhere, 853), "refused");
  EXPECT_TRUE(elsewhere->queries().empty());
  const auto said = scene.daemon->cli({"explain", "kid1", kElsewhere, "udp/53"}).out;
  EXPECT_THAT(said, HasSubstr("no other resolver for group kids (vrouter.toml:"));
  EXPECT_THAT(said, HasSubstr("198.51.100.53:53 becomes 10.0.5.1:53"));
}

TEST_F(OtherResolvers, AreRefusedAtOnceWhereAGroupRefuses) {
  EXPECT_EQ(tcp(locked, kElsewhere, 53), "refused");
  EXPECT_EQ(tcp(locked, kElsewhere, 853), "refused");
  EXPECT_EQ(tcp(locked, "192.0.2.1", 53), "refused");
  EXPECT_THAT(dig(locked, "@198.51.100.53"), Not(HasSubstr("203.0.113.66")));
  EXPECT_EQ(dig(locked, "@10.0.5.1"), "192.0.2.80\n");
  EXPECT_TRUE(elsewhere->queries().empty());
  EXPECT_THAT(scene.daemon->cli({"explain", "locked1", kElsewhere, "tcp/853"}).out,
              HasSubstr("rejected by \"no other resolver for group locked (vrouter.toml:"));
}

TEST_F(OtherResolvers, AreFreeToOtherGroups) {
  EXPECT_EQ(dig(free, "@198.51.100.53"), "203.0.113.66\n");
}

TEST_F(OtherResolvers, ChangeWithTheFilesAndWithTheGroups) {
  EXPECT_EQ(dig(free, "-b 10.0.5.4#5300 @198.51.100.53"), "203.0.113.66\n");
  scene.daemon->vrouter({"change-guest", "free1", "--group", "kids"});
  EXPECT_EQ(dig(free, "-b 10.0.5.4#5300 @198.51.100.53"), "192.0.2.80\n") << "the same flow, begun before";
  EXPECT_EQ(dig(kid, "-b 10.0.5.2#5301 @198.51.100.53"), "192.0.2.80\n");
  scene.daemon->set_config(groups("allow"));
  scene.daemon->vrouter({"reload"});
  EXPECT_EQ(dig(kid, "@198.51.100.53"), "203.0.113.66\n");
  EXPECT_EQ(dig(kid, "-b 10.0.5.2#5301 @198.51.100.53"), "203.0.113.66\n") << "the same flow, begun before";
  EXPECT_EQ(dig(kid, "-b 10.0.5.2#5300 @198.51.100.53"), "203.0.113.66\n");
  scene.daemon->set_config(groups("redirect"));
  scene.daemon->vrouter({"reload"});
  EXPECT_EQ(dig(kid, "-b 10.0.5.2#5300 @198.51.100.53"), "192.0.2.80\n") << "the same flow, begun before";
}

TEST_F(OtherResolvers, AreRefusedToAGuestsFurtherAddresses) {
  scene.daemon->vrouter({"remove-guest", "kid1"});
  scene.daemon->vrouter(
      {"add-guest", "tap0", "10.0.5.2", "--name", "kid1", "--group", "kids", "--allow-address", "10.0.77.2"});
  kid.inside().must("ip address add 10.0.77.2/32 dev eth0");
  EXPECT_EQ(dig(kid, "+tcp -b 10.0.5.2 @198.51.100.53"), "192.0.2.80\n");
  EXPECT_THAT(dig(kid, "+tcp -b 10.0.77.2 @198.51.100.53"), HasSubstr("connection refused"));
  EXPECT_TRUE(elsewhere->queries().empty());
}

}  // namespace
}  // namespace vrouter::lab
