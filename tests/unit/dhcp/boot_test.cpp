// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/boot.h"

#include <gtest/gtest.h>

#include "tests/unit/dhcp/answered.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

const std::string kUrl = "http://10.0.5.1/boot.efi";

Binding booting() {
  auto b = binding();
  b.settings.own().boot.server = ip("192.0.2.69");
  b.settings.own().boot.files = {{7, "x64.efi"}, {11, "arm64.efi"}, {16, kUrl}};
  b.settings.own().boot.file = "pxelinux.0";
  b.settings.own().boot.ipxe = "http://10.0.5.1/menu.ipxe";
  return b;
}
Bytes zero_ended(std::string_view s) {
  return text(s) + Bytes{0};
}
RequestBytes pxe(const Bytes& architectures = {0, 0}) {
  return discover().add(60, text("PXEClient:Arch:00000:UNDI:002001")).add(93, architectures);
}
ReplyView offer_to(const RequestBytes& request, const Binding& b = booting()) {
  return answered(request, b).view;
}

TEST(Boot, APxeRomIsToldServerAndFileInEveryWay) {
  const auto v = offer_to(pxe());
  EXPECT_EQ(v.siaddr, ip("192.0.2.69"));
  EXPECT_EQ(v.file, text("pxelinux.0"));
  EXPECT_EQ(v.at(67), zero_ended("pxelinux.0"));
  EXPECT_EQ(v.at(66), zero_ended("192.0.2.69"));
  EXPECT_EQ(v.at(60), text("PXEClient"));
}

TEST(Boot, APxeRomIsToldToLookForNoFurtherServer) {
  // With the class and without this, UEFI asks port 4011 of the server, hears nothing and doesn't boot.
  EXPECT_EQ(offer_to(pxe()).at(43), (Bytes{6, 1, 8, 255}));
}

TEST(Boot, APxeRomsMachineComesBack) {  // RFC 4578, 2.3
  const Bytes machine = Bytes{0} + Bytes(16, 0xab);
  EXPECT_EQ(offer_to(pxe().add(97, machine)).at(97), machine);
  EXPECT_FALSE(offer_to(pxe()).has(97));
  EXPECT_FALSE(offer_to(pxe().add(97, Bytes(16, 1))).has(97));  // of a wrong size
}

TEST(Boot, TheAckSaysTheSameAsTheOffer) {
  const auto offered = offer_to(pxe());
  const auto acked = offer_to(selecting("10.0.5.2").add(60, text("PXEClient")).add(93, {0, 0}));
  EXPECT_EQ(acked.siaddr, offered.siaddr);
  EXPECT_EQ(acked.file, offered.file);
  for (const int code : {43, 60, 66, 67}) EXPECT_EQ(acked.at(code), offered.at(code)) << code;
}

TEST(Boot, TheGatewayIsTheServerUnlessAnotherIsNamed) {
  auto b = booting();
  b.settings.own().boot.server.reset();
  EXPECT_EQ(offer_to(pxe(), b).siaddr, ip("10.0.5.1"));
  EXPECT_EQ(offer_to(pxe(), b).at(66), zero_ended("10.0.5.1"));
}

TEST(Boot, TheFirstConfiguredArchitectureDecides) {
  EXPECT_EQ(offer_to(pxe({0, 7})).file, text("x64.efi"));
  EXPECT_EQ(offer_to(pxe({0, 99, 0, 11, 0, 7})).file, text("arm64.efi"));
  EXPECT_EQ(offer_to(pxe({0, 99})).file, text("pxelinux.0"));
  EXPECT_EQ(offer_to(pxe({0, 7, 0})).file, text("pxelinux.0"));  // no list of pairs
  EXPECT_EQ(offer_to(discover().add(60, text("PXEClient"))).file, text("pxelinux.0"));
}

TEST(Boot, AnArchitectureWithoutAFileGetsNothingOfIt) {
  auto b = booting();
  b.settings.own().boot.file.clear();
  const auto v = offer_to(pxe({0, 99}), b);
  for (const int code : {43, 60, 66, 67, 97}) EXPECT_FALSE(v.has(code)) << code;
  EXPECT_TRUE(v.siaddr.is_unspecified());
  EXPECT_TRUE(v.file.empty());
}

TEST(Boot, IpxeEndsItsChain) {
  for (const auto& user_class : {text("iPXE"), Bytes{4} + text("iPXE"), Bytes{1, 'a', 4} + text("iPXE")}) {
    const auto v = offer_to(pxe().add(77, user_class));
    EXPECT_EQ(v.file, text("http://10.0.5.1/menu.ipxe"));
    EXPECT_EQ(v.at(67), zero_ended("http://10.0.5.1/menu.ipxe"));
    EXPECT_FALSE(v.has(60));
    EXPECT_FALSE(v.has(43));
  }
  EXPECT_EQ(offer_to(pxe().add(77, text("not iPXE at all"))).file, text("pxelinux.0"));
  EXPECT_EQ(offer_to(pxe().add(77, Bytes{200} + text("iPXE"))).file, text("pxelinux.0"));
}

TEST(Boot, IpxeWithoutAScriptIsServedByArchitecture) {
  auto b = booting();
  b.settings.own().boot.ipxe.clear();
  EXPECT_EQ(offer_to(pxe({0, 7}).add(77, text("iPXE")), b).file, text("x64.efi"));
}

TEST(Boot, AnHttpClientGetsItsClassAndTheUrl) {
  const auto v = offer_to(discover().add(60, text("HTTPClient:Arch:00016:UNDI:003001")).add(93, {0, 16}));
  EXPECT_EQ(v.at(60), text("HTTPClient"));
  EXPECT_EQ(v.at(67), zero_ended(kUrl));
  EXPECT_TRUE(v.file.empty());
  EXPECT_TRUE(v.siaddr.is_unspecified());
  EXPECT_FALSE(v.has(43));
}

TEST(Boot, AnHttpClientGetsNoFileThatIsNoUrl) {
  const auto v = offer_to(discover().add(60, text("HTTPClient:Arch:00019")).add(93, {0, 19}));
  EXPECT_FALSE(v.has(60));
  EXPECT_FALSE(v.has(67));
}

TEST(Boot, AUrlTooLongForItsFieldGoesByOption67Only) {
  auto b = booting();
  b.settings.own().boot.file = "http://10.0.5.1/" + std::string(111, 'a');  // 127 bytes and a NUL
  EXPECT_EQ(offer_to(pxe(), b).file, text(b.settings->boot.file));
  b.settings.own().boot.file += 'a';
  EXPECT_TRUE(offer_to(pxe(), b).file.empty());
  EXPECT_EQ(offer_to(pxe(), b).at(67), zero_ended(b.settings->boot.file));
}

TEST(Boot, AnOperatingSystemHearsNothingOfIt) {
  const auto v = offer_to(discover().add(55, {1, 3, 6, 15, 121}).add(60, text("MSFT 5.0")));
  for (const int code : {43, 60, 66, 67, 97}) EXPECT_FALSE(v.has(code)) << code;
  EXPECT_TRUE(v.siaddr.is_unspecified());
  EXPECT_TRUE(v.file.empty());
  EXPECT_TRUE(v.has(249));
}

TEST(Boot, WhoAsksForOneOptionGetsThatOne) {
  const auto v = offer_to(discover().add(55, {1, 67}));
  EXPECT_EQ(v.at(67), text("pxelinux.0"));  // an option should not end with a NUL (RFC 2132, 2)
  EXPECT_FALSE(v.has(66));
  EXPECT_FALSE(v.has(60));
  EXPECT_EQ(v.siaddr, ip("192.0.2.69"));
  EXPECT_TRUE(v.has(121));  // and is no boot ROM
}

TEST(Boot, UBootIsKnownByItsHardware) {
  const auto v = offer_to(discover().add(60, text("U-Boot.armv8")).add(93, {0, 11}).add(94, {1, 0, 0}));
  EXPECT_EQ(v.file, text("arm64.efi"));
  EXPECT_EQ(v.at(1), (Bytes{255, 255, 255, 0}));
  EXPECT_FALSE(v.has(60));
  EXPECT_TRUE(offer_to(discover().add(60, text("U-Boot.armv8"))).has(121));
}

TEST(Boot, TheNetworksOwnOptionsWin) {
  auto b = booting();
  b.settings.own().options = {{43, {1, 2, 3}}, {67, text("other.0")}};
  const auto v = offer_to(pxe(), b);
  EXPECT_EQ(v.at(43), (Bytes{1, 2, 3}));
  EXPECT_EQ(v.at(67), text("other.0"));
}

TEST(Boot, NothingConfiguredIsNothingSaid) {
  const auto v = offer_to(pxe(), binding());
  for (const int code : {43, 60, 66, 67, 97}) EXPECT_FALSE(v.has(code)) << code;
  EXPECT_TRUE(v.siaddr.is_unspecified());
}

}  // namespace
}  // namespace vrouter::dhcp
