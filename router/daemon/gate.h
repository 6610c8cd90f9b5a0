// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace vrouter::router {

// Which commands may be under way at once, on the loop's one thread. Commands on different guests share the gate, so
// that their commits share one fsync; a reload or teardown has it alone.
class Gate {
  struct State {
    explicit State(boost::asio::io_context& io) : changed{io} {}
    boost::asio::steady_timer changed;  // never fires: leaving cancels it, which wakes all that wait
    std::set<std::string> inside;
    bool alone = false;  // held alone, or wanted so
  };

 public:
  explicit Gate(boost::asio::io_context& io) : state_{std::make_shared<State>(io)} {}

  // Given back when destroyed, which may be later than the gate: a stopping loop drops the coroutines that wait last.
  class Pass {
   public:
    Pass(std::shared_ptr<State> state, std::optional<std::string> guest)
        : state_{std::move(state)}, guest_{std::move(guest)} {}
    Pass(Pass&&) = default;
    Pass& operator=(Pass&&) = delete;
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass();

   private:
    std::shared_ptr<State> state_;
    std::optional<std::string> guest_;  // none: alone
  };

  // Waits for a command on the same guest, and for one that is alone.
  boost::asio::awaitable<Pass> enter(std::string guest);
  // Waits for every other command; those that come later wait.
  boost::asio::awaitable<Pass> enter_alone();

 private:
  boost::asio::awaitable<void> wait_for_change();
  std::shared_ptr<State> state_;
};

}  // namespace vrouter::router
