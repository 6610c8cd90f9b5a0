// SPDX-License-Identifier: GPL-2.0-or-later
// What the DNS service is told and what it tells: plain values, so that it can be a process of its own.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"

namespace vrouter::dns {

enum class Transport : std::uint8_t { udp, tcp };

// One network: where its guests ask, and the zone of their names.
struct Zone {
  std::string network;
  std::string domain;                 // "guests.internal"
  std::vector<network_v4> prefixes4;  // reverse zones answered here and never forwarded
  std::vector<network_v6> prefixes6;
  std::vector<address> listen;  // gateway addresses, bound on port 53
  bool operator==(const Zone&) const = default;
};

[[nodiscard]] std::vector<address> listen_addresses(const std::vector<Zone>& zones);  // sorted, without repeats

// One guest: its names, and the interface whose questions are its own.
struct Host {
  std::string network;
  std::string name;      // one label: web1 -> web1.guests.internal, and bare web1
  unsigned ifindex = 0;  // 0 while its TAP does not exist
  std::vector<address> addresses;
  std::vector<std::uint16_t> list_groups{};  // places in Update::list_groups, rising
  bool operator==(const Host&) const = default;
};

// What members of a group of guests are kept from: places in Update::lists.
struct ListGroup {
  std::vector<std::uint16_t> block{}, allow{};
  bool operator==(const ListGroup&) const = default;
};
class SharedList;  // shared_list.h

// Where one socket serves. Several of UDP share an address, one for each thread that answers there.
struct Place {
  address local;
  Transport transport = Transport::udp;
  unsigned worker = 0;
  std::weak_ordering operator<=>(const Place&) const = default;
  bool operator==(const Place&) const = default;
};

struct Settings {
  std::uint64_t cache_size = config::kDefaultDnsCache;  // bytes
  bool rebind_protection = false;
  std::vector<std::string> rebind_allow;
  unsigned workers = 1;  // threads that answer, the server's own among them
  bool operator==(const Settings&) const = default;
};

// A record that the operator wrote down. Its data is what goes on the wire, names in it whole.
struct StaticRecord {
  std::string name;  // "db.corp.example"
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::vector<std::uint8_t> rdata;
  bool operator==(const StaticRecord&) const = default;
};

struct Upstreams {
  std::vector<config::DnsServer> servers;    // tried in this order
  std::vector<config::ForwardZone> forward;  // longest suffix wins; fails closed
  std::string authorities{};                 // certificates (PEM): who may vouch for servers over TLS
  bool operator==(const Upstreams&) const = default;
};

// Of which names rules of the firewall speak: "www.example.org", and "*.example.org" for all below that.
struct Domains {
  std::uint64_t revision = 0;  // another one: the rules are others, and what was let in is asked for anew
  std::vector<std::string> names;
  bool operator==(const Domains&) const = default;
};

// What a guest is about to be told, and is to reach by then (admission.h).
inline constexpr std::size_t kMaxAdmitted = 64;  // addresses of one answer; no honest one has half of that
struct AdmissionRequest {
  std::uint64_t number = 0;
  unsigned ifindex = 0;  // the guest's
  std::string name;      // that was asked for, in lower case, with its last dot
  std::vector<address> addresses;
  std::uint32_t ttl = 0;  // for how long it is told them
  bool operator==(const AdmissionRequest&) const = default;
};
struct AdmissionReply {
  enum class Outcome : std::uint8_t {
    failed,       // nothing may be told
    admitted,     // as many as could be
    unconcerned,  // no such rule speaks of this guest, until there is word of other rules or of another guest
  };
  std::uint64_t number = 0;
  Outcome outcome = Outcome::failed;
  std::uint16_t admitted = 0, refused = 0;  // addresses
  std::uint32_t seconds = 0;                // for which nothing needs to be asked again; no less than the request's ttl
  bool operator==(const AdmissionReply&) const = default;
};

// A snapshot replaces everything; a delta changes the named hosts. One code path takes both.
struct Update {
  bool snapshot = false;
  std::vector<Zone> zones;              // only in a snapshot
  std::vector<Host> upserts;            // key: (network, name)
  std::vector<Host> removed;            // only network and name count
  std::vector<StaticRecord> records{};  // only in a snapshot
  // Only in a snapshot, likewise.
  std::vector<std::shared_ptr<SharedList>> lists{};
  std::vector<ListGroup> list_groups{};
};

// Why a server can't be asked, or is of no use, as it was found out last.
enum class UpstreamTrouble : std::uint8_t {
  none,
  no_authorities,  // no certificate to hold its own against
  untrusted,       // nobody known vouches for it
  expired,         // or not valid yet
  wrong_name,
  no_tls,  // it speaks none, or none that we do
  loop,    // what it is asked comes back to us
  silent   // nothing came to the last questions
};
inline constexpr auto kLastUpstreamTrouble = UpstreamTrouble::silent;
[[nodiscard]] std::string_view name(UpstreamTrouble trouble) noexcept;  // "wrong_name"
// What is wrong and what to do, without the server: "its certificate is not for dns.example: ...". Empty for none.
[[nodiscard]] std::string in_words(UpstreamTrouble trouble, const config::DnsServer& server);

struct UpstreamStatus {
  config::DnsServer server;
  std::uint64_t asked = 0, answered = 0, timeouts = 0, refused = 0;
  double rtt_ms = 0;  // smoothed; 0: none answered yet
  UpstreamTrouble trouble = UpstreamTrouble::none;
  bool operator==(const UpstreamStatus&) const = default;
};

// A list as it was read; told by whoever read it.
struct ListStatus {
  std::string name;
  std::uint64_t entries = 0, skipped = 0;  // skipped: lines that were not understood
  bool operator==(const ListStatus&) const = default;
};

struct CacheSize {
  std::uint64_t entries = 0, bytes = 0, limit = 0;
  bool operator==(const CacheSize&) const = default;
};

struct Statistics {
  std::uint64_t queries_udp = 0, queries_tcp = 0, answered_locally = 0, answered_from_cache = 0, forwarded = 0,
                failed = 0;
  std::uint64_t answered_stale = 0;  // of those, and of the forwarded: past their time
  std::uint64_t cache_evicted = 0;   // before their time
  std::uint64_t refused_rebinding = 0;
  std::uint64_t refused_by_list = 0;    // for their name, or one that the answer leads over
  std::uint64_t admitted = 0;           // addresses that rules to domains let guests reach
  std::uint64_t refused_admission = 0;  // addresses that no such rule may let in
  std::uint64_t failed_admission = 0;   // answers that were not told, since the firewall was not ready in time
  std::uint64_t dropped_malformed = 0, dropped_unknown_source = 0, dropped_over_budget = 0, mismatched_replies = 0;
  CacheSize cache;
  std::vector<UpstreamStatus> upstreams;
  std::vector<ListStatus> lists{};
  bool operator==(const Statistics&) const = default;
};

// All of its counters, for whoever takes each alike.
inline constexpr std::array kCounters{
    &Statistics::queries_udp,         &Statistics::queries_tcp,       &Statistics::answered_locally,
    &Statistics::answered_from_cache, &Statistics::forwarded,         &Statistics::failed,
    &Statistics::answered_stale,      &Statistics::cache_evicted,     &Statistics::refused_rebinding,
    &Statistics::refused_by_list,     &Statistics::admitted,          &Statistics::refused_admission,
    &Statistics::failed_admission,    &Statistics::dropped_malformed, &Statistics::dropped_unknown_source,
    &Statistics::dropped_over_budget, &Statistics::mismatched_replies};
static_assert(sizeof(Statistics) == kCounters.size() * sizeof(std::uint64_t) + sizeof(CacheSize) +
                                        sizeof(std::vector<UpstreamStatus>) + sizeof(std::vector<ListStatus>),
              "a counter is missing above");

}  // namespace vrouter::dns
