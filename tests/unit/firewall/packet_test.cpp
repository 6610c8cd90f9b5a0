// SPDX-License-Identifier: GPL-2.0-or-later
// What the ruleset does to packets, in a kernel: the test is two guests (one pinned) and the world.
#include <netinet/in.h>
#include <poll.h>
#include <sys/fsuid.h>
#include <sys/socket.h>

#include <memory>

#include "firewall/nft/port.h"
#include "tests/unit/firewall/fixtures.h"
#include "tests/unit/firewall/packets.h"

namespace vrouter::firewall {
namespace {

using testing::arp_request;
using testing::config_of;
using testing::guest_of;
using testing::ip;
using testing::network_of;
using testing::Packet;
using testing::publish_of;
using testing::run;
using testing::Tap;

constexpr std::uint8_t kRst = 0x04, kIcmp = IPPROTO_ICMP, kTcp = IPPROTO_TCP, kUdp = IPPROTO_UDP;
constexpr std::uint16_t kEchoRequest = 0x0800, kEchoReply = 0x0000, kAdminProhibited = 0x030d;  // type and code
const MacAddress kMacA{{2, 0, 0, 0, 0, 0xa}}, kMacB{{2, 0, 0, 0, 0, 0xb}}, kMacWorld{{2, 0, 0, 0, 0, 0xc}};
const std::uint32_t kA = ip("10.0.5.2"), kB = ip("10.0.5.3"), kGateway = ip("10.0.5.1"), kHost = ip("192.0.2.1"),
                    kWorld = ip("192.0.2.9"), kElsewhere = ip("198.51.100.7");

// Guest A on tap0, guest B on tap1 with a pinned MAC; both publish a port. The world is on up0.
class Packets : public testing::InNamespace {
 protected:
  void SetUp() override {
    InNamespace::SetUp();
    a_ = std::make_unique<Tap>("tap0", kGuestGroup);
    b_ = std::make_unique<Tap>("tap1", kGuestGroup);
    world_ = std::make_unique<Tap>("up0", 0);
    other_ = std::make_unique<Tap>("up1", 0);
    for (const char* interface : {"tap0", "tap1", "up0", "up1"}) {
      run(std::string{"sysctl -qw net.ipv6.conf."} + interface + ".disable_ipv6=1 net.ipv4.conf." + interface +
          ".forwarding=1");
    }
    run("ip link set lo up && ip addr add 10.0.5.1/32 dev lo && ip addr add 192.0.2.1/24 dev up0");
    run("ip route add 10.0.5.2/32 dev tap0 src 10.0.5.1 && ip route add 10.0.5.3/32 dev tap1 src 10.0.5.1");
    run("ip route add default via 192.0.2.9 && ip route add 203.0.113.0/24 dev up1");
    run("ip neigh add 10.0.5.2 lladdr 02:00:00:00:00:0a dev tap0 nud permanent");
    run("ip neigh add 10.0.5.3 lladdr 02:00:00:00:00:0b dev tap1 nud permanent");
    run("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:0c dev up0 nud permanent");
    run("ip neigh add 203.0.113.5 lladdr 02:00:00:00:00:0d dev up1 nud permanent");
    load(config::Mode::nat, {});
    for (auto* tap : {a_.get(), b_.get(), world_.get(), other_.get()}) (void)tap->received();
  }

  void load(config::Mode mode, const Surroundings& surroundings, const std::vector<config::DnsServer>& upstreams = {}) {
    if (!port_) {
      auto port = open_nft();
      ASSERT_TRUE(port.has_value()) << port.error().to_string();
      port_ = std::move(*port);
    }
    const auto network = network_of(mode);
    auto desired = compile(config_of(network), surroundings);
    desired.insert(upstream_elements(upstreams));
    auto a = guest_of(0), b = guest_of(1);
    b.mac = kMacB;
    a.publish = {publish_of(8080, 80)};
    b.publish = {publish_of(8081, 80)};
    for (const auto& guest : {a, b}) desired.insert(compile_guest(guest, network));
    const auto observed = port_->observe();
    ASSERT_TRUE(observed.has_value());
    const auto done = port_->apply(diff(desired, *observed));
    ASSERT_TRUE(done.has_value()) << done.error().to_string();
  }

  static Packet udp(const MacAddress& mac, std::uint32_t from, std::uint32_t to, std::uint16_t port = 4000) {
    return {mac, from, to, kUdp, 5000, port, 0};
  }
  static Packet syn(const MacAddress& mac, std::uint32_t from, std::uint32_t to, std::uint16_t port) {
    return {mac, from, to, kTcp, 5000, port, 0x02};
  }
  static Packet ping(const MacAddress& mac, std::uint32_t from, std::uint32_t to) {
    return {mac, from, to, kIcmp, kEchoRequest, 0, 0};
  }
  // One packet, from and to these.
  static void expect_one(const std::vector<Packet>& packets, std::uint32_t from, std::uint32_t to, std::uint16_t port) {
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_EQ(packets[0].source, from);
    EXPECT_EQ(packets[0].target, to);
    EXPECT_EQ(packets[0].target_port, port);
  }
  static void expect_refused(const std::vector<Packet>& packets) {
    ASSERT_EQ(packets.size(), 1U);
    EXPECT_TRUE(packets[0].protocol == kTcp ? (packets[0].tcp_flags & kRst) != 0
                                            : packets[0].source_port == kAdminProhibited);
  }

  std::unique_ptr<Tap> a_, b_, world_, other_;
  std::unique_ptr<NftPort> port_;
};

TEST_F(Packets, AGuestReachesTheWorldBehindTheHostsAddress) {
  a_->send(udp(kMacA, kA, kElsewhere));
  expect_one(world_->packets(), kHost, kElsewhere, 4000);
  world_->send({kMacWorld, kElsewhere, kHost, kUdp, 4000, 5000, 0});
  expect_one(a_->packets(), kElsewhere, kA, 5000);
}

TEST_F(Packets, ARoutedNetworkKeepsItsAddresses) {
  load(config::Mode::routed, {});
  a_->send(udp(kMacA, kA, kElsewhere));
  expect_one(world_->packets(), kA, kElsewhere, 4000);
}

TEST_F(Packets, AnIsolatedGuestIsRefused) {
  load(config::Mode::isolated, {});
  a_->send(syn(kMacA, kA, kElsewhere, 80));
  EXPECT_TRUE(world_->packets().empty());
  expect_refused(a_->packets());
}

TEST_F(Packets, AForeignSourceGoesNowhere) {
  for (const auto source : {kB, kGateway, kElsewhere, ip("10.0.5.77")}) {
    a_->send(udp(kMacA, source, kElsewhere));
    a_->send(ping(kMacA, source, kGateway));
  }
  EXPECT_TRUE(world_->packets().empty());
  EXPECT_TRUE(a_->packets().empty());
  EXPECT_TRUE(b_->packets().empty());
}

TEST_F(Packets, AnUnpinnedGuestMayChangeItsMac) {
  a_->send(udp(kMacWorld, kA, kElsewhere));
  EXPECT_EQ(world_->packets().size(), 1U);
}

TEST_F(Packets, APinnedGuestWithAnotherMacGetsNothingThrough) {
  b_->send(udp(kMacB, kB, kElsewhere));
  EXPECT_EQ(world_->packets().size(), 1U);
  b_->send(udp(kMacA, kB, kElsewhere, 4001));
  b_->send(ping(kMacA, kB, kGateway));
  b_->send(arp_request(kMacA, kMacA, kB, kGateway));
  b_->send(arp_request(kMacA, kMacB, kB, kGateway));  // the frame's own MAC is wrong
  b_->send(arp_request(kMacB, kMacA, kB, kGateway));  // the ARP's is
  b_->send(arp_request(kMacA, kMacA, 0, kGateway));
  EXPECT_TRUE(world_->packets().empty());
  EXPECT_TRUE(b_->received().empty());
  b_->send(arp_request(kMacB, kMacB, kB, kGateway));
  EXPECT_EQ(b_->received().size(), 1U) << "the right one is answered";
}

TEST_F(Packets, ArpOnlyForOnesOwnAddress) {
  a_->send(arp_request(kMacA, kMacA, kB, kGateway));
  EXPECT_TRUE(a_->received().empty());
  a_->send(arp_request(kMacA, kMacA, kA, kGateway));
  EXPECT_EQ(a_->received().size(), 1U);
  a_->send(arp_request(kMacA, kMacA, 0, kGateway));
  EXPECT_EQ(a_->received().size(), 1U) << "a probe (RFC 5227) for the gateway's address must find it taken";
}

TEST_F(Packets, DhcpFromNoAddressReachesTheHostOnlyWithTheRightMac) {
  const UniqueFd server{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(67);
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), 0);
  const auto received = [&server] {
    char byte = 0;
    int count = 0;
    while (::recv(server.get(), &byte, 1, 0) >= 0) ++count;
    return count;
  };
  const auto request = [](const MacAddress& mac) { return Packet{mac, 0, 0xffffffff, kUdp, 68, 67, 0}; };
  run("sysctl -qw net.ipv4.conf.all.rp_filter=0");
  auto frame = testing::frame_of(request(kMacA), kBroadcastMac);
  a_->send(frame);
  (void)a_->received();
  EXPECT_EQ(received(), 1);
  b_->send(testing::frame_of(request(kMacB), kBroadcastMac));
  (void)b_->received();
  EXPECT_EQ(received(), 1);
  b_->send(testing::frame_of(request(kMacA), kBroadcastMac));
  (void)b_->received();
  EXPECT_EQ(received(), 0);
}

TEST_F(Packets, AGuestAnswersNoDhcp) {
  a_->send({kMacA, kA, kElsewhere, kUdp, 67, 68, 0});
  a_->send({kMacA, kA, kElsewhere, kIcmp, 0x0501, 0, 0});  // redirect
  EXPECT_TRUE(world_->packets().empty());
}

TEST_F(Packets, ATapThatIsNotAdoptedIsClosed) {
  run("ip link set tap0 group 0");
  a_->send(udp(kMacA, kA, kElsewhere));
  a_->send(ping(kMacA, kA, kGateway));
  a_->send(syn(kMacA, kA, kHost, 22));
  a_->send(arp_request(kMacA, kMacA, kA, kGateway));
  EXPECT_TRUE(world_->packets().empty());
  EXPECT_TRUE(a_->received().empty());
}

TEST_F(Packets, GuestsAreClosedToEachOther) {
  a_->send(syn(kMacA, kA, kB, 80));
  EXPECT_TRUE(b_->packets().empty());
  expect_refused(a_->packets());
  a_->send(ping(kMacA, kA, kB));
  EXPECT_TRUE(b_->packets().empty());
  expect_refused(a_->packets());
}

TEST_F(Packets, TheWorldReachesOnlyWhatIsPublished) {
  world_->send(syn(kMacWorld, kElsewhere, kA, 80));
  EXPECT_TRUE(a_->packets().empty());
  expect_refused(world_->packets());
  world_->send(syn(kMacWorld, kElsewhere, kHost, 8080));
  expect_one(a_->packets(), kElsewhere, kA, 80);
  world_->send(syn(kMacWorld, kElsewhere, kHost, 8081));
  expect_one(b_->packets(), kElsewhere, kB, 80);
  world_->send(syn(kMacWorld, kElsewhere, kHost, 8082));
  EXPECT_TRUE(a_->packets().empty());
}

TEST_F(Packets, APublishedPortWorksFromOtherGuestsAndFromTheGuestItself) {
  a_->send(syn(kMacA, kA, kHost, 8081));
  expect_one(b_->packets(), kA, kB, 80);
  a_->send(syn(kMacA, kA, kHost, 8080));
  expect_one(a_->packets(), kGateway, kA, 80);
}

TEST_F(Packets, APublishedPortWorksFromTheHost) {
  const UniqueFd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  sockaddr_in target{};
  target.sin_family = AF_INET;
  target.sin_port = htons(8080);
  target.sin_addr.s_addr = htonl(kHost);
  (void)::connect(client.get(), reinterpret_cast<const sockaddr*>(&target), sizeof target);
  const auto packets = a_->packets();
  ASSERT_GE(packets.size(), 1U);
  EXPECT_EQ(packets[0].target, kA);
  EXPECT_EQ(packets[0].target_port, 80);
}

TEST_F(Packets, OfTheHostAGuestGetsItsGatewayAndNothingElse) {
  a_->send(ping(kMacA, kA, kGateway));
  const auto replies = a_->packets();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].source_port, kEchoReply);
  a_->send(ping(kMacA, kA, kHost));
  expect_refused(a_->packets());
  a_->send(syn(kMacA, kA, kGateway, 22));
  expect_refused(a_->packets());
  // Nobody listens here: it's the host that refuses, having seen it, for TCP and for UDP.
  a_->send(udp(kMacA, kA, kGateway, 53));
  const auto refusal = a_->packets();
  ASSERT_EQ(refusal.size(), 1U);
  EXPECT_EQ(refusal[0].source_port, 0x0303) << "port unreachable, not prohibited";
}

TEST_F(Packets, TheCloudsMetadataIsNotReachable) {
  a_->send(syn(kMacA, kA, ip("169.254.169.254"), 80));
  EXPECT_TRUE(world_->packets().empty());
  EXPECT_TRUE(a_->packets().empty());
}

TEST_F(Packets, AnInterfaceThatWeMadeForwardForwardsForGuestsOnly) {
  world_->send(udp(kMacWorld, kElsewhere, ip("203.0.113.5")));
  EXPECT_EQ(other_->packets().size(), 1U) << "what was a router before us stays one";
  load(config::Mode::nat, {{"up0"}, {}, false});
  world_->send({kMacWorld, kElsewhere, ip("203.0.113.5"), kUdp, 5001, 4001, 0});
  EXPECT_TRUE(other_->packets().empty());
  a_->send(udp(kMacA, kA, kElsewhere));
  EXPECT_EQ(world_->packets().size(), 1U);
  world_->send(syn(kMacWorld, kElsewhere, kHost, 8080));
  EXPECT_EQ(a_->packets().size(), 1U);
}

TEST_F(Packets, ARunningConnectionOutlivesAReplacedTable) {
  a_->send(udp(kMacA, kA, kElsewhere));
  EXPECT_EQ(world_->packets().size(), 1U);
  run("nft add set inet vrouter strange '{ type inet_service . inet_service . mark; flags interval; }'");
  load(config::Mode::nat, {});
  world_->send({kMacWorld, kElsewhere, kHost, kUdp, 4000, 5000, 0});
  expect_one(a_->packets(), kElsewhere, kA, 5000);
}

constexpr uid_t kDhcpUser = 64990, kDnsUser = 64991;

sockaddr_in place(std::uint32_t to, std::uint16_t port) {
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(to);
  where.sin_port = htons(port);
  return where;
}

// What the service processes send, by sockets made as the spawner makes them: of the user, bound by the parent.
class ServicePackets : public Packets {
 protected:
  void SetUp() override {
    Packets::SetUp();
    load(config::Mode::nat, {{}, {}, false, ServiceUsers{.dhcp = kDhcpUser, .dns = kDnsUser}},
         {address{address_v4{kWorld}}, boost::asio::ip::make_address("127.0.0.53")});
  }
  static UniqueFd socket_of(uid_t user, int type, std::uint32_t local = 0, std::uint16_t port = 0) {
    ::setfsuid(user);
    UniqueFd fd{::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    ::setfsuid(0);
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    const auto where = place(local, port);
    if (port != 0) EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where), 0);
    return fd;
  }
  // 0, or the errno of sending one datagram there.
  static int sent(const UniqueFd& fd, std::uint32_t to, std::uint16_t port) {
    const auto where = place(to, port);
    const auto size = ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&where), sizeof where);
    return size == 1 ? 0 : errno;
  }
  // What becomes of a connection attempt within 100 ms; EINPROGRESS: nothing.
  static int connected(const UniqueFd& fd, std::uint32_t to, std::uint16_t port) {
    const auto where = place(to, port);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    pollfd wait{.fd = fd.get(), .events = POLLOUT, .revents = 0};
    if (::poll(&wait, 1, 100) == 0) return EINPROGRESS;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }
};

constexpr std::uint32_t kLoopback = 0x7f000001;

TEST_F(ServicePackets, TheDnsProcessAsksUpstreamsAndNobodyElse) {
  const auto socket = socket_of(kDnsUser, SOCK_DGRAM);
  EXPECT_EQ(sent(socket, kWorld, 53), 0);
  EXPECT_EQ(world_->packets().size(), 1U);
  EXPECT_EQ(sent(socket, ip("127.0.0.53"), 53), 0);
  EXPECT_EQ(sent(socket, kWorld, 123), EPERM);
  EXPECT_EQ(sent(socket, kElsewhere, 53), EPERM);
  EXPECT_EQ(sent(socket, kLoopback, 53), EPERM);
  EXPECT_EQ(sent(socket, kGateway, 80), EPERM);
  EXPECT_EQ(sent(socket, kA, 53), EPERM);
  EXPECT_TRUE(world_->packets().empty());
  EXPECT_TRUE(a_->packets().empty());
  EXPECT_EQ(connected(socket_of(0, SOCK_STREAM), kLoopback, 80), ECONNREFUSED) << "others are not judged";
  EXPECT_EQ(connected(socket_of(kDnsUser, SOCK_STREAM), kLoopback, 80), EINPROGRESS);
  EXPECT_EQ(connected(socket_of(kDnsUser, SOCK_STREAM), kWorld, 80), EINPROGRESS);
  EXPECT_TRUE(world_->packets().empty());
  (void)connected(socket_of(kDnsUser, SOCK_STREAM), kWorld, 53);
  EXPECT_FALSE(world_->packets().empty());
}

// Over UDP nobody knows whether a resolver's port, from 1024 on, asked: such questions are untracked.
TEST_F(ServicePackets, TheDnsProcessAnswersResolversAndNobodyElse) {
  const auto socket = socket_of(kDnsUser, SOCK_DGRAM, kGateway, 53);
  EXPECT_EQ(sent(socket, kA, 1023), EPERM) << "not asked from there";
  a_->send(udp(kMacA, kA, kGateway, 53));
  EXPECT_EQ(sent(socket, kA, 5000), 0);
  expect_one(a_->packets(), kGateway, kA, 5000);
  EXPECT_EQ(sent(socket, kA, 22), EPERM);
  EXPECT_EQ(sent(socket, kB, 1023), EPERM);
  EXPECT_EQ(sent(socket, kWorld, 5000), EPERM);
  EXPECT_EQ(sent(socket, kLoopback, 5000), EPERM);
  const auto client = socket_of(0, SOCK_DGRAM, kLoopback, 5000);
  EXPECT_EQ(sent(client, kGateway, 53), 0);
  EXPECT_EQ(sent(socket, kLoopback, 5000), 0) << "this host may ask too";
}

// connect(2) with AF_UNSPEC turns a listening socket into one that connects, from port 53.
TEST_F(ServicePackets, AListeningSocketTurnedAroundReachesNobody) {
  for (const auto target : {kA, kLoopback, kElsewhere}) {
    const auto socket = socket_of(kDnsUser, SOCK_STREAM, kGateway, 53);
    ASSERT_EQ(::listen(socket.get(), 1), 0);
    sockaddr unspecified{};
    ASSERT_EQ(::connect(socket.get(), &unspecified, sizeof unspecified), 0);
    EXPECT_EQ(connected(socket, target, 80), EINPROGRESS);
  }
  EXPECT_TRUE(a_->packets().empty());
  EXPECT_TRUE(world_->packets().empty());
}

TEST_F(ServicePackets, TheDhcpProcessReachesClientsOfGuestsOnly) {
  const auto socket = socket_of(kDhcpUser, SOCK_DGRAM, 0, 67);
  EXPECT_EQ(sent(socket, kA, 68), 0);
  expect_one(a_->packets(), kGateway, kA, 68);
  EXPECT_EQ(sent(socket, kA, 69), EPERM);
  EXPECT_EQ(sent(socket, kWorld, 68), EPERM);
  EXPECT_EQ(sent(socket, kWorld, 53), EPERM);
  EXPECT_EQ(sent(socket, kLoopback, 68), EPERM);
  EXPECT_EQ(sent(socket_of(kDhcpUser, SOCK_DGRAM), kA, 68), EPERM) << "from its port only";
  EXPECT_EQ(connected(socket_of(kDhcpUser, SOCK_STREAM), kLoopback, 80), EINPROGRESS);
  EXPECT_TRUE(world_->packets().empty());
}

}  // namespace
}  // namespace vrouter::firewall
