// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/truth/oracle.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include <utility>

namespace vrouter::truth {
namespace {

using config::Action;
using config::Peer;
using config::Service;

constexpr std::uint16_t kDhcpClient = 68, kDhcpServer = 67, kDns = 53;

// By comparing bits, as one does on paper.
template <typename Network, typename Address>
bool holds(const Network& network, const Address& a) {
  const auto prefix = network.address().to_bytes();
  const auto bytes = a.to_bytes();
  for (unsigned bit = 0; bit < network.prefix_length(); ++bit) {
    if (((prefix[bit / 8] ^ bytes[bit / 8]) >> (7 - bit % 8) & 1U) != 0) return false;
  }
  return true;
}
template <typename Range>
bool any_holds(const Range& networks, const auto& a) {
  return std::ranges::any_of(networks, [&a](const auto& network) { return holds(network, a); });
}

bool is_icmp(const Flow& flow) {
  return flow.protocol == IPPROTO_ICMP || flow.protocol == IPPROTO_ICMPV6;
}
// Questions begin something. Answers and errors belong to a connection, and these are of none.
bool begins_something(const Flow& flow) {
  if (!is_icmp(flow)) return true;
  const auto is = [&flow](std::initializer_list<std::uint16_t> types) {
    return std::ranges::find(types, flow.port) != types.end();
  };
  return flow.protocol == IPPROTO_ICMP ? is({8, 13, 15, 17}) : is({128, 139});
}

bool matches(const Service& service, const Flow& flow) {
  if (service.protocol != flow.protocol) return false;
  if (service.ports) return service.ports->first <= flow.port && flow.port <= service.ports->last;
  return !service.icmp_type || *service.icmp_type == flow.port;
}
bool matches(const std::vector<Service>& services, const Flow& flow) {
  return services.empty() || std::ranges::any_of(services, [&](const Service& s) { return matches(s, flow); });
}

Action stricter(Action a, Action b) {
  if (a == Action::deny || b == Action::deny) return Action::deny;
  return a == Action::reject || b == Action::reject ? Action::reject : Action::allow;
}

}  // namespace

std::string Decision::to_string() const {
  const auto* const word = verdict == Verdict::allow    ? "allow"
                           : verdict == Verdict::deny   ? "deny"
                           : verdict == Verdict::reject ? "reject"
                                                        : "nowhere";
  auto text = std::string{word} + ", because of " + why;
  if (verdict == Verdict::allow) {
    text += ", to " + (out.empty() ? "this host" : out) + " at " + to.to_string() + " port " + std::to_string(port);
  }
  return text;
}

Oracle::Oracle(const config::Config& config, std::set<address> own) : config_{config}, own_{std::move(own)} {
  for (const auto& [name, network] : config_.networks) {
    gateways_.insert(network.gateway);
    if (network.gateway6) gateways_.insert(*network.gateway6);
  }
}

Oracle::End Oracle::end_of(const address& a) const {
  for (const auto& guest : config_.guests) {
    // "Rules mean all of these addresses": its own, its prefixes' and the allowed ones.
    const bool routed = a.is_v4() ? any_holds(guest.prefixes4, a.to_v4()) : any_holds(guest.prefixes6, a.to_v6());
    const bool allowed = std::ranges::find(guest.allowed_addresses, a) != guest.allowed_addresses.end();
    if (routed || allowed || (guest.address && a == *guest.address) || (guest.address6 && a == *guest.address6)) {
      return {a, &guest, false};
    }
  }
  return {a, nullptr, own_.contains(a) || gateways_.contains(a)};
}

bool Oracle::means(const Peer& peer, const End& end) const {
  // "This host is meant only where `host` is written."
  if (end.host || peer.kind == Peer::Kind::host) return end.host && peer.kind == Peer::Kind::host;
  switch (peer.kind) {
    case Peer::Kind::any:
      return true;
    case Peer::Kind::domain:
      return false;  // nobody was told anything
    case Peer::Kind::world:
      return end.world();
    case Peer::Kind::group:
      return end.guest != nullptr && std::ranges::find(end.guest->groups, peer.name) != end.guest->groups.end();
    case Peer::Kind::guest:
      return end.guest != nullptr && end.guest->name == peer.name;
    case Peer::Kind::network:
      return end.guest != nullptr && end.guest->network == peer.name;
    case Peer::Kind::set: {
      const auto& set = config_.policy.sets.at(peer.name);
      return end.at.is_v4() ? any_holds(set.v4, end.at.to_v4()) : any_holds(set.v6, end.at.to_v6());
    }
    case Peer::Kind::net:
      return end.at.is_v4() ? peer.net4 && holds(*peer.net4, end.at.to_v4())
                            : peer.net6 && holds(*peer.net6, end.at.to_v6());
    case Peer::Kind::host:
      break;
  }
  std::abort();
}

bool Oracle::means_one_of(const std::vector<Peer>& peers, const End& end) const {
  return std::ranges::any_of(peers, [&](const Peer& peer) { return means(peer, end); });
}

// Both sides go by the same: the first rule whose ends and services match. What makes a rule speak on a side is that
// its end there is a guest, and that is what the sides are asked for.
std::optional<Oracle::Verdict> Oracle::first_rule(const End& from, const End& to, const Flow& flow) const {
  for (const auto& rule : config_.policy.rules) {
    if (means_one_of(rule.from, from) && means_one_of(rule.to, to) && matches(rule.services, flow)) {
      return Verdict{rule.action, rule.name};
    }
  }
  return std::nullopt;
}

Oracle::Verdict Oracle::group_default(const config::Guest& guest, Action config::Group::* side) const {
  auto action = Action::allow;
  for (const auto& name : guest.groups) action = stricter(action, config_.policy.groups.at(name).*side);
  return {action, "the groups' default"};
}

Oracle::Verdict Oracle::egress(const End& from, const End& to, const Flow& flow) const {
  if (auto said = first_rule(from, to, flow)) return *said;
  if (!from.guest->groups.empty()) return group_default(*from.guest, &config::Group::egress);
  const bool isolated = config_.networks.at(from.guest->network).mode == config::Mode::isolated;
  return {isolated ? Action::reject : Action::allow, "the network's default"};
}

Oracle::Verdict Oracle::ingress(const End& from, const End& to, const Flow& flow, bool published) const {
  if (auto said = first_rule(from, to, flow)) return *said;
  if (published) return {Action::allow, "the published port"};
  if (!to.guest->groups.empty()) return group_default(*to.guest, &config::Group::ingress);
  return {Action::reject, "the network's default"};
}

Oracle::Verdict Oracle::to_host(const End& from, const End& to, const Flow& flow) const {
  if (flow.protocol == IPPROTO_UDP && flow.source_port == kDhcpClient && flow.port == kDhcpServer) {
    return {Action::allow, "DHCP"};
  }
  if (auto said = first_rule(from, to, flow)) return *said;
  if (gateways_.contains(to.at)) {
    const bool ping = is_icmp(flow) && flow.port == (flow.protocol == IPPROTO_ICMP ? 8 : 128);
    const bool dns = (flow.protocol == IPPROTO_TCP || flow.protocol == IPPROTO_UDP) && flow.port == kDns;
    if (ping || dns) return {Action::allow, "what a gateway is for"};
  }
  return {Action::reject, "what is open of this host"};
}

Oracle::Verdict Oracle::from_host(const End& from, const End& to, const Flow& flow) const {
  return first_rule(from, to, flow).value_or(Verdict{Action::allow, "what this host may"});
}

// A published port of this host's becomes the guest's own address and port.
bool Oracle::translate(Flow& flow) const {
  if (!end_of(flow.to).host) return false;
  for (const auto& guest : config_.guests) {
    for (const auto& publish : guest.publish) {
      if (static_cast<std::uint8_t>(publish.protocol) != flow.protocol) continue;
      if (flow.port < publish.first || flow.port > publish.last) continue;
      if (publish.host && *publish.host != flow.to) continue;
      if (flow.to.is_v4() ? !guest.address : !guest.address6) continue;
      flow.to = flow.to.is_v4() ? address{*guest.address} : address{*guest.address6};
      flow.port = static_cast<std::uint16_t>(flow.port - publish.first + publish.guest_first);
      return true;
    }
  }
  return false;
}

Oracle::Verdict Oracle::judge(const End& from, const End& to, const Flow& flow, bool published) const {
  if (from.host) return to.guest != nullptr ? from_host(from, to, flow) : Verdict{Action::allow, "no guest in it"};
  if (from.guest == nullptr && to.guest == nullptr) return {Action::allow, "no guest in it"};
  if (!begins_something(flow)) return {Action::deny, "its being no beginning of anything"};
  if (to.host) return to_host(from, to, flow);
  if (from.guest != nullptr) {
    if (auto said = egress(from, to, flow); said.action != Action::allow || to.guest == nullptr) {
      return {said.action, said.why + " on the sender's side"};
    }
  }
  auto said = ingress(from, to, flow, published);
  return {said.action, said.why + " on the receiver's side"};
}

Decision Oracle::decide(const Flow& flow) const {
  auto meant = flow;
  const bool published = translate(meant);
  const auto from = end_of(meant.from), to = end_of(meant.to);
  Decision decision{Decision::Verdict::unreachable, {}, meant.to, meant.port, "nobody's being there"};
  const auto nobodys = [&](const auto& entry) {
    const auto& network = entry.second;
    return meant.to.is_v4() ? holds(network.prefix, meant.to.to_v4())
                            : network.prefix6 && holds(*network.prefix6, meant.to.to_v6());
  };
  if (to.world() && std::ranges::any_of(config_.networks, nobodys)) return decision;
  auto said = judge(from, to, meant, published);
  decision.why = std::move(said.why);
  decision.verdict = said.action == Action::allow  ? Decision::Verdict::allow
                     : said.action == Action::deny ? Decision::Verdict::deny
                                                   : Decision::Verdict::reject;
  if (decision.verdict == Decision::Verdict::allow)
    decision.out = to.guest != nullptr ? to.guest->tap : to.host ? "" : "up0";
  return decision;
}

}  // namespace vrouter::truth
