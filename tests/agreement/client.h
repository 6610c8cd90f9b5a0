// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "tests/agreement/message.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::agreement {

// Asks many questions at once, over one UDP socket or one TCP connection (RFC 7766, 6.2.1.1: pipelined), and takes the
// answers in whatever order they come. It isn't for threads.
class Client {
 public:
  Client(const lab::Namespace& where, std::string server, Over over)
      : where_{where}, server_{std::move(server)}, over_{over} {}

  // A reply for each of the questions; nothing where none came within some seconds, or none that could be read. What
  // isn't answered within a second is asked again.
  [[nodiscard]] std::vector<std::optional<Reply>> ask(std::span<const Question> questions);
  // Sends bytes as they are and waits for nothing.
  void send(const Bytes& message);
  // The next question goes over another socket.
  void forget() { close(); }
  [[nodiscard]] std::uint64_t asked_again() const { return asked_again_; }
  // Replies that were malformed, or to nothing that was asked.
  [[nodiscard]] std::uint64_t unreadable() const { return unreadable_; }

 private:
  struct Asking;
  void open();
  void close();
  void send_open(const Asking& asking);
  void take(std::span<const std::uint8_t> message, Asking& asking);
  void take_stream(Asking& asking);
  // False: the connection is gone.
  bool receive(Asking& asking, std::chrono::milliseconds limit);

  const lab::Namespace& where_;
  std::string server_;
  Over over_;
  UniqueFd socket_;
  Bytes stream_;  // over TCP, what is not yet a whole message
  std::uint16_t next_id_ = 1;
  std::uint64_t asked_again_ = 0, unreadable_ = 0;
};

}  // namespace vrouter::agreement
