// SPDX-License-Identifier: GPL-2.0-or-later
// From vrouter.toml to the bytes of the replies: what the file says of DHCP, by name, by number and for booting, of a
// network, a group and a guest, as it leaves the daemon.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "tests/integration/scene.h"
#include "tests/integration/station.h"

namespace vrouter::lab {
namespace {

using dhcp::testing::ip;
using dhcp::testing::text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kFile = R"(
[networks.lab]
prefix = "10.9.0.0/24"
gateway = "10.9.0.1"

[networks.lab.dhcp]
lease_time = "2h"
bootp = true
range = "10.9.0.100-10.9.0.105"
reservations = [{ mac = "02:00:00:00:00:09", address = "10.9.0.90" }]
probe = false
ntp = ["192.0.2.123", "192.0.2.124"]
search = ["lab.example", "corp.example"]
captive_portal = "https://portal.example/api"
wpad = "http://wpad.example/wpad.dat"
options = [
  { code = 17, text = "/root" },
  { code = 224, u16 = 4711 }, { code = 225, addresses = ["192.0.2.9", "192.0.2.10"] }, { code = 226, text = "abc" },
  { code = 227, hex = "00ff10" }, { code = 228, u8 = 7 }, { code = 229, u32 = 305419896 }, { code = 230, bool = true },
  { code = 231, domains = ["a.example"] },
]

[networks.lab.dhcp.boot]
server = "10.9.0.7"
bios = "undionly.kpxe"
efi_x64 = "ipxe.efi"
http_x64 = "http://10.9.0.7/ipxe.efi"
ipxe = "http://10.9.0.7/boot.ipxe"
file = "other.0"

[networks.plain]
prefix = "10.8.0.0/24"
gateway = "10.8.0.1"

[dhcp.groups.kiosk]
ntp = ["192.0.2.201"]
captive_portal = "https://kiosk.example/"
options = [{ code = 224, text = "kiosk" }]
boot = { bios = "kiosk.0" }

[[guests]]
tap = "tap0"
name = "one"
address = "10.9.0.2"

[[guests]]
tap = "tap1"
name = "two"
address = "10.9.0.3"
groups = ["kiosk"]

[[guests]]
tap = "tap2"
name = "three"
address = "10.9.0.4"
groups = ["kiosk"]
dhcp = { mask = 24, ntp = ["192.0.2.202"], options = [{ code = 226, hex = "77" }], boot = { server = "10.9.0.8", efi_x64 = "own.efi" } }

[[guests]]
tap = "tap3"
name = "four"
address = "10.8.0.2"

[[guests]]
tap = "tap4"
name = "switch"
shared = true
network = "lab"
)";

// Option 55 with these.
RequestBytes asking(const Bytes& codes) {
  return RequestBytes{}.add(55, codes);
}
const Bytes kAll{1, 3, 6, 12, 15, 28, 42, 114, 119, 121, 224, 225, 226, 227, 228, 229, 230, 231, 252};

// What firmware says of itself: vendor class, and architecture (RFC 4578).
RequestBytes rom(const char* vendor_class, std::uint8_t architecture) {
  return RequestBytes{}
      .add(60, text(vendor_class))
      .add(93, {0, architecture})
      .add(94, {1, 2, 1})
      .add(55, {1, 3, 66, 67});
}
const char* const kPxeClient = "PXEClient:Arch:00000:UNDI:002001";

struct OnTheWire : ::testing::Test {
  OnTheWire() {
    for (int i = 0; i < 5; ++i) taps.push_back(std::make_unique<RawTap>(scene.host, "tap" + std::to_string(i)));
    for (const auto& tap : taps) stations.emplace_back(*tap);
    scene.daemon->start();
  }
  static DaemonOptions options() {
    DaemonOptions options;
    options.config = kFile;
    options.policies = {{"10-base.toml", "[groups.kiosk]\n"}};
    return options;
  }
  // The same in the offer and in what is leased.
  void expect_both(std::size_t station, const RequestBytes& request, const std::map<int, Bytes>& options) {
    const auto offer = stations.at(station).ask(Station::with_type(1, request));
    const auto ack = stations.at(station).lease(request);
    EXPECT_EQ(offer.type(), 2);
    EXPECT_EQ(ack.type(), 5);
    for (const auto& reply : {offer, ack}) {
      for (const auto& [code, value] : options) {
        EXPECT_EQ(reply.has(code), !value.empty()) << "station " << station << ", option " << code;
        EXPECT_EQ(reply.at(code), value) << "station " << station << ", option " << code;
      }
    }
  }
  Scene scene{options(), false};
  std::vector<std::unique_ptr<RawTap>> taps;
  std::vector<Station> stations;
};

const Bytes kLabSearch = text("\3lab\7example") + Bytes{0} + text("\4corp\7example") + Bytes{0};
const Bytes kRoutes{32, 10, 9, 0, 1, 0, 0, 0, 0, 0, 10, 9, 0, 1};  // the gateway on the link, the rest by it

TEST_F(OnTheWire, WhatTheNetworkSaysByNameAndByNumber) {
  expect_both(0, asking(kAll),
              {{51, {0, 0, 0x1c, 0x20}},
               {1, {255, 255, 255, 255}},
               {3, {10, 9, 0, 1}},
               {121, kRoutes},
               {6, {10, 9, 0, 1}},
               {12, text("one")},
               {42, {192, 0, 2, 123, 192, 0, 2, 124}},
               {114, text("https://portal.example/api")},
               {119, kLabSearch},
               {252, text("http://wpad.example/wpad.dat")},
               {224, {0x12, 0x67}},
               {225, {192, 0, 2, 9, 192, 0, 2, 10}},
               {226, text("abc")},
               {227, {0x00, 0xff, 0x10}},
               {228, {7}},
               {229, {0x12, 0x34, 0x56, 0x78}},
               {230, {1}},
               {231, text("\1a\7example") + Bytes{0}}});
  EXPECT_EQ(stations[0].ask(RequestBytes{1}).yiaddr, ip("10.9.0.2"));
}

TEST_F(OnTheWire, AGroupsWordsComeBeforeTheNetworksAndAGuestsBeforeBoth) {
  expect_both(1, asking(kAll),
              {{1, {255, 255, 255, 255}},
               {121, kRoutes},
               {42, {192, 0, 2, 201}},
               {114, text("https://kiosk.example/")},
               {119, kLabSearch},
               {224, text("kiosk")},
               {226, text("abc")}});
  expect_both(2, asking(kAll),
              {{1, {255, 255, 255, 0}},
               {121, {}},  // its gateway is of its own subnet
               {42, {192, 0, 2, 202}},
               {114, text("https://kiosk.example/")},
               {224, text("kiosk")},
               {226, {0x77}},
               {252, text("http://wpad.example/wpad.dat")}});
  // Another network has nothing of it.
  expect_both(3, asking(kAll),
              {{42, {}}, {114, {}}, {224, {}}, {252, {}}, {119, text("\6guests\10internal") + Bytes{0}}});
}

TEST_F(OnTheWire, AClientOfTheRangeHearsItsNetwork) {
  expect_both(4, asking(kAll),
              {{1, {255, 255, 255, 255}},
               {121, kRoutes},
               {42, {192, 0, 2, 123, 192, 0, 2, 124}},
               {114, text("https://portal.example/api")},
               {224, {0x12, 0x67}}});
  EXPECT_EQ(stations[4].ask(RequestBytes{1}).yiaddr, ip("10.9.0.100"));
}

TEST_F(OnTheWire, WhatBootsIsToldItsFile) {
  const auto expect_rom = [&](std::size_t station, const RequestBytes& request, const char* server,
                              const std::string& file) {
    for (const auto& reply :
         {stations[station].ask(Station::with_type(1, request)), stations[station].lease(request)}) {
      EXPECT_EQ(reply.siaddr, file.empty() ? ip("0.0.0.0") : ip(server)) << file;
      EXPECT_EQ(reply.file, text(file));
      EXPECT_EQ(reply.at(66), file.empty() ? Bytes{} : text(server) + Bytes{0}) << file;
      EXPECT_EQ(reply.at(67), file.empty() ? Bytes{} : text(file) + Bytes{0}) << file;
      EXPECT_EQ(reply.at(1), (Bytes{255, 255, 255, 0})) << "ROMs get the network's mask";
    }
  };
  for (const std::size_t station : {0u, 4u}) {
    expect_rom(station, rom(kPxeClient, 0), "10.9.0.7", "undionly.kpxe");
    expect_rom(station, rom(kPxeClient, 7), "10.9.0.7", "ipxe.efi");
    expect_rom(station, rom(kPxeClient, 9), "10.9.0.7", "ipxe.efi");
    expect_rom(station, rom(kPxeClient, 11), "10.9.0.7", "other.0");
    expect_rom(station, rom(kPxeClient, 0).add(77, text("iPXE")), "10.9.0.7", "http://10.9.0.7/boot.ipxe");
  }
  // As a whole: what a group or a guest says of booting leaves nothing of the others'.
  expect_rom(1, rom(kPxeClient, 0), "10.9.0.1", "kiosk.0");
  expect_rom(1, rom(kPxeClient, 7), "", "");
  expect_rom(2, rom(kPxeClient, 7), "10.9.0.8", "own.efi");
  expect_rom(2, rom(kPxeClient, 0), "", "");
  // UEFI over HTTP: the URL by option 67 alone, and the class that says it is one.
  expect_both(0, rom("HTTPClient:Arch:00016:UNDI:003001", 16),
              {{60, text("HTTPClient")}, {67, text("http://10.9.0.7/ipxe.efi") + Bytes{0}}, {66, {}}});
  EXPECT_EQ(stations[0].ask(Station::with_type(1, rom(kPxeClient, 0))).at(60), text("PXEClient"));
}

TEST_F(OnTheWire, BootpIsAnsweredWhereTheNetworkSaysSo) {
  const auto reply = stations[0].ask(RequestBytes{});
  ASSERT_TRUE(reply.well_formed);
  EXPECT_EQ(reply.op, 2);
  EXPECT_EQ(reply.yiaddr, ip("10.9.0.2"));
  EXPECT_EQ(reply.siaddr, ip("10.9.0.7"));
  EXPECT_EQ(reply.file, text("other.0"));
  EXPECT_THAT(reply.order, ElementsAre(1, 3, 6, 12, 15, 17));  // those of RFC 1497
  EXPECT_EQ(reply.at(1), (Bytes{255, 255, 255, 0}));
  EXPECT_EQ(reply.at(3), (Bytes{10, 9, 0, 1}));
  EXPECT_EQ(reply.at(17), text("/root"));
  const auto own = stations[2].ask(RequestBytes{});
  EXPECT_EQ(own.yiaddr, ip("10.9.0.4"));
  EXPECT_TRUE(own.well_formed && own.file.empty()) << "its own boot has no file for it";
  EXPECT_THAT(scene.daemon->vrouter({"leases"}), HasSubstr("10.9.0.2"));
  // Silent where it isn't allowed, though DHCP is answered there.
  EXPECT_FALSE(stations[3].ask(RequestBytes{}, 1500ms).well_formed);
  EXPECT_EQ(stations[3].ask(RequestBytes{1}).type(), 2);
}

// Whoever can't renew gets no lease of the range, and what is reserved is a lease too.
TEST_F(OnTheWire, BootpIsNeverAnsweredByARange) {
  Station reserved{*taps[4], {{2, 0, 0, 0, 0, 9}}};
  EXPECT_FALSE(stations[4].ask(RequestBytes{}, 1500ms).well_formed);
  EXPECT_FALSE(reserved.ask(RequestBytes{}, 1500ms).well_formed);
  EXPECT_THAT(scene.daemon->vrouter({"leases"}), Not(HasSubstr("10.9.0.")));
  EXPECT_EQ(reserved.lease().yiaddr, ip("10.9.0.90"));
}

TEST_F(OnTheWire, AReloadIsInTheNextReply) {
  expect_both(0, asking(kAll), {{42, {192, 0, 2, 123, 192, 0, 2, 124}}});
  expect_both(4, asking(kAll), {{42, {192, 0, 2, 123, 192, 0, 2, 124}}});
  std::string changed = kFile;
  const std::string before = R"(ntp = ["192.0.2.123", "192.0.2.124"])";
  changed.replace(changed.find(before), before.size(), R"(ntp = ["192.0.2.99"])");
  scene.daemon->set_config(changed);
  scene.daemon->vrouter({"reload"});
  expect_both(0, asking(kAll), {{42, {192, 0, 2, 99}}});
  expect_both(1, asking(kAll), {{42, {192, 0, 2, 201}}});
  expect_both(4, asking(kAll), {{42, {192, 0, 2, 99}}});
}

// The address is its TAP's whatever it finds there: all that is left to do is to say so.
TEST_F(OnTheWire, AGuestsDeclineIsAWarning) {
  ASSERT_EQ(stations[0].lease().yiaddr, ip("10.9.0.2"));
  const std::string warning = "it found somebody else using this address on its own link";
  EXPECT_THAT(scene.daemon->log(), Not(HasSubstr(warning)));
  stations[0].tell(RequestBytes{4}.add_ip(54, "10.9.0.1").add_ip(50, "10.9.0.2"));
  EXPECT_TRUE(wait_until([&] { return scene.daemon->log().find(warning) != std::string::npos; }));
  EXPECT_THAT(scene.daemon->log(), HasSubstr("guest one on tap0: 10.9.0.2 declined"));
  EXPECT_EQ(stations[0].ask(RequestBytes{1}).yiaddr, ip("10.9.0.2"));
}

}  // namespace
}  // namespace vrouter::lab
