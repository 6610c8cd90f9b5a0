// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/disk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "router/daemon/log.h"
#include "router/state/async_commit.h"

namespace vrouter::router {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kWriteAgain{1};
constexpr std::chrono::seconds kWriteSlowest{30};

template <typename T>
void move_to_end(std::vector<T>& from, std::vector<T>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void Unwritten::merge(Unwritten other) {
  originals.merge(other.originals);
  leases.merge(other.leases);
  settings = settings || other.settings;
}

Disk::Disk(asio::io_context& io, std::unique_ptr<state::Store> store, Compose compose)
    : io_{io},
      store_{std::move(store)},
      compose_{std::move(compose)},
      problem_{store_->problem()},
      retry_{io},
      retry_after_{kWriteAgain} {
  if (!problem_.empty()) try_again();
}

Unwritten Disk::take_along(state::Change& change) {
  // What is noted anew has not to go: the store keeps the first value of a key, so a removal must not come after it.
  for (const auto& [key, value] : change.put_originals) unwritten_.originals.erase(key);
  auto taken = std::exchange(unwritten_, {});
  auto more = compose_(taken);
  for (const auto& tap : change.remove_guests)
    std::erase_if(more.put_leases, [&](const auto& l) { return l.tap == tap; });
  move_to_end(more.remove_originals, change.remove_originals);
  move_to_end(more.remove_leases, change.remove_leases);
  move_to_end(more.put_leases, change.put_leases);
  if (!change.stopped) change.stopped = more.stopped;
  if (!change.damaged) change.damaged = more.damaged;
  return taken;
}

void Disk::heard(const state::Committed& committed) {
  if (!committed) {
    if (committed.error() != problem_) log_error(committed.error());
    problem_ = committed.error();
    try_again();
    return;
  }
  if (!std::exchange(problem_, {}).empty()) log_info("the state is written to disk again");
  retry_after_ = kWriteAgain;
  waiting_ = false;
  retry_.cancel();
  if (!unwritten_.empty()) write();
}

asio::awaitable<std::expected<void, std::string>> Disk::note(state::Change change) {
  auto taken = take_along(change);
  auto committed = co_await state::async_commit(*store_, io_, std::move(change));
  if (!committed) unwritten_.merge(std::move(taken));
  heard(committed);
  co_return committed;
}

std::expected<void, std::string> Disk::note_now(state::Change change) {
  auto taken = take_along(change);
  auto committed = store_->commit_now(std::move(change));
  if (!committed) unwritten_.merge(std::move(taken));
  heard(committed);
  return committed;
}

void Disk::write_later(const state::Change& change) {
  unwritten_.originals.insert(change.remove_originals.begin(), change.remove_originals.end());
  unwritten_.leases.insert(change.remove_leases.begin(), change.remove_leases.end());
  for (const auto& lease : change.put_leases) unwritten_.leases.insert(lease.tap);
  unwritten_.settings = unwritten_.settings || change.stopped || change.damaged;
  // While the disk refuses, the timer says when to ask it again.
  if (!unwritten_.empty() && problem_.empty()) write();
}

void Disk::write() {
  if (std::exchange(writing_, true)) return;
  auto taken = std::exchange(unwritten_, {});
  auto change = compose_(taken);
  store_->commit(std::move(change), io_, [this, taken = std::move(taken)](const state::Committed& committed) mutable {
    writing_ = false;
    if (!committed) unwritten_.merge(std::move(taken));
    heard(committed);
  });
}

void Disk::try_again() {
  if (std::exchange(waiting_, true)) return;
  retry_.expires_after(retry_after_);
  retry_after_ = std::min(retry_after_ * 2, kWriteSlowest);
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    waiting_ = false;
    unwritten_.settings = true;  // something to write, so that a disk that works again is noticed
    write();
  });
}

}  // namespace vrouter::router
