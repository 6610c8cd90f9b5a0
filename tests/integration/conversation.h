// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::lab {

// Whom a Conversation calls. `own`: the caller's address, where it has several.
struct Call {
  const Namespace& from;
  std::string to;
  std::uint16_t port = 0;
  const Namespace& where;         // who answers
  std::uint16_t answered_at = 0;  // on this port; 0: `port`
  std::string own = {};
};

// A TCP connection between two hosts of the lab, both ends held by the test.
class Conversation {
 public:
  explicit Conversation(const Call& call);

  [[nodiscard]] bool begun() const { return caller_ && callee_; }
  // Whether what each end says arrives at the other, all of it and nothing else.
  [[nodiscard]] bool goes_on();
  // Whether nothing of what either end says, the callee first, arrives: within a time for three retransmissions.
  [[nodiscard]] bool is_dead();

 private:
  UniqueFd caller_, callee_;
  int said_ = 0;
};

}  // namespace vrouter::lab
