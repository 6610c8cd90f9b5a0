// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: a client's message names a pool (by the link it came from, or by its relay) and an asker (its words and its
// link); the pool's table says what the asker may have; whatever gives or ends a lease goes on its way to the disk
// first, with the answer made and waiting.
#include "dhcp/ranges.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "dhcp/counts.h"

namespace vrouter::dhcp {
namespace {

constexpr std::uint32_t kForEver = 0xffffffff;  // RFC 2131, 3.3

BootTime end_of_lease(const Request& request, const Settings& settings, BootTime now) {
  const auto seconds = lease_seconds(request, settings);
  return seconds == kForEver ? BootTime::max() : now + std::chrono::seconds{seconds};
}

bool in_prefix(const Settings& settings, const address_v4& address) {
  const unsigned bits = std::min<unsigned>(settings.prefix_length, 32);
  return bits == 0 || (settings.gateway.to_uint() ^ address.to_uint()) >> (32 - bits) == 0;
}

bool lists(const Pool& pool, const address_v4& relay) {
  return std::ranges::find(pool.relays, relay) != pool.relays.end();
}

// A relay that has an address of the clients' prefix is a router on their link (RFC 1542, 4.1.1 has it tell the server
// that very address), so all of these are what option 3 means. Told from the listing and not from who relayed this
// message, a renewal past the relay says the same as the lease did, after a restart too, and where two relays serve a
// link the client has both. A relay that speaks from elsewhere (RFC 3527) says nothing of its address there.
std::vector<address_v4> routers_of(const Pool& pool) {
  std::vector<address_v4> routers;
  std::ranges::copy_if(pool.relays, std::back_inserter(routers),
                       [&](const address_v4& relay) { return in_prefix(pool.settings, relay); });
  return routers;
}

}  // namespace

const Settings& Ranges::Range::settings(unsigned ifindex, const address_v4& address) const {
  if (const auto it = of_address.find(address.to_uint()); it != of_address.end()) return *it->second;
  const auto it = of_link.find(ifindex);
  return it == of_link.end() ? table.pool().settings : *it->second;
}

Ranges::Range* Ranges::range_of(const address_v4& address) const {
  const auto number = address.to_uint();
  if (const auto after = by_first_.upper_bound(number); after != by_first_.begin()) {
    auto* range = std::prev(after)->second;
    if (range->table.pool().range.contains(address)) return range;
  }
  const auto it = reserved_.find(number);
  return it == reserved_.end() ? nullptr : it->second;
}

// A client behind a relay renews past it, from its own address, by whichever interface the host is reached.
Ranges::Admission Ranges::admit(const Datagram& datagram, BootTime now) {
  const auto verdict = [](bool within_rate) { return within_rate ? Admission::admitted : Admission::limited; };
  if (const auto link = links_.find(datagram.ifindex); link != links_.end()) {
    return verdict(link->second.bucket.take(now));
  }
  if (const auto relay = relays_.find(datagram.source.to_uint()); relay != relays_.end()) {
    return verdict(relay->second.bucket.take(now));
  }
  auto* range = range_of(datagram.source);
  const auto* record = range == nullptr ? nullptr : range->table.find(datagram.source);
  if (record == nullptr || record->ifindex != 0 || !record->held(now)) return Admission::unknown;
  return verdict(range->renewals.take(now));
}

Ranges::Range* Ranges::range_of(const Datagram& datagram, const Request& request) const {
  if (const auto link = links_.find(datagram.ifindex); link != links_.end()) {
    return request.relay_address.is_unspecified() ? link->second.range : nullptr;  // no client is a relay
  }
  if (!request.relay_address.is_unspecified()) return relayed_range(datagram, request);
  if (request.client_address != datagram.source || datagram.source.is_unspecified()) return nullptr;
  auto* range = range_of(datagram.source);
  const auto* record = range == nullptr ? nullptr : range->table.find(datagram.source);
  if (record == nullptr || record->ifindex != 0) return nullptr;
  return record->client() == range->table.identity(request.hardware, request.client_id.span()) ? range : nullptr;
}

Ranges::Range* Ranges::relayed_range(const Datagram& datagram, const Request& request) const {
  const auto relay = relays_.find(request.relay_address.to_uint());
  if (relay == relays_.end()) return nullptr;
  const auto& listing = relay->second.ranges;
  const auto subnet = request.link_selection.value_or(request.subnet_selection.value_or(request.relay_address));
  const auto it = std::ranges::find_if(
      listing, [&](const Range* range) { return in_prefix(range->table.pool().settings, subnet); });
  auto* range = it != listing.end() ? *it : listing.size() == 1 ? listing.front() : nullptr;
  // It may ask from another of its addresses, if that is listed too.
  return range != nullptr && lists(range->table.pool(), datagram.source) ? range : nullptr;
}

std::optional<Outgoing> Ranges::handle(const Datagram& datagram, const Request& request, BootTime now, Buffer buffer) {
  auto* range = range_of(datagram, request);
  NetworkCounts nobodys;
  count_request(statistics_, range == nullptr ? nobodys : *range->counts, request.type);
  if (range == nullptr) {
    ++statistics_.dropped_not_ours;
    return std::nullopt;
  }
  const Visit visit{
      *range, links_.contains(datagram.ifindex) ? datagram.ifindex : 0, request, datagram.source, datagram.local, now};
  const auto& ciaddr = request.client_address;
  range->table.adopt(visit.asker(), ciaddr.is_unspecified() ? request.requested_address.value_or(ciaddr) : ciaddr, now);
  switch (request.type) {
    case MessageType::discover:
      return discover(visit, buffer);
    case MessageType::request:
      return this->request(visit, buffer);
    case MessageType::inform:
      return inform(visit, buffer);
    case MessageType::release:
      end_lease(visit, request.client_address, LeaseState::released);
      return std::nullopt;
    case MessageType::decline:
      decline(visit);
      return std::nullopt;
    case MessageType::bootp:
    case MessageType::offer:
    case MessageType::ack:
    case MessageType::nak:
      break;
  }
  ++statistics_.dropped_malformed;  // BOOTP: whoever can't renew gets no lease
  return std::nullopt;
}

// --- DISCOVER

std::optional<Outgoing> Ranges::discover(const Visit& visit, Buffer buffer) {
  if (waits_for_probe(visit, {})) return std::nullopt;
  return look_for_address(visit, buffer);
}

std::optional<Outgoing> Ranges::look_for_address(const Visit& visit, Buffer buffer) {
  const auto address = visit.range.table.choose(visit.asker(), visit.request.requested_address, visit.now);
  if (!address) {
    ++visit.range.counts->no_address;
    return std::nullopt;
  }
  if (must_ask(visit, *address)) {
    if (!ask(visit, *address, 0)) ++statistics_.dropped_rate_limited;
    return std::nullopt;
  }
  return give(visit, *address, buffer);
}

// The offer; or with rapid commit the lease, whose answer has to wait.
std::optional<Outgoing> Ranges::give(const Visit& visit, const address_v4& address, Buffer buffer) {
  auto& table = visit.range.table;
  if (visit.request.rapid_commit) {
    bind(visit, address, buffer);
    return std::nullopt;
  }
  // Its current lease as well: that may end before the client asks for it.
  table.hold(visit.asker(), address, HoldKind::offered, visit.now);
  return send_now(visit, offer(visit.request, terms(visit, address)), buffer);
}

// --- REQUEST

// SELECTING and INIT-REBOOT name the address in option 50, RENEWING and REBINDING in ciaddr (RFC 2131, 4.3.2).
std::optional<Outgoing> Ranges::request(const Visit& visit, Buffer buffer) {
  const auto& r = visit.request;
  auto& table = visit.range.table;
  if (!is_for_us(r, visit.pool().settings)) {
    // It has chosen another server: what it was offered is free.
    const auto* hold = table.hold_of(visit.asker(), visit.now);
    if (hold != nullptr && hold->kind == HoldKind::offered) table.unhold(address_v4{hold->address});
    ++statistics_.dropped_not_ours;
    return std::nullopt;
  }
  auto believed = r.client_address;
  if (believed.is_unspecified() && r.requested_address) believed = *r.requested_address;
  if (r.requested_address && *r.requested_address != believed) return refuse(visit, buffer);
  if (waits_for_probe(visit, believed)) return std::nullopt;
  switch (table.claim(visit.asker(), believed, visit.now)) {
    case Claim::grant:
      // One that we don't know, or whose lease is long over: what it remembers may be somebody else's by now. Who uses
      // it already is not asked for: another interface of its own may answer.
      if (r.client_address.is_unspecified() && must_ask(visit, believed)) {
        if (!ask(visit, believed, 0)) ++statistics_.dropped_rate_limited;
      } else {
        bind(visit, believed, buffer);
      }
      return std::nullopt;
    case Claim::refuse:
      return refuse(visit, buffer);
    case Claim::silent:
      break;
  }
  ++statistics_.dropped_not_ours;
  return std::nullopt;
}

void Ranges::bind(const Visit& visit, const address_v4& address, Buffer buffer) {
  const auto& r = visit.request;
  const auto& pool = visit.pool();
  const auto client = visit.asker().client;
  const auto* record = visit.range.table.find(address);
  if (record != nullptr && record->held(visit.now) && record->client() == client && record->ifindex == visit.ifindex &&
      commits_.waits(*record, r.transaction, visit.now)) {
    return;  // the answer is on its way
  }
  const auto outgoing = encode(visit, acknowledge(r, terms(visit, address)), buffer);
  Lease lease{.network = pool.network,
              .address = address,
              .ifindex = visit.ifindex,
              .client = {client.hardware, {client.client_id.begin(), client.client_id.end()}},
              .host_name = std::string{r.host_name.text()},
              .state = LeaseState::bound,
              .expires = end_of_lease(r, pool.settings, visit.now)};
  // What else it was offered, or asks for, is free: nobody has two addresses.
  if (commits_.propose(visit.range.table, *visit.range.counts, std::move(lease),
                       {r.transaction, outgoing, buffer.first(outgoing.size)}, visit.now))
    forget_other_than(visit, address);
}

std::optional<Outgoing> Ranges::refuse(const Visit& visit, Buffer buffer) {
  auto reply = dhcp::refuse(visit.request, visit.pool().settings);
  // Past its relay the client can be reached at the address only that it asked from, which is known to be its.
  if (visit.ifindex == 0 && visit.request.relay_address.is_unspecified()) {
    reply.to = visit.source;
    reply.routed = true;
  }
  return send_now(visit, reply, buffer);
}

// --- The rest

std::optional<Outgoing> Ranges::inform(const Visit& visit, Buffer buffer) {
  const auto& r = visit.request;
  const auto client = r.client_address.is_unspecified() ? visit.source : r.client_address;
  const auto* record = visit.range.table.find(client);
  if (record == nullptr || !record->held(visit.now) || record->ifindex != visit.ifindex ||
      !(record->client() == visit.asker().client)) {
    ++statistics_.dropped_not_ours;
    return std::nullopt;
  }
  return send_now(visit, acknowledge_inform(r, terms(visit, client), client), buffer);
}

// What a lease by rapid commit was, dhcpcd 9.4.1 has forgotten as it declines it: it says neither address nor server,
// and would be given the same again for ever. It can only mean what it has.
void Ranges::decline(const Visit& visit) {
  const auto& r = visit.request;
  if (r.requested_address || r.server_identifier) {
    return end_lease(visit, r.requested_address.value_or(address_v4{}), LeaseState::declined);
  }
  const auto* record = visit.range.table.find(visit.asker(), visit.now);
  if (record == nullptr || !record->held(visit.now) || record->ifindex != visit.ifindex) {
    ++statistics_.dropped_not_ours;
    return;
  }
  propose_end(visit, *record, LeaseState::declined);
}

// RELEASE and DECLINE count from whoever has the address, there where it has it. systemd-networkd's RELEASE names no
// server (RFC 2131, table 5, has it do so).
void Ranges::end_lease(const Visit& visit, const address_v4& address, LeaseState state) {
  const auto& r = visit.request;
  const auto* record = visit.range.table.find(address);
  const bool addressed = r.server_identifier || state == LeaseState::released;
  if (!addressed || !is_for_us(r, visit.pool().settings) || record == nullptr || !record->held(visit.now) ||
      record->ifindex != visit.ifindex || !(record->client() == visit.asker().client)) {
    ++statistics_.dropped_not_ours;
    return;
  }
  propose_end(visit, *record, state);
}

void Ranges::propose_end(const Visit& visit, const LeaseRecord& record, LeaseState state) {
  auto lease = lease_of(record, visit.pool().network);
  lease.state = state;
  lease.expires = state == LeaseState::declined ? visit.now + visit.pool().quarantine : visit.now;
  static_cast<void>(commits_.propose(visit.range.table, *visit.range.counts, std::move(lease), {}, visit.now));
}

Terms Ranges::terms(const Visit& visit, const address_v4& address) const {
  const auto& pool = visit.pool();
  const auto it = std::ranges::find(pool.reservations, address, &config::Reservation::address);
  const bool named = it != pool.reservations.end() && !it->name.empty();
  return {&visit.range.settings(visit.ifindex, address), address,
          named ? std::string_view{it->name} : visit.request.host_name.text(), visit.ifindex == 0, visit.range.routers};
}

Outgoing Ranges::encode(const Visit& visit, const SentReply& reply, Buffer buffer) const {
  // Whoever is routed to us is answered from the address that it asked; a relay may take nothing else.
  const bool from_gateway = !reply.routed || visit.local.is_unspecified();
  return {.size = encode_reply(reply.message, reply.cap, buffer),
          .from = from_gateway ? visit.pool().settings.gateway : visit.local,
          .to = reply.to,
          .ifindex = reply.routed ? 0 : visit.ifindex,
          .port = reply.port};
}

std::optional<Outgoing> Ranges::send_now(const Visit& visit, const SentReply& reply, Buffer buffer) {
  count_reply(statistics_, *visit.range.counts, reply.type);
  return encode(visit, reply, buffer);
}

// --- Tables

void Ranges::apply(const Update& update) {
  if (update.snapshot) {
    std::set<std::string> kept;
    for (const auto& pool : update.pools) kept.insert(pool.network);
    std::vector<std::string> gone;
    for (const auto& [network, range] : ranges_) {
      if (!kept.contains(network)) gone.push_back(network);
    }
    for (const auto& network : gone) remove(network);
  }
  for (const auto& network : update.removed_pools) remove(network);
  for (const auto& pool : update.pools) upsert(pool);
  if (update.snapshot || !update.pools.empty() || !update.removed_pools.empty()) index();
  learn_all(update);
}

void Ranges::upsert(const Pool& pool) {
  auto& range = ranges_[pool.network];
  if (range == nullptr) {
    range = std::make_unique<Range>(pool);
  } else if (range->table.pool() != pool) {
    drop_probes(*range);
    commits_.void_answers(range->table);
    range->table.change(pool);
  }
  range->routers = routers_of(pool);
  range->of_link.clear();
  range->of_address.clear();
  for (const auto& tailored : range->table.pool().tailored) {
    if (tailored.ifindex != 0) {
      range->of_link.emplace(tailored.ifindex, &tailored.settings);
    } else {
      range->of_address.emplace(tailored.address.to_uint(), &tailored.settings);
    }
  }
  range->counts = &statistics_.networks[pool.settings.network];
}

void Ranges::remove(const std::string& network) {
  const auto it = ranges_.find(network);
  if (it == ranges_.end()) return;
  drop_probes(*it->second);
  commits_.forget(it->second->table);
  ranges_.erase(it);
}

// Buckets stay: to come back is no way to a new allowance.
void Ranges::index() {
  std::unordered_map<unsigned, Link> links;
  std::unordered_map<std::uint32_t, Relay> relays;
  by_first_.clear();
  reserved_.clear();
  for (const auto& [network, range] : ranges_) {
    const auto& pool = range->table.pool();
    by_first_.emplace(pool.range.first.to_uint(), range.get());
    for (const auto& reservation : pool.reservations) reserved_.emplace(reservation.address.to_uint(), range.get());
    for (const auto ifindex : pool.links) {
      const auto old = links_.find(ifindex);
      links.try_emplace(ifindex,
                        Link{range.get(), old == links_.end() ? decltype(Link::bucket){} : old->second.bucket});
    }
    for (const auto& address : pool.relays) {
      auto& relay = relays[address.to_uint()];
      if (const auto old = relays_.find(address.to_uint()); old != relays_.end()) relay.bucket = old->second.bucket;
      relay.ranges.push_back(range.get());
    }
  }
  links_ = std::move(links);
  relays_ = std::move(relays);
}

void Ranges::learn_all(const Update& update) {
  std::set<address_v4> told;
  for (const auto& lease : update.leases) {
    const auto it = ranges_.find(lease.network);
    if (it == ranges_.end()) continue;
    if (update.snapshot) told.insert(lease.address);
    auto record = record_of(lease);
    if (it->second->table.pool().identity == config::Identity::mac) {
      record.texts.erase(record.texts.begin(), record.texts.begin() + record.id_size);
      record.id_size = 0;
    }
    commits_.learn(it->second->table, lease.address, std::move(record));
  }
  for (const auto& [network, range] : ranges_) {
    for (const auto& address : update.removed_leases) commits_.learn(range->table, address, std::nullopt);
    if (!update.snapshot) continue;
    for (const auto& address : range->table.addresses()) {
      if (!told.contains(address)) commits_.learn(range->table, address, std::nullopt);
    }
  }
}

}  // namespace vrouter::dhcp
