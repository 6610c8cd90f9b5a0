// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: the child holds a replica. It is in step while every change reached it as an order of its own; once one could
// not be sent (there is no child, or it is too far behind), changes are no longer told one by one but all at once, when
// the line's `started` or `drained` asks for it. Sockets come last: a child that has one knows whose questions it
// reads.
#include "router/processes/dns_remote.h"

#include <fcntl.h>

#include <algorithm>
#include <iterator>

#include "dns/listeners.h"
#include "dns/shared_list.h"
#include "router/processes/dns_authorities.h"

namespace vrouter::router {

namespace verbs = dns_verbs;

std::unique_ptr<RemoteDns> RemoteDns::open(boost::asio::io_context& io, Spawner& spawner, const NameTable& table,
                                           AskToAdmit ask) {
  const auto open_supervisor = [&](Supervisor::Handlers handlers) {
    return Supervisor::open(io, spawner, Service::dns, std::move(handlers));
  };
  return std::make_unique<RemoteDns>(table, open_supervisor, std::move(ask));
}

RemoteDns::RemoteDns(const NameTable& table, const OpenSupervisor& open_supervisor, AskToAdmit ask)
    : table_{table},
      ask_{std::move(ask)},
      supervisor_{open_supervisor({.started = [this] { on_started(); },
                                   .message = [this](std::span<const std::uint8_t> bytes) { return on_message(bytes); },
                                   .drained = [this] { send_everything(); }})} {}

// --- down ----------------------------------------------------------------------------------------------------------

void RemoteDns::on_started() {
  for (const auto counter : dns::kCounters) of_the_dead_.*counter += std::exchange(last_reported_.*counter, 0);
  for (auto& [server, status] : std::exchange(living_, {})) {
    auto& dead = dead_[server];
    dead.asked += status.asked;
    dead.answered += status.answered;
    dead.timeouts += status.timeouts;
    dead.refused += status.refused;
    dead.rtt_ms = status.rtt_ms;
    dead.trouble = status.trouble;
  }
  sending_.reset();
  stale_sockets_ = false;
  behind_ = true;
  send_everything();
}

// The descriptor that comes with an order to listen is a duplicate: ours stays for the next child.
bool RemoteDns::send(const verbs::Order& order) {
  UniqueFd fd;
  if (const auto* listen = std::get_if<verbs::Listen>(&order)) {
    const auto socket = sockets_.find(listen->place);
    if (socket == sockets_.end()) return true;  // closed since, which the next snapshot tells
    dns::mend_socket(socket->second.get(), listen->place.transport);
    // Where there is none to spare, the child says so and ends, and is tried again.
    fd.reset(::fcntl(socket->second.get(), F_DUPFD_CLOEXEC, 0));
  }
  if (const auto* list = std::get_if<verbs::List>(&order))
    fd.reset(::fcntl(lists_.at(list->number)->held(), F_DUPFD_CLOEXEC, 0));
  if (std::holds_alternative<verbs::Trust>(order)) fd = hold_authorities(upstreams_.authorities);
  return supervisor_ && supervisor_->send({verbs::encode(order), std::move(fd)});
}

void RemoteDns::append_upstreams(std::vector<verbs::Order>& orders) const {
  for (const auto& zone : upstreams_.forward) orders.emplace_back(verbs::Forward{zone});
  if (!upstreams_.authorities.empty()) orders.emplace_back(verbs::Trust{});
  orders.emplace_back(verbs::Upstreams{version_, upstreams_.servers});
}

std::vector<verbs::Order> RemoteDns::everything() {
  auto table = table_.snapshot();
  std::vector<verbs::Order> orders;
  // An address may have come back before the child heard that it went: without zones it closes all that it has.
  if (std::exchange(stale_sockets_, false)) orders = {verbs::Begin{}, verbs::End{}};
  orders.emplace_back(verbs::Settings{settings_});
  orders.emplace_back(verbs::Domains{domains_});
  orders.emplace_back(verbs::Begin{});
  for (auto& zone : table.zones) orders.emplace_back(verbs::Zone{std::move(zone)});
  for (auto& record : table.records) orders.emplace_back(verbs::Record{std::move(record)});
  lists_ = std::move(table.lists);
  for (std::uint16_t number = 0; number < lists_.size(); ++number)
    orders.emplace_back(verbs::List{number, lists_[number]->size()});
  for (auto& group : table.list_groups) orders.emplace_back(verbs::ListGroup{std::move(group)});
  for (auto& host : table.upserts) orders.emplace_back(verbs::Host{std::move(host)});
  orders.emplace_back(verbs::End{});
  append_upstreams(orders);
  for (const auto& [place, socket] : sockets_) orders.emplace_back(verbs::Listen{place});
  return orders;
}

void RemoteDns::send_everything() {
  while (!in_step()) {
    if (!sending_) {
      sending_ = Sending{everything(), 0};
      behind_ = false;
    }
    for (auto& next = sending_->next; next < sending_->orders.size(); ++next) {
      if (!send(sending_->orders[next])) return;
    }
    sending_.reset();
  }
}

void RemoteDns::tell(const std::vector<verbs::Order>& orders) {
  behind_ = behind_ || sending_;
  for (const auto& order : orders) {
    if (behind_ || !send(order)) {
      behind_ = true;
      return;
    }
  }
}

void RemoteDns::apply(const dns::Update& update) {
  if (update.snapshot) {
    const auto held = dns::listen_addresses(update.zones);
    const auto closed = std::erase_if(
        sockets_, [&](const auto& socket) { return std::ranges::find(held, socket.first.local) == held.end(); });
    const bool was_in_step = in_step();
    stale_sockets_ = stale_sockets_ || (closed != 0 && !was_in_step);
    behind_ = true;
    if (was_in_step) send_everything();
    return;
  }
  std::vector<verbs::Order> orders;
  for (const auto& host : update.removed) orders.emplace_back(verbs::Unhost{host.network, host.name});
  for (const auto& host : update.upserts) orders.emplace_back(verbs::Host{host});
  tell(orders);
}

void RemoteDns::set_upstreams(dns::Upstreams upstreams) {
  upstreams_ = verbs::bounded(std::move(upstreams));
  ++version_;
  servers_.clear();
  servers_.insert(upstreams_.servers.begin(), upstreams_.servers.end());
  for (const auto& zone : upstreams_.forward) servers_.insert(zone.servers.begin(), zone.servers.end());
  for (auto* known : {&dead_, &living_}) {
    std::erase_if(*known, [&](const auto& status) { return !servers_.contains(status.first); });
  }
  std::vector<verbs::Order> orders;
  append_upstreams(orders);
  tell(orders);
}

void RemoteDns::configure(const dns::Settings& settings) {
  const auto before = std::exchange(settings_, settings);
  if (before == settings) return;
  // The child closes its own when it hears of another number of workers, and the listeners bind new ones.
  if (before.workers != settings.workers)
    std::erase_if(sockets_, [](const auto& socket) { return socket.first.transport == dns::Transport::udp; });
  tell({verbs::Settings{settings}});
}

void RemoteDns::forget(const std::string& name) {
  tell({verbs::Forget{name}});
}

void RemoteDns::set_domains(const dns::Domains& domains) {
  if (std::exchange(domains_, domains) != domains) tell({verbs::Domains{domains}});
}

// Whatever else is on its way: what changes the rules that this is of comes after it, and has it asked anew. A child
// that never hears of it gives up by itself.
void RemoteDns::admitted(const dns::AdmissionReply& reply) {
  static_cast<void>(send(verbs::Admitted{reply}));
}

void RemoteDns::forget_admitted(unsigned ifindex) {
  tell({verbs::ForgetAdmitted{ifindex}});
}

void RemoteDns::listen(const dns::Place& place, UniqueFd bound) {
  sockets_[place] = std::move(bound);
  tell({verbs::Listen{place}});
}

// --- up ------------------------------------------------------------------------------------------------------------

std::expected<void, std::string> RemoteDns::check(const verbs::Report& report) const {
  if (report.version > version_) return std::unexpected("it claims to know upstreams that it was never told of");
  for (const auto counter : dns::kCounters) {
    if (report.statistics.*counter < last_reported_.*counter) return std::unexpected("it counts backwards");
  }
  const auto& told = report.statistics.upstreams;
  const auto not_rising = [](const auto& a, const auto& b) { return !(a.server < b.server); };
  if (std::ranges::adjacent_find(told, not_rising) != told.end()) {
    return std::unexpected("it names its upstreams out of order, or one twice");
  }
  if (report.version != version_) return {};
  for (const auto& status : told) {
    if (servers_.contains(status.server)) continue;
    return std::unexpected("it names the upstream " + status.server.to_string() + ", of which it was not told");
  }
  return {};
}

std::expected<void, std::string> RemoteDns::on_message(std::span<const std::uint8_t> bytes) {
  if (verbs::is_admit(bytes)) {
    if (!admissions_.take(BootClock::now())) return {};
    const auto admit = verbs::decode_admit(bytes);
    if (!admit) return std::unexpected(admit.error());
    if (ask_) ask_(admit->request);
    return {};
  }
  if (!allowance_.take(BootClock::now())) return {};  // the next one tells all that this one would have
  const auto report = verbs::decode_report(bytes);
  if (!report) return std::unexpected(report.error());
  if (auto right = check(*report); !right) return right;
  for (const auto counter : dns::kCounters) last_reported_.*counter = report->statistics.*counter;
  last_reported_.cache = report->statistics.cache;
  if (report->version != version_) return {};  // it speaks of servers that were; the next report follows
  living_.clear();
  for (const auto& status : report->statistics.upstreams) living_[status.server] = status;
  return {};
}

dns::Statistics RemoteDns::statistics() const {
  dns::Statistics all;
  for (const auto counter : dns::kCounters) all.*counter = of_the_dead_.*counter + last_reported_.*counter;
  all.cache = last_reported_.cache;
  auto upstreams = dead_;
  for (const auto& [server, status] : living_) {
    auto& sum = upstreams[server];
    sum.asked += status.asked;
    sum.answered += status.answered;
    sum.timeouts += status.timeouts;
    sum.refused += status.refused;
    if (status.rtt_ms > 0) sum.rtt_ms = status.rtt_ms;
    sum.trouble = status.trouble;
  }
  for (auto& [server, status] : upstreams) {
    status.server = server;
    all.upstreams.push_back(status);
  }
  return all;
}

}  // namespace vrouter::router
