// SPDX-License-Identifier: GPL-2.0-or-later
// Theory. A limit is an element with a meter of its own (`"tap0" limit rate over 50000/second ...`), keyed by the TAP:
// one bucket for both families, and a rule that looks it up matches what is over. Measured against queues (TBF, HTB,
// and IFB for what guests send): docs/measurements.md.
//
// Packets and bytes are counted where nothing has been spent on the packet yet: of what a guest sends before all else,
// its spoofed packets too, and of what it receives after routing and before established connections are let pass. What
// this host itself sends to a guest (DHCP, DNS, neighbour discovery) isn't held back: a flood from outside must not cut
// the guest off from its host.
//
// New connections are counted in forward and in input, so that those to the host's own services count too; DHCP and
// neighbour discovery don't. A connection is new for conntrack until somebody answers, which to syslog nobody does:
// only its first packet counts, the one that isn't confirmed. What is dropped there never gets into the host's table of
// connections.
//
// The kernel takes an element that counts connections away once its guest has none (nft_rhash_gc), and its number with
// it. So the guests of each number are a set, and what they hold is counted in another, whose elements the kernel
// makes. To see which of a guest's connections have ended it walks the list of them: the rate comes first, so that a
// flood can't make it walk without end.
#include "firewall/limits.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "firewall/denials.h"
#include "firewall/skeleton.h"
#include "firewall/words.h"

namespace vrouter::firewall {
namespace {

using namespace words;

constexpr std::uint32_t kNew = 1U << 3;        // NF_CT_STATE_BIT, in the order of ip_conntrack_info
constexpr std::uint32_t kConfirmed = 1U << 3;  // IPS_CONFIRMED, linux/netfilter/nf_conntrack_common.h
constexpr auto kBeginsChain = "guest_begins";

struct Place {
  std::string_view limit, set;
  std::string_view comment;
  Field interface{};
  bool begins = false;  // only what begins a connection
};
constexpr std::array<Place, 5> kPlaces{{
    {"egress.packets", "egress_packets", "over its limit of packets", Field::iifname, false},
    {"egress.bits", "egress_bytes", "over its limit of bits", Field::iifname, false},
    {"ingress.packets", "ingress_packets", "over its limit of packets", Field::oifname, false},
    {"ingress.bits", "ingress_bytes", "over its limit of bits", Field::oifname, false},
    {"new_connections", "new_connections", "over its limit of new connections", Field::iifname, true},
}};

std::string over(const Place& place) {
  return "over_" + std::string{place.set};
}

Rule rule_of(const Place& place) {
  std::vector<Statement> statements;
  statements.emplace_back(in({place.interface}, std::string{place.set}));
  statements.emplace_back(go(over(place)));
  return rule(std::string{place.comment}, std::move(statements));
}

constexpr auto kTooMany = "over its limit of connections";
constexpr auto kTooManyChain = "over_connections";

void add_connection_limits(const std::vector<std::uint32_t>& numbers, Table& inet, std::vector<Rule>& begins) {
  constexpr std::uint32_t kMostInterfaces = 65536;
  if (numbers.empty()) return;
  for (const auto number : numbers) {
    const auto members = connections_set(number), held = "held_" + std::to_string(number);
    inet.sets.push_back(set(members, {Type::ifname}));
    inet.sets.push_back({held, {Type::ifname}, DataKind::none, {}, false, false, kMostInterfaces, 0});
    begins.push_back(rule(kTooMany, {in({Field::iifname}, members), Update{{Field::iifname}, held, CountOver{number}},
                                     go(kTooManyChain)}));
  }
  inet.chains.push_back(refusal(kTooManyChain, Refused::sent, "limit", kTooMany, drop()));
}

std::vector<Rule>& rules_of(Table& table, std::string_view chain) {
  return std::ranges::find(table.chains, chain, &Chain::name)->rules.own();
}

}  // namespace

std::string_view limit_set(std::string_view limit) {
  const auto* place = std::ranges::find(kPlaces, limit, &Place::limit);
  return place == kPlaces.end() ? std::string_view{} : place->set;
}

std::string connections_set(std::uint64_t limit) {
  return std::string{kConnectionsSet} + std::to_string(limit);
}

void add_limits(const Profiles& profiles, Table& inet) {
  std::vector<Rule> sends, receives, begins;
  for (std::size_t i = 0; i < config::kLimitSpecs.size(); ++i) {
    if (!profiles.limits(i) || config::kLimitSpecs[i].power_of_two) continue;
    const auto& place = *std::ranges::find(kPlaces, config::kLimitSpecs[i].name, &Place::limit);
    inet.sets.push_back(metered_set(std::string{place.set}, Type::ifname));
    auto& rules = place.begins ? begins : place.interface == Field::iifname ? sends : receives;
    rules.push_back(rule_of(place));
    const auto where = place.interface == Field::iifname ? Refused::sent : Refused::ingress;
    inet.chains.push_back(refusal(over(place), where, "limit", std::string{place.comment}, drop()));
  }
  add_connection_limits(profiles.connection_limits(), inet, begins);
  const auto put = [](std::vector<Rule>& rules, std::vector<Rule>::iterator before, const std::vector<Rule>& added) {
    rules.insert(before, added.begin(), added.end());
  };
  auto& guest_in = rules_of(inet, "guest_in");
  put(guest_in, guest_in.begin(), sends);
  auto& to_guest = rules_of(inet, "to_guest");
  put(to_guest, to_guest.begin(), receives);
  if (begins.empty()) return;
  begins.insert(begins.begin(),
                rule("under way, and not answered yet", {AnyBit{Field::ct_status, kConfirmed}, back()}));
  inet.chains.push_back({kBeginsChain, std::nullopt, std::move(begins)});
  const std::vector<Rule> asks{rule("may it begin another connection?", {state(kNew), jump(kBeginsChain)})};
  auto& from_guest = rules_of(inet, "from_guest");
  put(from_guest, from_guest.begin(), asks);
  auto& to_host = rules_of(inet, "guest_to_host");
  put(to_host, std::ranges::find(to_host, "their gateway", &Rule::comment), asks);
}

}  // namespace vrouter::firewall
