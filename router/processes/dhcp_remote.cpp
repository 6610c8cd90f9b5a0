// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: the child holds a replica. It is in step while every change reached it as an order of its own; once one could
// not be sent (there is no child, or it is too far behind), changes are no longer told one by one but all at once by
// the next snapshot, which the line's `started` or `drained` asks for.
#include "router/processes/dhcp_remote.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <utility>

#include "router/processes/dhcp_claims.h"

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
      sending_ = Sending{table_.snapshot(), 0};
      behind_ = false;
    }
    const auto& bindings = sending_->table.upserts;
    for (auto& next = sending_->next; next < bindings.size() + 2; ++next) {
      const bool sent = next == 0                 ? send(verbs::Begin{})
                        : next <= bindings.size() ? send(verbs::Bind{bindings[next - 1]})
                                                  : send(verbs::End{});
      if (!sent) return;
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
  for (const auto ifindex : update.removed_ifindexes) {
    if (!behind_ && !send(verbs::Unbind{ifindex})) behind_ = true;
  }
  for (const auto& binding : update.upserts) {
    if (!behind_ && !send(verbs::Bind{binding})) behind_ = true;
  }
}

// --- up ------------------------------------------------------------------------------------------------------------

std::expected<void, std::string> RemoteDhcp::on_message(std::span<const std::uint8_t> bytes) {
  const auto report = verbs::decode_report(bytes);
  if (!report) return std::unexpected(report.error());
  if (const auto* lease = std::get_if<verbs::Lease>(&*report)) return on_lease(*lease);
  last_reported_ = std::get<dhcp::Statistics>(*report);
  return {};
}

std::expected<void, std::string> RemoteDhcp::on_lease(const verbs::Lease& claim) {
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

void RemoteDhcp::committed(const std::vector<dhcp::CommitResult>&) {}
void RemoteDhcp::heard(const dhcp::Probe&, const MacAddress&) {}

dhcp::Statistics RemoteDhcp::statistics() const {
  return of_the_dead_ + last_reported_;
}

}  // namespace vrouter::router
