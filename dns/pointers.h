// SPDX-License-Identifier: GPL-2.0-or-later
// Names that lead through what is no name.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vrouter::dns {

// The TTLs of a message's records as far as it was read. They are told anew with every answer: a name that a pointer
// takes through one (RFC 1035 4.1.4 knows pointers to names alone) would be another name each second, or none.
class TtlFields {
 public:
  void add(std::size_t offset) { at_.push_back(offset); }  // ascending
  // The name at `start` must be one that Name::decode() has read.
  [[nodiscard]] bool are_in_name(std::span<const std::uint8_t> message, std::size_t start) noexcept;

 private:
  std::bitset<0x4000> seen_;  // where pointers led; each place is looked at once
  std::vector<std::size_t> at_;
};

}  // namespace vrouter::dns
