// SPDX-License-Identifier: GPL-2.0-or-later
// DNS cookies towards upstreams (RFC 7873 section 5, RFC 9018): 64 more bits for a forger who can't see our questions,
// and what lets us through where a server limits those it doesn't know.
//
// A client cookie is random, one per server, and lives as long as we do: servers can't tell by it that they have the
// same client, which is all that deriving it from a secret would add. A server that never sends one is fine. One that
// did and then doesn't is asked over TCP, where its word counts: a forger can't talk us out of cookies, and a server
// that gave them up costs one connection.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <span>

#include "dns/codec.h"

namespace vrouter::dns {

class UpstreamCookies {
 public:
  using Random = std::function<void(std::span<std::uint8_t>)>;
  explicit UpstreamCookies(Random random) : random_{std::move(random)} {}

  // The option's data for a question to this server: 8 bytes, or 16 to 40 with the server's own.
  [[nodiscard]] Bytes option(const config::DnsServer& server);

  // good: the server's own, as far as cookies tell; forged: not an answer to us; missing: ask over TCP.
  enum class Verdict { good, forged, missing };
  // `cookie` is what a reply brought, empty for none, to a question that had one. Learns from good ones.
  [[nodiscard]] Verdict judge(const config::DnsServer& server, std::span<const std::uint8_t> cookie,
                              Transport transport);

 private:
  struct Pair {
    std::array<std::uint8_t, kClientCookieSize> client{};
    Bytes server{};
  };
  Random random_;
  std::map<config::DnsServer, Pair> pairs_;
};

}  // namespace vrouter::dns
