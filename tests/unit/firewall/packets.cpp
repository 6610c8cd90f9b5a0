// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/firewall/packets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/wire_writer.h"
#include "tests/unit/firewall/checksum.h"
#include "tests/unit/firewall/fixtures.h"

namespace vrouter::firewall::testing {
namespace {

constexpr std::size_t kEther = 14, kIp = 20;
constexpr int kSettleMs = 100;  // softirqs may run just after write() returns

std::size_t header_size(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP ? 20 : 8;
}

void write_transport(WireWriter& out, const Packet& p) {
  out.u16(p.source_port);
  out.u16(p.target_port);
  if (p.protocol == IPPROTO_TCP) {
    out.u32(1);
    out.u32(0);
    out.u8(5 << 4);
    out.u8(p.tcp_flags);
    out.u16(8192);
    out.u32(0);
  } else if (p.protocol == IPPROTO_UDP) {
    out.u16(8);
    out.u16(0);  // no checksum (RFC 768)
  } else {
    out.u32(1);
  }
}

}  // namespace

std::uint32_t ip(const char* text) {
  return boost::asio::ip::make_address_v4(text).to_uint();
}

Frame frame_of(const Packet& p, const MacAddress& target_mac) {
  const auto payload = header_size(p.protocol);
  Frame frame(kEther + kIp + payload);
  WireWriter out{frame};
  out.bytes(target_mac.bytes);
  out.bytes(p.source_mac.bytes);
  out.u16(0x0800);
  out.u16(0x4500);
  out.u16(static_cast<std::uint16_t>(kIp + payload));
  out.u32(0);
  out.u8(64);
  out.u8(p.protocol);
  out.u16(0);
  out.u32(p.source);
  out.u32(p.target);
  write_transport(out, p);
  const std::span bytes{frame};
  out.patch_u16(kEther + 10, fold(sum_of(bytes.subspan(kEther, kIp))));
  const auto transport = bytes.subspan(kEther + kIp);
  if (p.protocol == IPPROTO_TCP) {
    const auto pseudo = sum_of(bytes.subspan(kEther + 12, 8), IPPROTO_TCP + static_cast<std::uint32_t>(payload));
    out.patch_u16(kEther + kIp + 16, fold(sum_of(transport, pseudo)));
  } else if (p.protocol == IPPROTO_ICMP) {
    out.patch_u16(kEther + kIp + 2, 0);
    out.patch_u16(kEther + kIp + 2, fold(sum_of(transport)));
  }
  return frame;
}

Frame arp_request(const MacAddress& source_mac, const MacAddress& sender_mac, std::uint32_t sender,
                  std::uint32_t target) {
  Frame frame(kEther + 28);
  WireWriter out{frame};
  out.bytes(kBroadcastMac.bytes);
  out.bytes(source_mac.bytes);
  out.u16(0x0806);
  out.u16(1);
  out.u16(0x0800);
  out.u16(0x0604);
  out.u16(1);
  out.bytes(sender_mac.bytes);
  out.u32(sender);
  out.fill(6);
  out.u32(target);
  return frame;
}

std::optional<Packet> parse(const Frame& f) {
  if (f.size() < kEther + kIp + 8 || f[12] != 0x08 || f[13] != 0x00 || f[14] != 0x45) return std::nullopt;
  const auto u16 = [&f](std::size_t i) { return static_cast<std::uint16_t>(f[i] << 8 | f[i + 1]); };
  const auto u32 = [&u16](std::size_t i) { return std::uint32_t{u16(i)} << 16 | u16(i + 2); };
  Packet p;
  std::copy_n(f.begin() + 6, 6, p.source_mac.bytes.begin());
  p.protocol = f[kEther + 9];
  p.source = u32(kEther + 12);
  p.target = u32(kEther + 16);
  p.source_port = u16(kEther + kIp);
  p.target_port = u16(kEther + kIp + 2);
  p.tcp_flags = p.protocol == IPPROTO_TCP && f.size() > kEther + kIp + 13 ? f[kEther + kIp + 13] : 0;
  return p;
}

Tap::Tap(std::string name, unsigned group) {
  fd_.reset(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  ifreq request{};
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1), request.ifr_name);
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (::ioctl(fd_.get(), TUNSETIFF, &request) != 0) ADD_FAILURE() << name << ": " << std::strerror(errno);
  run("ip link set " + name + " group " + std::to_string(group) + " up");
  if (::ioctl(fd_.get(), SIOCGIFHWADDR, &request) != 0) ADD_FAILURE() << name << ": " << std::strerror(errno);
  std::copy_n(request.ifr_hwaddr.sa_data, 6, host_mac_.bytes.begin());
}

void Tap::send(const Frame& frame) {
  EXPECT_EQ(::write(fd_.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size())) << std::strerror(errno);
}

std::vector<Frame> Tap::received() {
  std::vector<Frame> frames;
  pollfd ready{fd_.get(), POLLIN, 0};
  while (::poll(&ready, 1, kSettleMs) == 1) {
    Frame frame(2048);
    const auto n = ::read(fd_.get(), frame.data(), frame.size());
    if (n <= 0) break;
    frame.resize(static_cast<std::size_t>(n));
    frames.push_back(std::move(frame));
  }
  return frames;
}

std::vector<Packet> Tap::packets() {
  std::vector<Packet> packets;
  for (const auto& frame : received()) {
    if (auto packet = parse(frame)) packets.push_back(*packet);
  }
  return packets;
}

}  // namespace vrouter::firewall::testing
