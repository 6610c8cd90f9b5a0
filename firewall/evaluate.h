// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel does to a packet with the compiled rules, worked out without a kernel: expectations are proved by it,
// decisions are explained by it. Pure.
//
// Theory: nf_tables runs the rules of a base chain one after another. A statement that doesn't hold (a key that isn't
// in the map, a header that the packet hasn't) breaks its rule, and the next rule is asked. An accept ends the base
// chain alone, a drop ends the packet. Here each statement is interpreted as the kernel runs its bytecode, so that
// kernel and evaluator can be held against each other (tests/unit/firewall/agreement.h); what needs time or chance
// isn't: a limit is never exceeded, and a translated source keeps its port.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mac_address.h"
#include "config/networks.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

// Bits of `ct state`: what conntrack thinks of a packet.
inline constexpr std::uint32_t kCtInvalid = 1U << 0, kCtEstablished = 1U << 1, kCtRelated = 1U << 2, kCtNew = 1U << 3,
                               kCtUntracked = 1U << 6;

// What a rule can see of a packet. Of a packet before routing the kernel shows no way out, and of one that this host
// sends no way in, whatever is said here.
struct Packet {
  std::string iifname = {}, oifname = {};  // empty: none
  std::uint32_t iifgroup = 0, oifgroup = 0;
  std::uint32_t mark = 0;
  std::optional<MacAddress> ether_saddr = {};  // none: it came without an Ethernet header
  address source = {}, destination = {};       // of the same family
  std::uint8_t protocol = 0;                   // IPPROTO_*
  // Of a protocol without ports what its header has in that place, save that ICMP has its type.
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t tcp_flags = 0x02;  // SYN
  std::uint32_t ct_state = kCtNew;
  std::uint32_t ct_status = 0;                       // IPS_*, linux/netfilter/nf_conntrack_common.h
  std::optional<address> original_destination = {};  // before translation; none: it wasn't translated
  bool reached_by_iif = false;                       // routing sends what is for its source back where it came from
  std::uint32_t fib_daddr_type = 1;                  // RTN_* of the destination, linux/rtnetlink.h
  std::optional<address> masquerade =
      {};                           // the address of the way out; none: not known, and the source becomes 0.0.0.0
  std::optional<uid_t> skuid = {};  // whose socket sends it; none: it's no socket of this host's

  struct Arp {
    std::uint16_t operation = 1;
    MacAddress sender_mac = {};
    address_v4 sender = {};
  };
  std::optional<Arp> arp = {};  // of Family::arp
};

// What conntrack says of a packet that belongs to no connection it knows: new, invalid (a TCP reset, an ICMP error) or
// untracked (neighbour discovery).
[[nodiscard]] std::uint32_t first_ct_state(const Packet& packet) noexcept;

enum class Ruling : std::uint8_t { accept, drop, reject };
[[nodiscard]] std::string_view name(Ruling) noexcept;  // "accept"

// A rule by its place. Belongs to the ruleset.
struct RulePlace {
  const Chain* chain = nullptr;
  std::size_t index = 0;
  [[nodiscard]] const Rule& rule() const { return chain->rules[index]; }
};

// What one base chain said. Refers into the ruleset.
struct Step {
  Family family = Family::inet;
  const Chain* base = nullptr;
  Ruling ruling = Ruling::accept;
  Reject::Kind answer{};  // of a reject
  // The rules whose jump or goto led to the one that decided (those returned from left out), and that one last.
  // Empty: no rule decided, and the base chain's policy let it pass.
  std::vector<RulePlace> way = {};
  // The rules that went by only because the sender hasn't been told the destination's address by the names of their
  // domains, in the order in which they were asked.
  std::vector<RulePlace> unless_told = {};

  [[nodiscard]] const RulePlace* decider() const { return way.empty() ? nullptr : &way.back(); }
  [[nodiscard]] std::string_view comment() const;  // the decider's; empty: none
};

// What all base chains of a hook said; a drop or reject is in the last step.
struct Outcome {
  Ruling ruling = Ruling::accept;
  std::vector<Step> steps = {};  // in the order in which they were asked
};

// A view of a ruleset, which must outlive it and stay as it is. The ruleset is one that the kernel would take: what
// rules name is there, and no chain leads back to itself.
class Evaluator {
 public:
  // `many` first makes an index of the elements (some 100 ns and 16 bytes each), which pays from thousands of packets
  // on; `few` looks them up where they are.
  enum class Packets : std::uint8_t { few, many };
  explicit Evaluator(const Ruleset& ruleset, Packets packets = Packets::few);
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;
  ~Evaluator();

  // The base chains of one hook, in order of priority. What they write (mark, addresses and ports, ct status) is in
  // the packet afterwards. As in the kernel, NAT is asked for new connections only, once for each of its ends; before
  // conntrack's own priority every packet is one of no connection.
  [[nodiscard]] Outcome run_hook(Family family, Hook hook, Packet& packet) const;

 private:
  struct Index;
  std::unique_ptr<const Index> index_;
};

}  // namespace vrouter::firewall
