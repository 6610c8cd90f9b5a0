// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: the replies know nothing of how an address was chosen; a static binding and a range's lease both come to them
// as Terms. Of a binding: one TAP, one address. Every state of a client comes down to "which address do you think is
// yours": the binding's gets an ACK, any other a NAK. We own the link, so we never leave a client to guess (RFC 2131
// lets only a server without authority stay silent on INIT-REBOOT).
#include "dhcp/answer.h"

#include <algorithm>
#include <array>

#include "base/wire_writer.h"

namespace vrouter::dhcp {
namespace {

constexpr std::size_t kMinMaxMessage = 576;  // RFC 2131, 2: what every client takes, as an IP datagram
constexpr std::size_t kIpAndUdp = 28;
constexpr std::uint16_t kMinMtu = 68;  // RFC 2132, 5.1
constexpr unsigned kHostMask = 32;
constexpr std::uint16_t kRelayPort = 67;  // RFC 2131, 4.1
constexpr std::uint16_t kBroadcastFlag = 0x8000;
const address_v4 kLimitedBroadcast = address_v4::broadcast();

// Options of the network that would break the protocol, or contradict what the answer means.
bool is_protocols_own(std::uint8_t code) noexcept {
  constexpr std::array kOwn{option::kPad,
                            option::kRequestedAddress,
                            option::kLeaseTime,
                            option::kOverload,
                            option::kMessageType,
                            option::kServerIdentifier,
                            option::kMaxMessageSize,
                            option::kParameterRequestList,
                            option::kClientIdentifier,
                            option::kRapidCommit,
                            option::kRelayAgent,
                            option::kEnd};
  return std::ranges::find(kOwn, code) != kOwn.end();
}

// Boot ROMs know no option 121, and iPXE before 2024 broadcasts every unicast frame under a /32: they get the
// network's mask. Neither speaks to a sibling guest.
bool is_boot_rom(const Request& request) noexcept {
  const auto vendor = request.vendor_class.text();
  return vendor.starts_with("PXEClient") || vendor.starts_with("HTTPClient") ||
         request.user_class.text().find("iPXE") != std::string_view::npos;
}

address_v4 mask_of(unsigned prefix_length) noexcept {
  return address_v4{prefix_length == 0 ? 0u : ~std::uint32_t{0} << (kHostMask - std::min(prefix_length, kHostMask))};
}

// A /31 or /32 has no directed broadcast (RFC 3021). Left out, dhcpcd would work out the guest's own address.
address_v4 broadcast_of(const address_v4& address, unsigned prefix_length) noexcept {
  if (prefix_length >= kHostMask - 1) return kLimitedBroadcast;
  return address_v4{address.to_uint() | ~mask_of(prefix_length).to_uint()};
}

// The default route through a gateway outside the guest's own /32. The gateway's host route comes first:
// dhclient-script adds them in this order and the default needs the other.
std::array<std::uint8_t, 14> routes_via(const address_v4& gateway) noexcept {
  std::array<std::uint8_t, 14> bytes{};
  WireWriter out{bytes};
  out.u8(kHostMask);
  out.u32(gateway.to_uint());
  out.u32(0);  // on the link
  out.u8(0);   // 0.0.0.0/0
  out.u32(gateway.to_uint());
  return bytes;
}

// Collects the options of one reply, those of the network in place of ours.
class Composer {
 public:
  Composer(const Settings& settings, OptionList& out) : settings_{settings}, out_{out} {}

  // Where the network says its own, it stands in our place, so that a small reply keeps it as long as ours.
  template <typename Value>
  void best(std::uint8_t code, const Value& value) {
    if (const auto* option = configured(code)) {
      out_.add(code, option->value);
    } else {
      put(code, value);
    }
  }
  void the_networks_rest() {
    for (const auto& option : settings_.options) {
      if (!is_protocols_own(option.code) && !out_.find(option.code)) out_.add(option.code, option.value);
    }
  }
  [[nodiscard]] const config::RawDhcpOption* configured(std::uint8_t code) const {
    const auto it = std::ranges::find(settings_.options, code, &config::RawDhcpOption::code);
    return it == settings_.options.end() ? nullptr : &*it;
  }

 private:
  void put(std::uint8_t code, const address_v4& value) { out_.add(code, value); }
  void put(std::uint8_t code, std::uint16_t value) { out_.add_u16(code, value); }
  void put(std::uint8_t code, std::span<const std::uint8_t> value) { out_.add(code, value); }

  const Settings& settings_;
  OptionList& out_;
};

std::span<const std::uint8_t> bytes_of(std::string_view text) noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as bytes
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// What the client's interface is to be configured with; the order decides what survives a small reply.
void add_configuration(const Request& request, const Terms& terms, OptionList& out) {
  const auto& settings = *terms.settings;
  Composer options{settings, out};
  const bool routed = settings.addressing == config::Addressing::routed && !is_boot_rom(request);
  const unsigned prefix_length = routed ? kHostMask : settings.prefix_length;
  const auto routes = routes_via(settings.gateway);
  options.best(option::kSubnetMask, mask_of(prefix_length));
  options.best(option::kRouter, settings.gateway);
  if (routed) options.best(option::kClasslessRoutes, std::span<const std::uint8_t>{routes});
  options.best(option::kDnsServer, settings.gateway);
  // RFC 6842: the client's own identifier, so that it knows the answer is its own.
  if (!request.client_id.empty()) out.add(option::kClientIdentifier, request.client_id.span());
  options.best(option::kInterfaceMtu, std::max(settings.mtu, kMinMtu));
  if (!settings.domain.empty()) options.best(option::kDomainName, bytes_of(settings.domain));
  if (!terms.host_name.empty()) options.best(option::kHostName, bytes_of(terms.host_name));
  options.best(option::kBroadcast, broadcast_of(terms.address, prefix_length));
  if (routed) {
    // Windows' number for the same; it must not say other routes than those the network configured.
    const auto* configured = options.configured(option::kClasslessRoutes);
    options.best(option::kMicrosoftRoutes,
                 configured ? std::span<const std::uint8_t>{configured->value} : std::span<const std::uint8_t>{routes});
  }
  if (const auto search = encode_domain(settings.domain); !search.empty()) {
    options.best(option::kDomainSearch, search.span());
  }
  options.the_networks_rest();
}

// RFC 2131, 4.4.5: T1 at half, T2 at seven eighths.
void add_lease_timers(std::uint64_t lease, OptionList& out) {
  out.add_u32(option::kRenewalTime, static_cast<std::uint32_t>(lease / 2));
  out.add_u32(option::kRebindingTime, static_cast<std::uint32_t>(lease * 7 / 8));
}

std::size_t cap_of(const Request& request, const Settings& settings) {
  const std::size_t client = std::max<std::size_t>(request.max_message_size.value_or(0), kMinMaxMessage);
  return std::min({client, std::size_t{settings.mtu}, kMaxReply + kIpAndUdp}) -
         std::min<std::size_t>(settings.mtu, kIpAndUdp);
}

void start(SentReply& sent, const Request& request, const Settings& settings, MessageType type) {
  sent.type = type;
  sent.cap = cap_of(request, settings);
  sent.to = kLimitedBroadcast;
  auto& reply = sent.message;
  reply.transaction = request.transaction;
  reply.flags = request.flags;
  reply.relay_address = request.relay_address;
  reply.hardware = request.hardware;
  reply.options.add_u8(option::kMessageType, static_cast<std::uint8_t>(type));
  reply.options.add(option::kServerIdentifier, server_identifier(request, settings));
}

// RFC 2131, 4.1: what a relay sent goes back to it.
bool goes_to_relay(SentReply& sent, const Request& request) {
  if (request.relay_address.is_unspecified()) return false;
  sent.to = request.relay_address;
  sent.port = request.relay_source_port && request.source_port != 0 ? request.source_port : kRelayPort;
  sent.routed = true;
  return true;
}

// OFFER, and the ACK to a REQUEST or to a DISCOVER with rapid commit.
void grant(SentReply& sent, const Request& request, const Terms& terms, MessageType type) {
  start(sent, request, *terms.settings, type);
  auto& reply = sent.message;
  const bool acknowledged = type == MessageType::ack;
  if (acknowledged && request.type == MessageType::request) {
    reply.client_address = request.client_address;  // RFC 2131, table 3
  }
  reply.your_address = terms.address;
  const auto lease = lease_seconds(request, *terms.settings);
  reply.options.add_u32(option::kLeaseTime, lease);
  if (acknowledged && request.type == MessageType::discover) {
    reply.options.add(option::kRapidCommit, std::span<const std::uint8_t>{});
  }
  add_configuration(request, terms, reply.options);
  add_lease_timers(lease, reply.options);
  // A ciaddr counts only when it is the client's: nobody else's address is sent to.
  if (goes_to_relay(sent, request) || request.client_address != terms.address) return;
  sent.to = terms.address;
  sent.routed = terms.behind_relay;
}

void write_refusal(SentReply& sent, const Request& request, const Settings& settings) {
  start(sent, request, settings, MessageType::nak);
  auto& reply = sent.message;
  if (!request.client_id.empty()) reply.options.add(option::kClientIdentifier, request.client_id.span());
  // RFC 2131, 4.3.2: the relay is to broadcast it, since the client has no address that is right.
  if (goes_to_relay(sent, request)) reply.flags |= kBroadcastFlag;
}

void write_inform(SentReply& sent, const Request& request, const Terms& terms, const address_v4& to) {
  start(sent, request, *terms.settings, MessageType::ack);
  sent.message.client_address = request.client_address;
  add_configuration(request, terms, sent.message.options);
  if (to == request.relay_address && goes_to_relay(sent, request)) return;
  sent.to = to;  // past the relay: RFC 2131, 4.3.5
  sent.routed = terms.behind_relay || !request.relay_address.is_unspecified();
}

Terms terms_of(const Binding& binding) noexcept {
  return {&binding.settings, binding.address, binding.host_name};
}

using Answer = std::expected<Outcome, Drop>;

// SELECTING and INIT-REBOOT name the address in option 50, RENEWING and REBINDING in ciaddr (RFC 2131, 4.3.2).
Answer answer_request(const Request& request, const Binding& binding) {
  if (!is_for_us(request, binding.settings)) return std::unexpected(Drop::not_ours);
  auto believed = request.client_address;
  if (believed.is_unspecified() && request.requested_address) believed = *request.requested_address;
  // Clients that renew with option 50 as well mean one address; two different ones are a lie about one of them.
  const bool contradicts = request.requested_address && *request.requested_address != believed;
  Answer result;
  if (believed != binding.address || contradicts) {
    write_refusal(result->reply.emplace(), request, binding.settings);
  } else {
    grant(result->reply.emplace(), request, terms_of(binding), MessageType::ack);
    result->lease = LeaseState::bound;
  }
  return result;
}

Answer answer_discover(const Request& request, const Binding& binding) {
  Answer result;
  grant(result->reply.emplace(), request, terms_of(binding),
        request.rapid_commit ? MessageType::ack : MessageType::offer);
  if (request.rapid_commit) result->lease = LeaseState::bound;
  return result;
}

Answer answer_inform(const Request& request, const Binding& binding, const address_v4& source) {
  const auto client = request.client_address.is_unspecified() ? source : request.client_address;
  if (client != binding.address) return std::unexpected(Drop::not_ours);
  Answer result;
  write_inform(result->reply.emplace(), request, terms_of(binding), client);
  return result;
}

// Neither has a reply. A static binding stays as it is; what the client said is only reported.
Answer note(const Request& request, const Binding& binding, const address_v4& about, LeaseState state) {
  if (!request.server_identifier || !is_for_us(request, binding.settings) || about != binding.address)
    return std::unexpected(Drop::not_ours);
  return Outcome{std::nullopt, state};
}

}  // namespace

address_v4 server_identifier(const Request& request, const Settings& settings) noexcept {
  const bool relayed = !request.relay_address.is_unspecified();
  return relayed && request.server_override ? *request.server_override : settings.gateway;
}

bool is_for_us(const Request& request, const Settings& settings) noexcept {
  return !request.server_identifier || *request.server_identifier == settings.gateway ||
         *request.server_identifier == server_identifier(request, settings);
}

std::uint32_t lease_seconds(const Request&, const Settings& settings) noexcept {
  constexpr std::chrono::seconds kInfinite{0xffffffff};
  return static_cast<std::uint32_t>(std::clamp(settings.lease_time, std::chrono::seconds{1}, kInfinite).count());
}

SentReply offer(const Request& request, const Terms& terms) {
  SentReply sent;
  grant(sent, request, terms, MessageType::offer);
  return sent;
}

SentReply acknowledge(const Request& request, const Terms& terms) {
  SentReply sent;
  grant(sent, request, terms, MessageType::ack);
  return sent;
}

SentReply refuse(const Request& request, const Settings& settings) {
  SentReply sent;
  write_refusal(sent, request, settings);
  return sent;
}

SentReply acknowledge_inform(const Request& request, const Terms& terms, const address_v4& to) {
  SentReply sent;
  write_inform(sent, request, terms, to);
  return sent;
}

Answer answer(const Request& request, const Binding& binding, const address_v4& source) {
  if (binding.pinned_mac && *binding.pinned_mac != request.hardware) return std::unexpected(Drop::foreign_mac);
  if (!request.relay_address.is_unspecified()) return std::unexpected(Drop::relayed);
  switch (request.type) {
    case MessageType::discover:
      return answer_discover(request, binding);
    case MessageType::request:
      return answer_request(request, binding);
    case MessageType::inform:
      return answer_inform(request, binding, source);
    case MessageType::release:
      return note(request, binding, request.client_address, LeaseState::released);
    case MessageType::decline:
      return note(request, binding, request.requested_address.value_or(address_v4{}), LeaseState::declined);
    case MessageType::bootp:
      return std::unexpected(Drop::bootp);
    case MessageType::offer:
    case MessageType::ack:
    case MessageType::nak:
      break;  // never decoded
  }
  return std::unexpected(Drop::not_ours);
}

}  // namespace vrouter::dhcp
