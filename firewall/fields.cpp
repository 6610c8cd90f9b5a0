// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/fields.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cstdlib>

namespace vrouter::firewall {

const FieldSpec& spec(Field field) noexcept {
  using enum Source;
  constexpr auto kLink = NFT_PAYLOAD_LL_HEADER;
  constexpr auto kNetwork = NFT_PAYLOAD_NETWORK_HEADER;
  constexpr auto kTransport = NFT_PAYLOAD_TRANSPORT_HEADER;
  static constexpr FieldSpec kIifname{"iifname", meta, NFT_META_IIFNAME, 0, 16};
  static constexpr FieldSpec kOifname{"oifname", meta, NFT_META_OIFNAME, 0, 16};
  static constexpr FieldSpec kIifgroup{"iifgroup", meta, NFT_META_IIFGROUP, 0, 4};
  static constexpr FieldSpec kOifgroup{"oifgroup", meta, NFT_META_OIFGROUP, 0, 4};
  static constexpr FieldSpec kMark{"meta mark", meta, NFT_META_MARK, 0, 4};
  static constexpr FieldSpec kNfproto{"meta nfproto", meta, NFT_META_NFPROTO, 0, 1};
  static constexpr FieldSpec kL4proto{"meta l4proto", meta, NFT_META_L4PROTO, 0, 1};
  static constexpr FieldSpec kEtherSaddr{"ether saddr", payload, kLink, 6, 6, 0, 0, true};
  static constexpr FieldSpec kIpSaddr{"ip saddr", payload, kNetwork, 12, 4, NFPROTO_IPV4};
  static constexpr FieldSpec kIpDaddr{"ip daddr", payload, kNetwork, 16, 4, NFPROTO_IPV4};
  static constexpr FieldSpec kIp6Saddr{"ip6 saddr", payload, kNetwork, 8, 16, NFPROTO_IPV6};
  static constexpr FieldSpec kIp6Daddr{"ip6 daddr", payload, kNetwork, 24, 16, NFPROTO_IPV6};
  static constexpr FieldSpec kUdpSport{"udp sport", payload, kTransport, 0, 2, 0, IPPROTO_UDP};
  static constexpr FieldSpec kUdpDport{"udp dport", payload, kTransport, 2, 2, 0, IPPROTO_UDP};
  static constexpr FieldSpec kThSport{"th sport", payload, kTransport, 0, 2};
  static constexpr FieldSpec kThDport{"th dport", payload, kTransport, 2, 2};
  static constexpr FieldSpec kIcmpType{"icmp type", payload, kTransport, 0, 1, NFPROTO_IPV4, IPPROTO_ICMP};
  static constexpr FieldSpec kIcmpv6Type{"icmpv6 type", payload, kTransport, 0, 1, NFPROTO_IPV6, IPPROTO_ICMPV6};
  // RFC 826: ar$op at 6, and for Ethernet and IPv4 ar$sha at 8, ar$spa at 14.
  static constexpr FieldSpec kArpOperation{"arp operation", payload, kNetwork, 6, 2};
  static constexpr FieldSpec kArpSaddrEther{"arp saddr ether", payload, kNetwork, 8, 6};
  static constexpr FieldSpec kArpSaddrIp{"arp saddr ip", payload, kNetwork, 14, 4};
  static constexpr FieldSpec kCtState{"ct state", ct, NFT_CT_STATE, 0, 4};
  static constexpr FieldSpec kCtStatus{"ct status", ct, NFT_CT_STATUS, 0, 4};
  static constexpr FieldSpec kCtOriginalDaddr{
      .text = "ct original ip daddr", .source = ct, .key = NFT_CT_DST_IP, .length = 4, .original = true};
  static constexpr FieldSpec kCtOriginalDaddr6{
      .text = "ct original ip6 daddr", .source = ct, .key = NFT_CT_DST_IP6, .length = 16, .original = true};
  static constexpr FieldSpec kFibDaddrType{
      .text = "fib daddr type", .source = fib, .key = NFT_FIB_RESULT_ADDRTYPE, .length = 4, .flags = NFTA_FIB_F_DADDR};
  static constexpr FieldSpec kFibSaddrIif{.text = "fib saddr . iif oif",
                                          .source = fib,
                                          .key = NFT_FIB_RESULT_OIF,
                                          .length = 4,
                                          .flags = NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT};
  static constexpr FieldSpec kSkuid{"meta skuid", meta, NFT_META_SKUID, 0, 4};
  switch (field) {
    case Field::iifname:
      return kIifname;
    case Field::oifname:
      return kOifname;
    case Field::iifgroup:
      return kIifgroup;
    case Field::oifgroup:
      return kOifgroup;
    case Field::mark:
      return kMark;
    case Field::nfproto:
      return kNfproto;
    case Field::l4proto:
      return kL4proto;
    case Field::ether_saddr:
      return kEtherSaddr;
    case Field::ip_saddr:
      return kIpSaddr;
    case Field::ip_daddr:
      return kIpDaddr;
    case Field::ip6_saddr:
      return kIp6Saddr;
    case Field::ip6_daddr:
      return kIp6Daddr;
    case Field::udp_sport:
      return kUdpSport;
    case Field::udp_dport:
      return kUdpDport;
    case Field::th_sport:
      return kThSport;
    case Field::th_dport:
      return kThDport;
    case Field::icmp_type:
      return kIcmpType;
    case Field::icmpv6_type:
      return kIcmpv6Type;
    case Field::arp_operation:
      return kArpOperation;
    case Field::arp_saddr_ether:
      return kArpSaddrEther;
    case Field::arp_saddr_ip:
      return kArpSaddrIp;
    case Field::ct_state:
      return kCtState;
    case Field::ct_status:
      return kCtStatus;
    case Field::ct_original_ip_daddr:
      return kCtOriginalDaddr;
    case Field::ct_original_ip6_daddr:
      return kCtOriginalDaddr6;
    case Field::fib_daddr_type:
      return kFibDaddrType;
    case Field::fib_saddr_iif:
      return kFibSaddrIif;
    case Field::skuid:
      return kSkuid;
  }
  std::abort();
}

}  // namespace vrouter::firewall
