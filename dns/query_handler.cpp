// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/query_handler.h"

namespace vrouter::dns {

namespace {

constexpr std::size_t kSpareBuckets = 64;  // so that a small table isn't swept all the time

std::size_t limit_for(const Query& query, Transport transport) {
  return transport == Transport::udp ? udp_limit(query) : kMaxMessage;
}

}  // namespace

void QueryHandler::handle(std::span<const std::uint8_t> message, const Client& client, Transport transport,
                          BootTime now, Respond respond) {
  ++(transport == Transport::udp ? counts_.queries_udp : counts_.queries_tcp);
  const auto view = names_.view(client);
  if (!view) {
    ++counts_.dropped_unknown_source;
    return respond({});
  }
  if (!within_budget(client.ifindex, now)) {
    ++counts_.dropped_over_budget;
    return respond({});
  }
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
  forward(*query, client.ifindex, transport, std::move(respond));
}

bool QueryHandler::within_budget(unsigned ifindex, BootTime now) {
  // A TAP made again has a new index: the buckets of the old are swept once they outnumber the living.
  if (buckets_.size() > 2 * names_.interfaces() + kSpareBuckets) {
    std::erase_if(buckets_, [&](const auto& entry) { return !names_.has_interface(entry.first); });
  }
  return buckets_[ifindex].take(now);
}

Bytes QueryHandler::local_reply(const Query& query, const LocalAnswer& answer, Transport transport) {
  ++counts_.answered_locally;
  return write_local(query, answer, limit_for(query, transport));
}

void QueryHandler::forward(const Query& query, unsigned guest, Transport transport, Respond respond) {
  auto token = WaitingRoom::enter(room_, guest);
  if (!token) {
    // Over UDP silence slows the guest down; over TCP it would only keep the connection waiting.
    ++counts_.dropped_over_budget;
    return respond(transport == Transport::udp ? Bytes{} : write_error(query, Rcode::serv_fail));
  }
  ++counts_.forwarded;
  auto done = [this, query, transport, token = std::move(token), respond = std::move(respond)](const Answer& answer) {
    if (answer.message && !answer.message->empty()) {
      return respond(write_forwarded(query, *answer.message, limit_for(query, transport)));
    }
    ++counts_.failed;
    respond(write_error(query, Rcode::serv_fail, answer.reason));
  };
  source_.ask(key_of(query), std::move(done));
}

}  // namespace vrouter::dns
