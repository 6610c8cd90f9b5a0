// SPDX-License-Identifier: GPL-2.0-or-later
// The service without its sockets: datagrams and time go in, replies, lease events, commits and probes come out. Static
// bindings are served here, clients of ranges by Ranges.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/token_bucket.h"
#include "dhcp/answer.h"
#include "dhcp/datagram.h"
#include "dhcp/ranges.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

// A whole client (firmware, boot loader, operating system) sends some 20 messages in its first seconds and then two
// an hour; ten times that is a flood. At 10,000 guests the sum is still what one thread can only drop, not answer,
// so the bucket stands before the parser.
inline constexpr unsigned kBurstPerInterface = 40;
inline constexpr unsigned kMessagesPerSecond = 20;

class Responder {
 public:
  using EventSink = std::function<void(const LeaseEvent&)>;
  explicit Responder(EventSink events, Ranges::ProbeSink probe = {})
      : ranges_{statistics_, std::move(probe)}, events_{std::move(events)} {}
  Responder(const Responder&) = delete;  // its parts know each other
  Responder& operator=(const Responder&) = delete;

  // A binding that comes back unchanged keeps its lease; one with another guest or address begins anew. Leases of
  // bindings that go are forgotten without an event: who removed them knows.
  void apply(const Update& update);

  // Writes the answer into `buffer`; nothing: no answer, or not yet.
  [[nodiscard]] std::optional<Outgoing> handle(const Datagram& datagram, BootTime now,
                                               std::span<std::uint8_t, kMaxReply> buffer);

  // What clients of ranges wait for; each is proposed once.
  [[nodiscard]] std::size_t proposed() const noexcept { return ranges_.proposed(); }
  [[nodiscard]] std::vector<Commit> take_commits() { return ranges_.take_commits(); }
  void committed(std::span<const CommitResult> results, BootTime now, const Send& send) {
    ranges_.committed(results, now, send);
  }
  void heard(const Probe& probe, const MacAddress& by, BootTime now) { ranges_.heard(probe, by, now); }
  void finish_probes(BootTime now, const Send& send) { ranges_.finish_probes(now, send); }
  [[nodiscard]] std::optional<BootTime> next_probe_end() const { return ranges_.next_probe_end(); }

  // Reports every static binding's lease that ended by `now`.
  void expire(BootTime now);
  // When expire() has something to do next; nothing while no lease ends.
  [[nodiscard]] std::optional<BootTime> next_expiry() const;

  [[nodiscard]] const Statistics& statistics() const noexcept { return statistics_; }
  void count_send_errors(std::uint64_t n) noexcept { statistics_.send_errors += n; }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }  // static bindings
  [[nodiscard]] const Ranges& ranges() const noexcept { return ranges_; }

 private:
  // What a client holds. Static bindings need no more: the address is the TAP's whatever becomes of the lease.
  // As small as its client's words are: there are ten thousand.
  struct Lease {
    MacAddress client;
    std::vector<std::uint8_t> client_id;
    std::string host_name;
    BootTime expires;
  };
  struct Entry {
    Binding binding;
    NetworkCounts* counts = nullptr;
    TokenBucket<kBurstPerInterface, kMessagesPerSecond> bucket;
    std::optional<Lease> lease;
  };

  void upsert(const Binding& binding);
  void remove(unsigned ifindex);
  void forget_lease(unsigned ifindex, Entry& entry);
  void note_lease(unsigned ifindex, Entry& entry, LeaseState state, const Request& request, BootTime now);
  [[nodiscard]] std::optional<Request> parse(const Datagram& datagram);
  [[nodiscard]] std::optional<Outgoing> handle_bound(Entry& entry, const Datagram& datagram, BootTime now,
                                                     std::span<std::uint8_t, kMaxReply> buffer);
  void count_drop(Drop drop) noexcept;

  std::unordered_map<unsigned, Entry> entries_;  // by ifindex
  std::set<std::pair<BootTime, unsigned>> expiries_;
  Statistics statistics_;
  Ranges ranges_;
  EventSink events_;
};

}  // namespace vrouter::dhcp
