// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: orders are carried out one by one as they come; a snapshot is gathered first and applied whole. The socket is
// read from the first table on and not before: what waits in it was sent by guests that are yet to be told of, and each
// would be dropped as unknown. Neither side ever waits for the other, whatever guests send: what can't be sent now is
// kept short (LeaseOutbox) or sent later.
#include "router/processes/dhcp_job.h"

#include <memory>
#include <optional>
#include <utility>

#include "dhcp/server.h"
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

  void carry_out(const verbs::Socket&, UniqueFd fd) {
    if (server_ || socket_) return line_.fail("a second socket came");
    if (!fd)
      return line_.fail("the socket came without its descriptor: the daemon has none to spare; raise LimitNOFILE=");
    socket_ = std::move(fd);
  }

  void carry_out(const verbs::Begin&, const UniqueFd&) {
    snapshot_ = dhcp::Update{.snapshot = true, .upserts = {}, .removed_ifindexes = {}};
  }

  void carry_out(verbs::Bind& bind, const UniqueFd&) {
    if (snapshot_) {
      snapshot_->upserts.push_back(std::move(bind.binding));
      return;
    }
    dhcp::Update update;
    update.upserts.push_back(std::move(bind.binding));
    apply(update);
  }

  void carry_out(const verbs::Unbind& unbind, const UniqueFd&) {
    if (snapshot_) return line_.fail("an unbind came within a snapshot");
    apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {unbind.ifindex}});
  }

  void carry_out(const verbs::End&, const UniqueFd&) {
    if (!snapshot_) return line_.fail("a snapshot ended that never began");
    apply(*std::exchange(snapshot_, std::nullopt));
  }

  void apply(const dhcp::Update& update) {
    if (!server_ && !open_server()) return;
    server_->apply(update);
    leases_.apply(update);
  }

  // It reads nothing before the loop has its turn again.
  bool open_server() {
    if (!socket_) {
      line_.fail("a table came before the socket");
      return false;
    }
    auto server = dhcp::Server::open(line_.io(), std::move(socket_),
                                     {.event = [this](const dhcp::LeaseEvent& event) { report_lease(event); }});
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

  bool report_statistics() {
    if (!server_) return false;
    const auto statistics = server_->statistics();
    if (statistics == reported_) return false;
    if (send(statistics)) reported_ = statistics;
    return true;
  }

  bool send(const verbs::Report& report) { return line_.send(verbs::encode(report)); }

  JobLine line_;  // first: the rest lives on its loop
  std::uint64_t orders_ = 0;
  UniqueFd socket_;  // until there is a table
  std::unique_ptr<dhcp::Server> server_;
  std::optional<dhcp::Update> snapshot_;  // what came since Begin
  LeaseOutbox leases_{[this](const verbs::Lease& lease) { return send(lease); }};
  dhcp::Statistics reported_;
};

}  // namespace

int run_dhcp(UniqueFd channel) {
  return DhcpJob{std::move(channel)}.run();
}

}  // namespace vrouter::router
