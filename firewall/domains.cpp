// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/domains.h"

#include "firewall/words.h"

namespace vrouter::firewall {
namespace {

constexpr std::string_view kExact = "d_", kBelow = "w_", kAllBelow = "*.";
constexpr std::string_view kV4 = "_4", kV6 = "_6";

}  // namespace

// A domain's characters are all such as nft takes in a name, and none is an underscore.
std::string domain_set_name(std::string_view domain, bool v6) {
  const bool below = domain.starts_with(kAllBelow);
  std::string name{below ? kBelow : kExact};
  name += below ? domain.substr(kAllBelow.size()) : domain;
  return name.append(v6 ? kV6 : kV4);
}

std::optional<std::string> domain_of_set(std::string_view set) {
  const bool below = set.starts_with(kBelow);
  if ((!below && !set.starts_with(kExact)) || (!set.ends_with(kV4) && !set.ends_with(kV6))) return std::nullopt;
  if (set.size() <= kExact.size() + kV4.size()) return std::nullopt;
  std::string domain{below ? kAllBelow : std::string_view{}};
  domain += set.substr(kExact.size(), set.size() - kExact.size() - kV4.size());
  return domain;
}

Element domain_element(std::string_view domain, const std::string& tap, const address& allowed) {
  using namespace words;
  const auto its = allowed.is_v4() ? bytes_of(allowed.to_v4()) : bytes_of(allowed.to_v6());
  return inet(domain_set_name(domain, allowed.is_v6()), concat({bytes_of(tap), its}));
}

}  // namespace vrouter::firewall
