// SPDX-License-Identifier: GPL-2.0-or-later
// Theory. Packets of guests are told by their TAP's device group, so that no rule names a guest:
//   prerouting raw       guest_in: only what carries the guest's own addresses goes on. TAPs that should be in the
//                        group and aren't (made again behind our back) are closed.
//   output raw           dns_out_untracked: answers to the questions that guest_in left untracked
//   prerouting, output   published ports
//   input                guest_to_host: DHCP, and DNS and ping of the gateways
//   forward, twice       from_guest asks the sender's profile, to_guest the receiver's. In nf_tables an accept ends
//                        one base chain and a drop ends them all, so both must agree.
//   postrouting          hairpin and masquerade
//   output mangle        what the processes of DHCP and DNS send, told by their sockets' user
// What comes from no guest and goes to none is never judged, save that a host which we made forward stays no
// router for others.
#include "firewall/skeleton.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/rtnetlink.h>

#include <boost/asio/ip/address.hpp>

#include "firewall/denials.h"
#include "firewall/skeleton_words.h"
#include "firewall/words.h"

namespace vrouter::firewall {
namespace {

using namespace words;

// NF_CT_STATE_BIT, in the order of ip_conntrack_info
constexpr std::uint32_t kRelated = 1U << 2, kEstablishedRelated = kEstablished | kRelated;
constexpr std::uint32_t kInvalid = NF_CT_STATE_INVALID_BIT;

Bytes ip6(const char* text) {
  return bytes_of(boost::asio::ip::make_address_v6(text));
}
Compare not_a_guest(Field group) {
  return {group, host_order(kGuestGroup), true, 0};
}
Compare ipv4() {
  return is(Field::nfproto, {NFPROTO_IPV4});
}
Compare ipv6() {
  return is(Field::nfproto, {NFPROTO_IPV6});
}
Compare local_address() {
  return is(Field::fib_daddr_type, host_order<std::uint32_t>(RTN_LOCAL));
}
Compare answered_there() {
  return is(Field::fib_saddr_iif, host_order<std::uint32_t>(1));
}
AnyBit translated() {
  return {Field::ct_status, IPS_DST_NAT};
}

std::vector<Set> inet_sets() {
  using enum Type;
  return {
      set("taps", {ifname}),
      set("loose", {ifname}),
      set("macs", {ifname, ether_addr}),
      set("spoof4", {ifname, ipv4_addr}),
      set("spoof6", {ifname, ipv6_addr}),
      set("pinned4", {ifname, ether_addr, ipv4_addr}),
      set("pinned6", {ifname, ether_addr, ipv6_addr}),
      map("id4", {ipv4_addr}, {mark}),
      map("id6", {ipv6_addr}, {mark}),
      map("dst4", {ifname, ipv4_addr}, {mark}),
      map("dst6", {ifname, ipv6_addr}, {mark}),
      map("pub4", {ipv4_addr, inet_proto, inet_service}, {ipv4_addr, inet_service}),
      map("pub6", {ipv6_addr, inet_proto, inet_service}, {ipv6_addr, inet_service}),
      map("pub4any", {inet_proto, inet_service}, {ipv4_addr, inet_service}),
      map("pub6any", {inet_proto, inet_service}, {ipv6_addr, inet_service}),
      map("hairpin4", {ipv4_addr, ipv4_addr}, {ipv4_addr}),
      map("hairpin6", {ipv6_addr, ipv6_addr}, {ipv6_addr}),
      map("float4", {ipv4_addr}, {ipv4_addr}),
      map("float6", {ipv6_addr}, {ipv6_addr}),
      set("floating4", {ipv4_addr}),  // the keys of float4: older kernels, 6.1 among them, ask no map as a set
      set("floating6", {ipv6_addr}),
      map("snat4", {ipv4_addr}, {ipv4_addr}),
      map("snat6", {ipv6_addr}, {ipv6_addr}),
      interval_map("net_snat4", ipv4_addr, ipv4_addr),
      interval_map("net_snat6", ipv6_addr, ipv6_addr),
      interval_set("masq4", ipv4_addr),
      interval_set("masq6", ipv6_addr),
      interval_set("routed4", ipv4_addr),
      interval_set("routed6", ipv6_addr),
      interval_map("routed_snat4", ipv4_addr, ipv4_addr),
      interval_map("routed_snat6", ipv6_addr, ipv6_addr),
      interval_set("routed_masq4", ipv4_addr),
      interval_set("routed_masq6", ipv6_addr),
      map("tap_id", {ifname}, {mark}),
      set("gateways4", {ipv4_addr}),
      set("gateways6", {ipv6_addr}),
      set("guarded4", {ifname}),
      set("guarded6", {ifname}),
      set("server_ports", {inet_service}),
      set("router_types4", {icmp_type}),
      set("router_types6", {icmpv6_type}),
      set("link_types6", {icmpv6_type}),
      set("unbound_types6", {icmpv6_type}),
      set("services", {inet_proto, inet_service}),
      verdict_map("prof_eg", {mark}),
      verdict_map("prof_in", {mark}),
  };
}

// Be a TAP open to it for the host's own sake (CVE-2020-8558).
constexpr const char* kLoopback = "loopback is this host's alone";

Chain raw_pre() {
  return {"raw_pre",
          Base{ChainType::filter, Hook::prerouting, kRaw},
          {
              rule(kLoopback, {from_guest(), within(Field::ip_daddr, ip4("127.0.0.0"), 8), go("to_loopback")}),
              rule("what a guest sends", {from_guest(), go("guest_in")}),
              rule(kNotAdopted, {in({Field::iifname}, "taps"), go("not_adopted")}),
          }};
}

// Anti-spoofing asks once and refuses elsewhere: what passes pays for no logging.
std::vector<Chain> spoof_chains() {
  return {refusal("to_loopback", Refused::sent, "deny", kLoopback, kDrop),
          refusal("not_adopted", Refused::sent, "deny", kNotAdopted, kDrop),
          refusal("no_server", Refused::sent, "spoof", "a guest never answers DHCP", kDrop),
          refusal("no_router", Refused::sent, "spoof", "a guest is no router", kDrop),
          refusal("spoofed", Refused::sent, "spoof", "not its own address or MAC", kDrop),
          refusal("unbound", Refused::sent, "spoof", "not its own address", kDrop)};
}

// What this host sends to 255.255.255.255 comes back to it as if it had come in by the TAP (ip_mc_output(),
// net/ipv4/ip_output.c), but without an Ethernet header, which every frame of a guest has.
Between from_a_frame() {
  return {Field::ether_saddr, Bytes(6, 0), Bytes(6, 0xff)};
}

// A question takes a port of its own, and would be a connection for half a minute: a busy resolver's fill the table of
// connections, and its guest's share of it, for which the host needs none of them. Ports of programs with privileges
// stay tracked, so that a DNS process that was taken over begins nothing with what listens there.
Between of_a_resolver(Field port) {
  constexpr std::uint16_t kFirst = 1024;
  return {port, network_order(kFirst), network_order(0xffff)};
}
Rule untracked(Field gateway, std::string gateways) {
  return rule("DNS over UDP has no connections", {in({gateway}, std::move(gateways)), Notrack{}});
}
std::vector<Chain> untracked_chains() {
  using enum Field;
  return {{"dns_out_untracked",
           Base{ChainType::filter, Hook::output, kRaw},
           {rule("DNS over UDP has no connections",
                 {to_guest(), port(udp_sport, 53), of_a_resolver(udp_dport), jump("answers_untracked")})}},
          {"answers_untracked", std::nullopt, {untracked(ip_saddr, "gateways4"), untracked(ip6_saddr, "gateways6")}},
          {"questions_untracked", std::nullopt, {untracked(ip_daddr, "gateways4"), untracked(ip6_daddr, "gateways6")}}};
}

Chain guest_in() {
  using enum Field;
  return {"guest_in",
          std::nullopt,
          {
              rule("DNS over UDP has no connections",
                   {port(udp_dport, 53), of_a_resolver(udp_sport), jump("questions_untracked")}),
              rule("a guest never answers DHCP", {in({udp_sport}, "server_ports"), from_a_frame(), go("no_server")}),
              rule("our own answers, as the kernel brings them back", {in({udp_sport}, "server_ports"), kDrop}),
              rule("a guest is no router", {in({icmp_type}, "router_types4"), go("no_router")}),
              rule("a guest is no router", {in({icmpv6_type}, "router_types6"), go("no_router")}),
              rule("its own address", {in({iifname, ip_saddr}, "spoof4"), kAccept}),
              rule("its own address", {in({iifname, ip6_saddr}, "spoof6"), kAccept}),
              rule("its own address, its pinned MAC", {in({iifname, ether_saddr, ip_saddr}, "pinned4"), kAccept}),
              rule("its own address, its pinned MAC", {in({iifname, ether_saddr, ip6_saddr}, "pinned6"), kAccept}),
              rule("a prefix that is routed to it", {in({ip_saddr}, "routed4"), answered_there(), go("guest_routed")}),
              rule("a prefix that is routed to it", {in({ip6_saddr}, "routed6"), answered_there(), go("guest_routed")}),
              rule("no MAC pinned: what needs no address", {in({iifname}, "loose"), go("guest_link")}),
              rule("its pinned MAC: what needs no address", {in({iifname, ether_saddr}, "macs"), go("guest_link")}),
              rule("not its own address or MAC", {go("spoofed")}),
          }};
}

// Whose prefix it is, routing knows: the way back leads through the TAP that the packet came by.
Chain guest_routed() {
  using enum Field;
  return {"guest_routed",
          std::nullopt,
          {
              // DHCP is let in ahead of the guest's limits, for few addresses: a prefix has many.
              rule("a prefix asks for no lease", {port(udp_dport, 67), go("spoofed")}),
              rule("no MAC pinned", {in({iifname}, "loose"), kAccept}),
              rule("its pinned MAC", {in({iifname, ether_saddr}, "macs"), kAccept}),
              rule("not its MAC", {go("spoofed")}),
          }};
}

Chain guest_link() {
  using enum Field;
  const auto link_local = [](Field field) { return within(field, ip6("fe80::"), 10); };
  return {
      "guest_link",
      std::nullopt,
      {
          rule("DHCP before there is an address", {is(ip_saddr, ip4("0.0.0.0")), is(ip_daddr, ip4("255.255.255.255")),
                                                   port(udp_sport, 68), port(udp_dport, 67), kAccept}),
          rule("neighbours and ping on the link",
               {link_local(ip6_saddr), link_local(ip6_daddr), in({icmpv6_type}, "link_types6"), kAccept}),
          rule(
              "neighbours and group membership on the link",
              {link_local(ip6_saddr), within(ip6_daddr, ip6("ff02::"), 16), in({icmpv6_type}, "link_types6"), kAccept}),
          rule("DHCPv6", {link_local(ip6_saddr), port(udp_sport, 546), port(udp_dport, 547), kAccept}),
          rule("duplicate address detection", {is(ip6_saddr, ip6("::")), in({icmpv6_type}, "unbound_types6"), kAccept}),
          rule("not its own address", {go("unbound")}),
      }};
}

std::vector<Chain> publish_chains() {
  using enum Field;
  const auto dnat = [](bool v6, Key key, std::string map) {
    return Nat{Nat::Kind::dnat, v6, std::move(key), std::move(map)};
  };
  const auto floating = [](bool v6, Field own, std::string map) {
    return Nat{Nat::Kind::dnat, v6, {own}, std::move(map), true};
  };
  return {
      // What comes in for loopback is refused by the kernel, but only once it is known where it goes (CVE-2020-8558).
      {"dnat_pre",
       Base{ChainType::nat, Hook::prerouting, kDstNat},
       {rule("loopback is for this host alone", {within(ip_daddr, ip4("127.0.0.0"), 8), kReturn}),
        rule("published ports", {go("publish")})}},
      {"dnat_out",
       Base{ChainType::nat, Hook::output, kDstNat},
       {rule("published ports, from this host", {go("publish")})}},
      {"publish",
       std::nullopt,
       {
           rule("published on one address", {dnat(false, {ip_daddr, l4proto, th_dport}, "pub4")}),
           rule("published on one address", {dnat(true, {ip6_daddr, l4proto, th_dport}, "pub6")}),
           rule("loopback stays on this host", {within(ip_daddr, ip4("127.0.0.0"), 8), kReturn}),
           rule("loopback stays on this host", {is(ip6_daddr, ip6("::1")), kReturn}),
           rule("a guest's floating address", {floating(false, ip_daddr, "float4")}),
           rule("a guest's floating address", {floating(true, ip6_daddr, "float6")}),
           rule("published on all addresses", {ipv4(), local_address(), dnat(false, {l4proto, th_dport}, "pub4any")}),
           rule("published on all addresses", {ipv6(), local_address(), dnat(true, {l4proto, th_dport}, "pub6any")}),
       }},
  };
}

Chain srcnat() {
  using enum Field;
  const auto snat = [](bool v6, Key key, std::string map) {
    return Nat{Nat::Kind::snat, v6, std::move(key), std::move(map)};
  };
  return {"srcnat",
          Base{ChainType::nat, Hook::postrouting, kSrcNat},
          {
              rule("a guest's own published port: it must answer to its gateway",
                   {translated(), snat(false, {ip_saddr, ip_daddr}, "hairpin4")}),
              rule("a guest's own published port: it must answer to its gateway",
                   {translated(), snat(true, {ip6_saddr, ip6_daddr}, "hairpin6")}),
              rule("guests see who calls them", {to_guest(), kReturn}),
              rule("a guest's address in the world", {snat(false, {ip_saddr}, "snat4")}),
              rule("a guest's address in the world", {snat(true, {ip6_saddr}, "snat6")}),
              rule("a network's address in the world", {snat(false, {ip_saddr}, "net_snat4")}),
              rule("a network's address in the world", {snat(true, {ip6_saddr}, "net_snat6")}),
              rule("networks behind NAT", {in({ip_saddr}, "masq4"), Masquerade{}}),
              rule("networks behind NAT", {in({ip6_saddr}, "masq6"), Masquerade{}}),
              rule("prefixes behind guests", {snat(false, {ip_saddr}, "routed_snat4")}),
              rule("prefixes behind guests", {snat(true, {ip6_saddr}, "routed_snat6")}),
              rule("prefixes behind guests", {in({ip_saddr}, "routed_masq4"), Masquerade{}}),
              rule("prefixes behind guests", {in({ip6_saddr}, "routed_masq6"), Masquerade{}}),
          }};
}

// A connection is tracked for good (confirmed) once its first packet has passed both sides and left: what follows isn't
// judged again, be it answered or not, until a policy that denies it cuts it.
Rule under_way() {
  return rule("under way already", {AnyBit{Field::ct_status, IPS_CONFIRMED}, kAccept});
}
Rule expected() {
  return rule("expected by one that is", {state(kRelated), kAccept});
}

std::vector<Chain> egress_chains() {
  using enum Field;
  constexpr auto kLinkLocal = "link-local stays on its link (RFC 3927, 7): the cloud's metadata is this host's";
  constexpr auto kMetadata = "the cloud's metadata is this host's";
  return {
      {"fwd_mss",
       Base{ChainType::filter, Hook::forward, kMangle},
       {
           rule("no larger segments than the way out takes", {from_guest(), TcpSyn{}, ClampMss{}}),
           rule("no larger segments than the way in takes", {to_guest(), TcpSyn{}, ClampMss{}}),
       }},
      {"fwd_egress",
       Base{ChainType::filter, Hook::forward, kFilter - 5},
       {
           rule("neither side is a guest", {not_a_guest(iifgroup), not_a_guest(oifgroup), go("foreign")}),
           under_way(),
           expected(),
           rule("of no connection", {state(kInvalid), go("invalid")}),
           rule("may the sender?", {from_guest(), go("from_guest")}),
       }},
      {"foreign",
       std::nullopt,
       {
           rule("vrouter made this interface forward: for guests only", {ipv4(), in({iifname}, "guarded4"), kDrop}),
           rule("vrouter made this interface forward: for guests only", {ipv6(), in({iifname}, "guarded6"), kDrop}),
       }},
      // Late segments of what has ended: nobody's attempt at anything, so counted and not logged.
      {"invalid",
       std::nullopt,
       {
           rule("of no connection", {from_guest(), jump("count_from")}),
           rule("of no connection", {to_guest(), jump("count_to")}),
           rule("of no connection", {kDrop}),
       }},
      {"count_from", std::nullopt, {counted_from("what guests send")}},
      {"count_to", std::nullopt, {counted_to("what guests are sent")}},
      refusal("link_local", Refused::egress, "deny", kLinkLocal, kDrop),
      refusal("metadata", Refused::egress, "deny", kMetadata, kDrop),
      {"from_guest",
       std::nullopt,
       {
           rule(kLinkLocal, {within(ip_daddr, ip4("169.254.0.0"), 16), go("link_local")}),
           rule(kMetadata, {is(ip6_daddr, ip6("fd00:ec2::254")), go("metadata")}),
           rule("no profile yet", {SetMark{0}}),
           rule("the profile of a sender with more than its own address", {MarkFromMap{{iifname}, "tap_id"}}),
           rule("the sender's profile", {MarkFromMap{{ip_saddr}, "id4"}}),
           rule("the sender's profile", {MarkFromMap{{ip6_saddr}, "id6"}}),
           rule("what the sender may", {VerdictMap{{Field::mark}, "prof_eg"}}),
           rule("no such sender", {go("no_sender")}),
       }},
      refusal("no_sender", Refused::egress, "deny", "no such sender", kDrop),
      refusal("isolated", Refused::egress, "reject", "an isolated network", go("deny")),
  };
}

std::vector<Chain> ingress_chains() {
  using enum Field;
  return {
      {"fwd_ingress",
       Base{ChainType::filter, Hook::forward, kFilter},
       {
           rule("may the receiver?", {to_guest(), go("to_guest")}),
           rule(kNotAdopted, {in({Field::oifname}, "taps"), go("to_not_adopted")}),
       }},
      refusal("to_not_adopted", Refused::ingress, "deny", kNotAdopted, kDrop),
      {"to_guest",
       std::nullopt,
       {
           under_way(),
           expected(),
           rule("the receiver's profile", {MarkFromMap{{oifname, ip_daddr}, "dst4"}, go("to_profile")}),
           rule("the receiver's profile", {MarkFromMap{{oifname, ip6_daddr}, "dst6"}, go("to_profile")}),
           rule("a prefix that is routed to it",
                {in({ip_daddr}, "routed4"), MarkFromMap{{oifname}, "tap_id"}, go("to_profile")}),
           rule("a prefix that is routed to it",
                {in({ip6_daddr}, "routed6"), MarkFromMap{{oifname}, "tap_id"}, go("to_profile")}),
           rule("no such address behind this TAP", {go("no_receiver")}),
       }},
      refusal("no_receiver", Refused::ingress, "deny", "no such address behind this TAP", kDrop),
      {"to_profile",
       std::nullopt,
       {
           rule("what the receiver may", {VerdictMap{{Field::mark}, "prof_in"}}),
           rule("no such receiver", {go("no_receiver")}),
       }},
      {"uninvited",
       std::nullopt,
       {
           rule("by another address than its own", {translated(), jump("published")}),
           rule("no group of the receiver's, no rule", {go("ungrouped")}),
       }},
      refusal("ungrouped", Refused::ingress, "reject", "no group of the receiver's, no rule", go("deny")),
      {"published",
       std::nullopt,
       {
           rule("a floating address opens nothing", {in({ct_original_ip_daddr}, "floating4"), kReturn}),
           rule("a floating address opens nothing", {in({ct_original_ip6_daddr}, "floating6"), kReturn}),
           rule("published: the map is the permission", {kAccept}),
       }},
      {"deny",
       std::nullopt,
       {
           rule("refused, and told so", {is(l4proto, {IPPROTO_TCP}), Reject{Reject::Kind::tcp_reset}}),
           rule("refused, and told so", {Reject{Reject::Kind::admin_prohibited}}),
       }},
  };
}

std::vector<Chain> input_chains() {
  using enum Field;
  constexpr std::uint8_t kEchoRequest4 = 8, kEchoRequest6 = 128;  // RFC 792, RFC 4443
  return {
      {"input",
       Base{ChainType::filter, Hook::input, kFilter},
       {
           rule("what guests want of this host", {from_guest(), go("guest_to_host")}),
       }},
      {"guest_to_host",
       std::nullopt,
       {
           rule("under way already", {state(kEstablishedRelated), kAccept}),
           rule("of no connection", {state(kInvalid), go("invalid")}),
           rule("DHCP", {port(udp_sport, 68), port(udp_dport, 67), kAccept}),
           rule("their gateway", {in({ip_daddr}, "gateways4"), go("gateway")}),
           rule("their gateway", {in({ip6_daddr}, "gateways6"), go("gateway")}),
           rule("their gateway on the link", {within(ip6_daddr, ip6("fe80::"), 10), go("gateway")}),
           rule("neighbours and group membership on the link",
                {within(ip6_daddr, ip6("ff02::"), 16), in({icmpv6_type}, "link_types6"), kAccept}),
           rule("nothing else of this host", {go("not_served")}),
       }},
      refusal("not_served", Refused::sent, "reject", "nothing else of this host", go("deny")),
      {"gateway",
       std::nullopt,
       {
           rule("DNS", {in({l4proto, th_dport}, "services"), kAccept}),
           rule("ping", {is(icmp_type, {kEchoRequest4}), kAccept}),
           rule("ping", {is(icmpv6_type, {kEchoRequest6}), kAccept}),
           rule("neighbours", {in({icmpv6_type}, "link_types6"), kAccept}),
           rule("nothing else of this host", {go("not_served")}),
       }},
  };
}

}  // namespace

Table inet_table() {
  Table table{Family::inet, inet_sets(), {raw_pre(), guest_in(), guest_routed(), guest_link()}};
  for (auto& set : denial_sets()) table.sets.push_back(std::move(set));
  const auto append = [&table](std::vector<Chain> chains) {
    for (auto& chain : chains) table.chains.push_back(std::move(chain));
  };
  append(untracked_chains());
  append(spoof_chains());
  append(publish_chains());
  table.chains.push_back(srcnat());
  append(egress_chains());
  append(ingress_chains());
  append(input_chains());
  return table;
}

}  // namespace vrouter::firewall
