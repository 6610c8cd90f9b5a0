// SPDX-License-Identifier: GPL-2.0-or-later
// Names as guests ask for them: the world's, one another's, and with upstreams that move or die.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;

struct Names : ::testing::Test {
  Names() {
    scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--name", "web1"});
    scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3", "--name", "db1"});
    guest.set_static("10.0.5.2/24", "10.0.5.1", "10.0.5.1");
  }
  std::string dig(const std::string& arguments) {
    auto text = guest.inside().sh("dig +short +time=3 +tries=1 @10.0.5.1 " + arguments).out;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  std::string rcode(const std::string& arguments) {
    return guest.inside()
        .sh("dig +time=3 +tries=1 @10.0.5.1 " + arguments +
            " | sed -n 's/.*status: \\([A-Z]*\\).*/\\1/p' | tr -d '\\n'")
        .out;
  }
  Scene scene;
  TapGuest guest{scene.host, "tap0"};
};

TEST_F(Names, OfGuestsForwardReverseAndBare) {
  EXPECT_EQ(dig("db1.guests.internal"), "10.0.5.3");
  EXPECT_EQ(dig("DB1.Guests.Internal"), "10.0.5.3");
  EXPECT_EQ(dig("db1"), "10.0.5.3");
  EXPECT_EQ(dig("-x 10.0.5.3"), "db1.guests.internal.");
  EXPECT_EQ(dig("+tcp db1.guests.internal"), "10.0.5.3");
  EXPECT_EQ(rcode("db1.guests.internal AAAA"), "NOERROR");
  EXPECT_EQ(rcode("nobody.guests.internal"), "NXDOMAIN");
  EXPECT_EQ(rcode("-x 10.0.5.77"), "NXDOMAIN");
  for (const auto& asked : scene.names->queries())
    EXPECT_EQ(asked.what.find("guests.internal"), std::string::npos) << asked.what;
}

// A lookup over UDP leaves nothing in the host's table of connections, of which a guest has but a share.
TEST_F(Names, OverUdpAreNoConnections) {
  const auto connections = [this](const std::string& protocol) {
    return std::stoi(scene.host.must("conntrack -L -p " + protocol + " -s 10.0.5.2 --dport 53 2>/dev/null | wc -l"));
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(dig("db1.guests.internal"), "10.0.5.3");
  EXPECT_EQ(dig("www.world.example"), "192.0.2.80");
  EXPECT_EQ(connections("udp"), 0);
  EXPECT_EQ(dig("-b 10.0.5.2#53 db1.guests.internal"), "10.0.5.3") << "from a port where something may listen";
  EXPECT_EQ(connections("udp"), 1);
  EXPECT_EQ(dig("+tcp db1.guests.internal"), "10.0.5.3");
  EXPECT_EQ(connections("tcp"), 1);
}

// What this host may begin with a guest says nothing of its answers.
TEST_F(Names, AreToldToAGuestThatThisHostMayNotReach) {
  scene.daemon->set_policy("10-closed.toml", "[[rules]]\nfrom = \"host\"\nto = \"guest:web1\"\ndeny = \"any\"\n");
  scene.daemon->vrouter({"reload"});
  EXPECT_EQ(dig("db1.guests.internal"), "10.0.5.3");
  EXPECT_EQ(dig("www.world.example"), "192.0.2.80");
  EXPECT_EQ(dig("-b 10.0.5.2#53 db1.guests.internal"), "10.0.5.3");
  EXPECT_EQ(dig("+tcp db1.guests.internal"), "10.0.5.3");
  EXPECT_FALSE(scene.host.sh("ping -c 1 -W 1 10.0.5.2").ok());
}

// By the operator, on the host.
TEST_F(Names, ThatTheCommandLineAsksFor) {
  const auto query = [this](std::vector<std::string> words) {
    words.insert(words.begin(), {"dns", "query"});
    return scene.daemon->cli(words);
  };
  const auto local = query({"db1.guests.internal"});
  EXPECT_EQ(local.status, 0) << local.to_string();
  EXPECT_THAT(local.out, HasSubstr("db1.guests.internal."));
  EXPECT_THAT(local.out, HasSubstr("10.0.5.3"));
  EXPECT_THAT(query({"10.0.5.3"}).out, HasSubstr("PTR   db1.guests.internal."));
  EXPECT_THAT(query({"www.world.example", "A"}).out, HasSubstr("192.0.2.80"));
  const auto tcp = query({"--tcp", "www.world.example"});
  EXPECT_THAT(tcp.out, HasSubstr("from 10.0.5.1 over TCP in "));
  const auto nobody = query({"nobody.guests.internal"});
  EXPECT_EQ(nobody.status, 1);
  EXPECT_THAT(nobody.out, HasSubstr("there is no name nobody.guests.internal. (NXDOMAIN)"));
  const auto json = query({"--json", "db1.guests.internal", "MX"});
  EXPECT_EQ(json.status, 1);
  EXPECT_THAT(json.out, HasSubstr(R"("rcode":"NOERROR","found":false,"answers":[])"));
  scene.daemon->vrouter({"teardown"});
  EXPECT_THAT(query({"db1.guests.internal"}).err, HasSubstr("DNS is served nowhere"));
}

// Of every type, beside the guests', and through `vrouter reload`.
TEST_F(Names, ThatAnOperatorWroteDown) {
  const auto before = scene.host.read_file(scene.daemon->config_path());
  scene.daemon->set_config(before + R"(
[[dns.records]]
name = "db.corp.example"
addresses = ["10.0.5.9", "2001:db8::9"]
txt = "some text"
mx = [{ priority = 10, host = "mail.corp.example" }]
[[dns.records]]
name = "_ldap._tcp.corp.example"
srv = [{ priority = 1, weight = 2, port = 389, host = "db.corp.example" }]
[[dns.records]]
name = "inside.corp.example"
cname = "db1.guests.internal"
[[dns.records]]
name = "outside.corp.example"
cname = "www.world.example"
[[dns.records]]
name = "9.5.0.10.in-addr.arpa"
ptr = "db.corp.example"
)");
  EXPECT_EQ(rcode("db.corp.example"), "NXDOMAIN") << "not yet";
  scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(wait_until([&] { return dig("db.corp.example") == "10.0.5.9"; }));
  EXPECT_EQ(dig("DB.corp.example AAAA"), "2001:db8::9");
  EXPECT_EQ(dig("db.corp.example TXT"), "\"some text\"");
  EXPECT_EQ(dig("+tcp db.corp.example MX"), "10 mail.corp.example.");
  EXPECT_EQ(rcode("db.corp.example SRV"), "NOERROR");
  EXPECT_EQ(dig("_ldap._tcp.corp.example SRV"), "1 2 389 db.corp.example.");
  EXPECT_EQ(dig("inside.corp.example"), "db1.guests.internal.\n10.0.5.3");
  EXPECT_EQ(dig("outside.corp.example"), "www.world.example.\n192.0.2.80");
  EXPECT_EQ(dig("outside.corp.example"), "www.world.example.\n192.0.2.80") << "from the cache";
  EXPECT_EQ(dig("-x 10.0.5.9"), "db.corp.example.");
  EXPECT_EQ(guest.inside().sh("getent ahostsv4 outside.corp.example | head -1 | cut -d' ' -f1").out, "192.0.2.80\n");
  scene.daemon->set_config(before);
  scene.daemon->vrouter({"reload"});
  EXPECT_TRUE(wait_until([&] { return rcode("db.corp.example") == "NXDOMAIN"; }));
}

TEST_F(Names, OfTheWorldOverUdpAndTcp) {
  EXPECT_EQ(dig("www.world.example"), "192.0.2.80");
  EXPECT_EQ(dig("+tcp www.world.example"), "192.0.2.80");
  EXPECT_EQ(rcode("nothing.world.example"), "NXDOMAIN");
  EXPECT_FALSE(guest.inside().sh("dig +short +time=1 +tries=1 @192.0.2.1 www.world.example").ok())
      << "only the gateway answers";
}

TEST_F(Names, ANewResolvConfIsFollowedThroughARename) {
  scene.world.must("ip address add 192.0.2.81/24 dev eth0");
  const DnsServer other{scene.world, "192.0.2.81", {{"moved.world.example A", "192.0.2.81"}}};
  EXPECT_EQ(rcode("moved.world.example"), "NXDOMAIN");
  const auto path = scene.daemon->resolv_conf_path();
  scene.host.must("echo nameserver 192.0.2.81 > " + path + ".new && mv " + path + ".new " + path);
  EXPECT_TRUE(wait_until([&] { return dig("moved.world.example") == "192.0.2.81"; }));
}

TEST_F(Names, ADeadFirstServerIsPassedOver) {
  scene.daemon->set_resolv_conf("nameserver 192.0.2.99\nnameserver 192.0.2.80\n");
  EXPECT_TRUE(wait_until([&] { return dig("www.world.example") == "192.0.2.80"; }));
  EXPECT_EQ(dig("www.world.example"), "192.0.2.80");
}

TEST_F(Names, ARemovedGuestsNameIsGone) {
  ASSERT_EQ(dig("db1.guests.internal"), "10.0.5.3");
  scene.daemon->vrouter({"remove-guest", "db1"});
  EXPECT_EQ(rcode("db1.guests.internal"), "NXDOMAIN");
}

}  // namespace
}  // namespace vrouter::lab
