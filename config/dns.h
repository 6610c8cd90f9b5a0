// SPDX-License-Identifier: GPL-2.0-or-later
// What [dns] says, as values. No file, no TOML, no wire format.
#pragma once

#include <compare>
#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "config/networks.h"
#include "config/problem.h"

namespace vrouter::config {

// How a server is asked. Over UDP, TCP is for answers that don't fit a datagram; the others know one way only.
enum class DnsTransport : std::uint8_t { udp, tcp, tls };

// A server that questions go to, as the configuration writes it: "192.0.2.53", "192.0.2.53:5353",
// "tcp://[2001:db8::53]:5353", "tls://192.0.2.53#dns.example".
struct DnsServer {
  static constexpr std::uint16_t kPort = 53, kTlsPort = 853;  // RFC 1035, 4.2; RFC 7858, 3.1

  address at;
  std::uint16_t port = kPort;
  DnsTransport transport = DnsTransport::udp;
  std::string name{};  // whom its certificate must be for (RFC 8310, 8.1); empty: the address. Of TLS only

  DnsServer() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): an address alone is such a server, here as in the file
  DnsServer(const address& server) : at{server} {}
  DnsServer(const address& server, std::uint16_t its_port, DnsTransport how = DnsTransport::udp, std::string whom = {})
      : at{server}, port{its_port}, transport{how}, name{std::move(whom)} {}

  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const DnsServer&, const DnsServer&) = default;
  friend std::weak_ordering operator<=>(const DnsServer& a, const DnsServer& b) {
    return std::tie(a.at, a.port, a.transport, a.name) <=> std::tie(b.at, b.port, b.transport, b.name);
  }
};
[[nodiscard]] std::expected<DnsServer, std::string> parse_dns_server(std::string_view text);

struct ForwardZone {
  std::string domain;
  std::vector<DnsServer> servers;
  bool operator==(const ForwardZone&) const = default;
};

// What an operator wrote down of one name: it is answered from this alone, whatever the type, for every guest.
struct DnsRecords {
  struct Mail {
    std::uint16_t priority = 0;
    std::string host;
    bool operator==(const Mail&) const = default;
  };
  struct Service {
    std::uint16_t priority = 0, weight = 0, port = 0;
    std::string host;
    bool operator==(const Service&) const = default;
  };
  std::string name;         // lower case, no dot at the end
  std::uint32_t ttl = 300;  // seconds
  std::vector<address> addresses{};
  std::string cname{};  // then nothing else is there
  std::vector<std::string> txt{}, ptr{};
  std::vector<Mail> mx{};
  std::vector<Service> srv{};
  Place at{};
  bool operator==(const DnsRecords&) const = default;
};

// Domains out of files, read when the configuration is applied.
struct DnsList {
  std::vector<std::string> files;
  Place at{};
  bool operator==(const DnsList&) const = default;
};

// What becomes of questions that a guest sends to other servers (ports 53 and 853).
enum class OtherResolvers : std::uint8_t {
  allow,     // they go where they lead, as far as the policy lets them
  redirect,  // of port 53: vrouter answers them; of port 853: refused
  refuse
};
[[nodiscard]] std::string_view name(OtherResolvers) noexcept;

// What holds for members of a group of guests. One of several groups: what any of them blocks is blocked, and `allow`
// has the exceptions from what its own group blocks alone.
struct DnsGroup {
  std::vector<std::string> block{}, allow{};  // names of lists
  OtherResolvers other_resolvers = OtherResolvers::allow;
  Place at{};
  bool operator==(const DnsGroup&) const = default;
};

inline constexpr std::uint64_t kDefaultDnsCache = std::uint64_t{32} << 20, kMinDnsCache = std::uint64_t{1} << 20,
                               kMaxDnsCache = std::uint64_t{512} << 20;
inline constexpr std::string_view kDefaultTlsCa = "/etc/ssl/certs/ca-certificates.crt";  // Debian's, of ca-certificates
inline constexpr std::size_t kMaxRebindAllow = 64;
inline constexpr unsigned kMaxDnsWorkers = 16;
inline constexpr std::size_t kMaxDnsLists = 64;
inline constexpr std::size_t kMaxDnsListFiles = 64;  // of one list

struct Dns {
  std::vector<DnsServer> upstreams;  // empty: the host's own, resolv.conf followed as it changes
  std::vector<ForwardZone> forward;
  std::string tls_ca{kDefaultTlsCa};            // a file of certificates: who may vouch for servers over TLS
  std::uint64_t cache_size = kDefaultDnsCache;  // bytes
  bool rebind_protection = false;               // answers from outside that lead inside are refused
  std::vector<std::string> rebind_allow;        // but of these domains
  unsigned workers = 1;                         // threads that answer
  std::vector<DnsRecords> records;              // each name once
  std::map<std::string, DnsList> lists;
  std::map<std::string, DnsGroup> groups;
  bool operator==(const Dns&) const = default;
};

}  // namespace vrouter::config
