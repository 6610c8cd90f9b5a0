// SPDX-License-Identifier: GPL-2.0-or-later
// Where answers to other people's names come from. The forwarder is one source; a cache is another that stands in front
// of it and asks it what it lacks. Both deal in whole messages under the key of their question, never in loose records:
// an answer can then only ever answer the question that fetched it.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "dns/codec.h"

namespace vrouter::dns {

struct Answer {
  std::shared_ptr<const Bytes> message;  // as Reply::message, shared by all who asked; null: nobody answered
  std::optional<Ede> reason;             // why nobody did, or what is odd about the message
};

class AnswerSource {
 public:
  using Done = std::function<void(const Answer&)>;

  virtual ~AnswerSource() = default;
  // What can be said at once, without asking anybody.
  [[nodiscard]] virtual std::optional<Answer> known(const QuestionKey&, BootTime) { return std::nullopt; }
  // For the guest on the interface `asker`. Calls `done` exactly once, maybe before returning; never after the source's
  // destruction.
  virtual void ask(const QuestionKey& key, unsigned asker, Done done) = 0;
};

}  // namespace vrouter::dns
