// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dns_job.h"

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

#include "dns/server.h"
#include "router/processes/channel.h"
#include "router/processes/dns_verbs.h"

namespace vrouter::router {
namespace {

namespace verbs = dns_verbs;

// For a person who looks at counters it is at once, and it costs the daemon ten messages a second at most.
constexpr std::chrono::milliseconds kStatisticsEvery{100};

class DnsJob {
 public:
  explicit DnsJob(UniqueFd end)
      : server_{dns::Server::create(io_)},
        channel_{Channel::open(io_, std::move(end), Channel::Accepts::messages_with_fd,
                               {.message = [this](Message message) { receive(std::move(message)); },
                                .closed = [this](const std::string& why) { closed(why); },
                                .drained = {}})},
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
    std::visit([&](auto& o) { carry_out(o, std::move(message.fd)); }, *order);
  }

  void carry_out(const verbs::Listen& listen, UniqueFd fd) {
    if (!fd) return fail("a socket came without its descriptor: the daemon has none to spare; raise LimitNOFILE=");
    server_->listen(listen.local, listen.transport, std::move(fd));
  }

  void carry_out(const verbs::Begin&, const UniqueFd&) {
    snapshot_ = dns::Update{.snapshot = true, .zones = {}, .upserts = {}, .removed = {}};
    forward_.clear();
  }

  void carry_out(verbs::Zone& zone, const UniqueFd&) {
    if (!snapshot_) return fail("a zone came outside of a snapshot");
    snapshot_->zones.push_back(std::move(zone.zone));
  }

  void carry_out(verbs::Host& host, const UniqueFd&) {
    if (snapshot_) {
      snapshot_->upserts.push_back(std::move(host.host));
      return;
    }
    dns::Update update;
    update.upserts.push_back(std::move(host.host));
    server_->apply(update);
  }

  void carry_out(verbs::Unhost& host, const UniqueFd&) {
    if (snapshot_) return fail("an unhost came within a snapshot");
    dns::Update update;
    update.removed.push_back(
        {.network = std::move(host.network), .name = std::move(host.name), .ifindex = 0, .addresses = {}});
    server_->apply(update);
  }

  void carry_out(const verbs::End&, const UniqueFd&) {
    if (!snapshot_) return fail("a snapshot ended that never began");
    server_->apply(*std::exchange(snapshot_, std::nullopt));
  }

  void carry_out(verbs::Forward& forward, const UniqueFd&) { forward_.push_back(std::move(forward.zone)); }

  void carry_out(verbs::Upstreams& upstreams, const UniqueFd&) {
    version_ = upstreams.version;
    server_->set_upstreams({.servers = std::move(upstreams.servers), .forward = std::exchange(forward_, {})});
  }

  void closed(const std::string& why) {
    if (why != kPeerGone) return fail(why);
    if (!status_) status_ = 0;
  }

  void fail(std::string_view why) {
    if (status_) return;
    status_ = 1;
    fmt::print(stderr, "vrouterd: dns: ends, since the daemon's line is not as it should be: {}\n", why);
  }

  // --- what the daemon is told ---

  // After every piece of work: what changed is told at once if nothing was for a while, else when that while is over.
  void report_statistics() {
    if (waits_for_statistics_) return;
    verbs::Report report{version_, server_->statistics()};
    if (report == reported_) return;
    if (channel_->send({verbs::encode(report), {}}) == Channel::Sent::yes) reported_ = std::move(report);
    waits_for_statistics_ = true;
    statistics_due_.expires_after(kStatisticsEvery);
    statistics_due_.async_wait([this](const boost::system::error_code&) { waits_for_statistics_ = false; });
  }

  boost::asio::io_context io_{1};
  std::optional<int> status_;
  std::unique_ptr<dns::Server> server_;
  std::optional<dns::Update> snapshot_;       // what came since Begin
  std::vector<config::ForwardZone> forward_;  // for the next Upstreams
  std::uint64_t version_ = 0;
  verbs::Report reported_;
  bool waits_for_statistics_ = false;
  std::unique_ptr<Channel> channel_;
  boost::asio::steady_timer statistics_due_;
};

}  // namespace

int run_dns(UniqueFd channel) {
  return DnsJob{std::move(channel)}.run();
}

}  // namespace vrouter::router
