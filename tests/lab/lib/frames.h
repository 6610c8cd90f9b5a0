// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mac_address.h"

namespace vrouter::lab {

// Ethernet frames made and taken apart by hand, for what no well-behaved client would send. Addresses are text, since
// tests read better so; a bad one throws LabError.

using Bytes = std::vector<std::uint8_t>;

struct Ethernet {
  MacAddress to;
  MacAddress from;
};

inline constexpr std::uint16_t kEtherIpv4 = 0x0800;
inline constexpr std::uint16_t kEtherArp = 0x0806;
inline constexpr std::uint16_t kEtherIpv6 = 0x86dd;
inline constexpr std::uint8_t kProtocolIcmp = 1;
inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::uint8_t kProtocolIcmp6 = 58;

[[nodiscard]] Bytes ethernet(const Ethernet& header, std::uint16_t type, std::span<const std::uint8_t> payload);

struct Arp {
  std::uint16_t operation = 1;  // 1 request, 2 reply (RFC 826)
  MacAddress sender_mac{};
  std::string sender{};
  MacAddress target_mac{};
  std::string target{};
};
[[nodiscard]] Bytes arp(const Ethernet& header, const Arp& message);

// IPv4 or IPv6 by the look of `from`; checksums are right.
struct Ip {
  std::string from;
  std::string to;
  std::uint8_t ttl = 64;
};
[[nodiscard]] Bytes ip(const Ethernet& header, const Ip& addresses, std::uint8_t protocol,
                       std::span<const std::uint8_t> payload);
[[nodiscard]] Bytes udp(const Ethernet& header, const Ip& addresses, std::uint16_t from_port, std::uint16_t to_port,
                        std::string_view payload);
// TCP with these flags (0x02 SYN, 0x10 ACK) and no payload.
[[nodiscard]] Bytes tcp(const Ethernet& header, const Ip& addresses, std::uint16_t from_port, std::uint16_t to_port,
                        std::uint8_t flags, std::uint32_t sequence = 1);
// An echo request, ICMP or ICMPv6.
[[nodiscard]] Bytes ping(const Ethernet& header, const Ip& addresses, std::uint16_t id, std::uint16_t sequence);
// A neighbour advertisement (RFC 4861 4.4), solicited and override set, with the target link-layer option.
[[nodiscard]] Bytes neighbour_advertisement(const Ethernet& header, const Ip& addresses, std::string_view target,
                                            const MacAddress& target_mac);

// What a received frame says, as far as it could be read.
struct Seen {
  Ethernet ethernet;
  std::uint16_t type = 0;
  std::string from, to;       // IP addresses, or ARP's sender and target
  std::uint8_t protocol = 0;  // of IP
  std::uint8_t ttl = 0;
  std::uint16_t arp_operation = 0;
  MacAddress arp_sender_mac;
  std::uint16_t from_port = 0, to_port = 0;
  std::uint8_t icmp_type = 0, tcp_flags = 0;
  Bytes payload;  // of UDP; of ICMP after its first 8 bytes
};
[[nodiscard]] std::optional<Seen> dissect(std::span<const std::uint8_t> frame);

}  // namespace vrouter::lab
