// SPDX-License-Identifier: GPL-2.0-or-later
// Which names the answers of one message may be about: the question's and what CNAMEs make of it, in whatever order
// they stand.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dns/codec.h"

namespace vrouter::dns {

class Chain {
 public:
  // `answers` of `message`, to a question for `start`.
  Chain(std::span<const std::uint8_t> message, const Name& start, const std::vector<Record>& answers);

  // It is about one of them, or a DNAME or a signature of a zone above one.
  [[nodiscard]] bool admits(const Record& record) const;

 private:
  [[nodiscard]] bool holds(const Name& lower) const;
  std::vector<Name> names_;  // in lower case
};

}  // namespace vrouter::dns
