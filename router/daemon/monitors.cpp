// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/monitors.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <utility>

namespace vrouter::router {

using control::MonitorView;
using control::PacketView;

class Monitors::Queue final : public control::Feed {
 public:
  Queue(boost::asio::io_context& io, std::string tap, std::string notice, std::function<void()> gone)
      : tap_{std::move(tap)}, gone_{std::move(gone)}, more_{io, boost::asio::steady_timer::time_point::max()} {
    waiting_.push_back({.packet = std::nullopt, .lease = std::nullopt, .missed = 0, .notice = std::move(notice)});
  }
  ~Queue() override { gone_(); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  boost::asio::awaitable<std::optional<MonitorView>> next() override {
    while (waiting_.empty() && !closed_) {
      co_await more_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));  // ends when it is cancelled
    }
    if (closed_) co_return std::nullopt;
    auto told = std::move(waiting_.front());
    waiting_.pop_front();
    co_return told;
  }

  void close() override {
    closed_ = true;
    more_.cancel();
  }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

  void put(const PacketView& packet) {
    if (closed_ || (!tap_.empty() && packet.in != tap_ && packet.out != tap_)) return;
    put(MonitorView{.packet = packet, .lease = std::nullopt, .missed = 0, .notice = {}});
  }
  void put(const control::LeaseView& lease, std::chrono::microseconds now) {
    if (closed_ || (!tap_.empty() && lease.tap != tap_)) return;
    put(MonitorView{.packet = std::nullopt, .lease = lease, .lease_time = now, .missed = 0, .notice = {}});
  }
  void put_missed(std::uint64_t packets) { missed_ += packets; }

 private:
  void put(MonitorView told) {
    if (waiting_.size() >= kMaxWaitingPackets) {
      ++missed_;
      return;
    }
    told.missed = std::exchange(missed_, 0);
    waiting_.push_back(std::move(told));
    more_.cancel();
  }

  std::string tap_;
  std::function<void()> gone_;
  boost::asio::steady_timer more_;
  std::deque<MonitorView> waiting_;
  std::uint64_t missed_ = 0;
  bool closed_ = false;
};

Monitors::Monitors(boost::asio::io_context& io, std::function<void(bool)> wanted)
    : io_{io}, wanted_{std::move(wanted)} {}

Monitors::~Monitors() {
  *alive_ = false;
  for (const auto& weak : queues_) {
    if (const auto queue = weak.lock()) queue->close();
  }
}

control::Result<std::shared_ptr<control::Feed>> Monitors::open(std::string tap, std::string notice) {
  forget_closed();
  if (queues_.size() >= control::kMaxMonitors) {
    return std::unexpected(control::Failure{
        control::FailureKind::refused,
        fmt::format("{} monitors run already, which is the bound: end one of them", control::kMaxMonitors),
        {}});
  }
  auto queue = std::make_shared<Queue>(io_, std::move(tap), std::move(notice), [this, alive = alive_] {
    if (!*alive) return;
    boost::asio::post(io_, [this, alive] {
      if (*alive) forget_closed();
    });
  });
  const bool first = queues_.empty();
  queues_.push_back(queue);
  if (first) wanted_(true);
  return queue;
}

void Monitors::forget_closed() {
  const auto gone = std::erase_if(queues_, [](const auto& weak) {
    const auto queue = weak.lock();
    return !queue || queue->closed();
  });
  if (gone != 0 && queues_.empty()) wanted_(false);
}

void Monitors::tell(const PacketView& packet) {
  for (const auto& weak : queues_) {
    if (const auto queue = weak.lock()) queue->put(packet);
  }
}

void Monitors::tell_lease(const std::function<control::LeaseView()>& make) {
  forget_closed();
  if (queues_.empty()) return;
  const auto lease = make();
  const auto now = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
  for (const auto& queue : queues_) {
    if (const auto open = queue.lock()) open->put(lease, now);
  }
}

void Monitors::tell_missed(std::uint64_t packets) {
  for (const auto& weak : queues_) {
    if (const auto queue = weak.lock()) queue->put_missed(packets);
  }
}

}  // namespace vrouter::router
