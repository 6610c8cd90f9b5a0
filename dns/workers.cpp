// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/workers.h"

#include <malloc.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "dns/udp_desk.h"

namespace vrouter::dns {

// Between the workers and the server's thread; the last of what was posted may be looked at after the server's end.
struct Workers::HandedOver {
  QueryHandler* handler;  // the server's thread's alone; null: there is none any more
  std::atomic<std::size_t> waiting = 0;
};

namespace {

struct HandedQuestion {
  Bytes message;
  Client client;
  LongWay::Respond respond;
};

}  // namespace

class Workers::Worker {
 public:
  Worker(boost::asio::io_context& server, const Names& names, Cache& cache, const Admission& admission,
         std::shared_ptr<HandedOver> handed_over)
      : gate_{names}, quick_{cache, &admission, &names.lists()}, hand_over_{server, std::move(handed_over)} {}
  ~Worker() {
    work_.reset();
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void start() {
    thread_ = std::thread{[this] { io_.run(); }};
  }
  std::unique_ptr<Listener> serve(UniqueFd bound) { return serve_udp(io_, std::move(bound), desk_); }

  Turns& turns() noexcept { return turns_; }
  void add_to(Statistics& all) const {
    gate_.add_to(all);
    all.answered_from_cache += quick_.answered();
    all.dropped_over_budget += hand_over_.dropped();
  }

 private:
  class HandOver final : public LongWay {
   public:
    HandOver(boost::asio::io_context& server, std::shared_ptr<HandedOver> place)
        : server_{server}, place_{std::move(place)} {}

    void answer(std::span<const std::uint8_t> message, const Client& client, BootTime, Respond respond) override {
      if (place_->waiting.fetch_add(1, std::memory_order_relaxed) < kMaxHandedOver) {
        batch_.push_back({{message.begin(), message.end()}, client, std::move(respond)});
        return;
      }
      place_->waiting.fetch_sub(1, std::memory_order_relaxed);
      ++dropped_;
    }
    void end_batch() override {
      if (batch_.empty()) return;
      boost::asio::post(server_, [place = place_, batch = std::exchange(batch_, {})] {
        const auto now = BootClock::now();
        for (const auto& [message, client, respond] : batch) {
          if (place->handler != nullptr) place->handler->answer(message, client, Transport::udp, now, respond);
          place->waiting.fetch_sub(1, std::memory_order_relaxed);
        }
      });
    }
    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.value(); }

   private:
    boost::asio::io_context& server_;
    std::shared_ptr<HandedOver> place_;
    std::vector<HandedQuestion> batch_;
    Counter dropped_;
  };

  Turns turns_;
  Gate gate_;
  QuickAnswers quick_;
  HandOver hand_over_;
  UdpDesk desk_{gate_, quick_, hand_over_, &turns_};
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::thread thread_;
};

Workers::Workers(boost::asio::io_context& io, const Names& names, Cache& cache, const Admission& admission,
                 QueryHandler& handler)
    : io_{io},
      names_{names},
      cache_{cache},
      admission_{admission},
      handed_over_{std::make_shared<HandedOver>(&handler)} {}

Workers::~Workers() {
  handed_over_->handler = nullptr;
}

bool Workers::set_count(unsigned count) {
  for (const auto& worker : workers_) worker->add_to(gone_);
  workers_.clear();
  // glibc gives a thread 64 MiB of addresses for what it allocates, of the gigabyte that the process may have.
  constexpr int kArenas = 2;
  if (count > 0) ::mallopt(M_ARENA_MAX, kArenas);
  while (workers_.size() < count) {
    auto worker = std::make_unique<Worker>(io_, names_, cache_, admission_, handed_over_);
    try {
      worker->start();
    } catch (const std::system_error&) {
      return false;
    }
    workers_.push_back(std::move(worker));
  }
  return true;
}

std::unique_ptr<Listener> Workers::serve(std::size_t worker, UniqueFd bound) {
  return workers_.at(worker)->serve(std::move(bound));
}

void Workers::add_to(Statistics& all) const {
  for (const auto counter : kCounters) all.*counter += gone_.*counter;
  for (const auto& worker : workers_) worker->add_to(all);
}

Workers::Pause::Pause(Workers& workers) : workers_{workers} {
  for (const auto& worker : workers_.workers_) worker->turns().stop();
}

Workers::Pause::~Pause() {
  for (const auto& worker : workers_.workers_) worker->turns().go_on();
}

}  // namespace vrouter::dns
