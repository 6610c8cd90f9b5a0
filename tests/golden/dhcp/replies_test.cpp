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

void compare(const std::string& name, const std::string& sent) {
  const auto path = std::string{VROUTER_SOURCE_DIR} + "/tests/golden/dhcp/" + name + ".hex";
  if (std::getenv("VROUTER_UPDATE_GOLDEN") != nullptr) std::ofstream{path} << sent;
  std::ifstream file{path};
  const std::string golden{std::istreambuf_iterator<char>{file}, {}};
  EXPECT_EQ(sent, golden) << path;
}

void expect_golden(const std::string& name, const RequestBytes& request, const Binding& b = binding()) {
  Responder responder{{}};
  responder.apply({.snapshot = true, .upserts = {b}, .removed_ifindexes = {}});
  std::array<std::uint8_t, kMaxReply> buffer{};
  const auto bytes = request.bytes();
  const auto reply = responder.handle({b.ifindex, ip("10.0.5.2"), bytes, false}, BootTime{}, buffer);
  ASSERT_TRUE(reply);
  compare(name, "from " + reply->from.to_string() + " to " + reply->to.to_string() + "\n" +
                    hex(std::span{buffer}.first(reply->size)));
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

Binding booting() {
  auto b = binding();
  b.settings.own().boot.files = {{7, "ipxe.efi"}, {16, "http://10.0.5.1/boot.efi"}};
  b.settings.own().boot.file = "undionly.kpxe";
  b.settings.own().boot.ipxe = "http://10.0.5.1/menu.ipxe";
  return b;
}

TEST(DhcpReplies, OfferToAPxeRom) {
  auto request = discover().add(60, text("PXEClient:Arch:00007:UNDI:003016")).add(93, {0, 7}).add(94, {1, 3, 16});
  expect_golden("offer_pxe", request.add(97, Bytes{0} + Bytes(16, 0xab)), booting());
}

TEST(DhcpReplies, AckToIpxe) {
  auto request = selecting("10.0.5.2").add(60, text("PXEClient:Arch:00000:UNDI:002001")).add(93, {0, 0});
  expect_golden("ack_ipxe", request.add(77, text("iPXE")), booting());
}

TEST(DhcpReplies, OfferToAnHttpClient) {
  expect_golden("offer_http_boot", discover().add(60, text("HTTPClient:Arch:00016:UNDI:003001")).add(93, {0, 16}),
                booting());
}

TEST(DhcpReplies, ReplyToBootp) {
  auto b = booting();
  b.settings.own().bootp = true;
  expect_golden("bootp", RequestBytes{}, b);
}

TEST(DhcpReplies, AckUnderTheGuestsMaskWithAShortLeaseAndAName) {
  auto b = binding();
  b.settings.own().mask = 24;
  auto request = as_dhclient(selecting("10.0.5.2")).add(51, {0, 0, 1, 44});
  expect_golden("ack_mask_fqdn", request.add(81, {5, 0, 0}), b);
}

// Relays are no guest's: made without the responder.
void expect_relayed(const std::string& name, const SentReply& sent) {
  Bytes buffer(kMaxReply);
  buffer.resize(encode_reply(sent.message, sent.cap, buffer));
  compare(name, "to " + sent.to.to_string() + ":" + std::to_string(sent.port) + "\n" + hex(buffer));
}

TEST(DhcpReplies, RelayedOfferAndRefusal) {
  const auto b = binding();
  auto request = discover().add(82, {1, 2, 'p', '7', 11, 4, 10, 9, 0, 1});
  request.giaddr = ip("10.9.0.1");
  const auto decoded = decode_request(request.bytes());
  ASSERT_TRUE(decoded);
  expect_relayed("offer_relayed", offer(*decoded, {&*b.settings, ip("10.0.5.77"), "n77"}));
  expect_relayed("nak_relayed", refuse(*decoded, *b.settings));
}

TEST(DhcpReplies, OfferInASubnet) {
  auto b = binding();
  b.settings.own().addressing = config::Addressing::subnet;
  expect_golden("offer_subnet", discover(), b);
}

TEST(DhcpReplies, OfferWithTheNetworksOptions) {
  auto b = binding();
  b.settings.own().options = {{42, {192, 0, 2, 123}}, {6, {192, 0, 2, 53}}, {43, Bytes(260, 0xab)}};
  expect_golden("offer_network_options", discover().add(57, {0x05, 0xdc}), b);
}

}  // namespace
}  // namespace vrouter::dhcp
