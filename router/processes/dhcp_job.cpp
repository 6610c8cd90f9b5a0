// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: orders are carried out one by one as they come; a snapshot is gathered first and applied whole. The socket is
// read from the first table on and not before: what waits in it was sent by guests that are yet to be told of, and each
// would be dropped as unknown. Neither side ever waits for the other, whatever guests send: what can't be sent now is
// kept short (LeaseOutbox) or sent later.
#include "router/processes/dhcp_job.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "dhcp/server.h"
#include "router/processes/dhcp_orders.h"
#include "router/processes/dhcp_verbs.h"
#include "router/processes/job_line.h"
#include "router/processes/lease_outbox.h"

namespace vrouter::router {
namespace {

namespace verbs = dhcp_verbs;

class DhcpJob {
 public:
  explicit DhcpJob(UniqueFd end)
      : line_{"dhcp",
              std::move(end),
              {.message = [this](Message message) { receive(std::move(message)); },
               .drained = [this] { leases_.drained(); },
               .report = [this] { return report_statistics(); }}} {}

  int run() { return line_.run(); }

 private:
  // --- what the daemon says ---

  void receive(Message message) {
    auto order = verbs::decode_order(message.bytes);
    if (!order) return line_.fail(order.error());
    ++orders_;
    std::visit([&](auto& o) { carry_out(o, std::move(message.fd)); }, *order);
  }

  void carry_out(verbs::Socket&, UniqueFd fd) {
    if (server_ || socket_) return line_.fail("a second socket came");
    if (!fd)
      return line_.fail("the socket came without its descriptor: the daemon has none to spare; raise LimitNOFILE=");
    socket_ = std::move(fd);
  }

  void carry_out(verbs::Committed& committed, const UniqueFd&) {
    if (server_) server_->committed(committed.results);
  }

  void carry_out(verbs::Heard& heard, const UniqueFd&) {
    if (server_) server_->heard(heard.probe, heard.by);
  }

  // All others are parts of the tables.
  template <typename Part>
  void carry_out(Part& part, const UniqueFd&) {
    auto update = tables_.take(std::move(part));
    if (!update) return line_.fail(update.error());
    if (!*update || (!server_ && !open_server())) return;
    server_->apply(**update);
    leases_.apply(**update);
  }

  // It reads nothing before the loop has its turn again.
  bool open_server() {
    if (!socket_) {
      line_.fail("a table came before the socket");
      return false;
    }
    auto server = dhcp::Server::open(line_.io(), std::move(socket_),
                                     {.event = [this](const dhcp::LeaseEvent& event) { report_lease(event); },
                                      .commit = [this](std::vector<dhcp::Commit> commits) { commit(commits); },
                                      .probe = [this](const dhcp::Probe& probe) { send(verbs::Ask{probe}); }});
    if (!server) {
      line_.fail(server.error().to_string());
      return false;
    }
    server_ = std::move(*server);
    return true;
  }

  // --- what the daemon is told ---

  void report_lease(const dhcp::LeaseEvent& event) {
    leases_.put({.orders = orders_,
                 .state = event.state,
                 .ifindex = event.ifindex,
                 .address = event.address,
                 .client = event.client,
                 .client_id = event.client_id,
                 .host_name = event.host_name,
                 .expires = event.expires});
  }

  // What the line doesn't take is refused, so that its clients ask again.
  void commit(std::span<dhcp::Commit> commits) {
    while (!commits.empty()) {
      const auto part = commits.first(std::min(commits.size(), verbs::kMaxLeases));
      commits = commits.subspan(part.size());
      verbs::Commits message{{std::make_move_iterator(part.begin()), std::make_move_iterator(part.end())}};
      if (send(message)) continue;
      std::vector<dhcp::CommitResult> refused;
      for (const auto& one : message.commits) refused.push_back({one.id, false});
      boost::asio::post(line_.io(), [this, refused = std::move(refused)] {
        if (server_) server_->committed(refused);
      });
    }
  }

  // Networks whose counters changed, as many as one message takes; the rest follow with the next.
  bool report_statistics() {
    if (!server_) return false;
    const auto statistics = server_->statistics();
    dhcp::Statistics changed = statistics;
    changed.networks.clear();
    const auto is_told = [&](auto counter) { return statistics.*counter == reported_.*counter; };
    for (const auto& [network, counts] : statistics.networks) {
      if (changed.networks.size() == verbs::kMaxNetworks) break;
      const auto told = reported_.networks.find(network);
      if (counts != (told == reported_.networks.end() ? dhcp::NetworkCounts{} : told->second))
        changed.networks.emplace(network, counts);
    }
    if (changed.networks.empty() && std::ranges::all_of(dhcp::kCounters, is_told)) return false;
    if (!send(changed)) return true;
    for (auto& [network, counts] : changed.networks) reported_.networks.insert_or_assign(network, counts);
    changed.networks = std::move(reported_.networks);
    reported_ = std::move(changed);
    return true;
  }

  bool send(const verbs::Report& report) { return line_.send(verbs::encode(report)); }

  JobLine line_;  // first: the rest lives on its loop
  std::uint64_t orders_ = 0;
  UniqueFd socket_;  // until there is a table
  std::unique_ptr<dhcp::Server> server_;
  UpdateReader tables_;
  LeaseOutbox leases_{[this](const verbs::Lease& lease) { return send(lease); }};
  dhcp::Statistics reported_;
};

}  // namespace

int run_dhcp(UniqueFd channel) {
  return DhcpJob{std::move(channel)}.run();
}

}  // namespace vrouter::router
