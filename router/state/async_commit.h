// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "router/state/store.h"

namespace vrouter::router::state {

// co_await async_commit(store, io, change): the caller goes on when its change is on disk; the loop never waits.
inline boost::asio::awaitable<Committed> async_commit(Store& store, boost::asio::io_context& io, Change change) {
  return boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(Committed)>(
      [&store, &io](auto handler, Change moved) { store.commit(std::move(moved), io, std::move(handler)); },
      boost::asio::use_awaitable, std::move(change));
}

}  // namespace vrouter::router::state
