// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon writes down, and what becomes of it while the disk is full, read-only or slow. A command waits for
// its own write and is refused where that fails. What nobody waits for (leases, originals that were put back) is kept
// as the names of what is to be written, one write under way at a time: a disk that hangs for hours costs no more
// memory than there are guests, and one that refused is tried again until it takes what holds by then.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <expected>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "router/state/store.h"

namespace vrouter::router {

// Names of what the disk has yet to be told.
struct Unwritten {
  std::set<std::string> originals;  // by key: gone, unless somebody noted it anew
  std::set<std::string> leases;     // by TAP
  bool settings = false;            // whether vrouter was torn down, whether a damaged database waits for the operator
  [[nodiscard]] bool empty() const noexcept { return originals.empty() && leases.empty() && !settings; }
  void merge(Unwritten other);
};

class Disk {
 public:
  // What holds now of the things named.
  using Compose = std::function<state::Change(const Unwritten&)>;

  Disk(boost::asio::io_context& io, std::unique_ptr<state::Store> store, Compose compose);

  [[nodiscard]] const state::Stored& loaded() const noexcept { return store_->loaded(); }
  void forget_loaded() noexcept { store_->forget_loaded(); }
  // Goes on once it is on disk, or is refused; takes along what else is unwritten.
  boost::asio::awaitable<std::expected<void, std::string>> note(state::Change change);
  // The same without a loop: blocks.
  [[nodiscard]] std::expected<void, std::string> note_now(state::Change change);
  // Nobody waits: of `change` only its names count, the values are asked for when it is written.
  void write_later(const state::Change& change);
  // A sentence while the last write failed; empty otherwise.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  void write();
  void try_again();
  void heard(const state::Committed& committed);
  [[nodiscard]] Unwritten take_along(state::Change& change);

  boost::asio::io_context& io_;
  std::unique_ptr<state::Store> store_;
  Compose compose_;
  Unwritten unwritten_;
  bool writing_ = false;
  std::string problem_;
  boost::asio::steady_timer retry_;
  std::chrono::seconds retry_after_;
  bool waiting_ = false;  // for the timer
};

}  // namespace vrouter::router
