// SPDX-License-Identifier: GPL-2.0-or-later
// Answers that the cache has, told without a detour: from one buffer into another, with nothing allocated. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "dns/admission.h"
#include "dns/cache.h"
#include "dns/gate.h"

namespace vrouter::dns {

class QuickAnswers {
 public:
  // With no `lists`, no guest is kept from anything.
  explicit QuickAnswers(Cache& cache, const Admission* admission = nullptr, const ListTable* lists = nullptr)
      : cache_{cache}, admission_{admission}, lists_{lists} {}

  // A question on its way through prepare(), and find_soon() and answer(), each for all that came together.
  struct Prepared {
    PlainQuery query;
    CacheKey key;
    std::uint64_t hash = 0;
    bool listed = false;  // the asker is kept from names, which the answer must not lead over
  };
  // Of a client that was admitted. Nothing: the QueryHandler has to look at it. Whether a name is ours to say depends
  // on its being a single label, and else on the zones and records alone: the cache is to be cleared when those or
  // the servers' zones change. What the firewall must know of first is the handler's as well, and so is what lists
  // refuse this guest, or might: any answer with a CNAME. `lists`: Gate::enter()'s. The message must stay until it is
  // answered.
  [[nodiscard]] std::optional<Prepared> prepare(std::span<const std::uint8_t> message, unsigned guest = 0,
                                                ListTable::Profile lists = ListTable::kNone) const noexcept;
  void find_soon(const Prepared& prepared) const noexcept { cache_.call_for_entry(prepared.hash); }
  // The reply written to `room` (kMaxUdpReply bytes); its size. 0: the QueryHandler has to look.
  [[nodiscard]] std::size_t answer(const Prepared& prepared, BootTime now, std::span<std::uint8_t> room);

  [[nodiscard]] std::uint64_t answered() const noexcept { return answered_.value(); }

 private:
  Cache& cache_;
  const Admission* admission_;
  const ListTable* lists_;
  Counter answered_;
};

}  // namespace vrouter::dns
