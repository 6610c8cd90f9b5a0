// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: how originals are written down (the keys and values plan.h shows).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "router/reconcile/plan.h"

namespace vrouter::router {

inline constexpr std::string_view kSysctlPrefix = "sysctl ";
inline constexpr std::string_view kAddressPrefix = "address ";
inline constexpr std::string_view kLinkPrefix = "link ";
inline constexpr std::string_view kAbsent = "absent";
inline constexpr std::string_view kMade = "made";

[[nodiscard]] std::string link_key(const std::string& link);
[[nodiscard]] std::string tap_key(const std::string& tap);
[[nodiscard]] std::string made(std::uint32_t index);  // "made index=7": once the TAP that we made is known
[[nodiscard]] std::string sysctl_key(const std::string& key);
[[nodiscard]] std::string gateway_key(const address& gateway, std::string_view link = "lo");
// The address of such a key, and its link.
struct AddressOnLink {
  address local;
  std::string link;
  bool operator==(const AddressOnLink&) const = default;
};
[[nodiscard]] std::optional<AddressOnLink> gateway_in(std::string_view key);

// As a link's original names it: IPv4 has a `forwarding` too.
[[nodiscard]] std::string field_of(Conf6 key);

// What a link was like: "index=7 group=0 up=0 rp_filter=2".
struct LinkOriginal {
  std::uint32_t index = 0;
  std::map<std::string, std::uint32_t> fields;

  // A field that is there already stays: the first value is the one from before us.
  void note(const std::string& field, std::uint32_t value) { fields.try_emplace(field, value); }
  [[nodiscard]] std::optional<std::uint32_t> get(std::string_view field) const;
  [[nodiscard]] std::string to_string() const;
};

// What is known of this very link; one of a namesake that is gone (another index) counts as nothing.
[[nodiscard]] LinkOriginal link_original(const Originals& originals, const Link& link);
[[nodiscard]] LinkOriginal link_original(const Originals& originals, const Link& link, const std::string& key);
// Under which key a link is known, whatever its name was then. Looks at all of them.
[[nodiscard]] std::optional<std::string> link_key_of(const Originals& originals, std::uint32_t index);

}  // namespace vrouter::router
