// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dhcp_verbs.h"

#include <chrono>
#include <utility>

#include "router/processes/verb_wire.h"

namespace vrouter::router::dhcp_verbs {
namespace {

enum class Verb : std::uint8_t { socket = 1, begin, bind, unbind, end, lease, statistics };

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
  auto out = encoder(Verb::bind, b.guest.size() + b.tap.size() + b.host_name.size() + size_of(b.settings));
  out.u32(b.ifindex);
  out.u8(b.pinned_mac ? 1 : 0);
  out.mac(b.pinned_mac.value_or(MacAddress{}));
  out.u32(b.address.to_uint());
  for (const auto* text : {&b.guest, &b.tap, &b.host_name}) out.text(*text);
  put(out, b.settings);
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

std::vector<std::uint8_t> encode_statistics(const Statistics& statistics) {
  auto out = encoder(Verb::statistics);
  for (const auto counter : dhcp::kCounters) out.u64(statistics.*counter);
  return out.take();
}

Statistics decode_statistics(VerbDecoder& in) {
  Statistics statistics;
  for (const auto counter : dhcp::kCounters) statistics.*counter = in.u64();
  return statistics;
}

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
};

std::string no_verb(std::uint8_t verb) {
  return "verb " + std::to_string(verb) + " is none that may come";
}

}  // namespace

std::vector<std::uint8_t> encode(const Order& order) {
  return std::visit(OrderEncoder{}, order);
}

std::vector<std::uint8_t> encode(const Report& report) {
  const auto* lease = std::get_if<Lease>(&report);
  return lease != nullptr ? encode_lease(*lease) : encode_statistics(std::get<Statistics>(report));
}

std::expected<Order, std::string> decode_order(std::span<const std::uint8_t> bytes) {
  VerbDecoder in{bytes};
  const auto verb = in.u8();
  switch (static_cast<Verb>(verb)) {
    case Verb::socket:
      return in.finish<Order>(Socket{}, "socket");
    case Verb::begin:
      return in.finish<Order>(Begin{}, "begin");
    case Verb::bind: {
      Order bind = decode_binding(in);
      return in.finish(std::move(bind), "bind");
    }
    case Verb::unbind: {
      const Order unbind = Unbind{in.u32()};
      return in.finish(unbind, "unbind");
    }
    case Verb::end:
      return in.finish<Order>(End{}, "end");
    case Verb::lease:
    case Verb::statistics:
      break;
  }
  return std::unexpected(no_verb(verb));
}

std::expected<Report, std::string> decode_report(std::span<const std::uint8_t> bytes) {
  VerbDecoder in{bytes};
  const auto verb = in.u8();
  if (verb == static_cast<std::uint8_t>(Verb::lease)) {
    Report lease = decode_lease(in);
    return in.finish(std::move(lease), "lease");
  }
  if (verb == static_cast<std::uint8_t>(Verb::statistics)) {
    Report statistics = decode_statistics(in);
    return in.finish(std::move(statistics), "statistics");
  }
  return std::unexpected(no_verb(verb));
}

}  // namespace vrouter::router::dhcp_verbs
