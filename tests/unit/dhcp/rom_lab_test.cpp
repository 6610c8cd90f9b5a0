// SPDX-License-Identifier: GPL-2.0-or-later
// The iPXE ROM of QEMU's network card (Debian's ipxe-qemu, of 2019), as it comes: a machine without a disk starts from
// it, and the script that it is served tells on the machine's console what the ROM made of its lease. That the script
// came is the proof of the lease: it is fetched from an address that only the ROM's default route leads to.
//
// Renewal, rebinding and release can't be asked of it: it keeps no clock for its lease and takes leave of nobody, since
// the system that it starts asks anew. Nor does it know INIT-REBOOT: it has nowhere to keep an address.
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <map>
#include <set>

#include "tests/unit/dhcp/lab.h"
#include "tests/unit/dhcp/packets.h"
#include "tests/unit/dhcp/watch.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

constexpr const char* kFiles = "192.0.2.1";  // an address of the host; the TFTP server is there
// A console on the serial port, no disk, and no second start: with -no-reboot the script's `reboot` is the end.
constexpr const char* kMachine =
    "timeout -k 1 90 qemu-system-x86_64 -machine pc,graphics=off -accel tcg -m 32 -nodefaults -no-user-config "
    "-no-reboot -display none -serial stdio -boot n -netdev tap,id=net,ifname=tap0,script=no,downscript=no "
    "-device virtio-net-pci,netdev=net,mac=52:54:00:12:34:56 </dev/null";
constexpr const char* kScript =
    "#!ipxe\n"
    "echo lab: lease ${net0/ip} ${net0/netmask} ${net0/gateway} ${net0/dns} ${net0/domain} ${net0/hostname}\n"
    "sleep 5\n"  // beyond the end of its lease; and the console is slower than the machine's end
    "reboot\n";

// TFTP (RFC 1350) of files that fit into one block, so that there is nothing to remember of a client: a block that was
// lost is asked for again with the file.
class TftpServer {
 public:
  explicit TftpServer(std::map<std::string, std::string> files)
      : files_{std::move(files)}, socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_port = htons(69);
    here.sin_addr.s_addr = htonl(ip(kFiles).to_uint());
    timeval limit{0, 100'000};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
      throw std::runtime_error("a TFTP server needs its port");
    thread_ = std::thread{[this] {
      while (!stopped_) serve();
    }};
  }
  TftpServer(const TftpServer&) = delete;
  TftpServer& operator=(const TftpServer&) = delete;
  ~TftpServer() { stop(); }

  // The names of the files that were asked for, each once.
  std::set<std::string> stop() {
    stopped_ = true;
    if (thread_.joinable()) thread_.join();
    return asked_;
  }

 private:
  void serve() {
    std::array<char, 1500> packet{};
    sockaddr_in client{};
    socklen_t size = sizeof client;
    // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
    const auto n =
        ::recvfrom(socket_.get(), packet.data(), packet.size() - 1, 0, reinterpret_cast<sockaddr*>(&client), &size);
    if (n < 4 || packet[1] != 1) return;  // no RRQ
    const std::string name{&packet[2]};
    asked_.insert(name);
    using std::string_literals::operator""s;
    const auto file = files_.find(name);
    const auto reply = file == files_.end() ? "\0\5\0\1no such file\0"s : "\0\3\0\1"s + file->second;
    ::sendto(socket_.get(), reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&client), size);
    // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
  }

  std::map<std::string, std::string> files_;
  UniqueFd socket_;
  std::set<std::string> asked_;
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

// A router that has nothing to say, ten times a second: without one the ROM waits 15 s for IPv6 to come, lease or no.
class IdleRouter {
 public:
  explicit IdleRouter(unsigned interface) : socket_{::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6)} {
    const int hops = 255;  // RFC 4861, 6.1.2
    ::setsockopt(socket_.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops);
    to_.sin6_family = AF_INET6;
    to_.sin6_addr = {{{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};
    to_.sin6_scope_id = interface;
    thread_ = std::thread{[this] {
      while (!stopped_) advertise();
    }};
  }
  IdleRouter(const IdleRouter&) = delete;
  IdleRouter& operator=(const IdleRouter&) = delete;
  ~IdleRouter() {
    stopped_ = true;
    thread_.join();
  }

 private:
  void advertise() {
    constexpr std::array<std::uint8_t, 16> kNoRouter{134, 0, 0, 0, 64};  // RFC 4861, 4.2: for no time, no flags
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
    ::sendto(socket_.get(), kNoRouter.data(), kNoRouter.size(), 0, reinterpret_cast<const sockaddr*>(&to_), sizeof to_);
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }

  UniqueFd socket_;
  sockaddr_in6 to_{};
  std::atomic<bool> stopped_ = false;
  std::thread thread_;
};

struct RomNetwork {
  const char* name;
  const char* gateway;
  config::Addressing addressing;

  friend std::ostream& operator<<(std::ostream& out, const RomNetwork& network) { return out << network.name; }
};

class Rom : public ::testing::TestWithParam<RomNetwork> {};

// It takes no option 121, and under a /32 it sends every frame to all: it gets the network's mask, whatever the
// addressing.
TEST_P(Rom, BootsOverItsLease) {
  enter_host_namespace(GetParam().gateway);
  ASSERT_EQ(run(std::string{"ip address add "} + kFiles +
                "/32 dev lo && ip tuntap add tap0 mode tap && ip link set tap0 up && ip route add 10.0.5.2/32 dev tap0")
                .status,
            0);
  auto b = binding();
  b.ifindex = ::if_nametoindex("tap0");
  b.settings.own().gateway = ip(GetParam().gateway);
  b.settings.own().addressing = GetParam().addressing;
  b.settings.own().lease_time = std::chrono::seconds{4};
  b.settings.own().boot.server = ip(kFiles);
  b.settings.own().boot.file = "undionly.kpxe";  // iPXE itself, for ROMs that are none: the second of a chain says so
  b.settings.own().boot.ipxe = "boot.ipxe";
  RunningServer server;
  server.apply({.snapshot = false, .upserts = {b}, .removed_ifindexes = {}});
  TftpServer files{{{"boot.ipxe", kScript}}};
  const IdleRouter router{b.ifindex};
  RequestWatch watch{"tap0"};

  const auto console = run(kMachine);
  EXPECT_EQ(console.status, 0) << console.output;
  EXPECT_NE(console.output.find(std::string{"lab: lease 10.0.5.2 255.255.255.0 "} + GetParam().gateway + " " +
                                GetParam().gateway + " guests.internal web1"),
            std::string::npos)
      << console.output;
  EXPECT_EQ(files.stop(), std::set<std::string>{"boot.ipxe"});
  EXPECT_GE(server.count(LeaseState::bound), 1u);
  EXPECT_EQ(server.count(LeaseState::expired), 1u);
  EXPECT_GE(watch.count(Asked::selecting), 1u) << watch.story();
  EXPECT_EQ(server.statistics().nak, 0u);
  for (const auto never : {Asked::init_reboot, Asked::renewing, Asked::rebinding, Asked::release, Asked::decline})
    EXPECT_EQ(watch.count(never), 0u) << watch.story();
}

INSTANTIATE_TEST_SUITE_P(, Rom,
                         ::testing::Values(RomNetwork{"Routed", "10.0.5.1", config::Addressing::routed},
                                           RomNetwork{"RoutedOffSubnet", "169.254.1.1", config::Addressing::routed},
                                           RomNetwork{"Subnet", "10.0.5.1", config::Addressing::subnet}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace vrouter::dhcp
