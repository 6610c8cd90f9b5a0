// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: orders are carried out one by one as they come; a snapshot is gathered first and applied whole. Neither side
// ever waits for the other, whatever guests send: what can't be sent now is kept short (LeaseOutbox) or sent later.
#include "router/processes/dhcp_job.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "dhcp/server.h"
#include "router/processes/channel.h"
#include "router/processes/dhcp_verbs.h"
#include "router/processes/lease_outbox.h"

namespace vrouter::router {
namespace {

namespace verbs = dhcp_verbs;

// For a person who looks at counters it is at once, and it costs the daemon ten messages a second at most.
constexpr std::chrono::milliseconds kStatisticsEvery{100};

class DhcpJob {
 public:
  explicit DhcpJob(UniqueFd end)
      : channel_{Channel::open(io_, std::move(end), Channel::Accepts::messages_with_fd,
                               {.message = [this](Message message) { receive(std::move(message)); },
                                .closed = [this](const std::string& why) { closed(why); },
                                .drained = [this] { leases_.drained(); }})},
        statistics_due_{io_} {}

  int run() {
    while (!status_ && io_.run_one() != 0) report_statistics();
    return status_.value_or(1);
  }

 private:
  // --- what the daemon says ---

  void receive(Message message) {
    if (status_) return;
    auto order = verbs::decode_order(message.bytes);
    if (!order) return fail(order.error());
    ++orders_;
    std::visit([&](auto& o) { carry_out(o, std::move(message.fd)); }, *order);
  }

  void carry_out(const verbs::Socket&, UniqueFd fd) {
    if (server_) return fail("a second socket came");
    if (!fd) return fail("the socket came without its descriptor: the daemon has none to spare; raise LimitNOFILE=");
    auto server =
        dhcp::Server::open(io_, std::move(fd), [this](const dhcp::LeaseEvent& event) { report_lease(event); });
    if (!server) return fail(server.error().to_string());
    server_ = std::move(*server);
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
    if (snapshot_) return fail("an unbind came within a snapshot");
    apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {unbind.ifindex}});
  }

  void carry_out(const verbs::End&, const UniqueFd&) {
    if (!snapshot_) return fail("a snapshot ended that never began");
    apply(*std::exchange(snapshot_, std::nullopt));
  }

  void apply(const dhcp::Update& update) {
    if (!server_) return fail("a table came before the socket");
    server_->apply(update);
    leases_.apply(update);
  }

  void closed(const std::string& why) {
    if (why != kPeerGone) return fail(why);
    if (!status_) status_ = 0;
  }

  void fail(std::string_view why) {
    if (status_) return;
    status_ = 1;
    fmt::print(stderr, "vrouterd: dhcp: ends, since the daemon's line is not as it should be: {}\n", why);
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

  // After every piece of work: what changed is told at once if nothing was for a while, else when that while is over.
  void report_statistics() {
    if (!server_ || waits_for_statistics_) return;
    const auto statistics = server_->statistics();
    if (statistics == reported_) return;
    if (send(statistics)) reported_ = statistics;
    waits_for_statistics_ = true;
    statistics_due_.expires_after(kStatisticsEvery);
    statistics_due_.async_wait([this](const boost::system::error_code&) { waits_for_statistics_ = false; });
  }

  bool send(const verbs::Report& report) { return channel_->send({verbs::encode(report), {}}) == Channel::Sent::yes; }

  boost::asio::io_context io_{1};
  std::optional<int> status_;
  std::uint64_t orders_ = 0;
  std::unique_ptr<dhcp::Server> server_;
  std::optional<dhcp::Update> snapshot_;  // what came since Begin
  LeaseOutbox leases_{[this](const verbs::Lease& lease) { return send(lease); }};
  dhcp::Statistics reported_;
  bool waits_for_statistics_ = false;
  std::unique_ptr<Channel> channel_;
  boost::asio::steady_timer statistics_due_;
};

}  // namespace

int run_dhcp(UniqueFd channel) {
  return DhcpJob{std::move(channel)}.run();
}

}  // namespace vrouter::router
