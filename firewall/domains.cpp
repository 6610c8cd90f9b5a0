// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/domains.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <span>

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

std::vector<std::string> domains_of(const Rule& rule) {
  std::vector<std::string> domains;
  for (const auto& statement : rule.statements) {
    const auto* lookup = std::get_if<Lookup>(&statement);
    if (lookup == nullptr || lookup->key.size() == 1 || lookup->key.front() != Field::iifname) continue;
    if (auto domain = domain_of_set(lookup->set)) domains.push_back(*std::move(domain));
  }
  return domains;
}

Element domain_element(std::string_view domain, const std::string& tap, const address& allowed) {
  using namespace words;
  const auto its = allowed.is_v4() ? bytes_of(allowed.to_v4()) : bytes_of(allowed.to_v6());
  return inet(domain_set_name(domain, allowed.is_v6()), concat({bytes_of(tap), its}));
}

std::optional<DomainElement> read_domain_element(const Element& element) {
  const auto domain = domain_of_set(element.set.set);
  const auto& key = element.key.first;
  const auto name_size = size_of(Type::ifname);
  if (!domain || key.size() < name_size) return std::nullopt;
  const auto end = std::find(key.begin(), key.begin() + static_cast<std::ptrdiff_t>(name_size), 0);
  DomainElement read{*domain, std::string(key.begin(), end), {}};
  const auto its = std::span{key}.subspan(name_size);
  if (its.size() == size_of(Type::ipv4_addr)) {
    address_v4::bytes_type bytes{};
    std::ranges::copy(its, bytes.begin());
    read.its = address_v4{bytes};
  } else if (its.size() == size_of(Type::ipv6_addr)) {
    address_v6::bytes_type bytes{};
    std::ranges::copy(its, bytes.begin());
    read.its = address_v6{bytes};
  } else {
    return std::nullopt;
  }
  return read;
}

}  // namespace vrouter::firewall
