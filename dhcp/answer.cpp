// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: one TAP, one binding, one address. Every state of a client comes down to "which address do you think is
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
  Composer(const Binding& binding, OptionList& out) : binding_{binding}, out_{out} {}

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
    for (const auto& option : binding_.settings.options) {
      if (!is_protocols_own(option.code) && !out_.find(option.code)) out_.add(option.code, option.value);
    }
  }
  [[nodiscard]] const config::RawDhcpOption* configured(std::uint8_t code) const {
    const auto it = std::ranges::find(binding_.settings.options, code, &config::RawDhcpOption::code);
    return it == binding_.settings.options.end() ? nullptr : &*it;
  }

 private:
  void put(std::uint8_t code, const address_v4& value) { out_.add(code, value); }
  void put(std::uint8_t code, std::uint16_t value) { out_.add_u16(code, value); }
  void put(std::uint8_t code, std::span<const std::uint8_t> value) { out_.add(code, value); }

  const Binding& binding_;
  OptionList& out_;
};

std::span<const std::uint8_t> bytes_of(std::string_view text) noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as bytes
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// What the client's interface is to be configured with; the order decides what survives a small reply.
void add_configuration(const Request& request, const Binding& binding, OptionList& out) {
  Composer options{binding, out};
  const bool routed = binding.settings.addressing == config::Addressing::routed && !is_boot_rom(request);
  const unsigned prefix_length = routed ? kHostMask : binding.settings.prefix_length;
  const auto routes = routes_via(binding.settings.gateway);
  options.best(option::kSubnetMask, mask_of(prefix_length));
  options.best(option::kRouter, binding.settings.gateway);
  if (routed) options.best(option::kClasslessRoutes, std::span<const std::uint8_t>{routes});
  options.best(option::kDnsServer, binding.settings.gateway);
  // RFC 6842: the client's own identifier, so that it knows the answer is its own.
  if (!request.client_id.empty()) out.add(option::kClientIdentifier, request.client_id.span());
  options.best(option::kInterfaceMtu, std::max(binding.settings.mtu, kMinMtu));
  if (!binding.settings.domain.empty()) options.best(option::kDomainName, bytes_of(binding.settings.domain));
  if (!binding.host_name.empty()) options.best(option::kHostName, bytes_of(binding.host_name));
  options.best(option::kBroadcast, broadcast_of(binding.address, prefix_length));
  if (routed) {
    // Windows' number for the same; it must not say other routes than those the network configured.
    const auto* configured = options.configured(option::kClasslessRoutes);
    options.best(option::kMicrosoftRoutes,
                 configured ? std::span<const std::uint8_t>{configured->value} : std::span<const std::uint8_t>{routes});
  }
  if (const auto search = encode_domain(binding.settings.domain); !search.empty()) {
    options.best(option::kDomainSearch, search.span());
  }
  options.the_networks_rest();
}

// RFC 2131, 4.4.5: T1 at half, T2 at seven eighths.
void add_lease_time(const Binding& binding, OptionList& out) {
  out.add_u32(option::kLeaseTime, lease_seconds(binding));
}
void add_lease_timers(const Binding& binding, OptionList& out) {
  const std::uint64_t lease = lease_seconds(binding);
  out.add_u32(option::kRenewalTime, static_cast<std::uint32_t>(lease / 2));
  out.add_u32(option::kRebindingTime, static_cast<std::uint32_t>(lease * 7 / 8));
}

Reply start_reply(const Request& request, const Binding& binding, MessageType type) {
  Reply reply;
  reply.transaction = request.transaction;
  reply.flags = request.flags;
  reply.relay_address = request.relay_address;
  reply.hardware = request.hardware;
  reply.options.add_u8(option::kMessageType, static_cast<std::uint8_t>(type));
  reply.options.add(option::kServerIdentifier, binding.settings.gateway);
  return reply;
}

std::size_t cap_of(const Request& request, const Binding& binding) {
  const std::size_t client = std::max<std::size_t>(request.max_message_size.value_or(0), kMinMaxMessage);
  return std::min({client, std::size_t{binding.settings.mtu}, kMaxReply + kIpAndUdp}) -
         std::min<std::size_t>(binding.settings.mtu, kIpAndUdp);
}

// RFC 2131, 4.1. A ciaddr counts only when it is the binding's: nobody else's address is sent to.
address_v4 destination_of(const Request& request, const Binding& binding) {
  return request.client_address == binding.address ? binding.address : kLimitedBroadcast;
}

// OFFER, and the ACK to a REQUEST or to a DISCOVER with rapid commit.
Outcome grant(const Request& request, const Binding& binding, MessageType type, bool rapid_commit) {
  auto reply = start_reply(request, binding, type);
  if (type == MessageType::ack && request.type == MessageType::request) {
    reply.client_address = request.client_address;  // RFC 2131, table 3
  }
  reply.your_address = binding.address;
  add_lease_time(binding, reply.options);
  if (rapid_commit) reply.options.add(option::kRapidCommit, std::span<const std::uint8_t>{});
  add_configuration(request, binding, reply.options);
  add_lease_timers(binding, reply.options);
  Outcome outcome;
  outcome.reply = SentReply{type, reply, cap_of(request, binding), destination_of(request, binding)};
  if (type == MessageType::ack) outcome.lease = LeaseState::bound;
  return outcome;
}

// Always broadcast: whatever address the client believes to have is not its own (RFC 2131, 4.1).
Outcome refuse(const Request& request, const Binding& binding) {
  auto reply = start_reply(request, binding, MessageType::nak);
  if (!request.client_id.empty()) reply.options.add(option::kClientIdentifier, request.client_id.span());
  Outcome outcome;
  outcome.reply = SentReply{MessageType::nak, reply, cap_of(request, binding), kLimitedBroadcast};
  return outcome;
}

// SELECTING and INIT-REBOOT name the address in option 50, RENEWING and REBINDING in ciaddr (RFC 2131, 4.3.2).
std::expected<Outcome, Drop> answer_request(const Request& request, const Binding& binding) {
  if (request.server_identifier && *request.server_identifier != binding.settings.gateway)
    return std::unexpected(Drop::not_ours);
  auto believed = request.client_address;
  if (believed.is_unspecified() && request.requested_address) believed = *request.requested_address;
  // Clients that renew with option 50 as well mean one address; two different ones are a lie about one of them.
  const bool contradicts = request.requested_address && *request.requested_address != believed;
  if (believed != binding.address || contradicts) return refuse(request, binding);
  return grant(request, binding, MessageType::ack, false);
}

std::expected<Outcome, Drop> answer_inform(const Request& request, const Binding& binding, const address_v4& source) {
  const auto client = request.client_address.is_unspecified() ? source : request.client_address;
  if (client != binding.address) return std::unexpected(Drop::not_ours);
  auto reply = start_reply(request, binding, MessageType::ack);
  reply.client_address = request.client_address;
  add_configuration(request, binding, reply.options);
  Outcome outcome;
  outcome.reply = SentReply{MessageType::ack, reply, cap_of(request, binding), client};
  return outcome;
}

// Neither has a reply. A static binding stays as it is; what the client said is only reported.
std::expected<Outcome, Drop> note(const Request& request, const Binding& binding, const address_v4& about,
                                  LeaseState state) {
  if (request.server_identifier != binding.settings.gateway || about != binding.address)
    return std::unexpected(Drop::not_ours);
  return Outcome{std::nullopt, state};
}

}  // namespace

std::uint32_t lease_seconds(const Binding& binding) noexcept {
  constexpr std::chrono::seconds kInfinite{0xffffffff};
  return static_cast<std::uint32_t>(
      std::clamp(binding.settings.lease_time, std::chrono::seconds{1}, kInfinite).count());
}

std::expected<Outcome, Drop> answer(const Request& request, const Binding& binding, const address_v4& source) {
  if (binding.pinned_mac && *binding.pinned_mac != request.hardware) return std::unexpected(Drop::foreign_mac);
  if (!request.relay_address.is_unspecified()) return std::unexpected(Drop::relayed);
  switch (request.type) {
    case MessageType::discover:
      if (request.rapid_commit) return grant(request, binding, MessageType::ack, true);
      return grant(request, binding, MessageType::offer, false);
    case MessageType::request:
      return answer_request(request, binding);
    case MessageType::inform:
      return answer_inform(request, binding, source);
    case MessageType::release:
      return note(request, binding, request.client_address, LeaseState::released);
    case MessageType::decline:
      return note(request, binding, request.requested_address.value_or(address_v4{}), LeaseState::declined);
    case MessageType::offer:
    case MessageType::ack:
    case MessageType::nak:
      break;  // never decoded
  }
  return std::unexpected(Drop::not_ours);
}

}  // namespace vrouter::dhcp
