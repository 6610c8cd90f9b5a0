// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/truth/table.h"

#include <netinet/in.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "tests/truth/chance.h"
#include "tests/unit/firewall/agreement.h"

namespace vrouter::truth {
namespace {

using boost::asio::ip::make_address;
using firewall::Packet;
using firewall::Topology;
using firewall::testing::Disagreement;
using firewall::testing::Fate;
using firewall::testing::Kind;

bool is_icmp(std::uint8_t protocol) {
  return protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6;
}

// One that is routed like any other: what is special goes other ways than by policy.
bool is_ordinary(const address& a) {
  if (a.is_v6()) {
    const auto first = a.to_v6().to_bytes()[0];
    return (first & 0xe0U) == 0x20 || (first & 0xfeU) == 0xfc;  // global, unique local
  }
  const auto value = a.to_v4().to_uint();
  const auto first = value >> 24U;
  return first > 0 && first < 224 && first != 127 && value >> 16U != 0xa9fe;
}

// What a link's own protocols are made of: neighbours, routers, group membership.
bool is_of_the_link(const Kind& kind) {
  return kind.protocol == IPPROTO_ICMPV6 && kind.port >= 130 && kind.port != 139;
}

std::vector<Kind> kinds_of(const config::Config& config) {
  auto kinds = firewall::testing::kinds_of(config.policy);
  kinds.insert(kinds.end(), {{IPPROTO_TCP, 80},
                             {IPPROTO_TCP, 12345},
                             {IPPROTO_UDP, 53},
                             {IPPROTO_TCP, 53},
                             {IPPROTO_ICMP, 8},
                             {IPPROTO_ICMP, 13},
                             {IPPROTO_ICMPV6, 128},
                             {IPPROTO_GRE, 0}});
  std::erase_if(kinds, is_of_the_link);
  return kinds;
}

class Flows {
 public:
  Flows(const config::Config& config, const Topology& topology, Chance& chance)
      : config_{config}, topology_{topology}, chance_{chance}, kinds_{kinds_of(config)} {
    for (const auto& [own, attachment] : topology.guests) guests_.push_back(own);
    for (const auto& guest : config.guests) {
      for (const auto& prefix : guest.prefixes4) guests_.emplace_back(config::first_host(prefix));
      for (const auto& prefix : guest.prefixes6) guests_.emplace_back(config::first_host(prefix));
    }
    for (const auto& [own, interface] : topology.host) host_.push_back(own);
    world_ = {make_address("203.0.113.7"), make_address("198.51.100.9"), make_address("2001:db8:9::7")};
    for (const auto& edge : firewall::testing::edges_of(config.policy)) {
      if (is_ordinary(edge) && !topology.host.contains(edge)) world_.push_back(edge);
    }
    for (const auto& guest : config.guests) {
      if (guest.address) own_.insert(*guest.address);
    }
    std::ranges::sort(guests_);  // the order of a hash is no one's
  }

  Packet draw() {
    for (;;) {
      const auto from = end(), to = end();
      if (from.is_v4() != to.is_v4() || is_unused(from)) continue;
      const bool judged = is_a_guests(from) || is_a_guests(to) || topology_.host.contains(to);
      if (!judged && !chance_.once_in(8)) continue;
      if (chance_.once_in(50) && from.is_v4() && own_.contains(from)) return dhcp(from);
      const auto kind = topology_.host.contains(to) && chance_.once_in(3) ? published() : chance_.one_of(kinds_);
      // From a prefix nobody asks for a lease, whatever the rules say.
      if (kind.protocol == IPPROTO_UDP && kind.port == 67 && is_a_guests(from) && !topology_.guests.contains(from))
        continue;
      if (kind.protocol == IPPROTO_AH && from.is_v6()) continue;  // there it is a header before another packet
      if (is_icmp(kind.protocol) && (kind.protocol == IPPROTO_ICMP) != from.is_v4()) continue;
      return firewall::first_packet(topology_, from, to, kind.protocol, kind.port);
    }
  }

 private:
  const address& end() {
    const auto die = chance_.below(8);
    return chance_.one_of(die < 4 ? guests_ : die < 7 ? world_ : host_);
  }

  [[nodiscard]] bool is_a_guests(const address& a) const { return topology_.behind(a) != nullptr; }

  // Nothing can come from there.
  [[nodiscard]] bool is_unused(const address& a) const {
    if (is_a_guests(a) || topology_.host.contains(a)) return false;
    return std::ranges::any_of(config_.networks, [&a](const auto& entry) {
      const auto& network = entry.second;
      return a.is_v4() ? config::contains(network.prefix, a.to_v4())
                       : network.prefix6 && config::contains(*network.prefix6, a.to_v6());
    });
  }

  // A renewal. Of each guest there may be one, since it comes from a port that isn't ours to choose.
  Packet dhcp(const address& from) {
    constexpr std::uint16_t kServer = 67, kClient = 68;
    const auto& guest = *std::ranges::find(config_.guests, std::optional{from.to_v4()}, &config::Guest::address);
    const auto& gateway = config_.networks.at(guest.network).gateway;
    auto packet = firewall::first_packet(topology_, from, gateway, IPPROTO_UDP, kServer);
    if (renewed_.insert(from).second) packet.source_port = kClient;
    return packet;
  }

  // A port of this host's that is published, or nearly.
  Kind published() {
    std::vector<Kind> ports{{IPPROTO_TCP, 8080}};
    for (const auto& guest : config_.guests) {
      for (const auto& publish : guest.publish) {
        const auto protocol = static_cast<std::uint8_t>(publish.protocol);
        ports.insert(ports.end(), {{protocol, publish.first},
                                   {protocol, publish.last},
                                   {protocol, static_cast<std::uint16_t>(publish.last + 1)}});
      }
    }
    return chance_.one_of(ports);
  }

  const config::Config& config_;
  const Topology& topology_;
  Chance& chance_;
  std::vector<Kind> kinds_;
  std::vector<address> guests_, host_, world_;
  std::set<address> own_, renewed_;
};

Flow flow_of(const Packet& packet) {
  const auto port = is_icmp(packet.protocol) ? std::uint16_t{packet.icmp_type} : packet.destination_port;
  return {packet.source, packet.destination, packet.protocol, packet.source_port, port};
}

std::string text_of(const Line& line) {
  const auto& packet = line.packet;
  const auto flow = flow_of(packet);
  return (packet.iifname.empty() ? "this host" : packet.iifname) + ": " + flow.from.to_string() + " -> " +
         flow.to.to_string() + " protocol " + std::to_string(flow.protocol) +
         (is_icmp(flow.protocol) ? " type " : " port ") + std::to_string(flow.port) +
         "\n  oracle:    " + line.decision.to_string() + "\n";
}

std::string text_of(const firewall::Journey& journey) {
  auto text = "  evaluator: " + firewall::testing::fate_of(journey).to_string() + "\n";
  for (const auto& step : journey.steps) {
    if (step.decider() == nullptr) continue;
    text +=
        "    " + step.base->name + ": " + std::string{name(step.ruling)} + " (" + std::string{step.comment()} + ")\n";
  }
  return text;
}

// Of an error nobody is told by another (RFC 1122, 3.2.2; RFC 4443, 2.4).
bool is_error(const Packet& packet) {
  const std::set<std::uint8_t> errors{3, 4, 5, 11, 12};
  if (packet.protocol == IPPROTO_ICMP) return errors.contains(packet.icmp_type);
  return packet.protocol == IPPROTO_ICMPV6 && packet.icmp_type < 128;
}

// What oracle and evaluator say of each line where they differ, by its index.
std::map<std::size_t, std::string> evaluated(const Table& table) {
  const firewall::Evaluator evaluator{table.ruleset, firewall::Evaluator::Packets::many};
  std::map<std::size_t, std::string> found;
  for (std::size_t i = 0; i < table.lines.size(); ++i) {
    const auto& line = table.lines[i];
    const auto journey = travel(evaluator, table.topology, line.packet);
    if (agree(line.decision, firewall::testing::fate_of(journey), line.packet)) continue;
    found.emplace(i, text_of(line) + text_of(journey));
  }
  return found;
}

Differences values_of(std::map<std::size_t, std::string> found) {
  Differences texts;
  for (auto& [line, text] : found) texts.push_back(std::move(text));
  return texts;
}

}  // namespace

Table table_of(std::uint32_t number, std::size_t lines) {
  Table table{number, random_policy(number), {}, {}, {}};
  const auto& config = table.policy.config;
  table.topology = firewall::testing::topology_of(config);
  table.ruleset = firewall::testing::without_limits(firewall::testing::ruleset_of(config, {}));
  const Oracle oracle{config, {make_address("192.0.2.1"), make_address("2001:db8::1")}};
  Chance chance{number, 3};
  Flows flows{config, table.topology, chance};
  table.lines.reserve(lines);
  while (table.lines.size() < lines) {
    auto packet = flows.draw();
    auto decision = oracle.decide(flow_of(packet));
    table.lines.push_back({std::move(packet), std::move(decision)});
  }
  return table;
}

bool agree(const Decision& decision, const Fate& fate, const Packet& sent) {
  using Verdict = Decision::Verdict;
  using Seen = Fate::Kind;
  switch (decision.verdict) {
    case Verdict::allow:
      if (decision.out.empty()) return fate.kind == Seen::delivered;
      return fate.kind == Seen::left && fate.out == decision.out && fate.destination == decision.to;
    case Verdict::deny:
    case Verdict::unreachable:
      return fate.kind == Seen::nothing;
    case Verdict::reject:
      if (is_error(sent)) return fate.kind == Seen::nothing;
      return fate.kind == (sent.protocol == IPPROTO_TCP ? Seen::reset : Seen::prohibited);
  }
  std::abort();
}

Differences differences(const Table& table) {
  return values_of(evaluated(table));
}

Differences Kernel::differences(const Table& table) {
  if (host_ == nullptr || shape_ != table.number / kPoliciesPerHost) {
    host_ = std::make_unique<firewall::testing::KernelHost>(table.topology);
    shape_ = table.number / kPoliciesPerHost;
  }
  std::vector<Packet> packets;
  for (const auto& line : table.lines) packets.push_back(line.packet);
  auto found = evaluated(table);
  std::set<std::size_t> apart;
  for (const auto& d : disagreements(*host_, table.ruleset, table.topology, std::move(packets))) {
    auto& text = found[d.flow];
    const auto& line = table.lines[d.flow];
    if (text.empty()) text = text_of(line) + "  evaluator: " + d.evaluator.to_string() + "\n";
    text += "  kernel:    " + d.kernel.to_string() + "\n";
    apart.insert(d.flow);
  }
  for (auto& [line, text] : found) {
    if (!apart.contains(line)) text += "  kernel:    as the evaluator\n";
  }
  return values_of(std::move(found));
}

}  // namespace vrouter::truth
