// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dhcp_verbs.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/wire_reader.h"
#include "base/wire_writer.h"

namespace vrouter::router::dhcp_verbs {
namespace {

enum class Verb : std::uint8_t { socket = 1, begin, bind, unbind, end, lease, statistics };

using dhcp::Statistics;

// The fields of fixed size, with room to spare.
constexpr std::size_t kFixedFields = 256;
static_assert(kFixedFields + 2 * kMaxLabel + kMaxTap + kMaxDomain + kMaxOptions * (3 + kMaxOptionValue) <= kMaxMessage);

class Encoder {
 public:
  explicit Encoder(Verb verb, std::size_t variable_bytes = 0) : buffer_(kFixedFields + variable_bytes), out_{buffer_} {
    u8(static_cast<std::uint8_t>(verb));
  }
  void u8(std::uint8_t value) { out_.u8(value); }
  void u16(std::uint16_t value) { out_.u16(value); }
  void u32(std::uint32_t value) { out_.u32(value); }
  void u64(std::uint64_t value) {
    out_.u32(static_cast<std::uint32_t>(value >> 32));
    out_.u32(static_cast<std::uint32_t>(value));
  }
  void mac(const MacAddress& value) { out_.bytes(value.bytes); }
  void address(const address_v4& value) { out_.u32(value.to_uint()); }
  void bytes(std::span<const std::uint8_t> value) {
    out_.u16(static_cast<std::uint16_t>(value.size()));
    out_.bytes(value);
  }
  void text(std::string_view value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as bytes
    bytes({reinterpret_cast<const std::uint8_t*>(value.data()), value.size()});
  }
  [[nodiscard]] std::vector<std::uint8_t> take() {
    buffer_.resize(out_.size());
    return std::move(buffer_);
  }

 private:
  std::vector<std::uint8_t> buffer_;
  WireWriter out_;
};

// Remembers the first thing that was wrong; what is read after it means nothing.
class Decoder {
 public:
  explicit Decoder(std::span<const std::uint8_t> bytes) : in_{bytes} {}
  [[nodiscard]] std::uint8_t u8() { return in_.u8(); }
  [[nodiscard]] std::uint16_t u16() { return in_.u16(); }
  [[nodiscard]] std::uint32_t u32() { return in_.u32(); }
  [[nodiscard]] std::uint64_t u64() {
    const std::uint64_t high = in_.u32();
    return high << 32 | in_.u32();
  }
  // An enumeration whose last value is `last`.
  template <typename E>
  [[nodiscard]] E one_of(E last, std::string_view what) {
    const auto value = in_.u8();
    if (value > static_cast<std::uint8_t>(last)) complain(what, value, static_cast<std::size_t>(last));
    return static_cast<E>(value);
  }
  [[nodiscard]] MacAddress mac() {
    MacAddress value;
    if (const auto bytes = in_.take(value.bytes.size()); !bytes.empty()) std::ranges::copy(bytes, value.bytes.begin());
    return value;
  }
  [[nodiscard]] address_v4 address() { return address_v4{in_.u32()}; }
  [[nodiscard]] std::size_t count(std::size_t most, std::string_view what) {
    const auto n = in_.u16();
    if (n > most) complain(what, n, most);
    return failed() ? 0 : n;
  }
  [[nodiscard]] std::vector<std::uint8_t> bytes(std::size_t most, std::string_view what) {
    const auto value = in_.take(count(most, what));
    return {value.begin(), value.end()};
  }
  [[nodiscard]] std::string text(std::size_t most, std::string_view what) {
    const auto value = in_.take(count(most, what));
    return {value.begin(), value.end()};
  }
  [[nodiscard]] bool failed() const { return in_.failed() || !problem_.empty(); }

  // The value if all of the message was read and nothing was wrong.
  template <typename Value>
  [[nodiscard]] std::expected<Value, std::string> finish(Value value, std::string_view verb) {
    if (!problem_.empty()) return std::unexpected(std::string{verb} + ": " + problem_);
    if (in_.failed()) return std::unexpected(std::string{verb} + ": the message is too short");
    if (!in_.empty()) {
      return std::unexpected(std::string{verb} + ": the message is " + std::to_string(in_.rest().size()) +
                             " bytes too long");
    }
    return value;
  }

 private:
  void complain(std::string_view what, std::size_t value, std::size_t most) {
    if (failed()) return;
    problem_ = std::string{what} + " " + std::to_string(value) + " is more than " + std::to_string(most);
  }
  WireReader in_;
  std::string problem_;
};

std::vector<std::uint8_t> encode_binding(const dhcp::Binding& b) {
  auto size = b.guest.size() + b.tap.size() + b.host_name.size() + b.domain.size();
  for (const auto& option : b.options) size += 3 + option.value.size();
  Encoder out{Verb::bind, size};
  out.u32(b.ifindex);
  out.u8(b.pinned_mac ? 1 : 0);
  out.mac(b.pinned_mac.value_or(MacAddress{}));
  out.address(b.address);
  out.address(b.gateway);
  out.u8(static_cast<std::uint8_t>(b.addressing));
  out.u8(b.prefix_length);
  out.u16(b.mtu);
  out.u64(static_cast<std::uint64_t>(b.lease_time.count()));
  for (const auto* text : {&b.guest, &b.tap, &b.host_name, &b.domain}) out.text(*text);
  out.u16(static_cast<std::uint16_t>(b.options.size()));
  for (const auto& option : b.options) {
    out.u8(option.code);
    out.bytes(option.value);
  }
  return out.take();
}

Bind decode_binding(Decoder& in) {
  dhcp::Binding b;
  b.ifindex = in.u32();
  const bool pinned = in.one_of(std::uint8_t{1}, "pinned") != 0;
  const auto mac = in.mac();
  if (pinned) b.pinned_mac = mac;
  b.address = in.address();
  b.gateway = in.address();
  b.addressing = in.one_of(config::Addressing::subnet, "addressing");
  b.prefix_length = in.one_of(std::uint8_t{32}, "prefix length");
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

Lease decode_lease(Decoder& in) {
  Lease lease;
  lease.orders = in.u64();
  lease.state = in.one_of(dhcp::LeaseState::expired, "lease state");
  lease.ifindex = in.u32();
  lease.address = in.address();
  lease.client = in.mac();
  lease.client_id = in.bytes(kMaxClientId, "length of the client identifier");
  lease.host_name = in.text(kMaxLabel, "length of the host name");
  lease.expires = BootTime{std::chrono::nanoseconds{static_cast<std::int64_t>(in.u64())}};
  return lease;
}

std::vector<std::uint8_t> encode_lease(const Lease& lease) {
  Encoder out{Verb::lease, lease.client_id.size() + lease.host_name.size()};
  out.u64(lease.orders);
  out.u8(static_cast<std::uint8_t>(lease.state));
  out.u32(lease.ifindex);
  out.address(lease.address);
  out.mac(lease.client);
  out.bytes(lease.client_id);
  out.text(lease.host_name);
  out.u64(static_cast<std::uint64_t>(lease.expires.time_since_epoch().count()));
  return out.take();
}

std::vector<std::uint8_t> encode_statistics(const Statistics& statistics) {
  Encoder out{Verb::statistics};
  for (const auto counter : dhcp::kCounters) out.u64(statistics.*counter);
  return out.take();
}

Statistics decode_statistics(Decoder& in) {
  Statistics statistics;
  for (const auto counter : dhcp::kCounters) statistics.*counter = in.u64();
  return statistics;
}

struct OrderEncoder {
  std::vector<std::uint8_t> operator()(const Socket&) const { return Encoder{Verb::socket}.take(); }
  std::vector<std::uint8_t> operator()(const Begin&) const { return Encoder{Verb::begin}.take(); }
  std::vector<std::uint8_t> operator()(const Bind& bind) const { return encode_binding(bind.binding); }
  std::vector<std::uint8_t> operator()(const Unbind& unbind) const {
    Encoder out{Verb::unbind};
    out.u32(unbind.ifindex);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const End&) const { return Encoder{Verb::end}.take(); }
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
  Decoder in{bytes};
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
  Decoder in{bytes};
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
