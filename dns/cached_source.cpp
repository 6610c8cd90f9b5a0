// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/cached_source.h"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <utility>
#include <vector>

namespace vrouter::dns {

namespace {

Rcode rcode_of(std::span<const std::uint8_t> message) {
  return static_cast<Rcode>(message[3] & 0xf);
}

// Speaks of the name, and not of the server that was asked.
bool settles(const Answer& answer) {
  if (!answer.message || answer.message->size() < kHeaderSize) return false;
  const auto rcode = rcode_of(*answer.message);
  return rcode == Rcode::no_error || rcode == Rcode::nx_domain || rcode == Rcode::yx_domain;
}

// A reply that failed, as far as it says why. Its records mean nothing, nothing bounds their TTLs, and thousands of
// them would be kept.
Answer without_records(const Answer& failure) {
  if (!failure.message || failure.message->size() <= kHeaderSize) return failure;
  const std::span whole{*failure.message};
  WireReader r{whole};
  r.skip(kHeaderSize);
  if (!Name::decode(whole, r)) return failure;
  r.skip(4);
  Bytes message(whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(r.rest().size()));
  constexpr std::size_t kAnswerCount = 6;
  std::fill(message.begin() + kAnswerCount, message.begin() + kHeaderSize, std::uint8_t{0});
  return {.message = std::make_shared<const Bytes>(std::move(message)), .reason = failure.reason};
}

// What is kept is told to the first one as to all later ones; what isn't lives as its server says, a day at most.
Answer with_ttls(const Answer& answer, const Freshness& freshness, bool kept) {
  auto message = *answer.message;
  if (kept) {
    set_ttls(message, freshness.ttls, static_cast<std::uint32_t>(freshness.lifetime.count()));
  } else {
    cap_ttls(message, freshness.ttls);
  }
  return {.message = std::make_shared<const Bytes>(std::move(message)), .reason = answer.reason};
}

Answer passed_on(const QuestionKey& key, const Answer& answer) {
  const auto freshness = freshness_of(*answer.message, key);
  return freshness ? with_ttls(answer, *freshness, false) : answer;
}

}  // namespace

struct CachedSource::Waiting {
  std::vector<Done> done;
  std::optional<Answer> stale;
  bool late = false;  // for the stale answer to be told to whoever asks
  unsigned asker = 0, era = 0;
  boost::asio::steady_timer timer;

  explicit Waiting(boost::asio::io_context& io) : timer{io} {}
  // Who is told may ask again: the list is no longer ours then.
  void tell(const Answer& answer) {
    for (const auto& one : std::exchange(done, {})) one(answer);
  }
};

CachedSource::CachedSource(boost::asio::io_context& io, AnswerSource& upstreams, Cache& cache)
    : io_{io}, upstreams_{upstreams}, cache_{cache} {}

CachedSource::~CachedSource() {
  for (const auto& [key, waiting] : waiting_) waiting->done.clear();
}

std::optional<Answer> CachedSource::look_up(const QuestionKey& key, BootTime now, Cache::State wanted) {
  const auto found = cache_.find(CacheKey{key}, now, room_);
  if (found.state != wanted || found.size > room_.size()) return std::nullopt;
  const auto message = std::span{room_}.first(found.size);
  Answer answer{.message = std::make_shared<const Bytes>(message.begin(), message.end()), .reason = {}};
  if (wanted == Cache::State::stale)
    answer.reason = rcode_of(message) == Rcode::nx_domain ? Ede::stale_nxdomain : Ede::stale_answer;
  return answer;
}

const Answer* CachedSource::failed(const QuestionKey& key, BootTime now) const {
  const auto found = failures_.find(key);
  return found == failures_.end() || found->second.until <= now ? nullptr : &found->second.answer;
}

std::optional<Answer> CachedSource::known(const QuestionKey& key, BootTime now) {
  if (auto fresh = look_up(key, now, Cache::State::fresh)) return fresh;
  const auto* failure = failed(key, now);
  if (failure == nullptr) return std::nullopt;
  auto stale = look_up(key, now, Cache::State::stale);
  if (!stale) return *failure;
  ++stale_;
  return stale;
}

void CachedSource::ask(const QuestionKey& key, unsigned asker, Done done) {
  if (const auto asked = waiting_.find(key); asked != waiting_.end()) {
    auto& waiting = *asked->second;
    if (waiting.late) {
      ++stale_;
      return done(*waiting.stale);
    }
    return waiting.done.push_back(std::move(done));
  }
  const auto waiting = std::make_shared<Waiting>(io_);
  waiting->asker = asker;
  waiting->era = era_;
  waiting->done.push_back(std::move(done));
  waiting->stale = look_up(key, BootClock::now(), Cache::State::stale);
  waiting_.emplace(key, waiting);
  if (waiting->stale) {
    waiting->timer.expires_after(kStaleAfter);
    waiting->timer.async_wait([this, waiting](const boost::system::error_code& error) {
      if (error || waiting->done.empty()) return;
      waiting->late = true;
      stale_ += waiting->done.size();
      waiting->tell(*waiting->stale);
    });
  }
  upstreams_.ask(key, asker, [this, key, alive = std::weak_ptr{alive_}](const Answer& answer) {
    if (!alive.expired()) arrived(key, answer);
  });
}

void CachedSource::arrived(const QuestionKey& key, const Answer& answer) {
  const auto node = waiting_.extract(key);
  if (node.empty()) return;
  const auto& waiting = node.mapped();
  waiting->timer.cancel();
  const bool kept = waiting->era == era_;
  const auto now = BootClock::now();
  if (settles(answer)) return waiting->tell(kept ? keep(key, answer, waiting->asker, now) : passed_on(key, answer));
  const auto failure = without_records(answer);
  if (!kept) return waiting->tell(failure);
  remember(key, failure, now + (waiting->stale ? kStaleRecheck : kFailureTtl));
  if (!waiting->stale) return waiting->tell(failure);
  stale_ += waiting->done.size();
  waiting->tell(*waiting->stale);
}

Answer CachedSource::keep(const QuestionKey& key, const Answer& answer, unsigned asker, BootTime now) {
  failures_.erase(key);
  const auto freshness = freshness_of(*answer.message, key);
  if (!freshness) return answer;
  cache_.put(CacheKey{key}, *answer.message, *freshness, asker, now);
  return with_ttls(answer, *freshness, freshness->lifetime.count() != 0);
}

void CachedSource::remember(const QuestionKey& key, const Answer& answer, BootTime until) {
  if (failures_.insert_or_assign(key, Failure{answer, until}).second) oldest_failures_.push_back(key);
  for (; oldest_failures_.size() > kMaxFailures; oldest_failures_.pop_front())
    failures_.erase(oldest_failures_.front());
}

void CachedSource::start_over() {
  ++era_;
  failures_.clear();
  oldest_failures_.clear();
}

}  // namespace vrouter::dns
