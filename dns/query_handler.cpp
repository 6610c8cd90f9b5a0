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
  if (const auto known = source_.known(key, now)) {
    ++counts_.answered_from_cache;
    return respond(source_reply(query, *known, transport));
  }
  auto token = WaitingRoom::enter(room_, guest);
  if (!token) {
    // Over UDP silence slows the guest down; over TCP it would only keep the connection waiting.
    ++counts_.dropped_over_budget;
    return respond(transport == Transport::udp ? Bytes{} : write_error(query, Rcode::serv_fail));
  }
  ++counts_.forwarded;
  source_.ask(key, guest,
              [this, query, transport, token = std::move(token), respond = std::move(respond)](const Answer& answer) {
                respond(source_reply(query, answer, transport));
              });
}

}  // namespace vrouter::dns
