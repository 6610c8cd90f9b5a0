// SPDX-License-Identifier: GPL-2.0-or-later
// Carries questions to upstream servers: the sockets around Lookup.
//
// Over UDP, every attempt has a socket of its own, connected, on a port the kernel draws at random, and an id from the
// kernel's random generator, so that a forger has to hit server, port, id and question at once (RFC 5452); over TCP it
// shares its server's connection (upstream_streams.h). One question is in flight once, however many wait for it:
// repeated ones would multiply the forger's chances (RFC 5452 section 5).
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "dns/answer_source.h"
#include "dns/lookup.h"
#include "dns/random.h"
#include "dns/upstream_cookies.h"
#include "dns/upstream_datagrams.h"
#include "dns/upstream_streams.h"
#include "dns/upstream_table.h"

namespace vrouter::dns {

class Forwarder final : public AnswerSource {
 public:
  Forwarder(boost::asio::io_context& io, UpstreamTable& table);
  ~Forwarder() override;
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  void ask(const QuestionKey& key, unsigned asker, Done done) override;
  // One question to this server alone, whatever comes of it.
  void try_server(const config::DnsServer& server, const QuestionKey& key);
  void trust(std::string authorities) { streams_.trust(std::move(authorities)); }
  [[nodiscard]] std::uint64_t mismatched_replies() const noexcept { return mismatched_ + streams_.mismatched(); }
  [[nodiscard]] std::size_t in_flight() const noexcept { return flights_.size(); }

 private:
  struct Attempt;
  struct Flight;
  using FlightPtr = std::shared_ptr<Flight>;
  using AttemptPtr = std::shared_ptr<Attempt>;

  void perform(const FlightPtr& flight, Lookup::Step step);
  void finish(const FlightPtr& flight, const Lookup::Step& step);
  void start(const FlightPtr& flight, const Lookup::Attempt& what);
  void start_udp(const FlightPtr& flight, const AttemptPtr& attempt);
  void start_stream(const FlightPtr& flight, const AttemptPtr& attempt);
  void arm(const FlightPtr& flight);
  void take(const FlightPtr& flight, const AttemptPtr& attempt, std::span<const std::uint8_t> message);
  bool hear(const FlightPtr& flight, const AttemptPtr& attempt, Reply reply);
  void fail(const FlightPtr& flight, const AttemptPtr& attempt);
  void forget(const FlightPtr& flight, const AttemptPtr& attempt);

  boost::asio::io_context& io_;
  UpstreamTable& table_;
  UpstreamDatagrams datagrams_;
  UpstreamStreams streams_;
  UpstreamCookies cookies_;
  RandomIds ids_;
  std::map<QuestionKey, FlightPtr> flights_;
  std::set<FlightPtr> lingering_;  // answered, another server's word still out
  std::uint64_t mismatched_ = 0;
};

}  // namespace vrouter::dns
