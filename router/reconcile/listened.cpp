// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/reconcile/listened.h"

#include <fmt/format.h>

namespace vrouter::router {
namespace {

// Below these the kernel gives nobody a port by itself (net.ipv4.ip_local_port_range): a UDP socket above may be any
// client's, gone in a moment.
constexpr std::uint16_t kFirstEphemeral = 32768;
constexpr std::uint16_t kDhcpPort = 67, kDnsPort = 53;

// Of the host addresses that are published on, does the socket have one?
bool hides(const config::Guest& guest, const config::Publish& publish, const Listener& listener) {
  const bool v6 = listener.local.is_v6();
  if (!listener.local.is_unspecified()) {
    if (publish.host) return *publish.host == listener.local;
    return !listener.local.is_loopback() && (!v6 || guest.address6);
  }
  const bool takes4 = !v6 || !listener.v6only;
  if (publish.host) return publish.host->is_v4() ? takes4 : v6;
  return takes4 || guest.address6;
}

bool is_vrouters(const Listener& listener) {
  return !listener.tcp ? listener.port == kDhcpPort || listener.port == kDnsPort : listener.port == kDnsPort;
}

}  // namespace

std::vector<std::string> listened_on(const config::Guest& guest, std::span<const Listener> listeners) {
  std::vector<std::string> found;
  for (const auto& publish : guest.publish) {
    for (const auto& listener : listeners) {
      const bool same = publish.protocol == (listener.tcp ? config::Protocol::tcp : config::Protocol::udp) &&
                        publish.first <= listener.port && listener.port <= publish.last;
      if (!same || is_vrouters(listener) || (!listener.tcp && listener.port >= kFirstEphemeral)) continue;
      if (!hides(guest, publish, listener)) continue;
      const auto port = fmt::format("{}/{}", config::name(publish.protocol), listener.port);
      found.push_back(fmt::format(
          "something on this host listens on {0}{1}, and {2} would hide it; stop that first (`ss -lnp sport = :{3}` "
          "names it), or publish another port",
          port, listener.local.is_unspecified() ? "" : " of " + listener.local.to_string(), publish.to_string(),
          listener.port));
      break;
    }
  }
  return found;
}

}  // namespace vrouter::router
