// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: one pass over the option fields notes where the options we know are, without copying. Only a repeated one is
// copied, into a bounded buffer of its own where its parts are joined (RFC 3396): linear, whatever the guest repeats. A
// table says which sizes count.
#include "dhcp/codec.h"

#include <cstdlib>

#include "base/wire_reader.h"
#include "base/wire_writer.h"

namespace vrouter::dhcp {
namespace {

constexpr std::uint8_t kBootRequest = 1, kBootReply = 2;  // RFC 2131, 2, field op
constexpr std::uint8_t kEthernet = 1, kEthernetLength = 6;
constexpr std::uint32_t kMagicCookie = 0x63825363;  // RFC 2131, 3
constexpr std::size_t kChaddrOffset = 28, kChaddr = 16, kSname = 64, kFile = 128;
constexpr std::size_t kFixedPart = 240;  // up to and with the cookie
constexpr std::uint8_t kOverloadFile = 1, kOverloadSname = 2;

enum class OnWrongSize { reject, ignore };

struct OptionSpec {
  std::uint8_t code, min_length, max_length;
  OnWrongSize wrong;
};

constexpr std::array kOptionSpecs{
    OptionSpec{option::kMessageType, 1, 1, OnWrongSize::reject},
    OptionSpec{option::kServerIdentifier, 4, 4, OnWrongSize::reject},
    OptionSpec{option::kRequestedAddress, 4, 4, OnWrongSize::reject},
    OptionSpec{option::kMaxMessageSize, 2, 2, OnWrongSize::reject},
    OptionSpec{option::kOverload, 1, 1, OnWrongSize::reject},
    OptionSpec{option::kLeaseTime, 4, 4, OnWrongSize::ignore},
    OptionSpec{option::kRapidCommit, 0, 0, OnWrongSize::ignore},
    OptionSpec{option::kClientIdentifier, 2, 255, OnWrongSize::ignore},  // a type and at least one byte
    OptionSpec{option::kHostName, 1, 255, OnWrongSize::ignore},
    OptionSpec{option::kFqdn, 3, 255, OnWrongSize::ignore},  // flags and two bytes of no use (RFC 4702, 2.2)
    OptionSpec{option::kVendorClass, 1, 255, OnWrongSize::ignore},
    OptionSpec{option::kUserClass, 1, 255, OnWrongSize::ignore},
    OptionSpec{option::kParameterRequestList, 1, 255, OnWrongSize::ignore},
    OptionSpec{option::kRelayAgent, 2, 255, OnWrongSize::ignore},
    OptionSpec{option::kSubnetSelection, 4, 4, OnWrongSize::ignore},
    OptionSpec{option::kArchitecture, 2, 255, OnWrongSize::ignore},
    OptionSpec{option::kNetworkInterface, 3, 3, OnWrongSize::ignore},
    OptionSpec{option::kMachine, kMachineSize, kMachineSize, OnWrongSize::ignore},
};

// Place in the table by code; the table's size for those that it doesn't know.
constexpr auto kSpecIndexes = [] {
  std::array<std::uint8_t, 256> indexes{};
  indexes.fill(static_cast<std::uint8_t>(kOptionSpecs.size()));
  for (std::size_t i = 0; i < kOptionSpecs.size(); ++i) indexes[kOptionSpecs[i].code] = static_cast<std::uint8_t>(i);
  return indexes;
}();
constexpr std::size_t spec_index(std::uint8_t code) {
  return kSpecIndexes[code];
}
static_assert(spec_index(option::kParameterRequestList) < kOptionSpecs.size());
static_assert(spec_index(option::kPad) == kOptionSpecs.size());

class GatheredOptions {
 public:
  // One option field up to its end option; false when it lies about its length or has no end.
  [[nodiscard]] bool read(std::span<const std::uint8_t> field) noexcept {
    WireReader options{field};
    while (!options.empty()) {
      const auto code = options.u8();
      if (code == option::kPad) continue;
      if (code == option::kEnd) return true;
      const auto value = options.take(options.u8());
      if (options.failed()) return false;
      if (const auto i = spec_index(code); i < slots_.size()) slots_[i].append(value);
    }
    return false;
  }

  // Whether every option that decides the message's meaning has a size that the table allows.
  [[nodiscard]] bool well_sized() const noexcept {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (kOptionSpecs[i].wrong == OnWrongSize::reject && slots_[i].present && !fits(i)) return false;
    }
    return true;
  }

  [[nodiscard]] std::optional<std::span<const std::uint8_t>> get(std::uint8_t code) const noexcept {
    const auto i = spec_index(code);
    if (!slots_[i].present || !fits(i)) return std::nullopt;
    return slots_[i].value();
  }
  [[nodiscard]] std::optional<address_v4> address(std::uint8_t code) const noexcept {
    const auto value = get(code);
    return value ? std::optional{address_v4{WireReader{*value}.u32()}} : std::nullopt;
  }

 private:
  struct Slot {
    std::span<const std::uint8_t> first;
    BoundedBytes<kMaxOption> joined;
    bool present = false, repeated = false, overflow = false;

    void append(std::span<const std::uint8_t> more) noexcept {
      if (!present) {
        first = more;
      } else if (!repeated) {
        repeated = true;
        overflow = !joined.append(first) || !joined.append(more);
      } else if (!joined.append(more)) {
        overflow = true;
      }
      present = true;
    }
    [[nodiscard]] std::span<const std::uint8_t> value() const noexcept { return repeated ? joined.span() : first; }
  };

  [[nodiscard]] bool fits(std::size_t i) const noexcept {
    const auto size = slots_[i].value().size();
    return !slots_[i].overflow && kOptionSpecs[i].min_length <= size && size <= kOptionSpecs[i].max_length;
  }

  std::array<Slot, kOptionSpecs.size()> slots_;
};

std::optional<MessageType> client_message_type(std::uint8_t value) noexcept {
  const auto type = static_cast<MessageType>(value);
  switch (type) {
    case MessageType::discover:
    case MessageType::request:
    case MessageType::decline:
    case MessageType::release:
    case MessageType::inform:
      return type;
    case MessageType::bootp:
    case MessageType::offer:
    case MessageType::ack:
    case MessageType::nak:
      break;
  }
  return std::nullopt;
}

// The name of option 81 up to its first label's end, or nothing: in wire form where the client says so, which may stop
// short of the root (RFC 4702, 2.3.1).
BoundedBytes<kMaxDnsLabel> fqdn_label(std::span<const std::uint8_t> value) noexcept {
  constexpr std::uint8_t kWireForm = 4;
  const auto name = value.subspan(3);
  if ((value[0] & kWireForm) == 0) return sanitise_host_name(name);
  WireReader in{name};
  const auto label = in.take(in.u8());
  if (in.failed() || std::ranges::find(label, '.') != label.end()) return {};
  return sanitise_host_name(label);
}

// What a relay says of itself (RFC 3046); a sub-option with a wrong size says nothing.
void read_relay_agent(std::span<const std::uint8_t> value, Request& request) noexcept {
  constexpr std::uint8_t kLinkSelection = 5, kServerOverride = 11, kSourcePort = 19;
  static_cast<void>(request.relay_agent.append(value));  // holds kMaxOption
  WireReader in{value};
  while (!in.empty()) {
    const auto code = in.u8();
    WireReader sub{in.take(in.u8())};
    if (in.failed()) return;
    const auto size = sub.rest().size();
    if (code == kLinkSelection && size == 4) request.link_selection = address_v4{sub.u32()};
    if (code == kServerOverride && size == 4) request.server_override = address_v4{sub.u32()};
    if (code == kSourcePort && size == 0) request.relay_source_port = true;
  }
}

// The options that only describe the client: absent and unusable are the same.
void describe_client(const GatheredOptions& options, Request& request) noexcept {
  const auto copy = [&](std::uint8_t code, auto& to) {
    if (const auto value = options.get(code)) static_cast<void>(to.append(*value));  // holds what the table allows
  };
  copy(option::kClientIdentifier, request.client_id);
  copy(option::kVendorClass, request.vendor_class);
  copy(option::kUserClass, request.user_class);
  copy(option::kMachine, request.machine);
  request.rapid_commit = options.get(option::kRapidCommit).has_value();
  request.network_interface = options.get(option::kNetworkInterface).has_value();
  if (const auto value = options.get(option::kArchitecture); value && value->size() % 2 == 0) {
    static_cast<void>(request.architectures.append(value->first(std::min(value->size(), 2 * kMaxArchitectures))));
  }
  if (const auto value = options.get(option::kFqdn)) {
    request.fqdn_flags = value->front();
    request.host_name = fqdn_label(*value);
  }
  // A client that sends both means the same by them; what one can't say, the other may.
  if (const auto value = options.get(option::kHostName); value && request.host_name.empty()) {
    request.host_name = sanitise_host_name(*value);
  }
  if (const auto value = options.get(option::kParameterRequestList)) {
    for (const auto code : *value) request.parameters.set(code);
  }
}

std::expected<void, ParseError> interpret(const GatheredOptions& options, Request& request) noexcept {
  if (!options.well_sized()) return std::unexpected(ParseError::bad_option);
  request.type = MessageType::bootp;
  if (const auto type = options.get(option::kMessageType)) {
    const auto client_type = client_message_type(type->front());
    if (!client_type) return std::unexpected(ParseError::not_a_request);
    request.type = *client_type;
  }
  request.requested_address = options.address(option::kRequestedAddress);
  request.server_identifier = options.address(option::kServerIdentifier);
  request.subnet_selection = options.address(option::kSubnetSelection);
  if (const auto value = options.get(option::kMaxMessageSize)) request.max_message_size = WireReader{*value}.u16();
  if (const auto value = options.get(option::kLeaseTime)) request.lease_time = WireReader{*value}.u32();
  if (const auto value = options.get(option::kRelayAgent)) read_relay_agent(*value, request);
  describe_client(options, request);
  return {};
}

// The option field, and those that option 52 names.
std::expected<void, ParseError> read_options(std::span<const std::uint8_t> field, std::span<const std::uint8_t> file,
                                             std::span<const std::uint8_t> sname, Request& request) noexcept {
  GatheredOptions options;
  if (!options.read(field)) return std::unexpected(ParseError::truncated);
  if (const auto overload = options.get(option::kOverload)) {
    const auto fields = overload->front();
    if (fields < kOverloadFile || fields > (kOverloadFile | kOverloadSname)) {
      return std::unexpected(ParseError::bad_option);
    }
    // RFC 2131, 4.1: file before sname. An option 52 in there joins the first and so has a wrong size: no nesting.
    if ((fields & kOverloadFile) != 0 && !options.read(file)) return std::unexpected(ParseError::truncated);
    if ((fields & kOverloadSname) != 0 && !options.read(sname)) return std::unexpected(ParseError::truncated);
  }
  return interpret(options, request);
}

void write_option(WireWriter& out, std::uint8_t code, std::span<const std::uint8_t> value) noexcept {
  do {
    const auto part = value.first(std::min<std::size_t>(value.size(), 255));
    out.u8(code);
    out.u8(static_cast<std::uint8_t>(part.size()));
    out.bytes(part);
    value = value.subspan(part.size());
  } while (!value.empty());
}

}  // namespace

std::string_view name(ParseError error) noexcept {
  switch (error) {
    case ParseError::truncated:
      return "truncated";
    case ParseError::not_a_request:
      return "not a request";
    case ParseError::not_ethernet:
      return "not from an Ethernet station";
    case ParseError::bad_option:
      return "bad option";
  }
  std::abort();
}

std::expected<Request, ParseError> decode_request(std::span<const std::uint8_t> datagram) {
  if (datagram.size() < kFixedPart) return std::unexpected(ParseError::truncated);
  WireReader in{datagram};
  if (in.u8() != kBootRequest) return std::unexpected(ParseError::not_a_request);
  const auto htype = in.u8();
  const auto hlen = in.u8();
  if (htype != kEthernet || hlen != kEthernetLength) return std::unexpected(ParseError::not_ethernet);
  MacAddress hardware;
  std::ranges::copy(datagram.subspan(kChaddrOffset, kEthernetLength), hardware.bytes.begin());
  if (hardware.is_group() || hardware.is_zero()) return std::unexpected(ParseError::not_ethernet);
  std::expected<Request, ParseError> decoded;  // the one thing returned from here on, so that it is made in place
  auto& request = *decoded;
  request.hardware = hardware;
  request.hops = in.u8();
  request.transaction = in.u32();
  request.seconds = in.u16();
  request.flags = in.u16();
  request.client_address = address_v4{in.u32()};
  in.skip(8);  // yiaddr and siaddr are the server's to fill
  request.relay_address = address_v4{in.u32()};
  in.skip(kChaddr);
  const auto sname = in.take(kSname);
  const auto file = in.take(kFile);
  if (in.u32() != kMagicCookie) {
    request.type = MessageType::bootp;  // RFC 951: what follows is the vendor's own
  } else if (const auto done = read_options(in.rest(), file, sname, request); !done) {
    decoded = std::unexpected(done.error());
  }
  return decoded;
}

BoundedBytes<kMaxDnsLabel> sanitise_host_name(std::span<const std::uint8_t> raw) noexcept {
  while (!raw.empty() && raw.back() == 0) raw = raw.first(raw.size() - 1);  // RFC 2132, 2: clients may end with NUL
  BoundedBytes<kMaxDnsLabel> label;
  for (auto c : raw) {
    if (c == '.') break;
    if (c >= 'A' && c <= 'Z') c = static_cast<std::uint8_t>(c - 'A' + 'a');
    const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    const bool hyphen = c == '-' && !label.empty();
    if (!(alphanumeric || hyphen) || !label.append({&c, 1})) return {};
  }
  if (!label.empty() && label.span().back() == '-') return {};
  return label;
}

void OptionList::add(std::uint8_t code, std::span<const std::uint8_t> value) noexcept {
  // What has no room here has none in any reply: it would be left out there.
  if (count_ == entries_.size() || value.size() > bytes_.size() - used_) return;
  std::ranges::copy(value, bytes_.begin() + static_cast<std::ptrdiff_t>(used_));
  entries_[count_++] = {code, static_cast<std::uint16_t>(used_), static_cast<std::uint16_t>(value.size())};
  used_ += value.size();
}

void OptionList::add_u8(std::uint8_t code, std::uint8_t value) noexcept {
  add(code, {&value, 1});
}

void OptionList::add_u16(std::uint8_t code, std::uint16_t value) noexcept {
  std::array<std::uint8_t, 2> bytes{};
  WireWriter{bytes}.u16(value);
  add(code, bytes);
}

void OptionList::add_u32(std::uint8_t code, std::uint32_t value) noexcept {
  std::array<std::uint8_t, 4> bytes{};
  WireWriter{bytes}.u32(value);
  add(code, bytes);
}

void OptionList::add(std::uint8_t code, const address_v4& value) noexcept {
  add_u32(code, value.to_uint());
}

std::optional<std::span<const std::uint8_t>> OptionList::find(std::uint8_t code) const noexcept {
  for (const auto& entry : entries()) {
    if (entry.code == code) return value(entry);
  }
  return std::nullopt;
}

std::size_t encode_reply(const Reply& reply, std::size_t cap, std::span<std::uint8_t> buffer) noexcept {
  const auto relay_agent = reply.relay_agent.span();
  const std::size_t reserved = relay_agent.empty() ? 0 : 2 + relay_agent.size();
  if (buffer.size() < kMinReply + reserved) return 0;
  cap = std::clamp(cap, kMinReply + reserved, buffer.size());
  WireWriter out{buffer.first(cap)};
  out.u8(kBootReply);
  out.u8(kEthernet);
  out.u8(kEthernetLength);
  out.u8(0);  // hops
  out.u32(reply.transaction);
  out.u16(0);  // secs
  out.u16(reply.flags);
  out.u32(reply.client_address.to_uint());
  out.u32(reply.your_address.to_uint());
  out.u32(reply.boot_server.to_uint());
  out.u32(reply.relay_address.to_uint());
  out.bytes(reply.hardware.bytes);
  out.fill(kChaddr - kEthernetLength + kSname);
  out.bytes(reply.boot_file.span());
  out.fill(kFile - reply.boot_file.size());
  out.u32(kMagicCookie);
  for (const auto& entry : reply.options.entries()) {
    const auto before = out.size();
    write_option(out, entry.code, reply.options.value(entry));
    if (out.failed() || out.room() <= reserved) out.truncate(before);  // the end option needs a byte too
  }
  if (reserved != 0) write_option(out, option::kRelayAgent, relay_agent);
  out.u8(option::kEnd);
  if (out.size() < kMinReply) out.fill(kMinReply - out.size());
  return out.size();
}

BoundedBytes<kMaxOption> encode_domain(std::string_view domain) noexcept {
  BoundedBytes<kMaxOption> wire;
  if (domain.ends_with('.')) domain.remove_suffix(1);
  while (!domain.empty()) {
    const auto label = domain.substr(0, domain.find('.'));
    if (label.empty() || label.size() > kMaxDnsLabel) return {};
    const auto length = static_cast<std::uint8_t>(label.size());
    bool whole = wire.append({&length, 1});
    for (const char c : label) {
      const auto byte = static_cast<std::uint8_t>(c);
      whole = whole && wire.append({&byte, 1});
    }
    if (!whole) return {};
    domain.remove_prefix(std::min(domain.size(), label.size() + 1));
  }
  const std::uint8_t root = 0;
  if (wire.empty() || !wire.append({&root, 1})) return {};
  return wire;
}

}  // namespace vrouter::dhcp
