// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/policy_hooks.h"

#include <netinet/in.h>

#include <algorithm>
#include <iterator>
#include <variant>

#include "firewall/denials.h"
#include "firewall/policy_parts.h"
#include "firewall/words.h"

namespace vrouter::firewall {
namespace {

using namespace words;

constexpr std::uint32_t kDnat = 0x20;  // IPS_DST_NAT, linux/netfilter/nf_conntrack_common.h

}  // namespace

void add_peers(Table& inet) {
  inet.chains.push_back(
      {"peer_is_destination",
       std::nullopt,
       {rule("no guest's", {SetMark{kNoGuest}}),
        rule("the profile of a peer with more than its own address", {MarkFromMap{{Field::oifname}, "tap_id"}}),
        rule("the peer's profile", {MarkFromMap{{Field::ip_daddr}, "id4"}}),
        rule("the peer's profile", {MarkFromMap{{Field::ip6_daddr}, "id6"}})}});
  // Only from TAPs is an address proof of who sent it: whoever else writes a guest's into a packet is the world.
  inet.chains.push_back({"peer_is_source",
                         std::nullopt,
                         {rule("no guest's", {SetMark{kNoGuest}}),
                          rule("the profile of a peer with more than its own address",
                               {from_guest(), MarkFromMap{{Field::iifname}, "tap_id"}}),
                          rule("the peer's profile", {from_guest(), MarkFromMap{{Field::ip_saddr}, "id4"}}),
                          rule("the peer's profile", {from_guest(), MarkFromMap{{Field::ip6_saddr}, "id6"}})}});
}

// Conntrack takes a segment from the middle for the first of a connection that whoever sent it began. What a new
// policy had cut would so go on from the other side, where that may begin connections: most servers may, and this
// host may where no rule says otherwise.
void judge_beginnings(Table& inet) {
  constexpr std::uint32_t kNew = 1U << 3;  // NF_CT_STATE_BIT
  constexpr std::int32_t kEarly = -5;
  const auto begins = [] {
    return rule("a TCP connection begins with a SYN", {protocol(IPPROTO_TCP), jump("begins")});
  };
  inet.chains.push_back({"begins",
                         std::nullopt,
                         {rule("it does", {TcpSyn{}, back()}),
                          rule("from its middle: the guest is told that it has ended", {from_guest(), go("middle")}),
                          counted_to("from its middle"), rule("from its middle", {drop()})}});
  inet.chains.push_back(refusal("middle", Refused::egress, "reject", "from the middle of a connection", go("deny")));
  for (const auto* name : {"fwd_egress", "guest_to_host"}) {
    auto& rules = std::ranges::find(inet.chains, name, &Chain::name)->rules.own();
    const auto of_none = std::ranges::find(rules, "of no connection", &Rule::comment);
    rules.insert(std::next(of_none), begins());
  }
  inet.chains.push_back(
      {"host_begins",
       Base{ChainType::filter, Hook::output, kEarly},
       {rule("a TCP connection begins with a SYN", {to_guest(), state(kNew), protocol(IPPROTO_TCP), jump("begins")})}});
}

// After DHCP, which no rule takes from a guest, and before what is open where no rule speaks.
void judge_input(Table& inet) {
  inet.sets.push_back(verdict_map("prof_host", {Type::mark}));
  const auto chain = std::ranges::find(inet.chains, "guest_to_host", &Chain::name);
  auto& rules = chain->rules.own();
  const auto gateway = std::ranges::find_if(rules, [](const Rule& rule) {
    const auto* verdict = std::get_if<Verdict>(&rule.statements.back());
    return verdict != nullptr && verdict->chain == "gateway";
  });
  rules.insert(gateway, {rule("the sender's profile", {jump("peer_is_source")}),
                         rule("what rules say", {VerdictMap{{Field::mark}, "prof_host"}})});
}
void judge_output(Table& inet) {
  constexpr std::uint32_t kEstablishedRelated = 1U << 1 | 1U << 2;  // NF_CT_STATE_BIT
  constexpr std::uint32_t kUntracked = 1U << 6;                     // NF_CT_STATE_UNTRACKED_BIT
  inet.sets.push_back(verdict_map("prof_hosted", {Type::mark}));
  // What goes to a published port of its own is on its way to lo still: the way out is chosen anew after this hook.
  inet.chains.push_back({"host_out",
                         Base{ChainType::filter, Hook::output, 0},
                         {rule("what this host wants of guests", {to_guest(), go("host_to_guest")}),
                          rule("by a published port", {AnyBit{Field::ct_status, kDnat}, go("host_to_guest")})}});
  // What is for no guest keeps its mark, which may be another's.
  const VerdictMap said{{Field::mark}, "prof_hosted"};
  const Compare elsewhere{Field::oifgroup, host_order(kGuestGroup), true, 0};
  inet.chains.push_back(
      {"host_to_guest",
       std::nullopt,
       {rule("under way already", {state(kEstablishedRelated), accept()}),
        rule("answers of DNS, which nobody tracks", {port(Field::udp_sport, 53), state(kUntracked), accept()}),
        rule("what the receiver's rules say",
             {to_guest(), MarkFromMap{{Field::oifname, Field::ip_daddr}, "dst4"}, said}),
        rule("what the receiver's rules say",
             {to_guest(), MarkFromMap{{Field::oifname, Field::ip6_daddr}, "dst6"}, said}),
        rule("what the rules of whom it is routed to say",
             {to_guest(), in({Field::ip_daddr}, "routed4"), MarkFromMap{{Field::oifname}, "tap_id"}, said}),
        rule("what the rules of whom it is routed to say",
             {to_guest(), in({Field::ip6_daddr}, "routed6"), MarkFromMap{{Field::oifname}, "tap_id"}, said}),
        rule("what the receiver's rules say", {elsewhere, MarkFromMap{{Field::ip_daddr}, "id4"}, said}),
        rule("what the receiver's rules say", {elsewhere, MarkFromMap{{Field::ip6_daddr}, "id6"}, said})}});
}

}  // namespace vrouter::firewall
