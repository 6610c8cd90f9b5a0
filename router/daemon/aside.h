// SPDX-License-Identifier: GPL-2.0-or-later
// Work that takes long and needs nothing of the loop's, on a thread of its own.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <optional>
#include <thread>

namespace vrouter::router {

// `work` must use nothing that the loop may change meanwhile. Who waits here may go before it is done: its end is then
// waited for.
template <typename Result>
boost::asio::awaitable<Result> aside(boost::asio::io_context& io, std::function<Result()> work) {
  namespace asio = boost::asio;
  asio::steady_timer done{io, asio::steady_timer::time_point::max()};
  std::optional<Result> result;
  std::jthread thread{[&] {
    result.emplace(work());
    asio::post(io, [&done] { done.cancel(); });
  }};
  co_await done.async_wait(asio::as_tuple(asio::use_awaitable));
  thread.join();
  co_return std::move(*result);
}

}  // namespace vrouter::router
