// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/forwarder.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "dns/random.h"

namespace vrouter::dns {

namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;

// Flights; a few tell whether a server is dead, and each holds a socket for seconds.
constexpr std::size_t kMaxLingering = 64;

bool over_tls(const config::DnsServer& server) {
  return server.transport == config::DnsTransport::tls;
}

}  // namespace

struct Forwarder::Attempt {
  Lookup::Attempt what;
  config::DnsServer server;
  std::uint16_t id = 0;
  UpstreamDatagrams::Question datagram;  // the one or the other
  UpstreamStreams::Ticket ticket;

  void close() {
    datagram.close();
    if (ticket) ticket->forget();
  }
};

struct Forwarder::Flight {
  QuestionKey key;
  Lookup lookup;
  asio::steady_timer timer;
  std::vector<Done> waiting;
  std::map<unsigned, AttemptPtr> attempts;
  bool answered = false;

  Flight(asio::io_context& io, QuestionKey k, Plan plan) : key{std::move(k)}, lookup{std::move(plan)}, timer{io} {}
  [[nodiscard]] bool holds(const AttemptPtr& attempt) const { return attempts.contains(attempt->what.id); }
};

Forwarder::Forwarder(asio::io_context& io, UpstreamTable& table)
    : io_{io},
      table_{table},
      datagrams_{io},
      streams_{io,
               [this](const config::DnsServer& server, UpstreamTrouble trouble) { table_.trouble(server, trouble); }},
      cookies_{fill_random} {}

// Handlers still queued hold their flight; without attempts in it they return before touching us.
Forwarder::~Forwarder() {
  const auto close = [](const FlightPtr& flight) {
    for (auto& [id, attempt] : flight->attempts) attempt->close();
    flight->attempts.clear();
    flight->waiting.clear();
    flight->timer.cancel();
  };
  for (auto& [key, flight] : flights_) close(flight);
  for (const auto& flight : lingering_) close(flight);
}

void Forwarder::ask(const QuestionKey& key, unsigned, Done done) {
  if (const auto known = flights_.find(key); known != flights_.end()) {
    known->second->waiting.push_back(std::move(done));
    return;
  }
  const auto now = BootClock::now();
  const auto flight = std::make_shared<Flight>(io_, key, table_.plan(key.name, now));
  flight->waiting.push_back(std::move(done));
  flights_.emplace(key, flight);
  perform(flight, flight->lookup.begin(now));
}

void Forwarder::try_server(const config::DnsServer& server, const QuestionKey& key) {
  const auto flight = std::make_shared<Flight>(io_, key, Plan{.servers = {server}, .repeat = false});
  if (!flights_.emplace(key, flight).second) return;
  perform(flight, flight->lookup.begin(BootClock::now()));
}

void Forwarder::perform(const FlightPtr& flight, Lookup::Step step) {
  for (const auto id : step.stop) {
    if (const auto it = flight->attempts.find(id); it != flight->attempts.end()) {
      it->second->close();
      flight->attempts.erase(it);
    }
  }
  const auto now = BootClock::now();
  for (const auto& attempt : step.silent) table_.silent(flight->lookup.server(attempt), attempt.sent, now);
  for (const auto& attempt : step.late) table_.late(flight->lookup.server(attempt), attempt.sent, now);
  for (const auto& attempt : step.start) start(flight, attempt);
  if (step.done) {
    finish(flight, step);
  } else if (!flight->answered) {
    arm(flight);
  }
}

void Forwarder::finish(const FlightPtr& flight, const Lookup::Step& step) {
  flight->answered = true;
  flight->timer.cancel();
  flights_.erase(flight->key);
  const bool room = lingering_.size() < kMaxLingering;
  std::erase_if(flight->attempts, [&](const auto& entry) {
    if (room && std::ranges::find(step.linger, entry.first) != step.linger.end()) return false;
    entry.second->close();
    return true;
  });
  if (!flight->attempts.empty()) {
    lingering_.insert(flight);
    arm(flight);
  }
  Answer answer{.message = nullptr, .reason = step.done->reason};
  if (step.done->reply) answer.message = std::make_shared<const Bytes>(step.done->reply->message);
  // A waiter may ask again, or take the forwarder down with it: the list is no longer ours when it is called.
  const auto waiting = std::exchange(flight->waiting, {});
  for (const auto& done : waiting) done(answer);
}

void Forwarder::arm(const FlightPtr& flight) {
  const auto until = flight->answered ? flight->lookup.deadline() : flight->lookup.wake();
  flight->timer.expires_after(std::max(until - BootClock::now(), BootClock::duration::zero()));
  flight->timer.async_wait([this, flight](const Error& error) {
    if (error || flight->attempts.empty()) return;
    if (!flight->answered) return perform(flight, flight->lookup.on_timer(BootClock::now()));
    for (auto& [id, attempt] : flight->attempts) {
      table_.silent(attempt->server, attempt->what.sent, BootClock::now());
      attempt->close();
    }
    flight->attempts.clear();
    lingering_.erase(flight);
  });
}

void Forwarder::start(const FlightPtr& flight, const Lookup::Attempt& what) {
  const auto attempt = std::make_shared<Attempt>();
  attempt->what = what;
  attempt->server = flight->lookup.server(what);
  flight->attempts.emplace(what.id, attempt);
  table_.asked(attempt->server);
  if (what.transport == Transport::udp) {
    start_udp(flight, attempt);
  } else {
    start_stream(flight, attempt);
  }
}

void Forwarder::start_udp(const FlightPtr& flight, const AttemptPtr& attempt) {
  attempt->id = ids_.next();
  const auto query = write_query(flight->key, attempt->id, attempt->what.edns, cookies_.option(attempt->server));
  std::error_code error;
  attempt->datagram = datagrams_.ask(
      attempt->server, query,
      [this, flight, attempt](std::optional<std::span<const std::uint8_t>> heard) {
        if (!flight->holds(attempt)) return;
        heard ? take(flight, attempt, *heard) : fail(flight, attempt);
      },
      error);
  // Not from within the step that started it: the step isn't done yet.
  if (error) asio::post(io_, [this, flight, attempt] { fail(flight, attempt); });
}

void Forwarder::start_stream(const FlightPtr& flight, const AttemptPtr& attempt) {
  UpstreamStreams::Question question{.key = flight->key, .edns = attempt->what.edns};
  // Over TLS nobody else can answer, and no two questions need be known to be of one client.
  if (question.edns && !over_tls(attempt->server)) question.cookie = cookies_.option(attempt->server);
  attempt->ticket =
      streams_.ask(attempt->server, std::move(question), [this, flight, attempt](std::optional<Reply> reply) {
        if (!flight->holds(attempt)) return;
        if (!reply || !hear(flight, attempt, std::move(*reply))) fail(flight, attempt);
      });
}

void Forwarder::fail(const FlightPtr& flight, const AttemptPtr& attempt) {
  if (!flight->holds(attempt)) return;
  if (!flight->answered) return perform(flight, flight->lookup.on_failure(attempt->what.id, BootClock::now()));
  table_.silent(attempt->server, attempt->what.sent, BootClock::now());
  forget(flight, attempt);
}

// Of a flight whose answer has gone out.
void Forwarder::forget(const FlightPtr& flight, const AttemptPtr& attempt) {
  attempt->close();
  flight->attempts.erase(attempt->what.id);
  if (!flight->attempts.empty()) return;
  flight->timer.cancel();
  lingering_.erase(flight);
}

void Forwarder::take(const FlightPtr& flight, const AttemptPtr& attempt, std::span<const std::uint8_t> message) {
  auto reply = decode_reply(message, flight->key, attempt->id);
  if (!reply) {
    ++mismatched_;
    // Only the id tells somebody who guesses from a server that errs; a malformed or foreign message ends nothing.
    if (reply.error() == ReplyError::wrong_id && !flight->answered)
      perform(flight, flight->lookup.on_wrong_id(attempt->what.id, BootClock::now()));
    return;
  }
  hear(flight, attempt, std::move(*reply));
}

bool Forwarder::hear(const FlightPtr& flight, const AttemptPtr& attempt, Reply reply) {
  const auto now = BootClock::now();
  if (attempt->what.edns && !reply.truncated && !over_tls(attempt->server)) {
    const auto verdict = cookies_.judge(attempt->server, reply.cookie, attempt->what.transport);
    if (verdict == UpstreamCookies::Verdict::forged) ++mismatched_;
    if (verdict == UpstreamCookies::Verdict::forged || (verdict != UpstreamCookies::Verdict::good && flight->answered))
      return false;
    if (verdict == UpstreamCookies::Verdict::missing) {
      perform(flight, flight->lookup.on_wrong_id(attempt->what.id, now));
      return true;
    }
  }
  const bool refused = reply.rcode == Rcode::refused || reply.rcode == Rcode::serv_fail;
  table_.answered(attempt->server, attempt->what.sent, now, refused);
  if (!flight->answered) {
    perform(flight, flight->lookup.on_reply(attempt->what.id, std::move(reply), now));
    return true;
  }
  forget(flight, attempt);
  return true;
}

}  // namespace vrouter::dns
