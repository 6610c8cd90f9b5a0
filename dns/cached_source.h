// SPDX-License-Identifier: GPL-2.0-or-later
// The cache in front of the forwarder: what is known is told, what isn't is asked for once, however many want it, and
// what could not be found out is remembered for some seconds (RFC 9520). An answer past its time is told where no
// better one comes soon (RFC 8767).
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <memory>

#include "dns/answer_source.h"
#include "dns/cache.h"

namespace vrouter::dns {

inline constexpr std::chrono::seconds kFailureTtl{5};          // RFC 9520 section 3.2: 1 s to 5 min
inline constexpr std::chrono::seconds kStaleRecheck{30};       // RFC 8767 section 5: no more often, while it fails
inline constexpr std::chrono::milliseconds kStaleAfter{1800};  // the same: before the client gives up
inline constexpr std::size_t kMaxFailures = 4096;

class CachedSource final : public AnswerSource {
 public:
  CachedSource(boost::asio::io_context& io, AnswerSource& upstreams, Cache& cache);
  ~CachedSource() override;
  CachedSource(const CachedSource&) = delete;
  CachedSource& operator=(const CachedSource&) = delete;

  [[nodiscard]] std::optional<Answer> known(const QuestionKey& key, BootTime now) override;
  void ask(const QuestionKey& key, unsigned asker, Done done) override;

  // Others are to be asked from now on, or what is known is to be asked for anew: forgets failures, and doesn't keep
  // what was asked for before and is still to come. The cache's own answers are its owner's to erase.
  void start_over();
  [[nodiscard]] std::uint64_t stale() const noexcept { return stale_; }

 private:
  struct Waiting;
  struct Failure {
    Answer answer;
    BootTime until;
  };

  void arrived(const QuestionKey& key, const Answer& answer);
  [[nodiscard]] Answer keep(const QuestionKey& key, const Answer& answer, unsigned asker, BootTime now);
  [[nodiscard]] std::optional<Answer> look_up(const QuestionKey& key, BootTime now, Cache::State wanted);
  void remember(const QuestionKey& key, const Answer& answer, BootTime until);
  [[nodiscard]] const Answer* failed(const QuestionKey& key, BootTime now) const;

  boost::asio::io_context& io_;
  AnswerSource& upstreams_;
  Cache& cache_;
  std::map<QuestionKey, std::shared_ptr<Waiting>> waiting_;
  std::map<QuestionKey, Failure> failures_;
  std::deque<QuestionKey> oldest_failures_;
  std::array<std::uint8_t, kMaxCached> room_{};
  std::uint64_t stale_ = 0;
  unsigned era_ = 0;                                            // counts start_over()
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what the upstreams answer after us
};

}  // namespace vrouter::dns
