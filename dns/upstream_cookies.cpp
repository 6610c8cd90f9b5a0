// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/upstream_cookies.h"

#include <algorithm>

namespace vrouter::dns {

namespace {
constexpr std::size_t kMaxServers = 256;  // those of former configurations go when there are too many
}

Bytes UpstreamCookies::option(const config::DnsServer& server) {
  if (pairs_.size() >= kMaxServers && !pairs_.contains(server)) pairs_.clear();
  const auto [it, fresh] = pairs_.try_emplace(server);
  auto& pair = it->second;
  if (fresh) random_(pair.client);
  Bytes data(pair.client.begin(), pair.client.end());
  data.insert(data.end(), pair.server.begin(), pair.server.end());
  return data;
}

UpstreamCookies::Verdict UpstreamCookies::judge(const config::DnsServer& server, std::span<const std::uint8_t> cookie,
                                                Transport transport) {
  const auto it = pairs_.find(server);
  if (it == pairs_.end()) return Verdict::good;  // cleared meanwhile: nothing to judge by
  auto& pair = it->second;
  if (cookie.empty()) {
    if (transport == Transport::udp && !pair.server.empty()) return Verdict::missing;
    pair.server.clear();
    return Verdict::good;
  }
  if (cookie.size() < kClientCookieSize || !std::ranges::equal(cookie.first(kClientCookieSize), pair.client))
    return Verdict::forged;
  const auto own = cookie.subspan(kClientCookieSize);
  if (!own.empty()) pair.server.assign(own.begin(), own.end());
  return Verdict::good;
}

}  // namespace vrouter::dns
