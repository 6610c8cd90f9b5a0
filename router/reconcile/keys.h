// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: names of the kernel's switches.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "router/kernel/types.h"

namespace vrouter::router {

inline constexpr const char* kIpForward = "net/ipv4/ip_forward";
inline constexpr const char* kAllArpIgnore = "net/ipv4/conf/all/arp_ignore";
// Writing ip_forward sets these as well (net/ipv4/devinet.c, inet_forward_change).
inline constexpr const char* kAllAcceptRedirects = "net/ipv4/conf/all/accept_redirects";
inline constexpr const char* kDefaultForwarding = "net/ipv4/conf/default/forwarding";
// Writing it sets the forwarding of every interface, and `default`'s (net/ipv6/addrconf.c, addrconf_forward_change).
inline constexpr const char* kAllForwarding6 = "net/ipv6/conf/all/forwarding";
inline constexpr const char* kDefaultForwarding6 = "net/ipv6/conf/default/forwarding";
inline constexpr const char* kConf6Before = "net/ipv6/conf/";
// How many connections are tracked at most, of all network namespaces together.
inline constexpr const char* kConntrackMax = "net/netfilter/nf_conntrack_max";

inline constexpr std::array<const char*, 6> kBridgeNetfilterKeys{
    "net/bridge/bridge-nf-call-arptables",     "net/bridge/bridge-nf-call-ip6tables",
    "net/bridge/bridge-nf-call-iptables",      "net/bridge/bridge-nf-filter-pppoe-tagged",
    "net/bridge/bridge-nf-filter-vlan-tagged", "net/bridge/bridge-nf-pass-vlan-input-dev",
};

[[nodiscard]] inline std::string forwarding_key(const std::string& link) {
  return "net/ipv4/conf/" + link + "/forwarding";
}
[[nodiscard]] inline std::string conf6_key(const std::string& link, Conf6 key) {
  return kConf6Before + link + "/" + std::string{name(key)};
}
// How long the kernel puts off answering for others, in 1/100 s, at random up to this.
[[nodiscard]] inline std::string proxy_delay_key(const std::string& link) {
  return "net/ipv4/neigh/" + link + "/proxy_delay";
}

// "eth0" of "net/ipv4/conf/eth0/forwarding"; empty where `key` isn't `before` NAME `after`.
[[nodiscard]] inline std::string link_in_key(std::string_view key, std::string_view before, std::string_view after) {
  if (key.size() <= before.size() + after.size() || !key.starts_with(before) || !key.ends_with(after)) return {};
  return std::string{key.substr(before.size(), key.size() - before.size() - after.size())};
}

// "eth0" and accept_ra of "net/ipv6/conf/eth0/accept_ra"; nothing for `all`, `default` and other switches.
[[nodiscard]] inline std::optional<std::pair<std::string, Conf6>> conf6_in_key(std::string_view key) {
  for (const Conf6 one : kAllConf6) {
    auto link = link_in_key(key, kConf6Before, "/" + std::string{name(one)});
    if (!link.empty() && link != "all" && link != "default") return std::pair{std::move(link), one};
  }
  return std::nullopt;
}

}  // namespace vrouter::router
