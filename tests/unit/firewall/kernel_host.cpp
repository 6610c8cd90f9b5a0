// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/firewall/kernel_host.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/if_tun.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>

#include "base/guest_group.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall::testing {
namespace {

constexpr std::size_t kBulk = 128;  // packets under way at once: a TAP queues 1000
constexpr std::chrono::seconds kPatience{5};
constexpr const char *kWorld4 = "198.18.0.1", *kWorld6 = "2001:db8:ffff::1", *kWorldMac = "02:ff:00:00:00:01";

// One CPU for a while: what the kernel leaves to softirqs is then done in the order in which it came.
class OnOneCpu {
 public:
  OnOneCpu() {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
    EXPECT_EQ(::sched_setaffinity(0, sizeof one, &one), 0) << std::strerror(errno);
  }
  OnOneCpu(const OnOneCpu&) = delete;
  OnOneCpu& operator=(const OnOneCpu&) = delete;
  ~OnOneCpu() { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

// Everything forwards, nothing is sent unasked, and no answer is held back for its rate.
void set_sysctls() {
  for (const std::string setting :
       {"ipv4/ip_forward=1", "ipv4/conf/all/rp_filter=0", "ipv4/conf/default/rp_filter=0",
        "ipv4/conf/all/send_redirects=0", "ipv4/conf/default/send_redirects=0", "ipv4/icmp_ratelimit=0",
        "ipv4/icmp_ratemask=0", "ipv4/icmp_echo_ignore_all=1", "ipv6/conf/all/forwarding=1",
        "ipv6/conf/default/accept_dad=0", "ipv6/conf/default/addr_gen_mode=1", "ipv6/icmp/ratelimit=0",
        "ipv6/icmp/ratemask=255", "ipv6/icmp/echo_ignore_all=1", "netfilter/nf_conntrack_checksum=0"}) {
    const auto split = setting.find('=');
    std::ofstream file{"/proc/sys/net/" + setting.substr(0, split)};
    file << setting.substr(split + 1) << std::flush;
    EXPECT_TRUE(file.good()) << setting;
  }
}

std::string host_prefix(const address& a) {
  return a.to_string() + (a.is_v4() ? "/32" : "/128");
}

struct Destination {
  sockaddr_storage storage{};
  socklen_t size = 0;
  explicit Destination(const address& a) {
    if (a.is_v4()) {
      sockaddr_in in{};
      in.sin_family = AF_INET;
      in.sin_addr.s_addr = htonl(a.to_v4().to_uint());
      std::memcpy(&storage, &in, size = sizeof in);
    } else {
      sockaddr_in6 in{};
      in.sin6_family = AF_INET6;
      std::ranges::copy(a.to_v6().to_bytes(), in.sin6_addr.s6_addr);
      std::memcpy(&storage, &in, size = sizeof in);
    }
  }
};

// Of a protocol without ports all packets between two hosts are one connection, and behind NAT those of all guests.
bool is_known_by_port(const firewall::Packet& packet) {
  constexpr std::array<std::uint8_t, 5> kProtocols{IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_ICMP,
                                                   IPPROTO_ICMPV6};
  return std::ranges::find(kProtocols, packet.protocol) != kProtocols.end();
}

// Forgets every connection of this namespace.
void flush_conntrack() {
  struct {
    nlmsghdr header;
    nfgenmsg family;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  const UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)};
  EXPECT_EQ(::send(fd.get(), &request, sizeof request, 0), static_cast<ssize_t>(sizeof request));
  struct {
    nlmsghdr header;
    nlmsgerr error;
  } answer{};
  EXPECT_GE(::recv(fd.get(), &answer, sizeof answer, 0), static_cast<ssize_t>(sizeof answer.header + sizeof(int)));
  EXPECT_EQ(answer.error.error, 0) << std::strerror(-answer.error.error);
}

// Is this the packet itself, and no error about it?
bool is_itself(const Sighting& seen, const firewall::Packet& packet) {
  const bool icmp = packet.protocol == IPPROTO_ICMP || packet.protocol == IPPROTO_ICMPV6;
  return seen.protocol == packet.protocol && (!icmp || seen.icmp_type == packet.icmp_type);
}

// What a sighting on a link (or, with no name, at a socket of the host's) says of one of the packets.
class Bookkeeper {
 public:
  Bookkeeper(const std::vector<firewall::Packet>& packets, std::uint32_t first, std::vector<Fate>& fates)
      : packets_{packets}, first_{first}, fates_{fates} {}

  void note(const std::string& link, const Sighting& seen) {
    if (seen.number >= first_ && seen.number - first_ < fates_.size()) {
      note_numbered(link, seen, seen.number - first_);
    } else if (seen.reset) {
      note_reset(link, seen);
    }
  }

 private:
  void note_numbered(const std::string& link, const Sighting& seen, std::size_t i) {
    auto& fate = fates_[i];
    if (is_itself(seen, packets_[i]) && link.empty()) {
      // A broadcast of the host's own leaves and comes back to it.
      if (fate.kind != Fate::Kind::left) fate = {Fate::Kind::delivered};
    } else if (is_itself(seen, packets_[i])) {
      fate = {Fate::Kind::left, link, seen.source, seen.destination, seen.source_port, seen.destination_port};
    } else if (seen.prohibited && link == packets_[i].iifname) {
      refuse(i, Fate::Kind::prohibited);
    }
  }
  // A reset quotes nothing: it is known by where it goes.
  void note_reset(const std::string& link, const Sighting& seen) {
    for (std::size_t i = 0; i < fates_.size(); ++i) {
      const auto& packet = packets_[i];
      const bool its_sender = seen.destination_port == packet.source_port && link == packet.iifname &&
                              (link.empty() || seen.destination == packet.source);
      if (packet.protocol == IPPROTO_TCP && its_sender) refuse(i, Fate::Kind::reset);
    }
  }
  // What was delivered may be refused by the host's own stack, which is no matter of ours.
  void refuse(std::size_t i, Fate::Kind kind) {
    if (fates_[i].kind == Fate::Kind::nothing) fates_[i].kind = kind;
  }

  const std::vector<firewall::Packet>& packets_;
  std::uint32_t first_;
  std::vector<Fate>& fates_;
};

std::optional<Octets> read_from(int fd) {
  Octets bytes(2048);
  const auto n = ::read(fd, bytes.data(), bytes.size());
  if (n < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(n));
  return bytes;
}

}  // namespace

std::string Fate::to_string() const {
  switch (kind) {
    case Kind::nothing:
      return "nothing";
    case Kind::delivered:
      return "delivered";
    case Kind::left:
      return "left by " + out + ": " + source.to_string() + " port " + std::to_string(source_port) + " -> " +
             destination.to_string() + " port " + std::to_string(destination_port);
    case Kind::reset:
      return "reset";
    case Kind::prohibited:
      return "prohibited";
  }
  std::abort();
}

KernelHost::KernelHost(const Topology& topology) {
  EXPECT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root: " << std::strerror(errno);
  set_sysctls();
  for (const auto& [address, guest] : topology.guests) make_link(guest.tap);
  make_link(topology.uplink);
  configure(topology);
  listen_to(IPPROTO_UDP, true);
  auto port = open_nft();
  EXPECT_TRUE(port.has_value()) << port.error().to_string();
  if (port) port_ = std::move(*port);
}

void KernelHost::make_link(const std::string& name) {
  if (links_.contains(name)) return;
  Link link{UniqueFd{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)}, {}};
  ifreq request{};
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1), request.ifr_name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  EXPECT_EQ(::ioctl(link.tap.get(), TUNSETIFF, &request), 0) << name << ": " << std::strerror(errno);
  EXPECT_EQ(::ioctl(link.tap.get(), SIOCGIFHWADDR, &request), 0) << name << ": " << std::strerror(errno);
  std::copy_n(request.ifr_hwaddr.sa_data, 6, link.mac.bytes.begin());
  links_.emplace(name, std::move(link));
}

void KernelHost::configure(const Topology& topology) {
  std::string batch = "link set lo up\n";
  for (const auto& [name, link] : links_) {
    const auto group = topology.adopted.contains(name) ? kGuestGroup : 0;
    batch += "link set " + name + " group " + std::to_string(group) + " up\n";
  }
  for (const auto& [own, interface] : topology.host)
    batch += "addr add " + host_prefix(own) + " dev " + interface + "\n";
  for (const auto* world : {kWorld4, kWorld6}) {
    batch +=
        std::string{"neigh add "} + world + " lladdr " + kWorldMac + " dev " + topology.uplink + " nud permanent\n";
    batch += std::string{"route add default via "} + world + " dev " + topology.uplink + " onlink\n";
  }
  for (const auto& [own, guest] : topology.guests) {
    const auto mac = guest.mac.value_or(MacAddress{{2, 0, 0, 0, 0, 1}}).to_string();
    batch += "route add " + host_prefix(own) + " dev " + guest.tap + "\n";
    batch += "neigh add " + own.to_string() + " lladdr " + mac + " dev " + guest.tap + " nud permanent\n";
  }
  // By way of an address of the guest's own: what is behind it answers no ARP here.
  const auto route_prefix = [&](const auto& prefix, const Topology::Attachment& guest) {
    const bool v4 = address{prefix.network()}.is_v4();
    const auto own = std::ranges::find_if(
        topology.guests, [&](const auto& entry) { return entry.second.tap == guest.tap && entry.first.is_v4() == v4; });
    if (own == topology.guests.end()) return;
    batch += "route add " + prefix.to_string() + " via " + own->first.to_string() + " dev " + guest.tap + "\n";
  };
  for (const auto& [prefix, guest] : topology.prefixes4) route_prefix(prefix, guest);
  for (const auto& [prefix, guest] : topology.prefixes6) route_prefix(prefix, guest);
  for (const auto& network : topology.networks4) batch += "route add unreachable " + network.to_string() + "\n";
  for (const auto& network : topology.networks6) batch += "route add unreachable " + network.to_string() + "\n";
  run("printf '" + batch + "' | ip -batch -");
  for (const auto& tap : topology.localnet) run("sysctl -qw net.ipv4.conf." + tap + ".route_localnet=1");
}

void KernelHost::load(const Ruleset& ruleset) {
  const auto observed = port_->observe();
  ASSERT_TRUE(observed.has_value()) << observed.error().to_string();
  const auto done = port_->apply(diff(ruleset, *observed));
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
  flush_conntrack();
}

std::vector<Fate> KernelHost::send(const std::vector<firewall::Packet>& packets) {
  const OnOneCpu pinned;
  std::vector<Fate> fates(packets.size());
  const auto first = next_;
  next_ += static_cast<std::uint32_t>(packets.size());
  for (const auto& packet : packets) listen_to(packet.protocol, packet.source.is_v4());
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (!is_known_by_port(packets[i])) flush_conntrack();
    send_one(packets[i], first + static_cast<std::uint32_t>(i));
    if ((i + 1) % kBulk == 0) wait_for_barrier(packets, first, fates);
  }
  wait_for_barrier(packets, first, fates);
  return fates;
}

// Raw sockets see what passed the input hook, whoever it is for.
void KernelHost::listen_to(std::uint8_t protocol, bool v4) {
  const auto listen = [this, v4](std::uint8_t number) {
    auto& fd = listeners_[{number, v4}];
    if (fd) return;
    fd.reset(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, number));
    EXPECT_TRUE(fd) << std::strerror(errno);
    const int room = 4 << 20;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  };
  listen(protocol);
  listen(v4 ? std::uint8_t{IPPROTO_ICMP} : std::uint8_t{IPPROTO_ICMPV6});  // refusals of what the host sends
}

void KernelHost::send_one(const firewall::Packet& packet, std::uint32_t number) {
  if (packet.iifname.empty()) return send_from_socket(packet, number);
  const auto link = links_.find(packet.iifname);
  ASSERT_NE(link, links_.end()) << packet.iifname;
  const auto frame = ether_frame(packet, number, link->second.mac);
  EXPECT_EQ(::write(link->second.tap.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size()))
      << std::strerror(errno);
}

void KernelHost::send_from_socket(const firewall::Packet& packet, std::uint32_t number) {
  const bool v4 = packet.source.is_v4();
  auto& fd = senders_[{packet.skuid.value_or(0), v4}];
  if (!fd) {
    ::setfsuid(packet.skuid.value_or(0));
    fd.reset(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
    ::setfsuid(0);
    EXPECT_TRUE(fd) << std::strerror(errno);
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  }
  EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, packet.oifname.c_str(),
                         static_cast<socklen_t>(packet.oifname.size())),
            0)
      << packet.oifname << ": " << std::strerror(errno);
  const auto bytes = ip_packet(packet, number);
  const Destination to{packet.destination};
  const void* where = &to.storage;
  const auto sent = ::sendto(fd.get(), bytes.data(), bytes.size(), 0, static_cast<const sockaddr*>(where), to.size);
  // Dropped, or without a route: it is for its fate to tell.
  constexpr std::array kRefusals{EPERM, EINVAL, EADDRNOTAVAIL, ENETUNREACH, EHOSTUNREACH, EACCES};
  EXPECT_TRUE(sent >= 0 || std::ranges::find(kRefusals, errno) != kRefusals.end()) << std::strerror(errno);
}

void KernelHost::collect(const std::vector<firewall::Packet>& packets, std::uint32_t first, std::vector<Fate>& fates) {
  Bookkeeper book{packets, first, fates};
  for (const auto& [name, link] : links_) {
    while (const auto frame = read_from(link.tap.get())) {
      if (const auto seen = see_frame(*frame)) book.note(name, *seen);
    }
  }
  for (const auto& [what, fd] : listeners_) {
    const auto [protocol, v4] = what;
    while (const auto bytes = read_from(fd.get())) {
      const auto seen = v4 ? see_packet(*bytes) : see_payload(protocol, *bytes);
      if (!seen) continue;
      book.note({}, *seen);
      if (protocol == IPPROTO_UDP) barrier_ = std::max(barrier_, seen->number);
    }
  }
}

// A datagram of the host's to itself, which it hears only after all that was sent before.
void KernelHost::wait_for_barrier(const std::vector<firewall::Packet>& packets, std::uint32_t first,
                                  std::vector<Fate>& fates) {
  const auto number = next_++;
  firewall::Packet barrier;
  barrier.source = barrier.destination = address_v4::loopback();
  barrier.protocol = IPPROTO_UDP;
  barrier.source_port = barrier.destination_port = 9;  // discard (RFC 863)
  send_from_socket(barrier, number);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (barrier_ < number) {
    pollfd ready{listeners_.at({IPPROTO_UDP, true}).get(), POLLIN, 0};
    ::poll(&ready, 1, 100);
    collect(packets, first, fates);
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the kernel is still busy with what was sent";
  }
}

}  // namespace vrouter::firewall::testing
