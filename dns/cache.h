// SPDX-License-Identifier: GPL-2.0-or-later
// Answers of upstreams, kept whole under the question that fetched them, never as loose records: what one server says
// besides can then answer no other question. Bounded in bytes.
//
// One thread writes, any number read at the same time. Who fetched an answer is charged for it, and what has to give
// way is the oldest of whoever holds most, unless it was asked for since: a guest that asks for a million names takes
// the room of its own other names, once it holds more than each of the others.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/siphash.h"
#include "config/model.h"
#include "dns/codec.h"
#include "dns/freshness.h"

namespace vrouter::dns {

inline constexpr std::size_t kMinCacheSize = config::kMinDnsCache;
inline constexpr std::chrono::hours kMaxStale{24};  // RFC 8767 section 5: one to three days
inline constexpr std::uint32_t kStaleTtl = 30;      // the same
// Beyond this an answer is passed on and not kept: one of 64 KiB would push out hundreds of others.
inline constexpr std::size_t kMaxCached = 8192;

// A question as the cache compares it: its name in lower case as on the wire, then type, class and the two bits.
class CacheKey {
 public:
  static constexpr std::size_t kTail = 5;

  explicit CacheKey(const QuestionKey& key) noexcept;
  // `name` in wire form, in any case, at most Name::kMaxSize long.
  CacheKey(std::span<const std::uint8_t> name, std::uint16_t type, std::uint16_t klass, bool dnssec_ok,
           bool checking_disabled) noexcept;

  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {bytes_.data(), size_}; }
  [[nodiscard]] std::span<const std::uint8_t> name() const noexcept { return bytes().first(size_ - kTail); }

 private:
  std::array<std::uint8_t, Name::kMaxSize + kTail> bytes_;
  std::size_t size_ = 0;
};

struct CacheStatistics {
  std::size_t entries = 0, bytes = 0, limit = 0;
  std::uint64_t evicted = 0;  // before their time
};

class Cache {
 public:
  explicit Cache(std::size_t limit = config::kDefaultDnsCache);
  ~Cache();
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  // --- any thread ---
  enum class State : std::uint8_t { none, fresh, stale, too_long };
  struct Found {
    State state = State::none;
    std::size_t size = 0;  // of the message
  };
  // Writes the answer to `room`, its TTLs what is left of them (stale: kStaleTtl). too_long: there is a fresh one that
  // the room doesn't hold.
  [[nodiscard]] Found find(const CacheKey& key, BootTime now, std::span<std::uint8_t> room) {
    return find(key, hash(key), now, room);
  }
  [[nodiscard]] Found find(const CacheKey& key, std::uint64_t hash, BootTime now, std::span<std::uint8_t> room);
  // Memory is slow: who has many questions calls for all their buckets, then for all their entries, and then finds.
  [[nodiscard]] std::uint64_t hash(const CacheKey& key) const noexcept { return siphash<1, 3>(secret_, key.bytes()); }
  void call_for_bucket(std::uint64_t hash) const noexcept { __builtin_prefetch(&bucket_of(hash)); }
  void call_for_entry(std::uint64_t hash) const noexcept;

  // --- the writing thread ---
  // `owner` is charged: an interface's index. What can't be kept (lifetime 0, too long) only takes the old one's place.
  void put(const CacheKey& key, std::span<const std::uint8_t> message, const Freshness& freshness, unsigned owner,
           BootTime now);
  // How many went.
  std::size_t erase(std::span<const std::uint8_t> lower_name);  // all types of the name
  std::size_t clear();
  // Another limit empties it, since its table is made to measure. Nobody may read meanwhile.
  void set_limit(std::size_t bytes);
  [[nodiscard]] CacheStatistics statistics() const noexcept;

 private:
  struct Entry;
  struct Owner;
  using Bucket = std::atomic<Entry*>;  // the first of its chain; changed under its stripe's lock
  static constexpr std::size_t kStripes = 64;

  // A bucket's number ends as its stripe's does: it may be taken under the lock alone.
  [[nodiscard]] std::mutex& lock_of(std::uint64_t hash) noexcept { return stripes_[hash % kStripes].mutex; }
  [[nodiscard]] Bucket& bucket_of(std::uint64_t hash) const noexcept { return buckets_[hash & (bucket_count_ - 1)]; }
  [[nodiscard]] Entry* find_in(std::uint64_t hash, const CacheKey& key) const noexcept;
  [[nodiscard]] std::size_t table_bytes() const noexcept { return bucket_count_ * sizeof(Bucket); }
  void remove(Entry* entry);
  void make_room(std::size_t bytes);
  void charge(Owner& owner, std::ptrdiff_t bytes);

  struct alignas(64) Stripe {
    std::mutex mutex;
  };
  SipKey secret_;
  std::size_t limit_;
  std::size_t bucket_count_;
  std::unique_ptr<Bucket[]> buckets_;
  std::array<Stripe, kStripes> stripes_;
  // The writer's own.
  std::unordered_map<unsigned, std::unique_ptr<Owner>> owners_;
  std::set<std::pair<std::size_t, Owner*>> by_size_;
  std::size_t entries_ = 0, bytes_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace vrouter::dns
