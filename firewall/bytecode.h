// SPDX-License-Identifier: GPL-2.0-or-later
// Rules as the expressions of the kernel's nf_tables machine, in exactly the shapes that nft 1.0.6 emits: `nft list`
// prints them back as they were meant, and a rule read from the kernel can be compared with a desired one.
// Numbers are those of linux/netfilter/nf_tables.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "firewall/ruleset.h"

namespace vrouter::firewall {

struct MetaLoad {  // [ meta load KEY => reg N ]
  std::uint32_t key = 0, dreg = 0;
  auto operator<=>(const MetaLoad&) const = default;
};
struct MetaSet {  // [ meta set KEY with reg N ]
  std::uint32_t key = 0, sreg = 0;
  auto operator<=>(const MetaSet&) const = default;
};
struct PayloadLoad {
  std::uint32_t base = 0, offset = 0, length = 0, dreg = 0;
  auto operator<=>(const PayloadLoad&) const = default;
};
struct CtLoad {
  std::uint32_t key = 0, dreg = 0;
  std::optional<std::uint8_t> direction = {};
  auto operator<=>(const CtLoad&) const = default;
};
struct FibLoad {
  std::uint32_t result = 0, flags = 0, dreg = 0;
  auto operator<=>(const FibLoad&) const = default;
};
struct RtLoad {
  std::uint32_t key = 0, dreg = 0;
  auto operator<=>(const RtLoad&) const = default;
};
struct Cmp {
  std::uint32_t op = 0, sreg = 0;
  Bytes data;
  auto operator<=>(const Cmp&) const = default;
};
struct Bitwise {
  std::uint32_t sreg = 0, dreg = 0;
  Bytes mask, xor_;
  auto operator<=>(const Bitwise&) const = default;
};
struct Byteorder {
  std::uint32_t op = 0, sreg = 0, dreg = 0, length = 0, size = 0;
  auto operator<=>(const Byteorder&) const = default;
};
struct SetLookup {
  std::string set;
  std::uint32_t sreg = 0;
  std::optional<std::uint32_t> dreg;  // register 0: a verdict map
  auto operator<=>(const SetLookup&) const = default;
};
struct Immediate {
  std::uint32_t dreg = 0;
  Datum data;
  auto operator<=>(const Immediate&) const = default;
};
struct NatTo {
  std::uint32_t type = 0, family = 0, flags = 0;
  std::uint32_t address_reg = 0;
  std::optional<std::uint32_t> port_reg;
  auto operator<=>(const NatTo&) const = default;
};
struct Masq {
  std::uint32_t flags = 0;
  auto operator<=>(const Masq&) const = default;
};
struct NoTracking {
  auto operator<=>(const NoTracking&) const = default;
};
struct RejectWith {
  std::uint32_t type = 0, code = 0;
  auto operator<=>(const RejectWith&) const = default;
};
struct TcpOptionWrite {
  std::uint32_t option = 0, offset = 0, length = 0, sreg = 0;
  auto operator<=>(const TcpOptionWrite&) const = default;
};
struct RateLimit {
  std::uint64_t rate = 0, unit = 0;
  std::uint32_t burst = 0, type = 0, flags = 0;
  auto operator<=>(const RateLimit&) const = default;
};
struct ElementCounter {  // [ counter ], of an element
  auto operator<=>(const ElementCounter&) const = default;
};
struct ConnectionCount {  // [ connlimit count COUNT flags FLAGS ], of an element
  std::uint32_t count = 0, flags = 0;
  auto operator<=>(const ConnectionCount&) const = default;
};
struct SetUpdate {  // [ dynset update reg_key SREG set SET expr [ ... ] ]
  std::string set;
  std::uint32_t sreg = 0;
  std::variant<ElementCounter, RateLimit, ConnectionCount> with;
  auto operator<=>(const SetUpdate&) const = default;
};
struct LogTo {
  std::string prefix;
  std::uint16_t group = 0;
  std::uint32_t snaplen = 0;
  auto operator<=>(const LogTo&) const = default;
};
struct ObjectRef {  // [ objref type TYPE name NAME ]
  std::uint32_t type = 0;
  std::string name;
  auto operator<=>(const ObjectRef&) const = default;
};
struct Unknown {  // an expression that we never emit, by its name
  std::string name;
  auto operator<=>(const Unknown&) const = default;
};

using Expression =
    std::variant<MetaLoad, MetaSet, PayloadLoad, CtLoad, FibLoad, RtLoad, Cmp, Bitwise, Byteorder, SetLookup, Immediate,
                 NatTo, Masq, NoTracking, RejectWith, TcpOptionWrite, RateLimit, SetUpdate, LogTo, ObjectRef, Unknown>;

[[nodiscard]] std::vector<Expression> assemble(const Rule& rule);

// The expression that an element of a metered set carries, and back; empty: no meter of ours.
[[nodiscard]] Expression expression_of(const Meter& meter);
[[nodiscard]] std::optional<Meter> meter_of(const Expression& expression);

}  // namespace vrouter::firewall
