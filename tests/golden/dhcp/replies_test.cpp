// SPDX-License-Identifier: GPL-2.0-or-later
// Whole replies as hex, one file each: what a guest is sent and where, byte by byte. VROUTER_UPDATE_GOLDEN=1 writes
// them anew; the difference is then for the reviewer to judge.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "dhcp/responder.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

RequestBytes as_dhclient(RequestBytes request) {
  return request.add(12, text("debian")).add(55, {1, 28, 2, 3, 15, 6, 119, 12, 44, 47, 26, 121, 42});
}

void expect_golden(const std::string& name, const RequestBytes& request, const Binding& b = binding()) {
  Responder responder{{}};
  responder.apply({.snapshot = true, .upserts = {b}, .removed_ifindexes = {}});
  std::array<std::uint8_t, kMaxReply> buffer{};
  const auto bytes = request.bytes();
  const auto reply = responder.handle({b.ifindex, ip("10.0.5.2"), bytes, false}, BootTime{}, buffer);
  ASSERT_TRUE(reply);
  const auto sent = "from " + reply->from.to_string() + " to " + reply->to.to_string() + "\n" +
                    hex(std::span{buffer}.first(reply->size));
  const auto path = std::string{VROUTER_SOURCE_DIR} + "/tests/golden/dhcp/" + name + ".hex";
  if (std::getenv("VROUTER_UPDATE_GOLDEN") != nullptr) std::ofstream{path} << sent;
  std::ifstream file{path};
  const std::string golden{std::istreambuf_iterator<char>{file}, {}};
  EXPECT_EQ(sent, golden) << path;
}

TEST(DhcpReplies, Offer) {
  expect_golden("offer", as_dhclient(discover()));
}

TEST(DhcpReplies, AckToSelectingByBroadcast) {
  auto request = as_dhclient(selecting("10.0.5.2"));
  request.flags = 0x8000;
  expect_golden("ack_selecting_broadcast", request.add(61, {1, 0x52, 0x54, 0, 0x12, 0x34, 0x56}));
}

TEST(DhcpReplies, AckToRenewing) {
  expect_golden("ack_renewing", as_dhclient(renewing("10.0.5.2")));
}

TEST(DhcpReplies, AckToRapidCommit) {
  expect_golden("ack_rapid_commit", discover().add(80, {}));
}

TEST(DhcpReplies, AckToInform) {
  RequestBytes request{8};
  request.ciaddr = ip("10.0.5.2");
  expect_golden("ack_inform", request);
}

TEST(DhcpReplies, Nak) {
  expect_golden("nak", as_dhclient(init_reboot("192.168.1.17")));
}

TEST(DhcpReplies, OfferToABootRom) {
  expect_golden("offer_boot_rom", discover().add(60, text("PXEClient:Arch:00007:UNDI:003016")));
}

TEST(DhcpReplies, OfferInASubnet) {
  auto b = binding();
  b.settings.addressing = config::Addressing::subnet;
  expect_golden("offer_subnet", discover(), b);
}

TEST(DhcpReplies, OfferWithTheNetworksOptions) {
  auto b = binding();
  b.settings.options = {{42, {192, 0, 2, 123}}, {6, {192, 0, 2, 53}}, {43, Bytes(260, 0xab)}};
  expect_golden("offer_network_options", discover().add(57, {0x05, 0xdc}), b);
}

}  // namespace
}  // namespace vrouter::dhcp
