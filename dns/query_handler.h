// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of one message from a client: dropped, answered from here, or passed on to the source of other people's
// names. No socket: the listeners bring bytes and take bytes.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "dns/admission.h"
#include "dns/answer_source.h"
#include "dns/budget.h"
#include "dns/gate.h"
#include "dns/names.h"
#include "dns/upstream_table.h"

namespace vrouter::dns {

class QueryHandler {
 public:
  // Called exactly once per message; with nothing when nothing is to be sent.
  using Respond = std::function<void(Bytes)>;

  // With no `admission`, no answer waits for the firewall.
  QueryHandler(const Names& names, const UpstreamTable& table, AnswerSource& source, Statistics& counts,
               Admission* admission = nullptr)
      : names_{names}, table_{table}, source_{source}, counts_{counts}, admission_{admission} {}

  // admit(), and then answer() or nothing.
  void handle(std::span<const std::uint8_t> message, const Client& client, Transport transport, BootTime now,
              Respond respond);

  [[nodiscard]] bool admit(const Client& client, Transport transport, BootTime now) {
    return gate_.admit(client, transport, now);
  }
  // Of a client that was admitted.
  void answer(std::span<const std::uint8_t> message, const Client& client, Transport transport, BootTime now,
              Respond respond);

  [[nodiscard]] bool knows(const Client& client) const { return names_.serves(client); }
  [[nodiscard]] Gate& gate() noexcept { return gate_; }
  [[nodiscard]] const Gate& gate() const noexcept { return gate_; }

 private:
  [[nodiscard]] Bytes local_reply(const Query& query, const LocalAnswer& answer, Transport transport);
  [[nodiscard]] Bytes source_reply(const Query& query, const Answer& answer, Transport transport);
  void forward(const Query& query, unsigned guest, Transport transport, BootTime now, Respond respond);
  // Whether the firewall has to let the guest reach what the answer says before it is told.
  [[nodiscard]] bool must_wait(const Query& query, unsigned guest, const Answer& answer) const;
  void tell_once_in(const Query& query, unsigned guest, Transport transport, const Answer& answer, BootTime now,
                    std::shared_ptr<WaitingRoom::Token> token, Respond respond);

  const Names& names_;
  const UpstreamTable& table_;
  AnswerSource& source_;
  Statistics& counts_;
  Admission* admission_;
  Gate gate_{names_};
  std::shared_ptr<WaitingRoom> room_ = std::make_shared<WaitingRoom>();
};

}  // namespace vrouter::dns
