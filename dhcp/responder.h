// SPDX-License-Identifier: GPL-2.0-or-later
// The service without its sockets: datagrams and time go in, replies and lease events come out.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

#include "base/clock.h"
#include "base/token_bucket.h"
#include "dhcp/answer.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

// A whole client (firmware, boot loader, operating system) sends some 20 messages in its first seconds and then two
// an hour; ten times that is a flood. At 10,000 guests the sum is still what one thread can only drop, not answer,
// so the bucket stands before the parser.
inline constexpr unsigned kBurstPerInterface = 40;
inline constexpr unsigned kMessagesPerSecond = 20;

struct Datagram {
  unsigned ifindex = 0;
  address_v4 source;
  std::span<const std::uint8_t> bytes;
  bool truncated = false;  // longer than the receive buffer
};

// A reply on its way out of the interface that its request came from.
struct Outgoing {
  std::size_t size = 0;  // of the DHCP message
  address_v4 from, to;
};

class Responder {
 public:
  using EventSink = std::function<void(const LeaseEvent&)>;
  explicit Responder(EventSink events) : events_{std::move(events)} {}

  // A binding that comes back unchanged keeps its lease; one with another guest or address begins anew. Leases of
  // bindings that go are forgotten without an event: who removed them knows.
  void apply(const Update& update);

  // Writes the answer into `buffer`; nothing: no answer.
  [[nodiscard]] std::optional<Outgoing> handle(const Datagram& datagram, BootTime now,
                                               std::span<std::uint8_t, kMaxReply> buffer);

  // Reports every lease that ended by `now`.
  void expire(BootTime now);
  // When expire() has something to do next; nothing while no lease ends.
  [[nodiscard]] std::optional<BootTime> next_expiry() const;

  [[nodiscard]] const Statistics& statistics() const noexcept { return statistics_; }
  void count_send_errors(std::uint64_t n) noexcept { statistics_.send_errors += n; }
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

 private:
  // What a client holds. Static bindings need no more: the address is the TAP's whatever becomes of the lease.
  struct Lease {
    MacAddress client;
    BoundedBytes<kMaxOption> client_id;
    BoundedBytes<kMaxDnsLabel> host_name;
    BootTime expires;
  };
  struct Entry {
    Binding binding;
    TokenBucket<kBurstPerInterface, kMessagesPerSecond> bucket;
    std::optional<Lease> lease;
  };

  void upsert(const Binding& binding);
  void remove(unsigned ifindex);
  void forget_lease(unsigned ifindex, Entry& entry);
  void note_lease(unsigned ifindex, Entry& entry, LeaseState state, const Request& request, BootTime now);
  void count_request(MessageType type) noexcept;
  void count_reply(MessageType type) noexcept;
  void count_drop(Drop drop) noexcept;

  std::unordered_map<unsigned, Entry> entries_;  // by ifindex
  std::set<std::pair<BootTime, unsigned>> expiries_;
  Statistics statistics_;
  EventSink events_;
};

}  // namespace vrouter::dhcp
