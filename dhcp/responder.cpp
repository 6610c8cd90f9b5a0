// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/responder.h"

#include <array>
#include <string>
#include <unordered_set>

#include "dhcp/counts.h"

namespace vrouter::dhcp {
namespace {

constexpr std::uint32_t kForEver = 0xffffffff;  // RFC 2131, 3.3

BootTime end_of_lease(const Request& request, const Settings& settings, BootTime now) {
  const auto seconds = lease_seconds(request, settings);
  return seconds == kForEver ? BootTime::max() : now + std::chrono::seconds{seconds};
}

LeaseEvent event_of(LeaseState state, const Binding& binding, const MacAddress& client,
                    std::span<const std::uint8_t> client_id, std::string_view host_name, BootTime expires) {
  return {state,
          binding.ifindex,
          binding.guest,
          binding.tap,
          binding.address,
          client,
          {client_id.begin(), client_id.end()},
          std::string{host_name},
          expires};
}

}  // namespace

void Responder::apply(const Update& update) {
  if (update.snapshot) {
    std::unordered_set<unsigned> kept;
    for (const auto& binding : update.upserts) kept.insert(binding.ifindex);
    for (auto it = entries_.begin(); it != entries_.end();) {
      const auto ifindex = it->first;
      ++it;  // before the entry goes
      if (!kept.contains(ifindex)) remove(ifindex);
    }
  }
  for (const auto ifindex : update.removed_ifindexes) remove(ifindex);
  for (const auto& binding : update.upserts) upsert(binding);
  ranges_.apply(update);
}

void Responder::upsert(const Binding& binding) {
  auto& entry = entries_[binding.ifindex];
  if (entry.binding.guest != binding.guest || entry.binding.address != binding.address) {
    forget_lease(binding.ifindex, entry);
  }
  entry.binding = binding;
  entry.counts = &statistics_.networks[binding.settings->network];
}

void Responder::remove(unsigned ifindex) {
  const auto found = entries_.find(ifindex);
  if (found == entries_.end()) return;
  forget_lease(ifindex, found->second);
  entries_.erase(found);
}

void Responder::forget_lease(unsigned ifindex, Entry& entry) {
  if (!entry.lease) return;
  expiries_.erase({entry.lease->expires, ifindex});
  entry.lease.reset();
}

std::optional<Outgoing> Responder::handle(const Datagram& datagram, BootTime now,
                                          std::span<std::uint8_t, kMaxReply> buffer) {
  ++statistics_.received;
  if (const auto found = entries_.find(datagram.ifindex); found != entries_.end()) {
    return handle_bound(found->second, datagram, now, buffer);
  }
  switch (ranges_.admit(datagram, now)) {
    case Ranges::Admission::unknown:
      ++statistics_.dropped_unknown_interface;
      return std::nullopt;
    case Ranges::Admission::limited:
      ++statistics_.dropped_rate_limited;
      return std::nullopt;
    case Ranges::Admission::admitted:
      break;
  }
  auto request = parse(datagram);
  if (!request) return std::nullopt;
  if (!ranges_.is_link(datagram.ifindex)) request->asked = datagram.local;
  return ranges_.handle(datagram, *request, now, buffer);
}

std::optional<Request> Responder::parse(const Datagram& datagram) {
  auto request = datagram.truncated ? std::unexpected(ParseError::truncated) : decode_request(datagram.bytes);
  if (!request) {
    ++statistics_.dropped_malformed;
    return std::nullopt;
  }
  request->source_port = datagram.source_port;
  return *request;
}

std::optional<Outgoing> Responder::handle_bound(Entry& entry, const Datagram& datagram, BootTime now,
                                                std::span<std::uint8_t, kMaxReply> buffer) {
  if (!entry.bucket.take(now)) {
    ++statistics_.dropped_rate_limited;
    return std::nullopt;
  }
  const auto request = parse(datagram);
  if (!request) return std::nullopt;
  count_request(statistics_, *entry.counts, request->type);
  const auto outcome = answer(*request, entry.binding, datagram.source);
  if (!outcome) {
    count_drop(outcome.error());
    return std::nullopt;
  }
  std::optional<Outgoing> sent;
  if (const auto& reply = outcome->reply) {
    sent = {.size = encode_reply(reply->message, reply->cap, buffer),
            .from = entry.binding.settings->gateway,
            .to = reply->to,
            .ifindex = datagram.ifindex,
            .port = reply->port};
    count_reply(statistics_, *entry.counts, reply->type);
  }
  // Last: the sink may change the table.
  if (const auto& state = outcome->lease) note_lease(datagram.ifindex, entry, *state, *request, now);
  return sent;
}

void Responder::note_lease(unsigned ifindex, Entry& entry, LeaseState state, const Request& request, BootTime now) {
  forget_lease(ifindex, entry);
  const auto expires = state == LeaseState::bound ? end_of_lease(request, *entry.binding.settings, now) : now;
  if (state == LeaseState::bound) {
    const auto id = request.client_id.span();
    entry.lease = Lease{request.hardware, {id.begin(), id.end()}, std::string{request.host_name.text()}, expires};
    if (expires != BootTime::max()) expiries_.emplace(expires, ifindex);
  }
  if (!events_) return;
  events_(
      event_of(state, entry.binding, request.hardware, request.client_id.span(), request.host_name.text(), expires));
}

void Responder::expire(BootTime now) {
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    const auto ifindex = expiries_.begin()->second;
    auto& entry = entries_.at(ifindex);
    const auto lease = std::exchange(entry.lease, std::nullopt);
    expiries_.erase(expiries_.begin());
    if (!events_ || !lease) continue;
    events_(event_of(LeaseState::expired, entry.binding, lease->client, lease->client_id, lease->host_name,
                     lease->expires));
  }
}

std::optional<BootTime> Responder::next_expiry() const {
  if (expiries_.empty()) return std::nullopt;
  return expiries_.begin()->first;
}

void Responder::count_drop(Drop drop) noexcept {
  switch (drop) {
    case Drop::foreign_mac:
      ++statistics_.dropped_foreign_mac;
      return;
    case Drop::bootp:
      ++statistics_.dropped_malformed;
      return;
    case Drop::relayed:
    case Drop::not_ours:
      ++statistics_.dropped_not_ours;
      return;
  }
}

}  // namespace vrouter::dhcp
