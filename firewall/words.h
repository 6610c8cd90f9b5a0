// SPDX-License-Identifier: GPL-2.0-or-later
// Short words for what rulesets are written in. Not for other rooms.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/guest_group.h"
#include "base/mac_address.h"
#include "config/networks.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall::words {

// --- bytes as the kernel compares them

template <typename T>
Bytes host_order(T value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}
inline Bytes network_order(std::uint16_t value) {
  return {static_cast<std::uint8_t>(value >> 8), static_cast<std::uint8_t>(value)};
}
inline Bytes bytes_of(const std::string& interface) {
  Bytes bytes(size_of(Type::ifname), 0);
  std::copy_n(interface.begin(), std::min(interface.size(), bytes.size() - 1), bytes.begin());
  return bytes;
}
inline Bytes bytes_of(const MacAddress& mac) {
  return {mac.bytes.begin(), mac.bytes.end()};
}
inline Bytes bytes_of(const address_v4& a) {
  const auto bytes = a.to_bytes();
  return {bytes.begin(), bytes.end()};
}
inline Bytes bytes_of(const address_v6& a) {
  const auto bytes = a.to_bytes();
  return {bytes.begin(), bytes.end()};
}
inline Bytes bytes_of(std::uint8_t value) {
  return {value};
}

// The fields of a concatenation, each padded to 4 bytes.
inline Bytes concat(std::initializer_list<Bytes> fields) {
  Bytes key;
  for (const auto& field : fields) {
    key.insert(key.end(), field.begin(), field.end());
    key.resize((key.size() + 3) / 4 * 4, 0);
  }
  return key;
}

// --- elements

inline Element element(Family family, std::string set, Bytes key, Bytes data = {}) {
  return {SetRef{family, std::move(set)}, ElementKey{std::move(key), {}}, Datum{std::move(data), std::nullopt}};
}
inline Element inet(std::string set, Bytes key, Bytes data = {}) {
  return element(Family::inet, std::move(set), std::move(key), std::move(data));
}
inline Element inet_verdict(std::string map, Bytes key, Verdict verdict) {
  return {SetRef{Family::inet, std::move(map)}, ElementKey{std::move(key), {}}, Datum{{}, std::move(verdict)}};
}
// All addresses of a prefix.
template <typename Prefix>
Element interval(std::string set, const Prefix& prefix, Bytes data = {}) {
  Bytes first = bytes_of(prefix.network());
  Bytes last = first;
  for (std::size_t bit = prefix.prefix_length(); bit < last.size() * 8; ++bit) {
    last[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
  }
  return {SetRef{Family::inet, std::move(set)}, ElementKey{std::move(first), std::move(last)},
          Datum{std::move(data), std::nullopt}};
}

// --- statements

inline Compare is(Field field, Bytes value) {
  return {field, std::move(value), false, 0};
}
inline Compare within(Field field, Bytes value, std::uint8_t prefix_length) {
  return {field, std::move(value), false, prefix_length};
}
inline Compare from_guest() {
  return is(Field::iifgroup, host_order(kGuestGroup));
}
inline Compare to_guest() {
  return is(Field::oifgroup, host_order(kGuestGroup));
}
inline Compare port(Field field, std::uint16_t number) {
  return is(field, network_order(number));
}
inline Compare protocol(std::uint8_t number) {
  return is(Field::l4proto, bytes_of(number));
}
inline AnyBit state(std::uint32_t bits) {
  return {Field::ct_state, bits};
}
inline Lookup in(Key key, std::string set) {
  return {std::move(key), std::move(set)};
}
inline Verdict accept() {
  return {Verdict::Kind::accept, {}};
}
inline Verdict drop() {
  return {Verdict::Kind::drop, {}};
}
inline Verdict back() {
  return {Verdict::Kind::return_, {}};
}
inline Verdict go(std::string chain) {
  return {Verdict::Kind::goto_chain, std::move(chain)};
}
inline Verdict jump(std::string chain) {
  return {Verdict::Kind::jump, std::move(chain)};
}
inline Rule rule(std::string comment, std::vector<Statement> statements) {
  return {std::move(statements), std::move(comment)};
}

// --- sets and maps

inline Set set(std::string name, std::vector<Type> key) {
  return {std::move(name), std::move(key), DataKind::none, {}, false};
}
// The addresses that guests were told of a domain, by the TAP of whom it was.
inline Set domain_set(std::string name, bool v6) {
  Set made = set(std::move(name), {Type::ifname, v6 ? Type::ipv6_addr : Type::ipv4_addr});
  made.admitted = true;
  return made;
}
inline Set interval_set(std::string name, Type key) {
  return {std::move(name), {key}, DataKind::none, {}, true};
}
inline Set interval_map(std::string name, Type key, Type data) {
  return {std::move(name), {key}, DataKind::value, {data}, true};
}
inline Set metered_set(std::string name, Type key) {
  return {std::move(name), {key}, DataKind::none, {}, false, true};
}
inline Set map(std::string name, std::vector<Type> key, std::vector<Type> data) {
  return {std::move(name), std::move(key), DataKind::value, std::move(data), false};
}
inline Set verdict_map(std::string name, std::vector<Type> key) {
  return {std::move(name), std::move(key), DataKind::verdict, {}, false};
}

}  // namespace vrouter::firewall::words
