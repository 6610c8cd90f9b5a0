// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/lookup.h"

#include <algorithm>

namespace vrouter::dns {

namespace {

// Answers that end the search: they speak of the name. All others speak of the server.
bool is_final(Rcode rcode) {
  return rcode == Rcode::no_error || rcode == Rcode::nx_domain || rcode == Rcode::yx_domain;
}

Transport transport_to(const config::DnsServer& server) {
  return server.transport == config::DnsTransport::udp ? Transport::udp : Transport::tcp;
}

}  // namespace

bool Lookup::speaks_for_server(const Attempt& attempt) const {
  return attempt.transport == transport_to(plan_.servers[attempt.server]);
}

void Lookup::launch(Step& step, Attempt what, BootTime now) {
  asked_[what.server] = true;
  what.id = ++last_id_;
  what.sent = now;
  active_.push_back(what);
  step.start.push_back(what);
}

bool Lookup::launch_next(Step& step, BootTime now) {
  const auto fresh = std::ranges::find(asked_, false);
  if (fresh == asked_.end()) return false;
  const auto server = static_cast<std::size_t>(fresh - asked_.begin());
  launch(step, {.server = server, .transport = transport_to(plan_.servers[server])}, now);
  const bool more = std::ranges::find(asked_, false) != asked_.end();
  next_ = more ? now + plan_.patience : plan_.repeat ? now + kRetransmit : deadline_;
  return true;
}

std::optional<Lookup::Attempt> Lookup::take(unsigned id) {
  const auto it = std::ranges::find(active_, id, &Attempt::id);
  if (it == active_.end()) return std::nullopt;
  const Attempt attempt = *it;
  active_.erase(it);
  return attempt;
}

Lookup::Step Lookup::begin(BootTime now) {
  Step step;
  deadline_ = now + kLookupDeadline;
  next_ = deadline_;
  if (plan_.probe) {
    launch(step, {.server = *plan_.probe, .transport = transport_to(plan_.servers[*plan_.probe])}, now);
  }
  move_on(step, now);
  return step;
}

void Lookup::move_on(Step& step, BootTime now) {
  if (launch_next(step, now) || !active_.empty()) return;
  finish(step, {.reply = std::move(refusal_),
                .reason = plan_.servers.empty() ? Ede::no_reachable_authority : Ede::network_error});
}

void Lookup::finish(Step& step, Outcome outcome) {
  if (outcome.reply) outcome.reason.reset();
  step.done = std::move(outcome);
  for (const auto& attempt : active_) {
    if (speaks_for_server(attempt) && attempt.server != answered_) step.linger.push_back(attempt.id);
  }
}

Lookup::Step Lookup::on_reply(unsigned id, Reply reply, BootTime now) {
  Step step;
  const auto attempt = take(id);
  if (!attempt) return step;
  step.stop.push_back(id);
  if (reply.rcode == Rcode::form_err && attempt->edns) {
    // Only this says that EDNS itself was not understood; silence and SERVFAIL prove nothing (and are easier to forge).
    launch(step, {.server = attempt->server, .transport = attempt->transport, .edns = false}, now);
  } else if (reply.rcode == Rcode::bad_cookie && attempt->transport == Transport::udp) {
    launch(step,
           {.server = attempt->server,
            .transport = attempt->renewed ? Transport::tcp : Transport::udp,
            .edns = attempt->edns,
            .renewed = true},
           now);
  } else if (reply.truncated && attempt->transport == Transport::udp) {
    launch(step, {.server = attempt->server, .transport = Transport::tcp, .edns = attempt->edns}, now);
  } else if (is_final(reply.rcode) && !reply.truncated) {
    answered_ = attempt->server;
    finish(step, {.reply = std::move(reply), .reason = {}});
  } else {
    // An extended code lost its upper half with the OPT record: what is left would mean something else.
    if (!reply.message.empty() && static_cast<unsigned>(reply.rcode) <= 0xf) refusal_ = std::move(reply);
    move_on(step, now);
  }
  return step;
}

Lookup::Step Lookup::on_wrong_id(unsigned id, BootTime now) {
  Step step;
  const auto attempt = take(id);
  if (!attempt) return step;
  step.stop.push_back(id);
  if (attempt->transport == Transport::udp) {
    launch(step, {.server = attempt->server, .transport = Transport::tcp, .edns = attempt->edns}, now);
  } else {
    move_on(step, now);
  }
  return step;
}

Lookup::Step Lookup::on_failure(unsigned id, BootTime now) {
  Step step;
  const auto attempt = take(id);
  if (!attempt) return step;
  step.stop.push_back(id);
  if (speaks_for_server(*attempt)) step.silent.push_back(*attempt);
  move_on(step, now);
  return step;
}

Lookup::Step Lookup::on_timer(BootTime now) {
  Step step;
  if (now >= deadline_) {
    step.silent = active_;
    finish(step, {.reply = std::move(refusal_), .reason = Ede::no_reachable_authority});
    step.linger.clear();
    return step;
  }
  if (now < next_) return step;
  // Whoever was asked last has had its patience; earlier ones were told off when theirs ended.
  if (!active_.empty()) step.late.push_back(active_.back());
  if (launch_next(step, now)) return step;
  next_ = now + kRetransmit;
  if (!active_.empty()) {
    const auto attempt = active_[again_++ % active_.size()];
    if (attempt.transport == Transport::udp) launch(step, attempt, now);
  }
  return step;
}

}  // namespace vrouter::dns
