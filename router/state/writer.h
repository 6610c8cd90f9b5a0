// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room. The caller's thread only ever touches the queue. One thread owns the database: it takes all
// that waits, commits it as one transaction and posts each answer, so what an fsync costs is shared by all who came
// during the last one.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "router/state/opening.h"

namespace vrouter::router::state {

template <typename Change>
class Writer {
 public:
  using Completion = std::move_only_function<void(Committed)>;
  struct Pending {
    Change change;
    Completion deliver;
  };
  struct Work {
    // Either all of them hold, or none; on the writer's thread.
    std::function<Committed(std::span<const Pending>)> transact;
    // A group that can't be done is done change by change: none must suffer from having come at the same moment.
    bool one_by_one = false;
    // After each group is answered: what nobody needs to wait for.
    std::function<void()> afterwards = {};
  };

  explicit Writer(Work work) : work_{std::move(work)}, thread_{[this] { write(); }} {}
  // Waits until everything handed over is on disk (or has failed).
  ~Writer() {
    {
      const std::lock_guard guard{mutex_};
      closing_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void commit(Change change, boost::asio::io_context& io, Completion done) {
    // The guard keeps io.run() from returning while an answer is still to come.
    auto work = boost::asio::make_work_guard(io);
    enqueue({std::move(change), [work = std::move(work), done = std::move(done)](Committed result) mutable {
               boost::asio::post(work.get_executor(), [done = std::move(done), result = std::move(result)]() mutable {
                 done(std::move(result));
               });
             }});
  }

  Committed commit_now(Change change) {
    std::promise<Committed> promise;
    auto result = promise.get_future();
    enqueue({std::move(change), [&promise](Committed outcome) { promise.set_value(std::move(outcome)); }});
    return result.get();
  }

 private:
  void enqueue(Pending pending) {
    {
      const std::lock_guard guard{mutex_};
      queue_.push_back(std::move(pending));
    }
    wake_.notify_one();
  }

  void write() {
    for (;;) {
      std::vector<Pending> group;
      {
        std::unique_lock guard{mutex_};
        wake_.wait(guard, [this] { return closing_ || !queue_.empty(); });
        if (queue_.empty()) return;
        group.swap(queue_);
      }
      answer(group);
      if (work_.afterwards) work_.afterwards();
    }
  }

  void answer(std::span<Pending> group) {
    if (const auto together = work_.transact(group); together || group.size() == 1 || !work_.one_by_one) {
      for (auto& pending : group) pending.deliver(together);
      return;
    }
    for (auto& pending : group) pending.deliver(work_.transact({&pending, 1}));
  }

  Work work_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Pending> queue_;
  bool closing_ = false;
  std::thread thread_;  // last: everything above exists when it starts
};

}  // namespace vrouter::router::state
