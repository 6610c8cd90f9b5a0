// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dhcp_verbs.h"

#include <chrono>
#include <utility>

#include "router/processes/verb_wire.h"

namespace vrouter::router::dhcp_verbs {
namespace {

enum class Verb : std::uint8_t { socket = 1, begin, bind, unbind, end, lease, statistics };

using dhcp::Statistics;

static_assert(VerbEncoder::kFixedFields + 2 * kMaxLabel + kMaxTap + kMaxDomain + kMaxOptions * (3 + kMaxOptionValue) <=
              kMaxMessage);

VerbEncoder encoder(Verb verb, std::size_t variable_bytes = 0) {
  return VerbEncoder{static_cast<std::uint8_t>(verb), variable_bytes};
}

std::vector<std::uint8_t> encode_binding(const dhcp::Binding& b) {
  auto size = b.guest.size() + b.tap.size() + b.host_name.size() + b.domain.size();
  for (const auto& option : b.options) size += 3 + option.value.size();
  auto out = encoder(Verb::bind, size);
  out.u32(b.ifindex);
  out.u8(b.pinned_mac ? 1 : 0);
  out.mac(b.pinned_mac.value_or(MacAddress{}));
  out.u32(b.address.to_uint());
  out.u32(b.gateway.to_uint());
  out.u8(static_cast<std::uint8_t>(b.addressing));
  out.u8(b.prefix_length);
  out.u16(b.mtu);
  out.u64(static_cast<std::uint64_t>(b.lease_time.count()));
  for (const auto* text : {&b.guest, &b.tap, &b.host_name, &b.domain}) out.text(*text);
  out.count(b.options.size());
  for (const auto& option : b.options) {
    out.u8(option.code);
    out.bytes(option.value);
  }
  return out.take();
}

Bind decode_binding(VerbDecoder& in) {
  dhcp::Binding b;
  b.ifindex = in.u32();
  const bool pinned = in.up_to(std::uint8_t{1}, "pinned") != 0;
  const auto mac = in.mac();
  if (pinned) b.pinned_mac = mac;
  b.address = address_v4{in.u32()};
  b.gateway = address_v4{in.u32()};
  b.addressing = in.up_to(config::Addressing::subnet, "addressing");
  b.prefix_length = in.up_to(std::uint8_t{32}, "prefix length");
  b.mtu = in.u16();
  b.lease_time = std::chrono::seconds{static_cast<std::int64_t>(in.u64())};
  b.guest = in.text(kMaxLabel, "length of the guest's name");
  b.tap = in.text(kMaxTap, "length of the TAP's name");
  b.host_name = in.text(kMaxLabel, "length of the host name");
  b.domain = in.text(kMaxDomain, "length of the domain");
  const auto options = in.count(kMaxOptions, "number of options");
  for (std::size_t i = 0; i < options && !in.failed(); ++i) {
    const auto code = in.u8();
    b.options.push_back({code, in.bytes(kMaxOptionValue, "length of an option")});
  }
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
