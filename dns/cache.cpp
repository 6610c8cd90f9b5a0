// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: a table of chains whose size is fixed, guarded by stripes of locks that are held while one answer is copied.
// The writer alone changes it, so it reads without them. Beside the table each entry hangs in a list of whoever is
// charged for it, in the order of coming; only the writer knows those.
#include "dns/cache.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <new>
#include <system_error>

namespace vrouter::dns {

namespace {

constexpr std::size_t kBytesPerBucket = 256;  // an answer of one record takes about as much
constexpr std::size_t kAllocation = 16;       // what malloc(3) adds
constexpr unsigned kSecondChances = 8;        // in one search for what has to go

SipKey random_key() {
  SipKey key{};
  if (::getrandom(key.data(), sizeof key, 0) != sizeof key)
    throw std::system_error(errno, std::generic_category(), "getrandom");
  return key;
}

std::size_t bucket_count(std::size_t limit) {
  return std::bit_ceil(std::max(limit / kBytesPerBucket, std::size_t{64}));
}

}  // namespace

CacheKey::CacheKey(const QuestionKey& key) noexcept
    : CacheKey{key.name.wire(), key.type, key.klass, key.dnssec_ok, key.checking_disabled} {}

CacheKey::CacheKey(std::span<const std::uint8_t> name, std::uint16_t type, std::uint16_t klass, bool dnssec_ok,
                   bool checking_disabled) noexcept {
  // A length byte is at most 63, below 'A'.
  std::ranges::transform(name, bytes_.begin(), ascii_lower);
  auto* tail = bytes_.data() + name.size();
  *tail++ = static_cast<std::uint8_t>(type >> 8);
  *tail++ = static_cast<std::uint8_t>(type);
  *tail++ = static_cast<std::uint8_t>(klass >> 8);
  *tail++ = static_cast<std::uint8_t>(klass);
  *tail = static_cast<std::uint8_t>((dnssec_ok ? 1 : 0) | (checking_disabled ? 2 : 0));
  size_ = name.size() + kTail;
}

// One allocation: behind it stand the offsets of the TTLs, the key and the message.
struct Cache::Entry {
  Entry* next = nullptr;  // in its bucket
  std::uint64_t hash = 0;
  BootTime expires;
  std::atomic<bool> asked = false;  // since it was last to go
  std::uint16_t ttl_count = 0, key_size = 0;
  std::uint32_t message_size = 0;
  Owner* owner = nullptr;
  Entry *older = nullptr, *newer = nullptr;

  [[nodiscard]] static Entry* make(const CacheKey& key, std::span<const std::uint8_t> message,
                                   const Freshness& freshness) {
    const auto ttls = freshness.ttls.size() * sizeof(std::uint16_t);
    auto* room = static_cast<std::byte*>(::operator new(sizeof(Entry) + ttls + key.bytes().size() + message.size()));
    auto* entry = new (room) Entry;
    entry->ttl_count = static_cast<std::uint16_t>(freshness.ttls.size());
    entry->key_size = static_cast<std::uint16_t>(key.bytes().size());
    entry->message_size = static_cast<std::uint32_t>(message.size());
    std::memcpy(room + sizeof(Entry), freshness.ttls.data(), ttls);
    std::memcpy(room + sizeof(Entry) + ttls, key.bytes().data(), key.bytes().size());
    std::memcpy(room + sizeof(Entry) + ttls + key.bytes().size(), message.data(), message.size());
    return entry;
  }
  static void destroy(Entry* entry) noexcept {
    entry->~Entry();
    ::operator delete(entry);
  }

  // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): what make() put behind the entry
  [[nodiscard]] std::span<const std::uint16_t> ttls() const noexcept {
    return {reinterpret_cast<const std::uint16_t*>(this + 1), ttl_count};
  }
  [[nodiscard]] std::span<const std::uint8_t> key() const noexcept {
    return {reinterpret_cast<const std::uint8_t*>(ttls().data() + ttl_count), key_size};
  }
  // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
  [[nodiscard]] std::span<const std::uint8_t> message() const noexcept {
    return {key().data() + key_size, message_size};
  }
  [[nodiscard]] std::size_t cost() const noexcept {
    return sizeof(Entry) + ttl_count * sizeof(std::uint16_t) + key_size + message_size + kAllocation;
  }
};

struct Cache::Owner {
  unsigned id = 0;
  std::size_t bytes = 0;
  Entry *oldest = nullptr, *newest = nullptr;

  void append(Entry* entry) noexcept {
    entry->owner = this;
    entry->older = newest;
    entry->newer = nullptr;
    (newest != nullptr ? newest->newer : oldest) = entry;
    newest = entry;
  }
  void unlink(Entry* entry) noexcept {
    (entry->older != nullptr ? entry->older->newer : oldest) = entry->newer;
    (entry->newer != nullptr ? entry->newer->older : newest) = entry->older;
  }
};

Cache::Cache(std::size_t limit)
    : secret_{random_key()},
      limit_{limit},
      bucket_count_{bucket_count(limit)},
      buckets_{std::make_unique<Bucket[]>(bucket_count_)} {}

Cache::~Cache() {
  clear();
}

Cache::Entry* Cache::find_in(std::uint64_t hash, const CacheKey& key) const noexcept {
  for (auto* entry = bucket_of(hash).load(std::memory_order_relaxed); entry != nullptr; entry = entry->next) {
    if (entry->hash == hash && std::ranges::equal(entry->key(), key.bytes())) return entry;
  }
  return nullptr;
}

void Cache::call_for_entry(std::uint64_t hash) const noexcept {
  constexpr std::size_t kLine = 64, kMost = 4;
  // Only its address is used: the entry may be gone.
  const auto* at = static_cast<const char*>(static_cast<const void*>(bucket_of(hash).load(std::memory_order_relaxed)));
  if (at == nullptr) return;
  for (std::size_t line = 0; line < kMost; ++line) __builtin_prefetch(at + line * kLine);
}

Cache::Found Cache::find(const CacheKey& key, std::uint64_t hash, BootTime now, std::span<std::uint8_t> room) {
  const std::scoped_lock held{lock_of(hash)};
  auto* entry = find_in(hash, key);
  if (entry == nullptr || entry->expires + kMaxStale <= now) return {};
  const bool fresh = entry->expires > now;
  const auto message = entry->message();
  if (message.size() > room.size()) return {.state = fresh ? State::too_long : State::stale, .size = message.size()};
  entry->asked.store(true, std::memory_order_relaxed);
  std::ranges::copy(message, room.begin());
  // Rounded up: what is told for the last time lives a second, not none.
  const auto left = std::chrono::ceil<std::chrono::seconds>(entry->expires - now).count();
  set_ttls(room.first(message.size()), entry->ttls(), fresh ? static_cast<std::uint32_t>(left) : kStaleTtl);
  return {.state = fresh ? State::fresh : State::stale, .size = message.size()};
}

void Cache::put(const CacheKey& key, std::span<const std::uint8_t> message, const Freshness& freshness, unsigned owner,
                BootTime now) {
  const auto id = hash(key);
  if (auto* old = find_in(id, key)) remove(old);
  if (freshness.lifetime.count() == 0 || message.size() > kMaxCached) return;
  auto* entry = Entry::make(key, message, freshness);
  entry->hash = id;
  entry->expires = now + freshness.lifetime;
  make_room(entry->cost());
  auto& place = owners_[owner];
  if (!place) {
    place = std::make_unique<Owner>(Owner{.id = owner});
    by_size_.emplace(0, place.get());
  }
  place->append(entry);
  charge(*place, static_cast<std::ptrdiff_t>(entry->cost()));
  ++entries_;
  const std::scoped_lock held{lock_of(id)};
  auto& bucket = bucket_of(id);
  entry->next = bucket.load(std::memory_order_relaxed);
  bucket.store(entry, std::memory_order_relaxed);
}

void Cache::charge(Owner& owner, std::ptrdiff_t bytes) {
  auto place = by_size_.extract({owner.bytes, &owner});
  owner.bytes += static_cast<std::size_t>(bytes);
  bytes_ += static_cast<std::size_t>(bytes);
  place.value().first = owner.bytes;
  by_size_.insert(std::move(place));
}

void Cache::make_room(std::size_t bytes) {
  unsigned chances = kSecondChances;
  while (bytes_ + table_bytes() + bytes > limit_ && !by_size_.empty()) {
    auto* owner = by_size_.rbegin()->second;
    auto* entry = owner->oldest;
    if (chances > 0 && entry->asked.exchange(false, std::memory_order_relaxed)) {
      --chances;
      owner->unlink(entry);
      owner->append(entry);
      continue;
    }
    remove(entry);
    ++evicted_;
  }
}

void Cache::remove(Entry* entry) {
  {
    const std::scoped_lock held{lock_of(entry->hash)};
    auto& bucket = bucket_of(entry->hash);
    auto* before = bucket.load(std::memory_order_relaxed);
    if (before == entry) {
      bucket.store(entry->next, std::memory_order_relaxed);
    } else {
      while (before->next != entry) before = before->next;
      before->next = entry->next;
    }
  }
  auto& owner = *entry->owner;
  owner.unlink(entry);
  charge(owner, -static_cast<std::ptrdiff_t>(entry->cost()));
  --entries_;
  Entry::destroy(entry);
  if (owner.oldest != nullptr) return;
  by_size_.erase({owner.bytes, &owner});
  owners_.erase(owner.id);
}

std::size_t Cache::erase(std::span<const std::uint8_t> lower_name) {
  std::vector<Entry*> doomed;
  for (std::size_t i = 0; i < bucket_count_; ++i) {
    for (auto* entry = buckets_[i].load(std::memory_order_relaxed); entry != nullptr; entry = entry->next) {
      if (std::ranges::equal(entry->key().first(entry->key_size - CacheKey::kTail), lower_name))
        doomed.push_back(entry);
    }
  }
  for (auto* entry : doomed) remove(entry);
  return doomed.size();
}

std::size_t Cache::clear() {
  const auto before = entries_;
  while (!by_size_.empty()) remove(by_size_.begin()->second->oldest);
  return before;
}

void Cache::set_limit(std::size_t bytes) {
  if (bytes == limit_) return;
  clear();
  limit_ = bytes;
  bucket_count_ = bucket_count(bytes);
  buckets_ = std::make_unique<Bucket[]>(bucket_count_);
}

CacheStatistics Cache::statistics() const noexcept {
  return {.entries = entries_, .bytes = bytes_ + table_bytes(), .limit = limit_, .evicted = evicted_};
}

}  // namespace vrouter::dns
