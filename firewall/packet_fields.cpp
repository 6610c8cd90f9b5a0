// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/packet_fields.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "firewall/fields.h"

namespace vrouter::firewall {
namespace {

template <typename Range>
bool put(const Range& bytes, Bytes& out) {
  out.insert(out.end(), bytes.begin(), bytes.end());
  return true;
}
bool put_port(std::uint16_t value, Bytes& out) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
  return true;
}
bool put_host_order(std::uint32_t value, Bytes& out) {
  std::array<std::uint8_t, sizeof value> bytes{};
  std::memcpy(bytes.data(), &value, sizeof value);
  return put(bytes, out);
}
bool put_byte(std::uint8_t value, Bytes& out) {
  out.push_back(value);
  return true;
}
// A packet without that device has an empty name.
bool put_name(const std::string& name, bool there, Bytes& out) {
  std::array<std::uint8_t, 16> bytes{};
  if (there) std::copy_n(name.begin(), std::min(name.size(), bytes.size() - 1), bytes.begin());
  return put(bytes, out);
}
// A packet without that device is of no group, not of group 0.
bool put_group(std::uint32_t group, bool there, Bytes& out) {
  return there && put_host_order(group, out);
}
bool put_address(const address& a, Bytes& out) {
  return a.is_v4() ? put(a.to_v4().to_bytes(), out) : put(a.to_v6().to_bytes(), out);
}

bool has_way_in(const Packet& packet, const Moment& moment) {
  return moment.hook != Hook::output && !packet.iifname.empty();
}
bool has_way_out(const Packet& packet, const Moment& moment) {
  return moment.hook != Hook::prerouting && moment.hook != Hook::input && !packet.oifname.empty();
}

std::uint8_t nfproto_of(const Packet& packet, const Moment& moment) {
  if (moment.family == Family::arp) return NFPROTO_ARP;
  return packet.source.is_v4() ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

// Is the packet what the field's header belongs to? (Assembler::require says the same in bytecode.)
bool is_of(const FieldSpec& field, const Packet& packet, const Moment& moment) {
  if (field.ether && !packet.ether_saddr) return false;
  if (field.l3 != 0 && field.l3 != nfproto_of(packet, moment)) return false;
  const bool transport = field.source == Source::payload && field.key == NFT_PAYLOAD_TRANSPORT_HEADER;
  if (transport && moment.family == Family::arp) return false;
  return field.l4 == 0 || (moment.family == Family::inet && field.l4 == packet.protocol);
}

bool is_icmp(const Packet& packet) {
  return packet.protocol == IPPROTO_ICMP || packet.protocol == IPPROTO_ICMPV6;
}
std::uint16_t first_word(const Packet& packet) {
  return is_icmp(packet) ? static_cast<std::uint16_t>(packet.icmp_type << 8) : packet.source_port;
}

// Before conntrack, and of a packet that it has no connection for, there is a state but no status.
bool put_ct_state(const Packet& packet, const Moment& moment, Bytes& out) {
  return put_host_order(moment.tracked ? packet.ct_state : kCtInvalid, out);
}
bool has_connection(const Packet& packet, const Moment& moment) {
  return moment.tracked && (packet.ct_state & (kCtInvalid | kCtUntracked)) == 0;
}
bool put_ct_status(const Packet& packet, const Moment& moment, Bytes& out) {
  return has_connection(packet, moment) && put_host_order(packet.ct_status, out);
}
bool put_original_destination(bool v4, const Packet& packet, const Moment& moment, Bytes& out) {
  if (packet.source.is_v4() != v4 || !has_connection(packet, moment)) return false;
  return put_address(packet.original_destination.value_or(packet.destination), out);
}

bool put_arp(Field field, const Packet& packet, Bytes& out) {
  if (!packet.arp) return false;
  if (field == Field::arp_operation) return put_port(packet.arp->operation, out);
  if (field == Field::arp_saddr_ether) return put(packet.arp->sender_mac.bytes, out);
  return put(packet.arp->sender.to_bytes(), out);
}

}  // namespace

bool load(Field field, const Packet& packet, const Moment& moment, Bytes& out) {
  if (!is_of(spec(field), packet, moment)) return false;
  switch (field) {
    case Field::iifname:
      return put_name(packet.iifname, has_way_in(packet, moment), out);
    case Field::oifname:
      return put_name(packet.oifname, has_way_out(packet, moment), out);
    case Field::iifgroup:
      return put_group(packet.iifgroup, has_way_in(packet, moment), out);
    case Field::oifgroup:
      return put_group(packet.oifgroup, has_way_out(packet, moment), out);
    case Field::mark:
      return put_host_order(packet.mark, out);
    case Field::nfproto:
      return put_byte(nfproto_of(packet, moment), out);
    case Field::l4proto:
      return moment.family == Family::inet && put_byte(packet.protocol, out);
    case Field::ether_saddr:
      return put(packet.ether_saddr->bytes, out);  // NOLINT(bugprone-unchecked-optional-access): is_of() asked
    case Field::ip_saddr:
    case Field::ip6_saddr:
      return put_address(packet.source, out);
    case Field::ip_daddr:
    case Field::ip6_daddr:
      return put_address(packet.destination, out);
    case Field::th_sport:
      return put_port(first_word(packet), out);
    case Field::udp_sport:
      return put_port(packet.source_port, out);
    case Field::udp_dport:
    case Field::th_dport:
      return put_port(packet.destination_port, out);
    case Field::icmp_type:
    case Field::icmpv6_type:
      return put_byte(packet.icmp_type, out);
    case Field::arp_operation:
    case Field::arp_saddr_ether:
    case Field::arp_saddr_ip:
      return put_arp(field, packet, out);
    case Field::ct_state:
      return put_ct_state(packet, moment, out);
    case Field::ct_status:
      return put_ct_status(packet, moment, out);
    case Field::ct_original_ip_daddr:
    case Field::ct_original_ip6_daddr:
      return put_original_destination(field == Field::ct_original_ip_daddr, packet, moment, out);
    case Field::fib_daddr_type:
      return put_host_order(packet.fib_daddr_type, out);
    case Field::fib_saddr_iif:
      return put_host_order(packet.reached_by_iif ? 1 : 0, out);
    case Field::skuid:
      return packet.skuid && put_host_order(*packet.skuid, out);
  }
  std::abort();
}

}  // namespace vrouter::firewall
