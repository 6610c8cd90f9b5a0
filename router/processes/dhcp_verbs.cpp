// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dhcp_verbs.h"

#include <chrono>
#include <utility>

#include "router/processes/verb_wire.h"

namespace vrouter::router::dhcp_verbs {
namespace {

enum class Verb : std::uint8_t {
  socket = 1,
  begin,
  bind,
  unbind,
  end,
  lease,
  statistics,
  put_pool,
  reserve,
  drop_pool,
  put_leases,
  drop_leases,
  committed,
  heard,
  commits,
  ask,
  tailor
};

using dhcp::Statistics;

constexpr std::size_t kMaxSettings = kMaxLabel + kMaxDomain + kMaxBootFile * 2 + kMaxBootFiles * (4 + kMaxBootFile) +
                                     kMaxOptions * (3 + kMaxOptionValue);
static_assert(VerbEncoder::kFixedFields + 2 * kMaxLabel + kMaxTap + kMaxSettings <= kMaxMessage);

VerbEncoder encoder(Verb verb, std::size_t variable_bytes = 0) {
  return VerbEncoder{static_cast<std::uint8_t>(verb), variable_bytes};
}

std::size_t size_of(const config::NetworkBoot& boot) {
  auto size = boot.file.size() + boot.ipxe.size();
  for (const auto& [architecture, file] : boot.files) size += 4 + file.size();
  return size;
}

std::size_t size_of(const dhcp::Settings& s) {
  auto size = s.network.size() + s.domain.size() + size_of(s.boot);
  for (const auto& option : s.options) size += 3 + option.value.size();
  return size;
}

void put(VerbEncoder& out, const config::NetworkBoot& boot) {
  out.u32(boot.server.value_or(address_v4{}).to_uint());
  out.text(boot.file);
  out.text(boot.ipxe);
  out.count(boot.files.size());
  for (const auto& [architecture, file] : boot.files) {
    out.u16(architecture);
    out.text(file);
  }
}

config::NetworkBoot boot_from(VerbDecoder& in) {
  config::NetworkBoot boot;
  if (const address_v4 server{in.u32()}; !server.is_unspecified()) boot.server = server;
  boot.file = in.text(kMaxBootFile, "length of the boot file");
  boot.ipxe = in.text(kMaxBootFile, "length of iPXE's file");
  const auto files = in.count(kMaxBootFiles, "number of boot files");
  for (std::size_t i = 0; i < files && !in.failed(); ++i) {
    const auto architecture = in.u16();
    if (!boot.files.empty() && architecture <= boot.files.rbegin()->first) in.refuse("the architectures don't rise");
    boot.files.insert_or_assign(architecture, in.text(kMaxBootFile, "length of a boot file"));
  }
  return boot;
}

void put(VerbEncoder& out, const dhcp::Settings& s) {
  out.text(s.network);
  out.u32(s.gateway.to_uint());
  out.u8(static_cast<std::uint8_t>(s.addressing));
  out.u8(s.prefix_length);
  out.u8(s.mask ? 1 : 0);
  out.u8(s.mask.value_or(0));
  out.u16(s.mtu);
  out.u64(static_cast<std::uint64_t>(s.lease_time.count()));
  out.u8(s.bootp ? 1 : 0);
  out.text(s.domain);
  put(out, s.boot);
  out.count(s.options.size());
  for (const auto& option : s.options) {
    out.u8(option.code);
    out.bytes(option.value);
  }
}

dhcp::Settings settings_from(VerbDecoder& in) {
  dhcp::Settings s;
  s.network = in.text(kMaxLabel, "length of the network's name");
  s.gateway = address_v4{in.u32()};
  s.addressing = in.up_to(config::Addressing::subnet, "addressing");
  s.prefix_length = in.up_to(std::uint8_t{32}, "prefix length");
  const bool masked = in.up_to(std::uint8_t{1}, "mask") != 0;
  const auto mask = in.up_to(std::uint8_t{32}, "mask length");
  if (masked) s.mask = mask;
  s.mtu = in.u16();
  s.lease_time = std::chrono::seconds{static_cast<std::int64_t>(in.u64())};
  s.bootp = in.up_to(std::uint8_t{1}, "bootp") != 0;
  s.domain = in.text(kMaxDomain, "length of the domain");
  s.boot = boot_from(in);
  const auto options = in.count(kMaxOptions, "number of options");
  for (std::size_t i = 0; i < options && !in.failed(); ++i) {
    const auto code = in.u8();
    s.options.push_back({code, in.bytes(kMaxOptionValue, "length of an option")});
  }
  return s;
}

std::vector<std::uint8_t> encode_binding(const dhcp::Binding& b) {
  auto out = encoder(Verb::bind, b.guest.size() + b.tap.size() + b.host_name.size() + size_of(*b.settings));
  out.u32(b.ifindex);
  out.u8(b.pinned_mac ? 1 : 0);
  out.mac(b.pinned_mac.value_or(MacAddress{}));
  out.u32(b.address.to_uint());
  for (const auto* text : {&b.guest, &b.tap, &b.host_name}) out.text(*text);
  put(out, *b.settings);
  return out.take();
}

Bind decode_binding(VerbDecoder& in) {
  dhcp::Binding b;
  b.ifindex = in.u32();
  const bool pinned = in.up_to(std::uint8_t{1}, "pinned") != 0;
  const auto mac = in.mac();
  if (pinned) b.pinned_mac = mac;
  b.address = address_v4{in.u32()};
  b.guest = in.text(kMaxLabel, "length of the guest's name");
  b.tap = in.text(kMaxTap, "length of the TAP's name");
  b.host_name = in.text(kMaxLabel, "length of the host name");
  b.settings = settings_from(in);
  return {std::move(b)};
}

Lease decode_lease(VerbDecoder& in) {
  Lease lease;
  lease.orders = in.u64();
  lease.state = in.up_to(dhcp::LeaseState::expired, "lease state");
  lease.ifindex = in.u32();
  lease.address = address_v4{in.u32()};
  lease.client = in.mac();
  lease.client_id = in.bytes(kMaxClientId, "length of the client identifier");
  lease.host_name = in.text(kMaxLabel, "length of the host name");
  lease.expires = BootTime{std::chrono::nanoseconds{static_cast<std::int64_t>(in.u64())}};
  return lease;
}

std::vector<std::uint8_t> encode_lease(const Lease& lease) {
  auto out = encoder(Verb::lease, lease.client_id.size() + lease.host_name.size());
  out.u64(lease.orders);
  out.u8(static_cast<std::uint8_t>(lease.state));
  out.u32(lease.ifindex);
  out.u32(lease.address.to_uint());
  out.mac(lease.client);
  out.bytes(lease.client_id);
  out.text(lease.host_name);
  out.u64(static_cast<std::uint64_t>(lease.expires.time_since_epoch().count()));
  return out.take();
}

constexpr std::size_t kLeaseBytes = 64 + kMaxLabel * 2 + kMaxClientId;
static_assert(VerbEncoder::kFixedFields + kMaxLeases * (kLeaseBytes + 8) <= kMaxMessage);

void put(VerbEncoder& out, const dhcp::Lease& lease) {
  out.text(lease.network);
  out.u32(lease.address.to_uint());
  out.u32(lease.ifindex);
  out.mac(lease.client.hardware);
  out.bytes(lease.client.client_id);
  out.text(lease.host_name);
  out.u8(static_cast<std::uint8_t>(lease.state));
  out.u64(static_cast<std::uint64_t>(lease.expires.time_since_epoch().count()));
}

dhcp::Lease pool_lease_from(VerbDecoder& in) {
  dhcp::Lease lease;
  lease.network = in.text(kMaxLabel, "length of the network's name");
  lease.address = address_v4{in.u32()};
  lease.ifindex = in.u32();
  lease.client.hardware = in.mac();
  lease.client.client_id = in.bytes(kMaxClientId, "length of the client identifier");
  lease.host_name = in.text(kMaxLabel, "length of the host name");
  lease.state = in.up_to(dhcp::LeaseState::expired, "lease state");
  lease.expires = BootTime{std::chrono::nanoseconds{static_cast<std::int64_t>(in.u64())}};
  return lease;
}

// Lists of what has no more than so many bytes each.
template <typename Value, typename Put>
std::vector<std::uint8_t> encode_list(Verb verb, std::size_t bytes_each, const std::vector<Value>& values,
                                      Put put_one) {
  auto out = encoder(verb, values.size() * bytes_each);
  out.count(values.size());
  for (const auto& value : values) put_one(out, value);
  return out.take();
}

template <typename Take>
auto list_from(VerbDecoder& in, std::size_t most, std::string_view what, Take take) {
  std::vector<decltype(take(in))> values;
  const auto n = in.count(most, what);
  values.reserve(n);
  for (std::size_t i = 0; i < n && !in.failed(); ++i) values.push_back(take(in));
  return values;
}

std::vector<std::uint8_t> encode_statistics(const Statistics& statistics) {
  constexpr std::size_t kEach = 2 + kMaxLabel + dhcp::kNetworkCounters.size() * sizeof(std::uint64_t);
  static_assert(VerbEncoder::kFixedFields + kMaxNetworks * kEach <= kMaxMessage);
  auto out = encoder(Verb::statistics, statistics.networks.size() * kEach);
  for (const auto counter : dhcp::kCounters) out.u64(statistics.*counter);
  out.count(statistics.networks.size());
  for (const auto& [network, counts] : statistics.networks) {
    out.text(network);
    for (const auto counter : dhcp::kNetworkCounters) out.u64(counts.*counter);
  }
  return out.take();
}

Statistics decode_statistics(VerbDecoder& in) {
  Statistics statistics;
  for (const auto counter : dhcp::kCounters) statistics.*counter = in.u64();
  const auto networks = in.count(kMaxNetworks, "number of networks");
  for (std::size_t i = 0; i < networks && !in.failed(); ++i) {
    auto name = in.text(kMaxLabel, "length of the network's name");
    if (!statistics.networks.empty() && name <= statistics.networks.rbegin()->first)
      in.refuse("the networks are in no order");
    auto& counts = statistics.networks[std::move(name)];
    for (const auto counter : dhcp::kNetworkCounters) counts.*counter = in.u64();
  }
  return statistics;
}

void put(VerbEncoder& out, const config::AddressRange& range) {
  out.u32(range.first.to_uint());
  out.u32(range.last.to_uint());
}

config::AddressRange range_from(VerbDecoder& in) {
  const address_v4 first{in.u32()}, last{in.u32()};
  return {first, last};
}

static_assert(VerbEncoder::kFixedFields + kMaxSettings + kMaxRanges * 8 + (kMaxLinks + kMaxRelays) * 4 <= kMaxMessage);

std::vector<std::uint8_t> encode_pool(const PutPool& put_pool) {
  const auto& pool = put_pool.pool;
  auto out = encoder(Verb::put_pool, pool.network.size() + size_of(pool.settings) + pool.excluded.size() * 8 +
                                         (pool.links.size() + pool.relays.size()) * 4);
  out.text(pool.network);
  put(out, pool.settings);
  put(out, pool.range);
  out.u8(static_cast<std::uint8_t>(pool.identity));
  out.u64(static_cast<std::uint64_t>(pool.quarantine.count()));
  out.u64(static_cast<std::uint64_t>(pool.probe.count()));
  out.u8(pool.from_the_end ? 1 : 0);
  out.count(pool.excluded.size());
  for (const auto& range : pool.excluded) put(out, range);
  out.count(pool.links.size());
  for (const auto link : pool.links) out.u32(link);
  out.count(pool.relays.size());
  for (const auto& relay : pool.relays) out.u32(relay.to_uint());
  out.u32(put_pool.reservations);
  out.u32(put_pool.tailored);
  return out.take();
}

PutPool decode_pool(VerbDecoder& in) {
  dhcp::Pool pool;
  pool.network = in.text(kMaxLabel, "length of the network's name");
  pool.settings = settings_from(in);
  pool.range = range_from(in);
  pool.identity = in.up_to(config::Identity::mac, "identity");
  pool.quarantine = std::chrono::seconds{static_cast<std::int64_t>(in.u64())};
  pool.probe = std::chrono::milliseconds{static_cast<std::int64_t>(in.u64())};
  pool.from_the_end = in.up_to(std::uint8_t{1}, "order of addresses") != 0;
  pool.excluded = list_from(in, kMaxRanges, "number of excluded ranges", range_from);
  pool.links = list_from(in, kMaxLinks, "number of links", [](VerbDecoder& d) { return unsigned{d.u32()}; });
  pool.relays = list_from(in, kMaxRelays, "number of relays", [](VerbDecoder& d) { return address_v4{d.u32()}; });
  const auto reservations = in.u32();
  return {std::move(pool), reservations, in.u32()};
}

std::vector<std::uint8_t> encode_tailored(const dhcp::Tailored& tailored) {
  auto out = encoder(Verb::tailor, size_of(tailored.settings));
  out.u32(tailored.ifindex);
  out.u32(tailored.address.to_uint());
  put(out, tailored.settings);
  return out.take();
}

dhcp::Tailored tailored_from(VerbDecoder& in) {
  const auto ifindex = in.u32();
  const address_v4 address{in.u32()};
  return {ifindex, address, settings_from(in)};
}

constexpr std::size_t kReservationBytes = 32 + kMaxClientId + kMaxLabel;
static_assert(VerbEncoder::kFixedFields + kMaxReservations * kReservationBytes <= kMaxMessage);

// What the firewall makes of it is the daemon's.
void put(VerbEncoder& out, const config::Reservation& reservation) {
  out.u8(reservation.mac ? 1 : 0);
  out.mac(reservation.mac.value_or(MacAddress{}));
  out.bytes(reservation.client_id);
  out.u32(reservation.address.to_uint());
  out.text(reservation.name);
}

config::Reservation reservation_from(VerbDecoder& in) {
  config::Reservation reservation;
  const bool by_mac = in.up_to(std::uint8_t{1}, "reserved by MAC") != 0;
  const auto mac = in.mac();
  if (by_mac) reservation.mac = mac;
  reservation.client_id = in.bytes(kMaxClientId, "length of the client identifier");
  reservation.address = address_v4{in.u32()};
  reservation.name = in.text(kMaxLabel, "length of the name");
  return reservation;
}

void put(VerbEncoder& out, const dhcp::Commit& commit) {
  out.u64(commit.id);
  put(out, commit.lease);
}

dhcp::Commit commit_from(VerbDecoder& in) {
  const auto id = in.u64();
  return {id, pool_lease_from(in)};
}

void put(VerbEncoder& out, const dhcp::CommitResult& result) {
  out.u64(result.id);
  out.u8(result.done ? 1 : 0);
}

dhcp::CommitResult result_from(VerbDecoder& in) {
  const auto id = in.u64();
  return {id, in.up_to(std::uint8_t{1}, "result") != 0};
}

void put(VerbEncoder& out, const dhcp::Probe& probe) {
  out.u32(probe.ifindex);
  out.u32(probe.address.to_uint());
}

dhcp::Probe probe_from(VerbDecoder& in) {
  const auto ifindex = in.u32();
  return {ifindex, address_v4{in.u32()}};
}

constexpr auto kPutEach = [](VerbEncoder& out, const auto& value) { put(out, value); };

struct OrderEncoder {
  std::vector<std::uint8_t> operator()(const Socket&) const { return encoder(Verb::socket).take(); }
  std::vector<std::uint8_t> operator()(const Begin&) const { return encoder(Verb::begin).take(); }
  std::vector<std::uint8_t> operator()(const Bind& bind) const { return encode_binding(bind.binding); }
  std::vector<std::uint8_t> operator()(const Unbind& unbind) const {
    auto out = encoder(Verb::unbind);
    out.u32(unbind.ifindex);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const End&) const { return encoder(Verb::end).take(); }
  std::vector<std::uint8_t> operator()(const PutPool& pool) const { return encode_pool(pool); }
  std::vector<std::uint8_t> operator()(const Reserve& reserve) const {
    return encode_list(Verb::reserve, kReservationBytes, reserve.reservations, kPutEach);
  }
  std::vector<std::uint8_t> operator()(const Tailor& tailor) const { return encode_tailored(tailor.tailored); }
  std::vector<std::uint8_t> operator()(const DropPool& drop) const {
    auto out = encoder(Verb::drop_pool, drop.network.size());
    out.text(drop.network);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const PutLeases& leases) const {
    return encode_list(Verb::put_leases, kLeaseBytes, leases.leases, kPutEach);
  }
  std::vector<std::uint8_t> operator()(const DropLeases& leases) const {
    return encode_list(Verb::drop_leases, 4, leases.addresses,
                       [](VerbEncoder& out, const address_v4& address) { out.u32(address.to_uint()); });
  }
  std::vector<std::uint8_t> operator()(const Committed& committed) const {
    return encode_list(Verb::committed, 9, committed.results, kPutEach);
  }
  std::vector<std::uint8_t> operator()(const Heard& heard) const {
    auto out = encoder(Verb::heard);
    put(out, heard.probe);
    out.mac(heard.by);
    return out.take();
  }
};

struct ReportEncoder {
  std::vector<std::uint8_t> operator()(const Lease& lease) const { return encode_lease(lease); }
  std::vector<std::uint8_t> operator()(const Statistics& statistics) const { return encode_statistics(statistics); }
  std::vector<std::uint8_t> operator()(const Commits& commits) const {
    return encode_list(Verb::commits, kLeaseBytes + 8, commits.commits, kPutEach);
  }
  std::vector<std::uint8_t> operator()(const Ask& ask) const {
    auto out = encoder(Verb::ask);
    put(out, ask.probe);
    return out.take();
  }
};

std::string no_verb(std::uint8_t verb) {
  return "verb " + std::to_string(verb) + " is none that may come";
}

}  // namespace

std::vector<std::uint8_t> encode(const Order& order) {
  return std::visit(OrderEncoder{}, order);
}

std::vector<std::uint8_t> encode(const Report& report) {
  return std::visit(ReportEncoder{}, report);
}

std::expected<Order, std::string> decode_order(std::span<const std::uint8_t> bytes) {
  VerbDecoder in{bytes};
  const auto verb = static_cast<Verb>(in.u8());
  const auto finish = [&in](Order order, std::string_view name) { return in.finish(std::move(order), name); };
  switch (verb) {
    case Verb::socket:
      return finish(Socket{}, "socket");
    case Verb::begin:
      return finish(Begin{}, "begin");
    case Verb::bind:
      return finish(decode_binding(in), "bind");
    case Verb::unbind:
      return finish(Unbind{in.u32()}, "unbind");
    case Verb::end:
      return finish(End{}, "end");
    case Verb::put_pool:
      return finish(decode_pool(in), "put-pool");
    case Verb::reserve:
      return finish(Reserve{list_from(in, kMaxReservations, "number of reservations", reservation_from)}, "reserve");
    case Verb::tailor:
      return finish(Tailor{tailored_from(in)}, "tailor");
    case Verb::drop_pool:
      return finish(DropPool{in.text(kMaxLabel, "length of the network's name")}, "drop-pool");
    case Verb::put_leases:
      return finish(PutLeases{list_from(in, kMaxLeases, "number of leases", pool_lease_from)}, "put-leases");
    case Verb::drop_leases:
      return finish(
          DropLeases{list_from(in, kMaxLeases, "number of leases", [](VerbDecoder& d) { return address_v4{d.u32()}; })},
          "drop-leases");
    case Verb::committed:
      return finish(Committed{list_from(in, kMaxLeases, "number of results", result_from)}, "committed");
    case Verb::heard: {
      const auto probe = probe_from(in);
      return finish(Heard{probe, in.mac()}, "heard");
    }
    case Verb::lease:
    case Verb::statistics:
    case Verb::commits:
    case Verb::ask:
      break;
  }
  return std::unexpected(no_verb(static_cast<std::uint8_t>(verb)));
}

std::expected<Report, std::string> decode_report(std::span<const std::uint8_t> bytes) {
  VerbDecoder in{bytes};
  const auto verb = static_cast<Verb>(in.u8());
  const auto finish = [&in](Report report, std::string_view name) { return in.finish(std::move(report), name); };
  if (verb == Verb::lease) return finish(decode_lease(in), "lease");
  if (verb == Verb::statistics) return finish(decode_statistics(in), "statistics");
  if (verb == Verb::commits) {
    return finish(Commits{list_from(in, kMaxLeases, "number of commits", commit_from)}, "commits");
  }
  if (verb == Verb::ask) return finish(Ask{probe_from(in)}, "ask");
  return std::unexpected(no_verb(static_cast<std::uint8_t>(verb)));
}

}  // namespace vrouter::router::dhcp_verbs
