// SPDX-License-Identifier: GPL-2.0-or-later
// What the UDP sockets of one thread share: who is served, what the cache knows, and where everything else goes.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <span>

#include "dns/gate.h"
#include "dns/quick_answers.h"

namespace vrouter::dns {

// A thread that only reads what another one changes does so in turns, none longer than a few batches; a change is made
// between two of them.
class Turns {
 public:
  // The reader's.
  void lock() noexcept {
    while (change_wanted_.load(std::memory_order_acquire)) change_wanted_.wait(true, std::memory_order_acquire);
    turn_.lock();
  }
  void unlock() noexcept { turn_.unlock(); }

  // Of whoever makes a change.
  void stop() noexcept {
    change_wanted_.store(true, std::memory_order_release);
    turn_.lock();
  }
  void go_on() noexcept {
    turn_.unlock();
    change_wanted_.store(false, std::memory_order_release);
    change_wanted_.notify_one();
  }

 private:
  std::mutex turn_;
  std::atomic<bool> change_wanted_ = false;  // a mutex alone would go to whoever asks next: the reader
};

// Questions that need more than a look into the cache. Of one thread.
class LongWay {
 public:
  // Called once, on the thread of the QueryHandler, with nothing when nothing is to be sent.
  using Respond = std::function<void(Bytes)>;

  virtual ~LongWay() = default;
  virtual void answer(std::span<const std::uint8_t> message, const Client& client, BootTime now, Respond respond) = 0;
  virtual void end_batch() {}
};

struct UdpBatch;  // buffers of recvmmsg and sendmmsg, one set for all sockets of a thread

struct UdpDesk {
  UdpDesk(Gate& gate, QuickAnswers& quick, LongWay& long_way, Turns* turns);
  ~UdpDesk();
  UdpDesk(const UdpDesk&) = delete;
  UdpDesk& operator=(const UdpDesk&) = delete;

  Gate& gate;
  QuickAnswers& quick;
  LongWay& long_way;
  Turns* turns;  // null: the thread is the QueryHandler's own
  std::unique_ptr<UdpBatch> batch;
};

}  // namespace vrouter::dns
