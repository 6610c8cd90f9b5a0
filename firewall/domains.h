// SPDX-License-Identifier: GPL-2.0-or-later
// Rules about domains: what of them is in the kernel.
//
// Theory: a name's addresses are what DNS tells whoever asks for it, and no two need be told the same. So a domain is a
// set of pairs, the guest's TAP and an address, which holds what that very guest was told, for as long as it may use
// the answer: what one guest asks for opens nothing for another. One set per domain and family, whatever the number of
// rules and guests; the elements come and go without a look at the rules, and stay where those change.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/networks.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

// The set's name, after the domain as a peer has it: "d_www.example.org_4", and "w_example.org_4" of "*.example.org".
[[nodiscard]] std::string domain_set_name(std::string_view domain, bool v6);
// The domain whose set that is; nothing: it is no such set's name.
[[nodiscard]] std::optional<std::string> domain_of_set(std::string_view set);

// The domains that the rule asks for.
[[nodiscard]] std::vector<std::string> domains_of(const Rule& rule);

// A guest's being allowed an address by a domain.
[[nodiscard]] Element domain_element(std::string_view domain, const std::string& tap, const address& allowed);

// What an element of such a set says; nothing: it is of none.
struct DomainElement {
  std::string domain, tap;
  address its;
};
[[nodiscard]] std::optional<DomainElement> read_domain_element(const Element& element);

struct Admitted {
  Element element;
  std::uint32_t seconds = 0;  // from now on, whatever it had left
  bool operator==(const Admitted&) const = default;
};

}  // namespace vrouter::firewall
