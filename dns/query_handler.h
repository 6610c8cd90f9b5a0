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

  // Whether a question is one of our own that went round: asked of each that is answered the long way.
  void watch_for_own(std::function<bool(const Name&)> own) { own_ = std::move(own); }
  [[nodiscard]] bool knows(const Client& client) const { return names_.serves(client); }
  [[nodiscard]] Gate& gate() noexcept { return gate_; }
  [[nodiscard]] const Gate& gate() const noexcept { return gate_; }

 private:
  // Somebody's question, and what is known of it here: CNAMEs of ours that lead to what the source is to be asked for.
  struct Asked {
    Query query;
    Client client;
    Transport transport = Transport::udp;
    std::shared_ptr<const LocalAnswer> before{};  // null: nothing
  };
  // What is said of the name here, by itself or by others to which CNAMEs of ours lead; with `next` where those lead
  // out of what is known here.
  [[nodiscard]] std::optional<LocalAnswer> known_here(const View& view, const Question& question) const;
  [[nodiscard]] std::optional<LocalAnswer> said_of(const View& view, const Question& question) const;

  [[nodiscard]] Bytes local_reply(const Query& query, const LocalAnswer& answer, Transport transport);
  [[nodiscard]] Bytes source_reply(const Asked& asked, const Answer& answer);
  // NXDOMAIN, whatever the type, behind the CNAMEs of ours.
  [[nodiscard]] Bytes blocked_reply(const Asked& asked);
  // Lists keep the guest from the answer. Its profile is looked up here: there may be other lists since it asked.
  [[nodiscard]] bool is_blocked(const Asked& asked, const Answer& answer) const;
  void tell(const Asked& asked, const Answer& answer, BootTime now, std::shared_ptr<WaitingRoom::Token> token,
            const Respond& respond);
  void forward(const Asked& asked, BootTime now, Respond respond);
  // Whether the firewall has to let the guest reach what the answer says before it is told.
  [[nodiscard]] bool must_wait(const Asked& asked, const Answer& answer) const;
  void tell_once_in(const Asked& asked, const Answer& answer, BootTime now, std::shared_ptr<WaitingRoom::Token> token,
                    Respond respond);

  const Names& names_;
  const UpstreamTable& table_;
  AnswerSource& source_;
  Statistics& counts_;
  Admission* admission_;
  Gate gate_{names_};
  std::function<bool(const Name&)> own_;
  std::shared_ptr<WaitingRoom> room_ = std::make_shared<WaitingRoom>();
};

}  // namespace vrouter::dns
