// SPDX-License-Identifier: GPL-2.0-or-later
// Files that hold only if somebody says so in time. Whoever changes a firewall from afar may cut the way that the
// change came by: then nobody can say anything, and what held before comes back by itself.
//
// What held before is kept in memory, for it may be on no disk any more. So a daemon that starts anew meanwhile reads
// what is on disk, and those files hold.
#include <algorithm>
#include <boost/asio/use_awaitable.hpp>

#include "router/daemon/log.h"
#include "router/daemon/notify.h"
#include "router/daemon/router.h"

namespace vrouter::router {

namespace asio = boost::asio;
using control::Failure;
using control::FailureKind;

// Who says it again keeps what was confirmed last: going back must not lead to files that nobody confirmed either.
void Router::await_confirmation(config::Config before, DnsLists lists, std::chrono::seconds within) {
  if (!awaited_) awaited_.emplace(Awaited{std::move(before), std::move(lists), {}});
  awaited_->until = std::chrono::steady_clock::now() + within;
  confirm_timer_.expires_at(awaited_->until);
  confirm_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) spawn([this] { return go_back(); });
  });
}

std::chrono::seconds Router::time_to_confirm() const {
  const auto left = awaited_->until - std::chrono::steady_clock::now();
  return std::max(std::chrono::ceil<std::chrono::seconds>(left), std::chrono::seconds{0});
}

control::Answer<std::chrono::seconds> Router::confirm(control::Peer peer) {
  auto pass = co_await gate_.enter_alone();
  if (!awaited_) {
    co_return std::unexpected(
        Failure{FailureKind::refused,
                "nothing waits to be confirmed" + (files_problem_.empty()
                                                       ? "; the files were confirmed already, or read without --confirm"
                                                       : ": " + files_problem_),
                {}});
  }
  const auto left = time_to_confirm();
  awaited_.reset();
  confirm_timer_.cancel();
  log_info("the files are confirmed (uid " + std::to_string(peer.uid) + "), " + std::to_string(left.count()) +
           " s before they would have been taken back");
  co_return left;
}

asio::awaitable<void> Router::go_back() {
  auto pass = std::optional{co_await gate_.enter_alone()};
  // Confirmed, taken down or put off while the gate was waited for.
  if (!awaited_ || stopped_ || std::chrono::steady_clock::now() < awaited_->until) co_return;
  auto wanted = std::move(awaited_->before);
  auto lists = std::move(awaited_->lists);
  awaited_.reset();
  notify_reloading();
  auto before = hold(wanted, std::move(lists));
  kinds_proved_.clear();
  auto done = co_await apply_files(std::move(wanted), before);
  files_problem_ =
      "the files on disk were not confirmed in time and are not in force, but what held before them; correct them, "
      "then run `vrouter reload`";
  log_warning(files_problem_);
  if (!done) {
    // There is nothing else to go back to: it is tried until it works, as after an outage.
    degrade("what held before could not all be put in force again: " + done.error());
    failed_.all = true;
  }
  control::ReloadView shown{changes_since(before), {}, {}};
  co_await finish_reload(before, shown, pass);
  for (const auto& change : shown.changes) log_info("gone back: " + change);
  notify_ready(summary());
}

// A guest that comes while files wait must be able to live under those before them as well.
Attempt<> Router::fits_what_was_before(const config::Guest& guest) const {
  if (!awaited_) return {};
  const auto fitted = config::declared_guests(awaited_->before).fit(awaited_->before, guest);
  if (fitted.refusals.empty()) return {};
  return std::unexpected(
      "the files in force wait for `vrouter confirm`, and the guest doesn't fit those that hold again without it: " +
      fitted.refusals.front().reason + "; run `vrouter confirm` first, or wait " +
      std::to_string(time_to_confirm().count()) + " s");
}

}  // namespace vrouter::router
