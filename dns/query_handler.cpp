// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/query_handler.h"

#include <algorithm>
#include <iterator>

namespace vrouter::dns {

namespace {

std::size_t limit_for(const Query& query, Transport transport) {
  return transport == Transport::udp ? udp_limit(query) : kMaxMessage;
}

// Whether what is known here is all there is to say. ANY has an answer here, whosever the name is.
bool is_ours(const std::optional<LocalAnswer>& local, const Names& names, const View& view, const Question& question,
             const UpstreamTable& table) {
  if (!local || local->next) return false;
  return question.type != type::any || names.answer(view, question, table.forward_labels(question.name)).has_value();
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

  if (own_ && own_(query->question.name)) {
    const auto nothing = special_answer(query->question);
    return respond(nothing ? local_reply(*query, *nothing, transport) : write_error(*query, Rcode::nx_domain));
  }

  auto local = known_here(*view, query->question);
  if (view->lists != ListTable::kNone && !is_ours(local, names_, *view, query->question, table_)) {
    const auto& abroad = local && local->next ? *local->next : query->question.name;
    if (names_.lists().refuses(view->lists, abroad.lower().wire())) {
      auto before = local && local->next ? std::make_shared<LocalAnswer>(*std::move(local)) : nullptr;
      return respond(blocked_reply({*query, client, transport, std::move(before)}));
    }
  }
  if (local && !local->next) return respond(local_reply(*query, *local, transport));
  // Without RD only what a cache holds could be told, and that is the business of whoever asked for it.
  if (!query->recursion_desired) {
    return respond(local ? local_reply(*query, *local, transport) : write_error(*query, Rcode::refused));
  }
  forward({*query, client, transport, local ? std::make_shared<LocalAnswer>(*std::move(local)) : nullptr}, now,
          std::move(respond));
}

std::optional<LocalAnswer> QueryHandler::said_of(const View& view, const Question& question) const {
  const unsigned forward_labels = table_.forward_labels(question.name);
  if (auto local = names_.answer(view, question, forward_labels)) return local;
  if (forward_labels != 0) return std::nullopt;
  auto special = special_answer(question);
  if (special && special->rcode == Rcode::nx_domain && names_.has_records_below(question.name))
    special->rcode = Rcode::no_error;
  return special;
}

std::optional<LocalAnswer> QueryHandler::known_here(const View& view, const Question& question) const {
  auto answer = said_of(view, question);
  for (unsigned steps = 0; answer && answer->next; ++steps) {
    // It goes in circles: half an answer would be taken for all.
    if (steps == kMaxLocalChain) return LocalAnswer{.rcode = Rcode::serv_fail};
    auto more = said_of(view, {*answer->next, question.type, question.klass});
    if (!more) return answer;
    answer->rcode = more->rcode;  // the last target's, RFC 6604
    std::ranges::move(more->answers, std::back_inserter(answer->answers));
    answer->authority = std::move(more->authority);
    answer->next = std::move(more->next);
  }
  return answer;
}

Bytes QueryHandler::local_reply(const Query& query, const LocalAnswer& answer, Transport transport) {
  ++counts_.answered_locally;
  return write_local(query, answer, limit_for(query, transport));
}

Bytes QueryHandler::source_reply(const Asked& asked, const Answer& answer) {
  const auto& query = asked.query;
  if (!answer.message || answer.message->empty()) {
    ++counts_.failed;
    return write_error(query, Rcode::serv_fail, answer.reason);
  }
  const auto limit = limit_for(query, asked.transport);
  return asked.before ? write_continued(query, *asked.before, *answer.message, limit, answer.reason)
                      : write_forwarded(query, *answer.message, limit, answer.reason);
}

Bytes QueryHandler::blocked_reply(const Asked& asked) {
  ++counts_.refused_by_list;
  auto answer = no_such_name(asked.before ? *asked.before->next : asked.query.question.name);
  if (asked.before) answer.answers = asked.before->answers;
  return write_local(asked.query, answer, limit_for(asked.query, asked.transport), Ede::blocked);
}

bool QueryHandler::is_blocked(const Asked& asked, const Answer& answer) const {
  const auto lists = names_.lists_of(asked.client).value_or(ListTable::kNone);
  if (lists == ListTable::kNone || !answer.message || answer.message->empty()) return false;
  const auto& name = asked.before ? *asked.before->next : asked.query.question.name;
  return names_.lists().refuses(lists, name.lower().wire()) ||
         names_.lists().refuses_answer(lists, name, *answer.message);
}

void QueryHandler::tell(const Asked& asked, const Answer& answer, BootTime now,
                        std::shared_ptr<WaitingRoom::Token> token, const Respond& respond) {
  // Gone since, or not told of again yet: what it is kept from isn't known.
  if (!names_.serves(asked.client)) return respond({});
  if (is_blocked(asked, answer)) return respond(blocked_reply(asked));
  if (!must_wait(asked, answer)) return respond(source_reply(asked, answer));
  tell_once_in(asked, answer, now, std::move(token), respond);
}

void QueryHandler::forward(const Asked& asked, BootTime now, Respond respond) {
  auto key = key_of(asked.query);
  if (asked.before) key.name = asked.before->next->lower();
  const auto known = source_.known(key, now);
  if (known && is_blocked(asked, *known)) return respond(blocked_reply(asked));
  if (known) ++counts_.answered_from_cache;
  if (known && !must_wait(asked, *known)) return respond(source_reply(asked, *known));
  auto token = WaitingRoom::enter(room_, asked.client.ifindex);
  if (!token) {
    // Over UDP silence slows the guest down; over TCP it would only keep the connection waiting.
    ++counts_.dropped_over_budget;
    return respond(asked.transport == Transport::udp ? Bytes{} : write_error(asked.query, Rcode::serv_fail));
  }
  if (known) return tell_once_in(asked, *known, now, std::move(token), std::move(respond));
  ++counts_.forwarded;
  source_.ask(key, asked.client.ifindex,
              [this, asked, token = std::move(token), respond = std::move(respond)](const Answer& answer) {
                tell(asked, answer, BootClock::now(), token, respond);
              });
}

bool QueryHandler::must_wait(const Asked& asked, const Answer& answer) const {
  return admission_ != nullptr && answer.message && !answer.message->empty() &&
         admission_->concerns(asked.client.ifindex, asked.query.question.name.wire());
}

void QueryHandler::tell_once_in(const Asked& asked, const Answer& answer, BootTime now,
                                std::shared_ptr<WaitingRoom::Token> token, Respond respond) {
  const Answer told{.message = std::make_shared<const Bytes>(without_additional(*answer.message)),
                    .reason = answer.reason};
  admission_->let_in(asked.client.ifindex, asked.query.question.name, *told.message, now,
                     [this, asked, told, token = std::move(token), respond = std::move(respond)](bool in) {
                       // Nobody is told what he couldn't reach yet.
                       respond(source_reply(asked, in ? told : Answer{.message = nullptr, .reason = Ede::other}));
                     });
}

}  // namespace vrouter::dns
