// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/token_bucket.h"
#include "base/unique_fd.h"
#include "dns/server.h"
#include "router/processes/dns_verbs.h"
#include "router/processes/supervisor.h"

namespace vrouter::router {

// An honest child tells its statistics ten times a second; what comes faster, but for a backlog, isn't looked at.
inline constexpr unsigned kReportBurst = 100;
inline constexpr unsigned kReportsPerSecond = 20;

// Of questions to let guests reach something: each takes the daemon some ten microseconds, and what is too much is told
// to nobody. All guests of a host that boot at once stay below.
inline constexpr unsigned kAdmissionBurst = 10'000;
inline constexpr unsigned kAdmissionsPerSecond = 5'000;

// What the child is to know, kept by whoever calls apply(), and changed before that call.
class NameTable {
 public:
  virtual ~NameTable() = default;
  [[nodiscard]] virtual dns::Update snapshot() const = 0;  // all zones and hosts
};

// The DNS forwarder in a process of its own, seen from the daemon. It keeps the sockets that guests reach: what they
// ask while there is no child waits there for the next.
class RemoteDns final : public dns::Server {
 public:
  using OpenSupervisor = std::function<std::unique_ptr<Supervisor>(Supervisor::Handlers)>;

  // Starts the child. The first three must outlive it. `ask`: as Server::create() has it; what the child says there is
  // only of the right form.
  [[nodiscard]] static std::unique_ptr<RemoteDns> open(boost::asio::io_context& io, Spawner& spawner,
                                                       const NameTable& table, AskToAdmit ask = {});
  RemoteDns(const NameTable& table, const OpenSupervisor& open_supervisor, AskToAdmit ask = {});

  void configure(const dns::Settings& settings) override;
  void apply(const dns::Update& update) override;
  // Admit new servers to the firewall before this, and take old ones out of it after.
  void set_upstreams(dns::Upstreams upstreams) override;
  void forget(const std::string& name) override;
  void set_domains(const dns::Domains& domains) override;
  void admitted(const dns::AdmissionReply& reply) override;
  void forget_admitted(unsigned ifindex) override;
  void listen(const dns::Place& place, UniqueFd bound) override;
  // Of all children since the start, the present one's as it last told them, at most 100 ms ago.
  [[nodiscard]] dns::Statistics statistics() const override;

  [[nodiscard]] Supervisor& supervisor() noexcept { return *supervisor_; }
  [[nodiscard]] const Supervisor& supervisor() const noexcept { return *supervisor_; }

 private:
  // All that a child has to know, on its way. What is larger than the line's queue goes out in parts, each when the one
  // before was read.
  struct Sending {
    std::vector<dns_verbs::Order> orders;
    std::size_t next = 0;
  };

  void on_started();
  std::expected<void, std::string> on_message(std::span<const std::uint8_t> bytes);
  [[nodiscard]] std::expected<void, std::string> check(const dns_verbs::Report& report) const;
  [[nodiscard]] std::vector<dns_verbs::Order> everything();
  void append_upstreams(std::vector<dns_verbs::Order>& orders) const;
  void send_everything();
  void tell(const std::vector<dns_verbs::Order>& orders);
  [[nodiscard]] bool send(const dns_verbs::Order& order);
  [[nodiscard]] bool in_step() const noexcept { return !behind_ && !sending_; }

  const NameTable& table_;
  AskToAdmit ask_;
  std::map<dns::Place, UniqueFd> sockets_;
  dns::Settings settings_;
  dns::Domains domains_;
  dns::Upstreams upstreams_;
  std::set<config::DnsServer> servers_;                  // all of them
  std::vector<std::shared_ptr<dns::SharedList>> lists_;  // of the snapshot on its way
  std::uint64_t version_ = 0;                            // of the upstreams

  TokenBucket<kReportBurst, kReportsPerSecond> allowance_;
  TokenBucket<kAdmissionBurst, kAdmissionsPerSecond> admissions_;

  bool behind_ = true;          // something changed that no message told, nor those on their way will
  bool stale_sockets_ = false;  // the child may have some that we closed
  std::optional<Sending> sending_;
  dns::Statistics of_the_dead_;                                     // without upstreams
  dns::Statistics last_reported_;                                   // by this child; without upstreams
  std::map<config::DnsServer, dns::UpstreamStatus> dead_, living_;  // of the upstreams; no other server is in them
  std::unique_ptr<Supervisor> supervisor_;                          // last: its handlers use the rest
};

}  // namespace vrouter::router
