// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/tables.h"

#include <algorithm>
#include <cstdlib>

namespace vrouter::dns {

std::vector<address> listen_addresses(const std::vector<Zone>& zones) {
  std::vector<address> all;
  for (const auto& zone : zones) all.insert(all.end(), zone.listen.begin(), zone.listen.end());
  std::ranges::sort(all);
  const auto repeats = std::ranges::unique(all);
  all.erase(repeats.begin(), repeats.end());
  return all;
}

std::string_view name(UpstreamTrouble trouble) noexcept {
  switch (trouble) {
    case UpstreamTrouble::none:
      return "none";
    case UpstreamTrouble::no_authorities:
      return "no_authorities";
    case UpstreamTrouble::untrusted:
      return "untrusted";
    case UpstreamTrouble::expired:
      return "expired";
    case UpstreamTrouble::wrong_name:
      return "wrong_name";
    case UpstreamTrouble::no_tls:
      return "no_tls";
    case UpstreamTrouble::loop:
      return "loop";
    case UpstreamTrouble::silent:
      return "silent";
  }
  std::abort();
}

std::string in_words(UpstreamTrouble trouble, const config::DnsServer& server) {
  const auto whom = server.name.empty() ? server.at.to_string() : server.name;
  switch (trouble) {
    case UpstreamTrouble::none:
      return {};
    case UpstreamTrouble::no_authorities:
      return "there is no certificate to hold its own against: install ca-certificates, or name a file in dns.tls_ca";
    case UpstreamTrouble::untrusted:
      return "nobody in dns.tls_ca vouches for its certificate: add the authority that signed it to a file of your own "
             "and name that in dns.tls_ca, or ask another server";
    case UpstreamTrouble::expired:
      return "its certificate has expired or is not valid yet: look at this host's clock, or ask another server";
    case UpstreamTrouble::wrong_name:
      return "its certificate is not for " + whom + ": write the name that it is for, as in tls://" +
             (server.at.is_v6() ? "[" + server.at.to_string() + "]" : server.at.to_string()) + "#dns.example";
    case UpstreamTrouble::no_tls:
      return "it refuses TLS 1.2 and 1.3: look at its port, or ask another server";
    case UpstreamTrouble::loop:
      return "what it is asked comes back to vrouter: let it ask others than this host, or name another server";
    case UpstreamTrouble::silent:
      return "no answer came to what it was asked last: see that it runs and that this host reaches it, or name "
             "another "
             "server";
  }
  std::abort();
}

}  // namespace vrouter::dns
