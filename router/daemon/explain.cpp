// SPDX-License-Identifier: GPL-2.0-or-later
// `vrouter explain`: the rules that the kernel holds, asked about a packet that nobody sends.
#include "firewall/explain.h"

#include <netinet/in.h>

#include <algorithm>

#include "config/specs.h"
#include "firewall/origin.h"
#include "firewall/prove.h"
#include "firewall/rule_names.h"
#include "router/daemon/router.h"

namespace vrouter::router {

using control::ExplainView;
using control::Failure;
using control::FailureKind;

namespace {

// Who is asked about, in both families as far as it has them.
struct End {
  std::string name;  // empty: an address says it all
  std::optional<address_v4> v4;
  std::optional<address_v6> v6;
};

std::string text(const End& end, const address& at) {
  return end.name.empty() ? at.to_string() : end.name + " (" + at.to_string() + ")";
}

End of_guest(const config::Guest& guest) {
  return {guest.name, guest.address, guest.address6};
}

End of_host(const config::Network& network) {
  return {"this host", network.gateway, network.gateway6};
}

End of_world(const config::Config& config, const firewall::Topology& where) {
  End end{"the world", {}, {}};
  if (const auto a = firewall::stranger(config, where, false)) end.v4 = a->to_v4();
  if (const auto a = firewall::stranger(config, where, true)) end.v6 = a->to_v6();
  return end;
}

// Who asks about a guest's own port may mean the one that the world knows it by.
void add_ways_in(const config::Guest& guest, const config::Service& packet, std::vector<std::string>& steps) {
  if (!packet.ports) return;
  for (const auto& port : guest.publish) {
    const auto asked = packet.ports->first;
    if (static_cast<std::uint8_t>(port.protocol) != packet.protocol || asked < port.guest_first ||
        asked - port.guest_first > port.last - port.first) {
      continue;
    }
    steps.push_back("published as " + port.to_string() + ": ask about port " +
                    std::to_string(port.first + (asked - port.guest_first)) + " of " +
                    (port.host ? port.host->to_string() : "an address of this host's") + " for what comes by it");
  }
}

// Allowed addresses that several guests share are the one's to whom their route leads.
void add_held(const config::Guest& guest, const config::Host& host, const Observed& observed,
              firewall::Topology& topology) {
  const auto* link = guest.allowed_addresses.empty() ? nullptr : observed.link(guest.tap);
  if (link == nullptr || !link->up || link->group != kGuestGroup) return;
  const auto routes = observed.routes_on(link->index);
  for (const auto& allowed : guest.allowed_addresses) {
    const auto leads_there = [&](const Route& route) {
      return route.destination == Prefix{allowed, allowed.is_v4() ? 32U : 128U} && route.table == kMainTable &&
             route.protocol == host.route_protocol;
    };
    if (std::ranges::none_of(routes, leads_there)) continue;
    topology.guests.own().insert_or_assign(allowed, firewall::Topology::Attachment{guest.tap, guest.mac});
  }
}

}  // namespace

const firewall::Topology& Router::around_guests() {
  if (!around_guests_ || around_guests_->first != guests_.revision()) {
    firewall::Topology guests;
    for (const auto& [tap, guest] : guests_.all()) guests.add(guest);
    around_guests_.emplace(guests_.revision(), std::move(guests));
  }
  return around_guests_->second;
}

firewall::Topology Router::topology() {
  auto topology = around_guests();
  for (const auto& lessee : lessees()) topology.add(lessee);
  for (const auto& [name, network] : config_.networks) topology.add(network);
  for (const auto& [tap, guest] : guests_.all()) add_held(guest, config_.host, plane_.observed(), topology);
  for (const auto& [index, addresses] : plane_.observed().addresses()) {
    const auto* link = plane_.observed().link(index);
    if (link == nullptr || link->group == kGuestGroup) continue;
    for (const auto& one : addresses) topology.host.own().insert_or_assign(one.local, link->name);
  }
  const auto uplinks = resolve_uplinks();
  if (!uplinks.empty()) topology.uplink = uplinks.front();
  return topology;
}

control::Answer<ExplainView> Router::explain(std::string from, std::string to, config::Service packet) {
  if (stopped_) co_return std::unexpected(Failure{FailureKind::refused, refuse_if_stopped().error(), {}});
  const auto* from_guest = guests_.find(from);
  const auto* to_guest = guests_.find(to);
  const auto where = topology();
  const auto resolve = [&](const std::string& word, const config::Guest* guest,
                           const config::Guest* other) -> std::optional<End> {
    const auto said = config::parse_address(word);
    if (guest != nullptr) {
      auto end = of_guest(*guest);
      if (said && said->is_v4()) end.v6.reset();
      if (said && said->is_v6()) end.v4.reset();
      return end;
    }
    if (word == "host") return of_host(other != nullptr ? network_of(*other) : config_.networks.begin()->second);
    if (word == "world") return of_world(config_, where);
    if (!said) return std::nullopt;
    return said->is_v4() ? End{{}, said->to_v4(), {}} : End{{}, {}, said->to_v6()};
  };
  const auto sender = resolve(from, from_guest, to_guest);
  const auto receiver = resolve(to, to_guest, from_guest);
  if (!sender || !receiver) {
    co_return std::unexpected(Failure{FailureKind::not_found,
                                      (sender ? to : from) +
                                          " is no guest and no address; name a guest, an address, \"host\" or "
                                          "\"world\" (`vrouter guests` lists the guests)",
                                      {}});
  }
  const bool v4 = sender->v4 && receiver->v4 && packet.protocol != IPPROTO_ICMPV6;
  if (!v4 && !(sender->v6 && receiver->v6 && packet.protocol != IPPROTO_ICMP)) {
    co_return std::unexpected(Failure{
        FailureKind::refused,
        "there is no address family that both ends and " + packet.to_string() + " have; name addresses of the same one",
        {}});
  }
  const address source = v4 ? address{*sender->v4} : address{*sender->v6};
  const address destination = v4 ? address{*receiver->v4} : address{*receiver->v6};
  const std::uint16_t port = packet.ports ? packet.ports->first : std::uint16_t{packet.icmp_type.value_or(0)};
  std::vector<firewall::Element> told;
  for (auto& one : admissions_.living(BootClock::now())) told.push_back(std::move(one.element));
  const auto rules = rules_with(std::move(told));
  const firewall::Evaluator evaluator{*rules};
  const auto journey =
      firewall::travel(evaluator, where, firewall::first_packet(where, source, destination, packet.protocol, port));
  ExplainView shown{text(*sender, source),       text(*receiver, destination),
                    packet.to_string(),          firewall::verdict(journey),
                    firewall::sentence(journey), firewall::steps(journey, redirected_by(journey))};
  if (to_guest != nullptr && from_guest == nullptr) add_ways_in(*to_guest, packet, shown.steps);
  for (auto& said : firewall::sides(journey)) shown.sides.push_back(explain_side(std::move(said)));
  co_return shown;
}

std::string Router::redirected_by(const firewall::Journey& journey) const {
  if (!journey.redirected()) return {};
  const firewall::ResolverGroups::Entry* group = nullptr;
  if (const auto* guest = guests_.by_tap(journey.sent.iifname); guest != nullptr && !guest->shared) {
    group = profiles_.resolvers().of(guest->groups);
  } else {
    for (const auto& lessee : lessees()) {
      if (lessee.address && journey.sent.source == address{*lessee.address})
        group = profiles_.resolvers().of(lessee.groups);
    }
  }
  return group == nullptr ? std::string{} : firewall::resolver_comment(group->first, group->second.declared_at);
}

control::ExplainSide Router::explain_side(firewall::SideSaid said) const {
  control::ExplainSide side{.side = std::move(said.side),
                            .verdict = std::move(said.verdict),
                            .rule = {},
                            .declared_at = {},
                            .comment = std::move(said.comment),
                            .chain = std::move(said.chain)};
  if (auto origin = firewall::origin_of(side.comment, config_.policy, profiles_)) {
    if (origin->kind == firewall::Origin::Kind::rule) side.rule = std::move(origin->name);
    side.declared_at = std::move(origin->declared_at);
  }
  return side;
}

// A guest like others that were proved is judged as they are, unless it is reached by ports of its own or an
// expectation names it, or may by its addresses. So thousands that come one after the other are not each proved with
// all before them.
std::vector<std::string> Router::broken_expectations(const config::Guest& guest) {
  const auto& expects = config_.policy.expects;
  if (expects.empty()) return {};
  using Kind = config::Peer::Kind;
  const auto names_it = [&](const config::Peer& peer) {
    const bool by_address = peer.kind == Kind::net || peer.kind == Kind::set;
    return (peer.kind == Kind::guest && peer.name == guest.name) || (by_address && guest.has_more_addresses());
  };
  const bool named = std::ranges::any_of(
      expects, [&](const config::Expect& expect) { return names_it(expect.from) || names_it(expect.to); });
  const bool is_new = kinds_proved_.emplace(profiles_.of(guest, network_of(guest)), guest.address6.has_value()).second;
  if (!is_new && !named && guest.publish.empty()) return {};
  // It comes first: of each kind only the first two are tried.
  std::vector<const config::Guest*> all{&guest};
  for (const auto& [tap, other] : guests_.all()) {
    if (tap != guest.tap) all.push_back(&other);
  }
  config::Problems untried;
  std::vector<std::string> broken;
  for (const auto& problem : firewall::prove(config_, all, untried, &proved_)) {
    broken.push_back("what the policy expects no longer holds, and `vrouter reload` will refuse it: " +
                     problem.to_string());
  }
  return broken;
}

}  // namespace vrouter::router
