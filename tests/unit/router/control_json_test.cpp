// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "router/control/json.h"

namespace vrouter::router::control {
namespace {

using boost::asio::ip::make_address;
using boost::asio::ip::make_address_v4;
using boost::asio::ip::make_address_v6;

boost::json::object parse(std::string_view text) {
  return boost::json::parse({text.data(), text.size()}).as_object();
}

LeaseView some_lease() {
  return {.guest = "web1",
          .tap = "tap0",
          .network = "",
          .address = make_address_v4("10.0.5.2"),
          .client = MacAddress{{0x52, 0x54, 0, 1, 2, 3}},
          .client_id = "01525400010203",
          .host_name = "debian",
          .dns_name = "",
          .state = dhcp::LeaseState::released,
          .expires_in = std::chrono::seconds{-5}};
}

GuestView full_view() {
  GuestView view;
  view.guest.name = "web1";
  view.guest.tap = "tap0";
  view.guest.network = "default";
  view.guest.address = make_address_v4("10.0.5.2");
  view.guest.address6 = make_address_v6("fd76:7274:5::2");
  view.guest.mac = MacAddress{{0x52, 0x54, 0, 0x12, 0x34, 0x56}};
  view.guest.groups = {"web", "db"};
  view.guest.publish = {{.host = make_address("192.0.2.1"), .first = 8080, .last = 8090, .guest_first = 80}};
  view.guest.limits = {1, 100'000'000, 0, 8000, 500, 1024};
  view.guest.dhcp = {.options = {{42, {192, 0, 2, 1}}, {224, {0, 255}}},
                     .boot = config::NetworkBoot{.server = make_address_v4("192.0.2.4"),
                                                 .files = {{0, "pxelinux.0"}, {16, "http://boot.example/x64.efi"}},
                                                 .file = "other",
                                                 .ipxe = "http://boot.example/boot.ipxe"},
                     .mask = 24};
  view.guest.shared = true;
  view.guest.ephemeral = true;
  view.guest.create_tap = true;
  view.guest.owner = "qemu";
  view.guest.declared_at = {"/etc/vrouter/vrouter.toml", 7, 3};
  view.ready = true;
  view.state = "ready";
  view.why = "none";
  view.lease = some_lease();
  view.traffic = Traffic{1, 2, 3, 0xffff'ffff'ffff'ffff};
  view.warnings = {"table ip filter (Docker's) drops what is forwarded; allow it in DOCKER-USER"};
  return view;
}

TEST(ControlJson, CarriesAGuestWhole) {
  const auto back = guest_from_json(to_json(full_view()));
  ASSERT_TRUE(back) << back.error().field << back.error().reason;
  EXPECT_EQ(*back, full_view());
}

TEST(ControlJson, CarriesAGuestThatHasAlmostNothing) {
  GuestView view;
  view.guest.tap = "tap9";
  view.state = "waiting for tap9";
  const auto back = guest_from_json(to_json(view));
  ASSERT_TRUE(back) << back.error().field << back.error().reason;
  EXPECT_EQ(*back, view);
}

TEST(ControlJson, CarriesALeaseWhoseEndIsNotKnown) {
  auto lease = some_lease();
  lease.expires_in.reset();
  lease.client_id.clear();
  const auto back = lease_from_json(to_json(lease));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, lease);
}

LeaseView lease_of_a_range() {
  return {.guest = "printer",
          .tap = "",
          .network = "lab",
          .dynamic = true,
          .address = make_address_v4("10.0.6.200"),
          .client = MacAddress{{0x52, 0x54, 0, 1, 2, 4}},
          .client_id = "",
          .host_name = "laser",
          .dns_name = "printer",
          .state = dhcp::LeaseState::declined,
          .expires_in = std::chrono::seconds{3540}};
}

TEST(ControlJson, CarriesALeaseOfARange) {
  const auto back = lease_from_json(to_json(lease_of_a_range()));
  ASSERT_TRUE(back) << back.error().field << back.error().reason;
  EXPECT_EQ(*back, lease_of_a_range());
}

// Of what is read of a guest's own lease since there are no ranges, nothing may go or change its name.
TEST(ControlJson, AGuestsOwnLeaseKeepsItsFields) {
  auto json = to_json(some_lease());
  for (const auto* added : {"network", "dynamic"}) EXPECT_TRUE(json.erase(added)) << added;
  EXPECT_EQ(json, parse(R"({"guest":"web1","tap":"tap0","address":"10.0.5.2","client":"52:54:00:01:02:03",
                            "client_id":"01525400010203","host_name":"debian","state":"released","expires_in":-5})"));
  // As a daemon says it that knows no ranges.
  const auto back = lease_from_json(json);
  ASSERT_TRUE(back) << back.error().field << back.error().reason;
  EXPECT_EQ(*back, some_lease());
}

TEST(ControlJson, CarriesEveryCounterOfDhcp) {
  StatusView status;
  std::uint64_t next = 1;
  for (const auto counter : dhcp::kCounters) status.dhcp.*counter = next++;
  for (const auto* network : {"default", "lab"}) {
    for (const auto counter : dhcp::kNetworkCounters) status.dhcp.networks[network].*counter = next++;
  }
  auto json = to_json(status);
  const auto back = status_from_json(json);
  ASSERT_TRUE(back) << back.error().field << back.error().reason;
  EXPECT_EQ(back->dhcp, status.dhcp);
  json["dhcp"].as_object()["networks"].as_object()["lab"].as_object()["no_address"] = -1;
  EXPECT_EQ(status_from_json(json).error().field, "dhcp.networks.lab.no_address");
}

TEST(ControlJson, CarriesHowRangesStand) {
  StatusView status;
  status.ranges = {{"default", "10.0.5.200-10.0.5.249", 50, 12, 2, 0}, {"lab", "10.0.6.9-10.0.6.9", 1, 1, 0, 7}};
  auto json = to_json(status);
  const auto back = status_from_json(json);
  ASSERT_TRUE(back) << back.error().field << back.error().reason;
  EXPECT_EQ(back->ranges, status.ranges);
  json["ranges"].as_array()[1].as_object().erase("network");
  EXPECT_EQ(status_from_json(json).error().field, "ranges.network");
  json.erase("ranges");
  EXPECT_TRUE(status_from_json(json)) << "an older daemon knows none";
}

TEST(ControlJson, CarriesWhatBecameOfALease) {
  MonitorView told;
  told.lease = lease_of_a_range();
  told.lease_time = std::chrono::microseconds{1'700'000'000'123'456};
  const auto back = monitor_from_json(to_json(told));
  ASSERT_TRUE(back) << back.error().field << back.error().reason;
  EXPECT_EQ(*back, told);
  EXPECT_FALSE(to_json(MonitorView{}).contains("lease_time")) << "there is a time where there is a lease";
}

TEST(ControlJson, AReleaseNeedsAnAddress) {
  EXPECT_EQ(read_release_lease(parse(R"({"address":"10.0.6.200"})")), make_address_v4("10.0.6.200"));
  EXPECT_EQ(read_release_lease({}).error().field, "address");
  EXPECT_EQ(read_release_lease(parse(R"({"address":"fd76::2"})")).error().field, "address");
  EXPECT_EQ(read_release_lease(parse(R"({"address":"10.0.6.200","force":true})")).error().field, "force");
}

TEST(ControlJson, CarriesTheStatusWhole) {
  StatusView status;
  status.health = Health::stopped;
  status.problems = {"a", "b"};
  status.warnings = {"c"};
  status.version = "0.1.0";
  status.kernel = "6.1.0";
  status.uptime = std::chrono::seconds{90};
  status.config_file = "/etc/vrouter/vrouter.toml";
  status.uplinks = {"eth0"};
  status.forwarding = "interfaces";
  status.networks = {"default 10.0.5.0/24 nat"};
  status.guests = 3;
  status.guests_ready = 2;
  status.features = {{"flowtable", true, ""}, {"owner", false, "kernel 6.9"}};
  status.repairs = {.links = 1, .routes = 3, .rules = 7, .elements = 8};
  status.upstreams_from = {"/etc/resolv.conf"};
  status.dns_addresses = {"10.0.5.1"};
  status.dhcp.received = 1;
  status.dhcp.nak = 15;
  status.dns.queries_udp = 4;
  std::uint64_t count = 0;
  for (const auto counter : dns::kCounters) status.dns.*counter = ++count;
  status.dns.cache = {.entries = 100, .bytes = 2000, .limit = 3000};
  status.dns.upstreams = {{make_address("192.0.2.53"), 5, 4, 1, 0, 1.5, dns::UpstreamTrouble::expired},
                          {{make_address("192.0.2.53"), 853, config::DnsTransport::tls, "dns.example"}}};
  const auto back = status_from_json(to_json(status));
  ASSERT_TRUE(back) << back.error().field << back.error().reason;
  EXPECT_EQ(to_json(*back), to_json(status));
  EXPECT_EQ(back->health, Health::stopped);
  EXPECT_EQ(back->features, status.features);
  EXPECT_EQ(back->repairs, status.repairs);
  EXPECT_EQ(back->dhcp.nak, 15U);
  EXPECT_EQ(back->dns, status.dns);
  EXPECT_EQ(back->dns.upstreams, status.dns.upstreams);
}

TEST(ControlJson, RepliesMaySayMoreThanIsKnown) {
  auto json = to_json(full_view());
  json["colour"] = "blue";
  json["dhcp"].as_object()["colour"] = "blue";
  EXPECT_TRUE(guest_from_json(json));
}

TEST(ControlJson, RepliesOfAnotherShapeAreErrorsThatNameTheField) {
  auto json = to_json(full_view());
  json["lease"].as_object()["address"] = "10.0.5";
  const auto back = guest_from_json(json);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().field, "lease.address");
}

TEST(ControlJson, ReadsAddGuestAsItIsWritten) {
  const auto wanted = full_view().guest;
  auto back = read_add_guest(add_guest_parameters(wanted));
  ASSERT_TRUE(back) << back.error().field << back.error().reason;
  back->declared_at = wanted.declared_at;  // no parameter: a guest added by command has none
  EXPECT_EQ(*back, wanted);
}

TEST(ControlJson, AddGuestNamesWhatIsWrongOfDhcp) {
  const std::pair<const char*, const char*> kCases[] = {
      {R"({"masc":24})", "dhcp.masc"},
      {R"({"mask":256})", "dhcp.mask"},
      {R"({"mask":"24"})", "dhcp.mask"},
      {R"({"options":[{"code":42,"hex":"0"}]})", "dhcp.options.hex"},
      {R"({"options":[{"hex":"00"}]})", "dhcp.options.code"},
      {R"({"options":[{"code":42,"hex":"00","text":"x"}]})", "dhcp.options.text"},
      {R"({"boot":{"server":"x"}})", "dhcp.boot.server"},
      {R"({"boot":{"files":[{"architecture":-1,"file":"x"}]}})", "dhcp.boot.files.architecture"},
      {R"({"boot":{"bios":"x"}})", "dhcp.boot.bios"},
  };
  for (const auto& [dhcp, field] : kCases) {
    const auto guest = read_add_guest(parse(std::string{R"({"tap":"tap0","dhcp":)"} + dhcp + "}"));
    ASSERT_FALSE(guest) << dhcp;
    EXPECT_EQ(guest.error().field, field);
  }
}

TEST(ControlJson, AddGuestNeedsOnlyATap) {
  const auto guest = read_add_guest(parse(R"({"tap":"tap0","address":null,"groups":null})"));
  ASSERT_TRUE(guest);
  config::Guest expected;
  expected.tap = "tap0";
  EXPECT_EQ(*guest, expected);
}

struct Wrong {
  const char* parameters;
  const char* field;
};
class AddGuestRefuses : public ::testing::TestWithParam<Wrong> {};

TEST_P(AddGuestRefuses, NamesTheParameter) {
  const auto guest = read_add_guest(parse(GetParam().parameters));
  ASSERT_FALSE(guest);
  EXPECT_EQ(guest.error().field, GetParam().field);
  EXPECT_FALSE(guest.error().reason.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Parameters, AddGuestRefuses,
    ::testing::Values(Wrong{R"({})", "tap"}, Wrong{R"({"tap":7})", "tap"}, Wrong{R"({"tap":"a/b"})", "tap"},
                      Wrong{R"({"tap":"sixteen-bytes-tap"})", "tap"}, Wrong{R"({"tap":"a\u0000b"})", "tap"},
                      Wrong{R"({"tap":"tap0","adress":"10.0.5.2"})", "adress"},
                      Wrong{R"({"tap":"tap0","address":"10.0.5"})", "address"},
                      Wrong{R"({"tap":"tap0","address6":"10.0.5.2"})", "address6"},
                      Wrong{R"({"tap":"tap0","mac":"52:54"})", "mac"}, Wrong{R"({"tap":"tap0","name":"a b"})", "name"},
                      Wrong{R"({"tap":"tap0","publish":["http"]})", "publish"},
                      Wrong{R"({"tap":"tap0","publish":"80"})", "publish"},
                      Wrong{R"({"tap":"tap0","limits":{"new_connections":-1}})", "limits.new_connections"},
                      Wrong{R"({"tap":"tap0","limits":{"egress":{"bits":"100M"}}})", "limits.egress.bits"},
                      Wrong{R"({"tap":"tap0","limits":{"egres":{}}})", "limits.egres"},
                      Wrong{R"({"tap":"tap0","limits":{"egress":{"bytes":1}}})", "limits.egress.bytes"},
                      Wrong{R"({"tap":"tap0","groups":[1]})", "groups"},
                      Wrong{R"({"tap":"tap0","ephemeral":"yes"})", "ephemeral"}));

TEST(ControlJson, ReadsAPortOfAGuest) {
  const auto wanted = read_port(parse(R"({"guest":"web1","port":"8080:80/udp"})"));
  ASSERT_TRUE(wanted);
  EXPECT_EQ(wanted->guest, "web1");
  EXPECT_EQ(wanted->port, (config::Publish{std::nullopt, 8080, 8080, 80, config::Protocol::udp}));
  EXPECT_EQ(read_port(parse(R"({"guest":"web1"})")).error().field, "port");
  EXPECT_EQ(read_port(parse(R"({"port":"80"})")).error().field, "guest");
}

TEST(ControlJson, CallsWithoutParametersTakeNone) {
  EXPECT_TRUE(refuse_all({}));
  EXPECT_EQ(refuse_all(parse(R"({"force":true})")).error().field, "force");
}

}  // namespace
}  // namespace vrouter::router::control
