// SPDX-License-Identifier: GPL-2.0-or-later
// What one guest may take of us.
#pragma once

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <utility>

namespace vrouter::dns {

// A message costs us a few microseconds, so one guest gets at most a few percent of a core, and far more than any
// resolver asks.
inline constexpr unsigned kMessagesPerSecond = 20'000;
inline constexpr unsigned kMessageBurst = 4'000;        // a benchmark's or a crawler's first breath
inline constexpr std::size_t kMaxWaitingPerGuest = 64;  // one guest must not starve the others of upstream sockets
inline constexpr std::size_t kMaxWaiting =
    4096;  // bounds our upstream sockets: some per question, few questions shared

// Counts the questions waiting for an upstream. A place is given back when its token goes, whoever drops it and
// whenever.
class WaitingRoom {
 public:
  class Token {
   public:
    Token(std::shared_ptr<WaitingRoom> room, unsigned guest) : room_{std::move(room)}, guest_{guest} {}
    Token(Token&&) noexcept = default;
    Token& operator=(Token&&) = delete;
    Token(const Token&) = delete;
    Token& operator=(const Token&) = delete;
    ~Token() {
      if (room_) room_->leave(guest_);
    }

   private:
    std::shared_ptr<WaitingRoom> room_;
    unsigned guest_;
  };

  [[nodiscard]] static std::shared_ptr<Token> enter(const std::shared_ptr<WaitingRoom>& room, unsigned guest) {
    auto& waiting = room->per_guest_[guest];
    if (room->total_ >= kMaxWaiting || waiting >= kMaxWaitingPerGuest) {
      if (waiting == 0) room->per_guest_.erase(guest);
      return nullptr;
    }
    ++waiting;
    ++room->total_;
    return std::make_shared<Token>(room, guest);
  }
  [[nodiscard]] std::size_t total() const noexcept { return total_; }

 private:
  void leave(unsigned guest) {
    --total_;
    const auto found = per_guest_.find(guest);
    if (--found->second == 0) per_guest_.erase(found);
  }
  std::unordered_map<unsigned, std::size_t> per_guest_;  // by ifindex
  std::size_t total_ = 0;
};

}  // namespace vrouter::dns
