// SPDX-License-Identifier: GPL-2.0-or-later
// A packet's whole way through this host: every hook, and routing between them. Pure.
//
//     const Evaluator evaluator{ruleset};
//     const auto journey = travel(evaluator, topology, first_packet(topology, from, to, IPPROTO_TCP, 443));
//     if (const auto* step = journey.refusal()) explain(step->comment());
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/copy_on_write.h"
#include "config/model.h"
#include "firewall/evaluate.h"

namespace vrouter::firewall {

// What routing goes by.
struct Topology {
  struct Attachment {
    std::string tap;
    std::optional<MacAddress> mac = {};  // what the guest sends from; none: some MAC that is nobody's pinned one
  };
  CopyOnWrite<std::unordered_map<address, Attachment>> guests;
  CopyOnWrite<std::map<network_v4, Attachment, config::NetworkLess>> prefixes4;  // routed to guests
  CopyOnWrite<std::map<network_v6, Attachment, config::NetworkLess>> prefixes6;
  CopyOnWrite<std::unordered_set<std::string>> localnet;  // TAPs that loopback addresses may go out by
  CopyOnWrite<std::unordered_set<std::string>> adopted;   // TAPs that are in the guests' device group
  CopyOnWrite<std::map<address, std::string>> host;       // this host's own addresses, and the interface each is on
  std::string uplink;                                     // where the world is; empty: no way there
  std::set<network_v4, config::NetworkLess> networks4;    // what is no guest's in there is unreachable
  std::set<network_v6, config::NetworkLess> networks6;

  void add(const config::Network& network);  // its prefixes, and its gateways on lo
  void add(const config::Guest& guest);      // adopted; its floating addresses on lo
  // The guest that such packets go to and may come from; none: no guest.
  [[nodiscard]] const Attachment* behind(const address& a) const;
};

// The first packet of a connection, as it comes from whoever has that address: a guest by its TAP, this host from a
// socket of root's, everybody else by the uplink. `port` is the destination's, of ICMP the type.
[[nodiscard]] Packet first_packet(const Topology& topology, const address& from, const address& to,
                                  std::uint8_t protocol, std::uint16_t port = 0);

struct Journey {
  enum class Way : std::uint8_t {
    nowhere,     // refused before it was routed, or routing knows no way
    to_host,     // from outside to this host
    forwarded,   // from outside to outside
    from_host,   // from this host to outside
    within_host  // from this host to itself, over lo
  };
  Way way = Way::nowhere;
  Ruling ruling = Ruling::accept;
  Reject::Kind answer{};           // of a reject
  std::vector<Step> steps = {};    // every base chain on the way, in order
  Packet sent = {}, arrived = {};  // as it began; as it left, or as it was when it came to its end
  std::string_view lost = {};      // why routing has no way for it, in words; empty: it has

  [[nodiscard]] bool passes() const noexcept { return ruling == Ruling::accept && lost.empty(); }
  [[nodiscard]] bool destination_translated() const;
  [[nodiscard]] bool source_translated() const;
  // A guest asked another resolver, and its gateway answers.
  [[nodiscard]] bool redirected() const;
  // The base chain that dropped or rejected it; none: it wasn't refused.
  [[nodiscard]] const Step* refusal() const;
  // What the sender's side said, and the receiver's; none: it wasn't asked (an answer to a spoofed packet is
  // refusal()).
  [[nodiscard]] const Step* egress() const;
  [[nodiscard]] const Step* ingress() const;
};

// The packet comes in by `packet.iifname`; without one this host sends it, by `packet.oifname` where a socket is bound
// to an interface. Device groups, ct state (of a new packet) and what routing knows are found here. Multicast and
// broadcast are taken as meant for this host.
[[nodiscard]] Journey travel(const Evaluator& evaluator, const Topology& topology, Packet packet);

[[nodiscard]] std::string_view name(Journey::Way) noexcept;  // "forwarded"

}  // namespace vrouter::firewall
