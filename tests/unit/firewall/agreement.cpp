// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/firewall/agreement.h"

#include <netinet/in.h>

#include <algorithm>
#include <set>

namespace vrouter::firewall::testing {
namespace {

using boost::asio::ip::make_address;

bool has_known_ports(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

bool is_icmp(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

address_v4 last_of(const network_v4& network) {
  return network.broadcast();
}
address_v6 last_of(const network_v6& network) {
  auto bytes = network.network().to_bytes();
  for (std::size_t bit = network.prefix_length(); bit < 128; ++bit) {
    bytes[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
  }
  return address_v6{bytes};
}

// The address before or behind; around the end to the other.
template <typename Address>
Address beside(const Address& a, bool behind) {
  auto bytes = a.to_bytes();
  for (auto byte = bytes.rbegin(); byte != bytes.rend(); ++byte) {
    *byte = static_cast<std::uint8_t>(behind ? *byte + 1 : *byte - 1);
    if (*byte != (behind ? 0x00 : 0xff)) break;
  }
  return Address{bytes};
}

template <typename Address>
void add_edges(const Address& first, const Address& last, std::set<address>& edges) {
  edges.insert({first, last, beside(first, false), beside(last, true)});
}

// Nobody is told of what many were sent, or of what comes from nowhere; and of ICMP's errors there are no errors
// (RFC 1122, 3.2.2; RFC 4443, 2.4).
bool may_be_told(const firewall::Packet& packet) {
  const auto& to = packet.destination;
  if (packet.source.is_unspecified() || to.is_multicast() || (to.is_v4() && to.to_v4() == address_v4::broadcast()))
    return false;
  const auto type = packet.icmp_type;
  if (packet.protocol == IPPROTO_ICMP) return type != 3 && type != 4 && type != 5 && type != 11 && type != 12;
  return packet.protocol != IPPROTO_ICMPV6 || (type >= 128 && type != 137);
}

Fate refusal_of(const Journey& journey) {
  if (journey.ruling == Ruling::drop || !may_be_told(journey.sent)) return {};
  if (journey.answer == Reject::Kind::admin_prohibited) return {Fate::Kind::prohibited};
  const bool from_somewhere = !journey.sent.destination.is_unspecified();  // a reset comes from where the SYN went
  return {journey.sent.protocol == IPPROTO_TCP && from_somewhere ? Fate::Kind::reset : Fate::Kind::nothing};
}

std::string text_of(const firewall::Packet& p) {
  return (p.iifname.empty() ? "this host" : p.iifname) + " " + p.source.to_string() + " -> " +
         p.destination.to_string() + " protocol " + std::to_string(p.protocol) + " ports " +
         std::to_string(p.source_port) + ", " + std::to_string(p.destination_port) + " type " +
         std::to_string(p.icmp_type);
}

std::string text_of(const Journey& journey, const Fate& kernel) {
  auto text = text_of(journey.sent) + "\n  the kernel:    " + kernel.to_string() +
              "\n  the evaluator: " + fate_of(journey).to_string();
  for (const auto& step : journey.steps) {
    text += "\n    " + step.base->name + ": " + std::string{name(step.ruling)};
    for (const auto& place : step.way) text += ", " + place.chain->name + "/" + std::to_string(place.index);
    if (step.decider() != nullptr) text += " (" + std::string{step.comment()} + ")";
  }
  return text;
}

// An address of a network that no guest has: nothing can come from there, and no answer goes there.
bool is_unused(const Topology& topology, const address& a) {
  if (topology.guests.contains(a) || topology.host.contains(a)) return false;
  const auto within = [](const auto& networks, const auto& own) {
    return std::ranges::any_of(networks, [&own](const auto& network) { return config::contains(network, own); });
  };
  return a.is_v4() ? within(topology.networks4, a.to_v4()) : within(topology.networks6, a.to_v6());
}

// The source port of the flow with that number, among 50,000.
std::uint16_t port_of(std::uint32_t number) {
  constexpr std::uint32_t kFirst = 10000, kCount = 50000;
  return static_cast<std::uint16_t>(kFirst + number % kCount);
}

}  // namespace

Topology topology_of(const config::Config& config) {
  Topology topology;
  topology.uplink = "up0";
  topology.host = {{make_address("192.0.2.1"), "up0"}, {make_address("2001:db8::1"), "up0"}};
  for (const auto& [name, network] : config.networks) topology.add(network);
  for (const auto& guest : config.guests) topology.add(guest);
  return topology;
}

namespace {

// The meters stay, so that the kernel runs them, at numbers that no test reaches.
void make_generous(Ruleset& ruleset) {
  for (auto& [set, elements] : ruleset.elements) {
    for (auto& [key, data] : elements.own()) {
      if (!data.meter) continue;
      data.meter->rate = data.meter->kind == Meter::Kind::bytes ? 10'000'000'000 : 1'000'000;
      data.meter->burst = 10'000'000;
    }
  }
}

}  // namespace

Ruleset ruleset_of(const config::Config& config, const Surroundings& surroundings) {
  Profiles profiles{config};
  for (const auto& guest : config.guests) profiles.add(guest, config.networks.at(guest.network));
  auto ruleset = compile(config, surroundings, profiles);
  for (const auto& guest : config.guests) {
    ruleset.insert(compile_guest(guest, config.networks.at(guest.network), profiles));
  }
  make_generous(ruleset);
  return ruleset;
}

Fate fate_of(const Journey& journey) {
  if (!journey.lost.empty()) return {};
  if (journey.ruling != Ruling::accept) return refusal_of(journey);
  const auto& end = journey.arrived;
  switch (journey.way) {
    case Journey::Way::nowhere:
      return {};
    case Journey::Way::to_host:
    case Journey::Way::within_host:
      return {Fate::Kind::delivered};
    case Journey::Way::forwarded:
    case Journey::Way::from_host:
      break;
  }
  Fate fate{Fate::Kind::left, end.oifname, end.source, end.destination};
  if (has_known_ports(end.protocol)) {
    fate.source_port = end.source_port;
    fate.destination_port = end.destination_port;
  }
  return fate;
}

std::vector<Disagreement> disagreements(KernelHost& host, const Ruleset& ruleset, const Topology& topology,
                                        std::vector<firewall::Packet> flows) {
  const auto some_port = first_packet(topology, address_v4::any(), address_v4::any(), IPPROTO_TCP).source_port;
  auto number = host.next_number();
  for (auto& flow : flows) {
    if (has_known_ports(flow.protocol) && flow.source_port == some_port) flow.source_port = port_of(number);
    ++number;
  }
  host.load(ruleset);
  const auto fates = host.send(flows);
  const Evaluator evaluator{ruleset};
  std::vector<Disagreement> found;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    const auto journey = travel(evaluator, topology, flows[i]);
    const auto expected = fate_of(journey);
    if (expected != fates[i]) found.push_back({i, fates[i], expected, text_of(journey, fates[i])});
  }
  return found;
}

std::vector<Disagreement> disagreements(const config::Config& config, const Surroundings& surroundings,
                                        std::vector<firewall::Packet> flows) {
  const auto topology = topology_of(config);
  KernelHost host{topology};
  return disagreements(host, ruleset_of(config, surroundings), topology, std::move(flows));
}

std::vector<Kind> kinds_of(const config::Policy& policy) {
  std::set<Kind> kinds;
  for (const auto& rule : policy.rules) {
    for (const auto& service : rule.services) {
      if (service.icmp_type) {
        kinds.insert({service.protocol, *service.icmp_type});
      } else if (!service.ports) {
        kinds.insert({service.protocol, is_icmp(service.protocol) ? std::uint16_t{8} : std::uint16_t{7}});
      } else {
        for (const int port :
             {service.ports->first - 1, +service.ports->first, +service.ports->last, service.ports->last + 1}) {
          if (port > 0 && port <= 0xffff) kinds.insert({service.protocol, static_cast<std::uint16_t>(port)});
        }
      }
    }
  }
  return {kinds.begin(), kinds.end()};
}

std::vector<address> edges_of(const config::Policy& policy) {
  std::set<address> edges;
  const auto of_peer = [&edges](const config::Peer& peer) {
    if (peer.net4) add_edges(peer.net4->network(), last_of(*peer.net4), edges);
    if (peer.net6) add_edges(peer.net6->network(), last_of(*peer.net6), edges);
  };
  for (const auto& rule : policy.rules) {
    std::ranges::for_each(rule.from, of_peer);
    std::ranges::for_each(rule.to, of_peer);
  }
  for (const auto& [name, set] : policy.sets) {
    for (const auto& network : set.v4) add_edges(network.network(), last_of(network), edges);
    for (const auto& network : set.v6) add_edges(network.network(), last_of(network), edges);
  }
  std::erase_if(edges, [](const address& a) { return a.is_multicast(); });  // who hears it isn't the rules' matter
  return {edges.begin(), edges.end()};
}

std::vector<firewall::Packet> all_flows(const Topology& topology, const std::vector<Kind>& kinds,
                                        const std::vector<address>& others) {
  std::set<address> ends{make_address("203.0.113.7"), make_address("2001:db8:9::7")};
  ends.insert(others.begin(), others.end());
  for (const auto& [guest, attachment] : topology.guests) ends.insert(guest);
  for (const auto& [own, interface] : topology.host) ends.insert(own);
  std::vector<firewall::Packet> flows;
  for (const auto& from : ends) {
    if (is_unused(topology, from)) continue;
    for (const auto& to : ends) {
      if (from.is_v4() != to.is_v4()) continue;
      const std::uint8_t others_icmp = from.is_v4() ? std::uint8_t{IPPROTO_ICMPV6} : std::uint8_t{IPPROTO_ICMP};
      for (const auto& kind : kinds) {
        if (kind.protocol == others_icmp) continue;
        flows.push_back(first_packet(topology, from, to, kind.protocol, kind.port));
      }
    }
  }
  return flows;
}

Ruleset without_limits(Ruleset ruleset) {
  make_generous(ruleset);
  const auto limits = [](const Statement& s) { return std::holds_alternative<Limit>(s); };
  const auto drops_excess = [](const Rule& rule) {
    return std::ranges::any_of(rule.statements, [](const Statement& s) {
      const auto* limit = std::get_if<Limit>(&s);
      return limit != nullptr && limit->over;
    });
  };
  for (auto& table : ruleset.tables) {
    for (auto& chain : table.chains) {
      std::erase_if(chain.rules.own(), drops_excess);
      for (auto& rule : chain.rules.own()) std::erase_if(rule.statements, limits);
    }
  }
  return ruleset;
}

}  // namespace vrouter::firewall::testing
