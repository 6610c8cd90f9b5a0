// SPDX-License-Identifier: GPL-2.0-or-later
// Leases on their way to the disk, and the answers that wait for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "dhcp/datagram.h"
#include "dhcp/pool.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

// A disk that stalls for a second at full speed; some 10 MB. What is beyond goes unanswered, and the client asks again.
inline constexpr std::size_t kMaxWaiting = 16'384;
// One client that changes its mind faster than the disk writes.
inline constexpr unsigned kMaxChanges = 8;
// After that a client that asks again is proposed again: the first answer is lost.
inline constexpr std::chrono::seconds kCommitPatience{10};

class CommitLine {
 public:
  explicit CommitLine(Statistics& statistics) : statistics_{statistics} {}

  // What waits: the encoded answer; without one (RELEASE, DECLINE) nobody does.
  struct Answer {
    std::uint32_t transaction = 0;
    Outgoing outgoing;
    std::span<const std::uint8_t> bytes;
  };
  // The table holds it from now on. False, and nothing changed, when too many wait. The table and the counters stay
  // where they are until forget().
  bool propose(LeaseTable& table, NetworkCounts& counts, Lease lease, const Answer& answer, BootTime now);
  // Whether this very request has been proposed already, and its answer is still to come.
  [[nodiscard]] bool waits(const LeaseRecord& record, std::uint32_t transaction, BootTime now) const;
  [[nodiscard]] std::size_t proposed() const noexcept { return proposed_.size(); }
  // Those proposed since the last call.
  [[nodiscard]] std::vector<Commit> take();

  void committed(std::span<const CommitResult> results, BootTime now, const Send& send);
  // What the daemon says of an address. It overrules a proposal, whose answer is then not sent, unless it says only
  // what was known when that was made: the two crossed on their way.
  void learn(LeaseTable& table, const address_v4& address, std::optional<LeaseRecord> truth);
  // The answers were made for a pool that has changed: nobody is sent them.
  void void_answers(const LeaseTable& table);
  void forget(const LeaseTable& table);
  [[nodiscard]] std::size_t size() const noexcept { return waiting_.size(); }

 private:
  struct Waiting {
    LeaseTable* table = nullptr;
    NetworkCounts* counts = nullptr;
    address_v4 address;
    BootTime since;
    std::optional<LeaseRecord> before;
    unsigned changes = 0;
    std::uint32_t transaction = 0;
    Outgoing outgoing;
    std::vector<std::uint8_t> reply;
  };

  void done(std::uint64_t id, const Waiting& waiting, BootTime now, const Send& send);
  void refused(std::uint64_t id, Waiting& waiting, BootTime now);
  void recycle(std::vector<std::uint8_t> reply);
  [[nodiscard]] const Waiting* find(std::uint64_t id) const;

  Statistics& statistics_;
  std::unordered_map<std::uint64_t, Waiting> waiting_;
  std::vector<Commit> proposed_;
  std::vector<std::vector<std::uint8_t>> spare_;
  std::uint64_t last_id_ = 0;
};

}  // namespace vrouter::dhcp
