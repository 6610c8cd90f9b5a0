// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "router/cli/leases.h"
#include "router/cli/monitor.h"
#include "router/cli/print.h"
#include "router/cli/table.h"

namespace vrouter::router::cli {
namespace {

using ::testing::HasSubstr;

TEST(Table, AlignsColumnsAndEndsLinesWithoutBlanks) {
  EXPECT_EQ(
      render_table({"NAME", "TAP"},
                   {{{"web1", Tone::good}, {"tap0", Tone::plain}}, {{"a-long-name", Tone::plain}, {"", Tone::plain}}},
                   false),
      "NAME         TAP\n"
      "web1         tap0\n"
      "a-long-name  -\n");
}

TEST(Table, ColourDoesNotMoveColumns) {
  EXPECT_EQ(render_table({"A", "B"}, {{{"xx", Tone::bad}, {"y", Tone::plain}}}, true),
            "\033[1mA\033[0m   \033[1mB\033[0m\n"
            "\033[31mxx\033[0m  y\n");
}

TEST(Table, LetsNothingSteerTheTerminal) {
  EXPECT_EQ(render_table({"A"}, {{{"x\033[2J\n", Tone::plain}}}, false), "A\nx?[2J?\n");
}

TEST(Facts, GoOnUnderTheirLabel) {
  EXPECT_EQ(
      render_facts({{"problems", {"one", Tone::bad}}, {"", {"two", Tone::bad}}, {"up", {"", Tone::plain}}}, false),
      "problems  one\n          two\nup        -\n");
}

TEST(Human, DurationsAndBytes) {
  using namespace std::chrono_literals;
  EXPECT_EQ(human_duration(0s), "0s");
  EXPECT_EQ(human_duration(59min + 30s), "59m 30s");
  EXPECT_EQ(human_duration(51h + 5s), "2d 3h");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(0xffff'ffff'ffff'ffff), "16.0 EiB");
}

TEST(Print, APacketIsALine) {
  control::PacketView packet;
  packet.action = "deny";
  packet.rule = "web to db";
  packet.file = "web.toml";
  packet.line = 12;
  packet.in = "tap0";
  packet.from_guest = "web1";
  packet.out = "eth0";
  packet.source = "fd76::2";
  packet.destination = "2001:db8::7";
  packet.protocol = "tcp";
  packet.source_port = 41234;
  packet.destination_port = 22;
  EXPECT_THAT(
      packet_line(packet),
      ::testing::EndsWith(" deny   tcp web1 [fd76::2]:41234 -> eth0 [2001:db8::7]:22  web to db (web.toml:12)"));
  packet.protocol = "icmp";
  packet.source = "10.0.5.99";
  packet.destination = "10.0.5.1";
  packet.source_port = packet.destination_port = std::nullopt;
  packet.icmp_type = 8;
  packet.out.clear();
  packet.file.clear();
  EXPECT_THAT(packet_line(packet), ::testing::EndsWith(" deny   icmp/8 web1 10.0.5.99 -> 10.0.5.1  web to db"));
}

control::LeaseView some_lease() {
  return {.guest = "",
          .tap = "br0",
          .network = "lab",
          .dynamic = true,
          .address = boost::asio::ip::make_address_v4("10.0.6.200"),
          .client = MacAddress{{0x52, 0x54, 0, 1, 2, 4}},
          .client_id = "",
          .host_name = "debian",
          .dns_name = "printer",
          .expires_in = std::chrono::seconds{3599}};
}

TEST(Print, LeasesAsATable) {
  auto relayed = some_lease();
  relayed.tap.clear();
  relayed.host_name.clear();
  relayed.dns_name.clear();
  relayed.state = dhcp::LeaseState::released;
  relayed.expires_in = std::chrono::seconds{-7205};
  auto own = some_lease();
  own.guest = "web1";
  own.tap = "tap0";
  own.dns_name.clear();
  own.expires_in.reset();
  auto ended = own;
  ended.expires_in = std::chrono::seconds{0};
  EXPECT_EQ(leases_table({some_lease(), relayed, own, ended}, false),
            "ADDRESS     STATE     EXPIRES  CLIENT             HOSTNAME  NAME     INTERFACE  NETWORK\n"
            "10.0.6.200  bound     59m      52:54:00:01:02:04  debian    printer  br0        lab\n"
            "10.0.6.200  released  2h ago   52:54:00:01:02:04  -         -        relay      lab\n"
            "10.0.6.200  bound     -        52:54:00:01:02:04  debian    web1     tap0       lab\n"
            "10.0.6.200  bound     expired  52:54:00:01:02:04  debian    web1     tap0       lab\n");
}

TEST(Print, WhatBecameOfALeaseIsALine) {
  auto lease = some_lease();
  EXPECT_THAT(lease_line(lease, std::chrono::microseconds{1'700'000'000'123'456}),
              testing::MatchesRegex(R"(..:..:..\.123 lease  bound 10\.0\.6\.200 52:54:00:01:02:04 debian br0)"));
  lease.state = dhcp::LeaseState::declined;
  lease.host_name = "\033[2J";
  lease.tap.clear();
  EXPECT_THAT(lease_line(lease, {}), testing::EndsWith(" declined 10.0.6.200 52:54:00:01:02:04 ?[2J relay"));
}

TEST(Watch, TellsTimeThatPassesFromChanges) {
  using namespace std::chrono_literals;
  const LeasesThen before{{some_lease()}, std::chrono::steady_clock::time_point{100s}};
  auto after = before;
  after.at += 60s;
  EXPECT_FALSE(same_but_older(before, after)) << "it was renewed: it ends a minute later";
  after.leases[0].expires_in = 3538s;
  EXPECT_TRUE(same_but_older(before, after));
  auto other = after;
  other.leases[0].expires_in.reset();
  EXPECT_FALSE(same_but_older(before, other));
  other = after;
  other.leases[0].state = dhcp::LeaseState::released;
  EXPECT_FALSE(same_but_older(before, other));
  other.leases.clear();
  EXPECT_FALSE(same_but_older(before, other));
}

TEST(Watch, ShowsWhatTheTerminalHasRoomFor) {
  EXPECT_EQ(in_place("A\none\ntwo\n", 4), "\033[H\033[?7lA\033[K\none\033[K\ntwo\033[K\n\033[J\033[?7h");
  EXPECT_EQ(in_place("A\none\ntwo\nthree\n", 4),
            "\033[H\033[?7lA\033[K\none\033[K\n... and 2 more\033[K\n\033[J\033[?7h");
}

TEST(Print, GuestsAsATable) {
  control::GuestView ready;
  ready.guest.name = "web1";
  ready.guest.tap = "tap0";
  ready.guest.network = "default";
  ready.guest.address = boost::asio::ip::make_address_v4("10.0.5.2");
  ready.guest.publish = {{.host = std::nullopt, .first = 8080, .last = 8080, .guest_first = 80}};
  ready.ready = true;
  ready.state = "ready";
  auto waiting = ready;
  waiting.guest.name = "db1";
  waiting.guest.publish.clear();
  waiting.ready = false;
  waiting.state = "waiting for tap0";
  EXPECT_EQ(guests_table({ready, waiting}, false),
            "NAME  TAP   ADDRESS   NETWORK  STATE             GROUPS  PUBLISHED\n"
            "web1  tap0  10.0.5.2  default  ready             -       8080:80/tcp\n"
            "db1   tap0  10.0.5.2  default  waiting for tap0  -       -\n");
}

TEST(Print, ASharedGuestHasNoAddressOfItsOwn) {
  control::GuestView view;
  view.guest.name = view.guest.tap = "br0";
  view.guest.network = "lab";
  view.guest.shared = true;
  view.guest.dhcp = {.options = {{42, {192, 0, 2, 1}}}, .boot = {}, .mask = 24};
  view.state = "ready";
  EXPECT_EQ(guests_table({view}, false),
            "NAME  TAP  ADDRESS   NETWORK  STATE  GROUPS  PUBLISHED\n"
            "br0   br0  by lease  lab      ready  -       -\n");
  EXPECT_EQ(guest_sentence(view), "br0 on br0 is shared by clients of network lab: ready");
  EXPECT_THAT(guest_facts(view, false), HasSubstr("dhcp      mask /24, option 42 c0000201\n"));
}

TEST(Print, AGuestWithItsLeaseAndWarnings) {
  control::GuestView view;
  view.guest.name = "web1";
  view.guest.tap = "tap0";
  view.guest.declared_at = {"vrouter.toml", 7, 3};
  view.state = "failed";
  view.why = "the route collides";
  view.lease = control::LeaseView{.guest = "web1",
                                  .tap = "tap0",
                                  .network = "default",
                                  .address = boost::asio::ip::make_address_v4("10.0.5.2"),
                                  .client = {},
                                  .client_id = "",
                                  .host_name = "debian",
                                  .dns_name = "",
                                  .expires_in = std::chrono::seconds{90}};
  view.traffic = control::Traffic{2048, 3, 10, 1};
  view.warnings = {"first", "second"};
  const auto text = guest_facts(view, false);
  EXPECT_THAT(text, HasSubstr("declared  vrouter.toml:7:3\n"));
  EXPECT_THAT(text, HasSubstr("why       the route collides\n"));
  EXPECT_THAT(text, HasSubstr("lease     10.0.5.2 to 00:00:00:00:00:00, bound, ends in 1m 30s, calls itself debian\n"));
  EXPECT_THAT(text, HasSubstr("received  2.0 KiB in 3 packets\n"));
  EXPECT_THAT(text, HasSubstr("warnings  first\n          second\n"));
}

TEST(Print, ARuleSaysWithinWhichLimitItAllows) {
  control::RuleView rule;
  rule.name = "mail";
  rule.action = "allow";
  EXPECT_THAT(rules_table({rule}, false), testing::Not(HasSubstr("allow 10/minute")));
  rule.limit = "10/minute burst 5";
  EXPECT_THAT(rules_table({rule}, false), HasSubstr("allow 10/minute burst 5"));
}

TEST(Print, StatusSaysHowRangesStandAndWhatEachNetworkAsked) {
  control::StatusView status;
  status.ranges = {{"default", "10.0.5.200-10.0.5.249", 50, 12, 0, 0}, {"lab", "10.0.6.7-10.0.6.9", 3, 3, 1, 7}};
  status.dhcp.received = 30;
  status.dhcp.dropped_not_ours = 1;
  status.dhcp.dropped_uncommitted = 2;
  status.dhcp.networks["default"] = {.discover = 5, .request = 6, .offer = 5, .ack = 6};
  status.dhcp.networks["idle"] = {};
  status.dhcp.networks["lab"] = {.bootp = 1, .no_address = 7, .conflicts = 1};
  EXPECT_THAT(status_facts(status, false),
              HasSubstr("ranges      default 10.0.5.200-10.0.5.249: 12 used, 38 free\n"
                        "            lab 10.0.6.7-10.0.6.9: 3 used, 0 free, 1 resting, 7 requests unanswered\n"
                        "dhcp        30 received, 0 answered, 3 dropped, 0 send errors\n"
                        "            default: discover 5, offer 5, request 6, ack 6\n"
                        "            lab: bootp 1, conflicts 1, no address 7\n"));
  std::uint64_t next = 100;
  for (const auto counter : dhcp::kNetworkCounters) status.dhcp.networks["lab"].*counter = next++;
  const auto text = status_facts(status, false);
  while (next-- > 100) EXPECT_THAT(text, HasSubstr(" " + std::to_string(next)));
}

TEST(Print, StatusBeginsWithWhatIsWrong) {
  control::StatusView status;
  status.health = control::Health::degraded;
  status.problems = {"no database"};
  status.dns.upstreams = {{boost::asio::ip::make_address("192.0.2.53"), 5, 4, 1, 0, 1.5}};
  status.upstreams_from = {"/etc/resolv.conf"};
  status.repairs.routes = 3;
  status.repairs.rules = 1;
  const auto text = status_facts(status, false);
  EXPECT_NE(text.find("rules 1, routes 3"), std::string::npos) << text;
  EXPECT_TRUE(text.starts_with("vrouterd    degraded\nproblems    no database\n")) << text;
  EXPECT_THAT(text, HasSubstr("upstreams   192.0.2.53: 5 asked, 4 answered, 1 timeouts, 1.5 ms\n"
                              "            from /etc/resolv.conf\n"));
  EXPECT_THAT(text, HasSubstr("config      embedded defaults\n"));
}

}  // namespace
}  // namespace vrouter::router::cli
