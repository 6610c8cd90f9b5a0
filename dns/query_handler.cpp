// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/query_handler.h"

namespace vrouter::dns {

namespace {

std::size_t limit_for(const Query& query, Transport transport) {
  return transport == Transport::udp ? udp_limit(query) : kMaxMessage;
}

}  // namespace

void QueryHandler::handle(std::span<const std::uint8_t> message, const Client& client, Transport transport,
                          BootTime now, Respond respond) {
  if (!admit(client, transport, now)) return respond({});
  answer(message, client, transport, now, std::move(respond));
}

void QueryHandler::answer(std::span<const std::uint8_t> message, const Client& client, Transport transport,
                          BootTime now, Respond respond) {
  const auto view = names_.view(client);
  if (!view) return respond({});
  const auto query = decode_query(message);
  if (!query) {
    const auto& rejection = query.error();
    if (rejection.rcode == Rcode::form_err) ++counts_.dropped_malformed;
    return respond(rejection.silent ? Bytes{} : write_error(rejection.query, rejection.rcode));
  }
  // Other classes have no names of ours, and upstream they only fingerprint servers (version.bind).
  if (query->question.klass != kClassIn) return respond(write_error(*query, Rcode::refused));

  const unsigned forward_labels = table_.forward_labels(query->question.name);
  if (const auto local = names_.answer(*view, query->question, forward_labels)) {
    return respond(local_reply(*query, *local, transport));
  }
  if (forward_labels == 0) {
    if (const auto special = special_answer(query->question)) return respond(local_reply(*query, *special, transport));
  }
  // Without RD only what a cache holds could be told, and that is the business of whoever asked for it.
  if (!query->recursion_desired) return respond(write_error(*query, Rcode::refused));
  forward(*query, client.ifindex, transport, now, std::move(respond));
}

Bytes QueryHandler::local_reply(const Query& query, const LocalAnswer& answer, Transport transport) {
  ++counts_.answered_locally;
  return write_local(query, answer, limit_for(query, transport));
}

Bytes QueryHandler::source_reply(const Query& query, const Answer& answer, Transport transport) {
  if (answer.message && !answer.message->empty())
    return write_forwarded(query, *answer.message, limit_for(query, transport), answer.reason);
  ++counts_.failed;
  return write_error(query, Rcode::serv_fail, answer.reason);
}

void QueryHandler::forward(const Query& query, unsigned guest, Transport transport, BootTime now, Respond respond) {
  const auto key = key_of(query);
  const auto known = source_.known(key, now);
  if (known) ++counts_.answered_from_cache;
  if (known && !must_wait(query, guest, *known)) return respond(source_reply(query, *known, transport));
  auto token = WaitingRoom::enter(room_, guest);
  if (!token) {
    // Over UDP silence slows the guest down; over TCP it would only keep the connection waiting.
    ++counts_.dropped_over_budget;
    return respond(transport == Transport::udp ? Bytes{} : write_error(query, Rcode::serv_fail));
  }
  if (known) return tell_once_in(query, guest, transport, *known, now, std::move(token), std::move(respond));
  ++counts_.forwarded;
  source_.ask(
      key, guest,
      [this, query, guest, transport, token = std::move(token), respond = std::move(respond)](const Answer& answer) {
        if (!must_wait(query, guest, answer)) return respond(source_reply(query, answer, transport));
        tell_once_in(query, guest, transport, answer, BootClock::now(), token, respond);
      });
}

bool QueryHandler::must_wait(const Query& query, unsigned guest, const Answer& answer) const {
  return admission_ != nullptr && answer.message && !answer.message->empty() &&
         admission_->concerns(guest, query.question.name.wire());
}

void QueryHandler::tell_once_in(const Query& query, unsigned guest, Transport transport, const Answer& answer,
                                BootTime now, std::shared_ptr<WaitingRoom::Token> token, Respond respond) {
  const Answer told{.message = std::make_shared<const Bytes>(without_additional(*answer.message)),
                    .reason = answer.reason};
  admission_->let_in(
      guest, query.question.name, *told.message, now,
      [this, query, transport, told, token = std::move(token), respond = std::move(respond)](bool in) {
        // Nobody is told what he couldn't reach yet.
        respond(source_reply(query, in ? told : Answer{.message = nullptr, .reason = Ede::other}, transport));
      });
}

}  // namespace vrouter::dns
