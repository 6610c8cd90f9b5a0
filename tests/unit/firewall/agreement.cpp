// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/firewall/agreement.h"

#include <netinet/in.h>

#include <algorithm>

namespace vrouter::firewall::testing {
namespace {

using boost::asio::ip::make_address;

bool has_known_ports(std::uint8_t protocol) {
  return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

// ICMP tells no errors about errors, nor about what many were sent (RFC 1122, 3.2.2; RFC 4443, 2.4).
bool may_be_told(const firewall::Packet& packet) {
  const auto& to = packet.destination;
  if (to.is_multicast() || (to.is_v4() && to.to_v4() == address_v4::broadcast())) return false;
  const auto type = packet.icmp_type;
  if (packet.protocol == IPPROTO_ICMP) return type != 3 && type != 4 && type != 5 && type != 11 && type != 12;
  return packet.protocol != IPPROTO_ICMPV6 || (type >= 128 && type != 137);
}

Fate refusal_of(const Journey& journey) {
  if (journey.ruling == Ruling::drop) return {};
  if (journey.answer == Reject::Kind::tcp_reset) {
    return {journey.sent.protocol == IPPROTO_TCP ? Fate::Kind::reset : Fate::Kind::nothing};
  }
  return {may_be_told(journey.sent) ? Fate::Kind::prohibited : Fate::Kind::nothing};
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

Ruleset ruleset_of(const config::Config& config, const Surroundings& surroundings) {
  auto ruleset = compile(config, surroundings);
  for (const auto& guest : config.guests) ruleset.insert(compile_guest(guest, config.networks.at(guest.network)));
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

std::vector<firewall::Packet> all_flows(const Topology& topology, const std::vector<Kind>& kinds) {
  std::vector<address> ends{make_address("198.51.100.7"), make_address("2001:db8:9::7")};
  for (const auto& [guest, attachment] : topology.guests) ends.push_back(guest);
  for (const auto& [own, interface] : topology.host) ends.push_back(own);
  std::ranges::sort(ends);
  std::vector<firewall::Packet> flows;
  for (const auto& from : ends) {
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

}  // namespace vrouter::firewall::testing
