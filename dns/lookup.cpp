// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/lookup.h"

#include <algorithm>

namespace vrouter::dns {

namespace {

// Answers that end the search: they speak of the name. All others speak of the server.
bool is_final(Rcode rcode) {
  return rcode == Rcode::no_error || rcode == Rcode::nx_domain || rcode == Rcode::yx_domain;
}

}  // namespace

void Lookup::launch(Step& step, std::size_t server, Transport transport, bool edns) {
  asked_[server] = true;
  active_.push_back({.id = ++last_id_, .server = server, .transport = transport, .edns = edns});
  step.start.push_back(active_.back());
}

bool Lookup::launch_next(Step& step, BootTime now) {
  const auto fresh = std::ranges::find(asked_, false);
  if (fresh == asked_.end()) return false;
  launch(step, static_cast<std::size_t>(fresh - asked_.begin()), Transport::udp, true);
  const bool more = std::ranges::find(asked_, false) != asked_.end();
  next_ = now + (more ? plan_.patience : kRetransmit);
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
    launch(step, *plan_.probe, Transport::udp, true);
    probe_id_ = last_id_;
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
  if (std::ranges::find(active_, probe_id_, &Attempt::id) != active_.end()) step.linger = probe_id_;
}

Lookup::Step Lookup::on_reply(unsigned id, Reply reply, BootTime now) {
  Step step;
  const auto attempt = take(id);
  if (!attempt) return step;
  step.stop.push_back(id);
  if (reply.rcode == Rcode::form_err && attempt->edns) {
    // Only this says that EDNS itself was not understood; silence and SERVFAIL prove nothing (and are easier to forge).
    launch(step, attempt->server, attempt->transport, false);
  } else if (reply.truncated && attempt->transport == Transport::udp) {
    launch(step, attempt->server, Transport::tcp, attempt->edns);
  } else if (is_final(reply.rcode) && !reply.truncated) {
    finish(step, {.reply = std::move(reply), .reason = {}});
  } else {
    if (!reply.message.empty()) refusal_ = std::move(reply);
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
    launch(step, attempt->server, Transport::tcp, attempt->edns);
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
  // A server that answers over UDP and not over TCP is half a server, but not a dead one.
  if (attempt->transport == Transport::udp) step.silent.push_back(attempt->server);
  move_on(step, now);
  return step;
}

Lookup::Step Lookup::on_timer(BootTime now) {
  Step step;
  if (now >= deadline_) {
    for (const auto& attempt : active_) step.silent.push_back(attempt.server);
    finish(step, {.reply = std::move(refusal_), .reason = Ede::no_reachable_authority});
    step.linger.reset();
    return step;
  }
  if (now < next_) return step;
  // Whoever was asked last has had its patience; earlier ones were told off when theirs ended.
  if (!active_.empty()) step.silent.push_back(active_.back().server);
  if (launch_next(step, now)) return step;
  next_ = now + kRetransmit;
  if (!active_.empty()) {
    const auto attempt = active_[again_++ % active_.size()];
    if (attempt.transport == Transport::udp) launch(step, attempt.server, attempt.transport, attempt.edns);
  }
  return step;
}

}  // namespace vrouter::dns
