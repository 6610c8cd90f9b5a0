// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: the child holds a replica. It is in step while every change reached it as an order of its own; once one could
// not be sent (there is no child, or it is too far behind), changes are no longer told one by one but all at once by
// the next snapshot, which the line's `started` or `drained` asks for.
#include "router/processes/dhcp_remote.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <utility>

#include "router/processes/dhcp_claims.h"
#include "router/processes/dhcp_orders.h"

namespace vrouter::router {

namespace verbs = dhcp_verbs;

std::expected<std::unique_ptr<RemoteDhcp>, KernelError> RemoteDhcp::open(boost::asio::io_context& io, Spawner& spawner,
                                                                         const BindingTable& table, Handlers handlers) {
  auto socket = spawner.make_socket(Service::dhcp, AF_INET, SOCK_DGRAM);
  if (!socket) return std::unexpected(socket.error());
  if (auto bound = dhcp::bind_socket(socket->get()); !bound) return std::unexpected(bound.error());
  return std::make_unique<RemoteDhcp>(
      std::move(*socket), table, std::move(handlers),
      [&](Supervisor::Handlers of_child) { return Supervisor::open(io, spawner, Service::dhcp, std::move(of_child)); });
}

RemoteDhcp::RemoteDhcp(UniqueFd socket, const BindingTable& table, Handlers handlers,
                       const OpenSupervisor& open_supervisor, Clock clock)
    : socket_{std::move(socket)}, table_{table}, handlers_{std::move(handlers)}, clock_{std::move(clock)} {
  supervisor_ = open_supervisor({.started = [this] { on_started(); },
                                 .message = [this](std::span<const std::uint8_t> bytes) { return on_message(bytes); },
                                 .drained = [this] { on_drained(); }});
}

// --- down ----------------------------------------------------------------------------------------------------------

bool RemoteDhcp::send(const verbs::Order& order, UniqueFd fd) {
  if (!supervisor_->send({verbs::encode(order), std::move(fd)})) return false;
  ++orders_;
  return true;
}

void RemoteDhcp::on_started() {
  of_the_dead_ = statistics();
  // No honest child knows of so many: each of those that lie would add as many again.
  if (of_the_dead_.networks.size() > kMostNetworks) of_the_dead_.networks.clear();
  of_the_dead_commits_ += std::exchange(last_commit_, 0);
  under_way_ = 0;
  last_reported_ = {};
  orders_ = 0;
  sending_.reset();
  behind_ = true;
  // Without a descriptor (there is none to be had) the child ends and says so, and the next one is given one.
  if (send(verbs::Socket{}, UniqueFd{::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0)})) send_table();
}

void RemoteDhcp::on_drained() {
  send_table();
}

// Goes on with a snapshot that is under way, then with a newer one if it was overtaken meanwhile, until the child is in
// step or takes no more.
void RemoteDhcp::send_table() {
  while (!in_step()) {
    if (!sending_) {
      sending_ = Sending{orders_of(table_.snapshot()), 0};
      behind_ = false;
    }
    for (auto& next = sending_->next; next < sending_->orders.size(); ++next) {
      if (!send(sending_->orders[next])) return;
    }
    sending_.reset();
  }
}

void RemoteDhcp::apply(const dhcp::Update& update) {
  for (const auto ifindex : update.removed_ifindexes) allowances_.erase(ifindex);
  if (update.snapshot) allowances_.clear();
  if (!in_step()) {
    behind_ = true;
    return;
  }
  if (update.snapshot) {
    behind_ = true;
    return send_table();
  }
  for (const auto& order : orders_of(update)) {
    if (!behind_ && !send(order)) behind_ = true;
  }
}

// Those of a child that is dead are nobody's. What the line doesn't take the child gives up by itself.
void RemoteDhcp::committed(const std::vector<dhcp::CommitResult>& results) {
  verbs::Committed message;
  const auto flush = [&] {
    if (!message.results.empty()) static_cast<void>(send(message));
    message.results.clear();
  };
  for (const auto& result : results) {
    if (result.id <= of_the_dead_commits_) continue;
    if (under_way_ != 0) --under_way_;
    message.results.push_back({result.id - of_the_dead_commits_, result.done});
    if (message.results.size() == verbs::kMaxLeases) flush();
  }
  flush();
}

void RemoteDhcp::heard(const dhcp::Probe& probe, const MacAddress& by) {
  static_cast<void>(send(verbs::Heard{probe, by}));
}

// --- up ------------------------------------------------------------------------------------------------------------

std::expected<void, std::string> RemoteDhcp::on_message(std::span<const std::uint8_t> bytes) {
  auto report = verbs::decode_report(bytes);
  if (!report) return std::unexpected(report.error());
  return std::visit([this](auto& one) { return on_report(one); }, *report);
}

std::expected<void, std::string> RemoteDhcp::on_report(dhcp::Statistics& statistics) {
  auto networks = std::exchange(last_reported_.networks, {});
  for (auto& [network, counts] : statistics.networks) networks.insert_or_assign(network, counts);
  if (networks.size() > kMostNetworks) return std::unexpected("it counts for more networks than there can be");
  last_reported_ = std::move(statistics);
  last_reported_.networks = std::move(networks);
  return {};
}

std::expected<void, std::string> RemoteDhcp::on_report(verbs::Commits& commits) {
  std::vector<dhcp::Commit> taken;
  std::vector<dhcp::CommitResult> too_many;
  taken.reserve(commits.commits.size());
  for (auto& commit : commits.commits) {
    // Those that the line didn't take are missing.
    if (commit.id <= last_commit_ || commit.id - last_commit_ > kMostSkipped)
      return std::unexpected("its commits don't rise");
    if (auto why = nonsense_in(commit.lease)) return std::unexpected(std::move(*why));
    last_commit_ = commit.id;
    commit.id += of_the_dead_commits_;
    if (under_way_ < kMostCommits) {
      ++under_way_;
      taken.push_back(std::move(commit));
    } else {
      too_many.push_back({commit.id, false});
    }
  }
  if (!too_many.empty()) {
    under_way_ += too_many.size();
    committed(too_many);
  }
  if (handlers_.commit && !taken.empty()) handlers_.commit(std::move(taken));
  return {};
}

std::expected<void, std::string> RemoteDhcp::on_report(verbs::Ask& ask) {
  if (!probe_allowance_.take(clock_())) {
    ++dropped_.too_many;
  } else if (handlers_.probe) {
    handlers_.probe(ask.probe);
  }
  return {};
}

std::expected<void, std::string> RemoteDhcp::on_report(const verbs::Lease& claim) {
  if (claim.orders > orders_) return std::unexpected("it claims to have read what it was never sent");
  const auto now = clock_();
  const auto knowledge = in_step() && claim.orders == orders_ ? Knowledge::all : Knowledge::maybe_less;
  const auto event = check_lease(claim, table_.by_ifindex(claim.ifindex), knowledge, now);
  if (!event) return std::unexpected(event.error());
  if (!*event) {
    ++dropped_.overtaken;
    return {};
  }
  // Only interfaces of the table get so far: the map is no larger.
  if (!allowances_[claim.ifindex].take(now) || !allowance_.take(now)) {
    ++dropped_.too_many;
    return {};
  }
  if (handlers_.event) handlers_.event(**event);
  return {};
}

dhcp::Statistics RemoteDhcp::statistics() const {
  return of_the_dead_ + last_reported_;
}

}  // namespace vrouter::router
