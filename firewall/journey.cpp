// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/journey.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/rtnetlink.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cstdlib>
#include <utility>

#include "base/guest_group.h"
#include "firewall/resolvers.h"

namespace vrouter::firewall {
namespace {

constexpr std::string_view kLoopback = "lo";
// The base chains that judge, by side.
constexpr std::string_view kEgress = "fwd_egress", kIngress = "fwd_ingress", kInput = "input", kHostOut = "host_out";
constexpr std::size_t kUsualSteps = 8;
constexpr std::uint16_t kSomePort = 49152;  // the first of the ephemeral ones (RFC 6335, 6)

struct Route {
  enum class Kind : std::uint8_t { none, host, out };
  Kind kind = Kind::none;
  std::string_view out = {};
  std::string_view why = {};  // there is none
};

// DHCP alone has a port for both ends (RFC 2131, 4.1; RFC 8415, 7.2).
std::uint16_t source_port_to(std::uint8_t protocol, std::uint16_t port) {
  if (protocol != IPPROTO_UDP) return kSomePort;
  constexpr std::uint16_t kDhcpServer = 67, kDhcpClient = 68, kDhcp6Server = 547, kDhcp6Client = 546;
  return port == kDhcpServer ? kDhcpClient : port == kDhcp6Server ? kDhcp6Client : kSomePort;
}

Route lost(std::string_view why) {
  return {Route::Kind::none, {}, why};
}
Route by(std::string_view interface) {
  return {Route::Kind::out, interface, {}};
}

bool is_broadcast(const address& a) {
  return a.is_v4() && a.to_v4() == address_v4::broadcast();
}
bool is_link_local6(const address& a) {
  return a.is_v6() && a.to_v6().is_link_local();
}

class Trip {
 public:
  Trip(const Evaluator& evaluator, const Topology& topology, Packet packet)
      : evaluator_{evaluator}, topology_{topology}, packet_{std::move(packet)} {
    packet_.iifgroup = group_of(packet_.iifname);
    packet_.oifgroup = group_of(packet_.oifname);
    if (packet_.ct_state == kCtNew) packet_.ct_state = first_ct_state(packet_);
    journey_.sent = packet_;
    journey_.steps.reserve(kUsualSteps);
  }

  Journey run() && {
    if (packet_.iifname.empty()) {
      from_host();
    } else {
      from_outside();
    }
    journey_.arrived = std::move(packet_);
    return std::move(journey_);
  }

 private:
  void from_outside() {
    if (!passes(Hook::prerouting)) return;
    const auto route = incoming();
    if (route.kind == Route::Kind::host) {
      journey_.way = Journey::Way::to_host;
      static_cast<void>(passes(Hook::input));
    } else if (goes(route)) {
      journey_.way = Journey::Way::forwarded;
      if (passes(Hook::forward)) static_cast<void>(passes(Hook::postrouting));
    }
  }

  void from_host() {
    if (packet_.oifname.empty() && !goes(outgoing())) return;
    journey_.way = Journey::Way::from_host;
    const auto destination = packet_.destination;
    if (!passes(Hook::output)) return;
    if (packet_.destination != destination && !goes(outgoing())) return;
    if (!passes(Hook::postrouting) || packet_.oifname != kLoopback) return;
    journey_.way = Journey::Way::within_host;
    packet_.iifname = std::exchange(packet_.oifname, {});
    packet_.iifgroup = std::exchange(packet_.oifgroup, 0);
    if (passes(Hook::prerouting)) static_cast<void>(passes(Hook::input));
  }

  bool passes(Hook hook) {
    packet_.fib_daddr_type = type_of(packet_.destination);
    if (hook == Hook::prerouting) packet_.reached_by_iif = comes_from_where_it_is();
    if (hook == Hook::postrouting) packet_.masquerade = address_behind(packet_.oifname);
    auto outcome = evaluator_.run_hook(Family::inet, hook, packet_);
    std::ranges::move(outcome.steps, std::back_inserter(journey_.steps));
    journey_.ruling = outcome.ruling;
    if (outcome.ruling == Ruling::reject) journey_.answer = journey_.steps.back().answer;
    return outcome.ruling == Ruling::accept;
  }

  bool goes(const Route& route) {
    if (route.kind == Route::Kind::none) {
      journey_.way = Journey::Way::nowhere;
      journey_.lost = route.why;
      return false;
    }
    packet_.oifname = route.out;
    packet_.oifgroup = group_of(packet_.oifname);
    return true;
  }

  // What is refused here is what ip_route_input_slow() and ip6_rcv_core() call martian.
  [[nodiscard]] Route incoming() const {
    const auto &from = packet_.source, &to = packet_.destination;
    if (from.is_loopback() || to.is_loopback()) return lost("loopback addresses stay on their host");
    if (from.is_multicast() || is_broadcast(from)) return lost("its source is no host's");
    if (to.is_multicast() || is_broadcast(to)) return {Route::Kind::host, {}, {}};
    if (from.is_v4() && from.is_unspecified() && to.is_unspecified())
      return {Route::Kind::host, {}, {}};  // as BOOTP had it
    if (from.is_v4() && (from.is_unspecified() || to.is_unspecified())) return lost("it has no address to go by");
    if (from.is_v4() && topology_.host.contains(from)) return lost("its source is this host's own");
    if (topology_.host.contains(to)) return {Route::Kind::host, {}, {}};
    if (is_link_local6(from)) return lost("a link-local source stays on its link");
    if (is_link_local6(to)) return by(packet_.iifname);
    return to_elsewhere();
  }

  [[nodiscard]] Route outgoing() const {
    const auto& to = packet_.destination;
    if (to.is_loopback() || to.is_unspecified() || topology_.host.contains(to)) return by(kLoopback);
    const auto route = to_elsewhere();
    if (packet_.source.is_loopback() && !topology_.localnet.contains(std::string{route.out}))
      return lost("loopback addresses stay on their host");
    return route;
  }

  [[nodiscard]] Route to_elsewhere() const {
    const auto& to = packet_.destination;
    if (const auto* guest = topology_.behind(to)) return by(guest->tap);
    if (within_a_network(to)) return lost("no guest has this address");
    if (topology_.uplink.empty()) return lost("there is no uplink");
    return by(topology_.uplink);
  }

  // What nft's `fib saddr . iif oif` says of the prefixes that rules ask it about.
  [[nodiscard]] bool comes_from_where_it_is() const {
    const auto* guest = topology_.behind(packet_.source);
    return guest != nullptr && guest->tap == packet_.iifname;
  }

  [[nodiscard]] bool within_a_network(const address& a) const {
    const auto holds = [](const auto& networks, const auto& own) {
      return std::ranges::any_of(networks, [&own](const auto& network) { return config::contains(network, own); });
    };
    return a.is_v4() ? holds(topology_.networks4, a.to_v4()) : holds(topology_.networks6, a.to_v6());
  }

  // As the kernel's inet_addr_type() and nft_fib6 say it: only its own addresses and the special ones are told apart.
  [[nodiscard]] std::uint32_t type_of(const address& a) const {
    if (a.is_multicast()) return RTN_MULTICAST;
    if (is_broadcast(a)) return RTN_BROADCAST;
    if (a.is_loopback() || topology_.host.contains(a)) return RTN_LOCAL;
    return a.is_v4() && a.is_unspecified() ? RTN_BROADCAST : RTN_UNICAST;
  }

  [[nodiscard]] std::uint32_t group_of(const std::string& interface) const {
    return topology_.adopted.contains(interface) ? kGuestGroup : 0;
  }

  // What masquerading takes: an address of the way out, or of lo where that has none (inet_select_addr()).
  [[nodiscard]] std::optional<address> address_behind(const std::string& interface) const {
    const auto of = [this](std::string_view name) -> std::optional<address> {
      for (const auto& [own, where] : topology_.host) {
        if (where == name && own.is_v4() == packet_.source.is_v4() && !is_link_local6(own)) return own;
      }
      return std::nullopt;
    };
    const auto own = of(interface);
    return own ? own : of(kLoopback);
  }

  const Evaluator& evaluator_;
  const Topology& topology_;
  Packet packet_;
  Journey journey_;
};

const Step* find_step(const std::vector<Step>& steps, std::string_view base) {
  const auto found = std::ranges::find_if(steps, [base](const Step& step) { return step.base->name == base; });
  return found == steps.end() ? nullptr : &*found;
}

}  // namespace

void Topology::add(const config::Network& network) {
  networks4.insert(network.prefix);
  host.own().emplace(network.gateway, kLoopback);
  if (network.prefix6) networks6.insert(*network.prefix6);
  if (network.gateway6) host.own().emplace(*network.gateway6, kLoopback);
}

void Topology::add(const config::Guest& guest) {
  const Attachment its{guest.tap, guest.mac};
  adopted.own().insert(guest.tap);
  if (guest.address) guests.own().insert_or_assign(*guest.address, its);
  if (guest.address6) guests.own().insert_or_assign(*guest.address6, its);
  for (const auto& allowed : guest.allowed_addresses) guests.own().try_emplace(allowed, its);
  for (const auto& prefix : guest.prefixes4) prefixes4.own().insert_or_assign(prefix, its);
  for (const auto& prefix : guest.prefixes6) prefixes6.own().insert_or_assign(prefix, its);
  for (const auto& floating : guest.floating.all()) host.own().try_emplace(floating, kLoopback);
  if (std::ranges::any_of(guest.publish, &config::Publish::on_loopback)) localnet.own().insert(guest.tap);
}

const Topology::Attachment* Topology::behind(const address& a) const {
  if (const auto own = guests.find(a); own != guests.end()) return &own->second;
  const auto in = [](const auto& prefixes, const auto& host) -> const Attachment* {
    const auto found =
        std::ranges::find_if(prefixes, [&host](const auto& entry) { return config::contains(entry.first, host); });
    return found == prefixes.end() ? nullptr : &found->second;
  };
  return a.is_v4() ? in(prefixes4, a.to_v4()) : in(prefixes6, a.to_v6());
}

Packet first_packet(const Topology& topology, const address& from, const address& to, std::uint8_t protocol,
                    std::uint16_t port) {
  Packet packet;
  packet.source = from;
  packet.destination = to;
  packet.protocol = protocol;
  if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6) {
    packet.icmp_type = static_cast<std::uint8_t>(port);
  } else {
    packet.source_port = source_port_to(protocol, port);
    packet.destination_port = port;
  }
  if (const auto* guest = topology.behind(from)) {
    packet.iifname = guest->tap;
    packet.ether_saddr = guest->mac.value_or(MacAddress{});
  } else if (from.is_loopback() || topology.host.contains(from)) {
    packet.skuid = 0;
  } else {
    packet.iifname = topology.uplink;
    packet.ether_saddr = MacAddress{};
  }
  return packet;
}

bool Journey::destination_translated() const {
  return sent.destination != arrived.destination || sent.destination_port != arrived.destination_port;
}
bool Journey::source_translated() const {
  return sent.source != arrived.source || sent.source_port != arrived.source_port;
}

bool Journey::redirected() const {
  return destination_translated() && std::ranges::any_of(steps, [](const Step& step) {
           return step.base->base->type == ChainType::nat && step.comment() == kRedirected;
         });
}

const Step* Journey::refusal() const {
  return ruling == Ruling::accept ? nullptr : &steps.back();
}

const Step* Journey::egress() const {
  const auto* step = find_step(steps, kEgress);
  return step != nullptr ? step : find_step(steps, kHostOut);
}

const Step* Journey::ingress() const {
  const auto* step = find_step(steps, kIngress);
  return step != nullptr ? step : find_step(steps, kInput);
}

Journey travel(const Evaluator& evaluator, const Topology& topology, Packet packet) {
  return Trip{evaluator, topology, std::move(packet)}.run();
}

std::string_view name(Journey::Way way) noexcept {
  switch (way) {
    case Journey::Way::nowhere:
      return "nowhere";
    case Journey::Way::to_host:
      return "to_host";
    case Journey::Way::forwarded:
      return "forwarded";
    case Journey::Way::from_host:
      return "from_host";
    case Journey::Way::within_host:
      return "within_host";
  }
  std::abort();
}

}  // namespace vrouter::firewall
