// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/gate.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace vrouter::router {

namespace asio = boost::asio;

asio::awaitable<void> Gate::wait_for_change() {
  // Setting the time anew would wake the others that wait.
  if (state_->changed.expiry() != asio::steady_timer::time_point::max()) {
    state_->changed.expires_at(asio::steady_timer::time_point::max());
  }
  co_await state_->changed.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<Gate::Pass> Gate::enter(std::string guest) {
  while (state_->alone || state_->inside.contains(guest)) co_await wait_for_change();
  state_->inside.insert(guest);
  co_return Pass{state_, std::move(guest)};
}

asio::awaitable<Gate::Pass> Gate::enter_alone() {
  while (state_->alone) co_await wait_for_change();
  state_->alone = true;
  while (!state_->inside.empty()) co_await wait_for_change();
  co_return Pass{state_, std::nullopt};
}

Gate::Pass::~Pass() {
  if (!state_) return;  // moved from
  if (guest_) {
    state_->inside.erase(*guest_);
  } else {
    state_->alone = false;
  }
  state_->changed.cancel();
}

}  // namespace vrouter::router
