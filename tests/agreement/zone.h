// SPDX-License-Identifier: GPL-2.0-or-later
// The zone that the questions are about, and the questions.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tests/agreement/message.h"

namespace vrouter::agreement {

inline constexpr auto kOrigin = "agree.example";

// Names with several types, of which every other has an AAAA and none all of them; CNAME chains, also to nothing and
// out of the zone; a DNAME; wildcards; empty non-terminals; unknown types; sets and texts too large for UDP.
[[nodiscard]] std::string zone_text();

// Questions about it by chance: about names that are there and names that are not, in any case, of any type, with any
// flags, EDNS or none. The same ones come again and again, since what is cached has to agree as well.
class Questions {
 public:
  explicit Questions(std::uint32_t seed);
  [[nodiscard]] Question next();

 private:
  [[nodiscard]] std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(random_()) % limit; }
  [[nodiscard]] bool one_in(std::uint32_t n) { return below(n) == 0; }
  [[nodiscard]] dns::Name name();
  [[nodiscard]] std::uint16_t type();
  [[nodiscard]] std::optional<Edns> edns();

  std::mt19937 random_;
  std::vector<std::string> names_;
};

}  // namespace vrouter::agreement
