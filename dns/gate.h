// SPDX-License-Identifier: GPL-2.0-or-later
// Who is served at all, before a byte of the message is looked at.
#pragma once

#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <optional>

#include "base/token_bucket.h"
#include "dns/budget.h"
#include "dns/names.h"

namespace vrouter::dns {

// Written by one thread, read by any.
class Counter {
 public:
  void operator++() noexcept { value_.store(value() + 1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

class Gate {
 public:
  explicit Gate(const Names& names) : names_{names} {}

  // A guest on its own interface with an address of its own, or the host, and within its budget.
  [[nodiscard]] bool admit(const Client& client, Transport transport, BootTime now) {
    return enter(client, transport, now).has_value();
  }
  // admit(), and which lists hold for it: Names::lists_of(), looked up once.
  [[nodiscard]] std::optional<ListTable::Profile> enter(const Client& client, Transport transport, BootTime now);

  // Adds what was counted.
  void add_to(Statistics& all) const noexcept;

 private:
  [[nodiscard]] bool within_budget(unsigned ifindex, BootTime now);

  const Names& names_;
  Counter udp_, tcp_, unknown_, over_budget_;
  boost::unordered_flat_map<unsigned, TokenBucket<kMessageBurst, kMessagesPerSecond>>
      buckets_;  // by ifindex, of interfaces that are a guest's or the loopback
};

}  // namespace vrouter::dns
