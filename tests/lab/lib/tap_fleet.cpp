// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/tap_fleet.h"

#include <linux/close_range.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <mutex>

#include "tests/lab/lib/tap.h"

namespace vrouter::lab {
namespace {

constexpr rlim_t kDescriptorsBeside = 256;

// The limit counts when a descriptor is opened, so programs started later get the old one back.
class MoreDescriptors {
 public:
  explicit MoreDescriptors(std::size_t wanted) {
    if (::getrlimit(RLIMIT_NOFILE, &before_) < 0) throw_errno("getrlimit");
    auto raised = before_;
    raised.rlim_cur = std::max<rlim_t>(raised.rlim_cur, wanted + kDescriptorsBeside);
    raised.rlim_max = std::max(raised.rlim_max, raised.rlim_cur);
    if (::setrlimit(RLIMIT_NOFILE, &raised) < 0) throw_errno("raise RLIMIT_NOFILE");
  }
  ~MoreDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  MoreDescriptors(const MoreDescriptors&) = delete;
  MoreDescriptors& operator=(const MoreDescriptors&) = delete;

 private:
  rlimit before_{};
};

std::vector<UniqueFd> open_all(const std::vector<std::string>& names) {
  const MoreDescriptors allowed{names.size()};
  std::vector<UniqueFd> held;
  held.reserve(names.size());
  for (const auto& name : names) {
    held.push_back(open_tap_here(name));
    if (::ioctl(held.back().get(), TUNSETPERSIST, 1) < 0) throw_errno("TUNSETPERSIST " + name);
  }
  return held;
}

}  // namespace

// What the holder is to do, until it is told to end.
class TapFleet::Orders {
 public:
  using Order = std::packaged_task<void(std::span<const UniqueFd>)>;

  void add(Order order) {
    const std::lock_guard lock{mutex_};
    waiting_.push_back(std::move(order));
    news_.notify_one();
  }
  void end() {
    const std::lock_guard lock{mutex_};
    ended_ = true;
    news_.notify_one();
  }
  void obey(std::span<const UniqueFd> taps) {
    std::unique_lock lock{mutex_};
    for (;;) {
      news_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      auto order = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      order(taps);
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Order> waiting_;
  bool ended_ = false;
};

TapFleet::TapFleet(const Namespace& where, std::vector<std::string> names) : orders_{std::make_unique<Orders>()} {
  std::promise<void> made;
  auto ready = made.get_future();
  holder_ = std::thread{[&where, names = std::move(names), made = std::move(made), orders = orders_.get()]() mutable {
    std::vector<UniqueFd> held;
    try {
      where.join_this_thread();
      if (::close_range(3, ~0U, CLOSE_RANGE_UNSHARE) < 0) throw_errno("close_range");
      held = open_all(names);
      made.set_value();
    } catch (...) {
      made.set_exception(std::current_exception());
    }
    orders->obey(held);
  }};
  try {
    ready.get();
  } catch (...) {
    orders_->end();
    holder_.join();
    throw;
  }
}

TapFleet::~TapFleet() {
  orders_->end();
  holder_.join();
}

void TapFleet::run(const Work& work) {
  Orders::Order order{work};
  auto done = order.get_future();
  orders_->add(std::move(order));
  done.get();
}

}  // namespace vrouter::lab
