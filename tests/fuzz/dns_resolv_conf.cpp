// SPDX-License-Identifier: GPL-2.0-or-later
#include <set>
#include <string>

#include "dns/resolv_conf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{data, data + size};
  const auto half = text.substr(0, size / 2), rest = text.substr(size / 2);
  const auto servers = vrouter::dns::choose_upstreams(half, rest);
  if (std::set(servers.begin(), servers.end()).size() != servers.size()) __builtin_trap();
  // Its own output, written down, is read back the same.
  std::string written;
  bool stub = false;
  for (const auto& server : servers) {
    written += "nameserver " + server.to_string() + "\n";
    stub = stub || server.is_loopback();
  }
  if (!stub && vrouter::dns::choose_upstreams(written, "") != servers) __builtin_trap();
  return 0;
}
