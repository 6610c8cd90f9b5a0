// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: the replies know nothing of how an address was chosen; a static binding and a range's lease both come to them
// as Terms. Of a binding: one TAP, one address. Every state of a client comes down to "which address do you think is
// yours": the binding's gets an ACK, any other a NAK. We own the link, so we never leave a client to guess (RFC 2131
// lets only a server without authority stay silent on INIT-REBOOT).
#include "dhcp/answer.h"

#include <algorithm>

#include "dhcp/reply_options.h"

namespace vrouter::dhcp {
namespace {

constexpr std::size_t kMinMaxMessage = 576;  // RFC 2131, 2: what every client takes, as an IP datagram
constexpr std::size_t kIpAndUdp = 28;
constexpr std::uint16_t kRelayPort = 67;  // RFC 2131, 4.1
constexpr std::uint16_t kBroadcastFlag = 0x8000;
constexpr std::uint32_t kForEver = 0xffffffff;  // RFC 2131, 3.3
constexpr std::uint32_t kShortestWish = 60;     // seconds: no client makes us busy with renewals
const address_v4 kLimitedBroadcast = address_v4::broadcast();

std::size_t cap_of(const Request& request, const Settings& settings) {
  const std::size_t client = std::max<std::size_t>(request.max_message_size.value_or(0), kMinMaxMessage);
  return std::min({client, std::size_t{settings.mtu}, kMaxReply + kIpAndUdp}) -
         std::min<std::size_t>(settings.mtu, kIpAndUdp);
}

void start(SentReply& sent, const Request& request, const Settings& settings, MessageType type) {
  sent.type = type;
  sent.to = kLimitedBroadcast;
  auto& reply = sent.message;
  reply.transaction = request.transaction;
  reply.flags = request.flags;
  reply.relay_address = request.relay_address;
  reply.hardware = request.hardware;
  reply.relay_agent = request.relay_agent;
  if (type == MessageType::bootp) {
    sent.cap = kMinReply;  // RFC 951, 3: all that its clients have room for
    return;
  }
  sent.cap = cap_of(request, settings);
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

// To a client that has its address by unicast; a ciaddr counts only when it is the client's: nobody else's address is
// sent to.
void address(SentReply& sent, const Request& request, const Terms& terms) {
  if (goes_to_relay(sent, request) || request.client_address != terms.address) return;
  sent.to = terms.address;
  sent.routed = terms.behind_relay;
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
  add_configuration(request, terms, reply);
  add_lease_timers(lease, reply.options);
  address(sent, request, terms);
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
  add_configuration(request, terms, sent.message);
  if (to == request.relay_address && goes_to_relay(sent, request)) return;
  sent.to = to;  // past the relay: RFC 2131, 4.3.5
  sent.routed = terms.behind_relay || !request.relay_address.is_unspecified();
}

Terms terms_of(const Binding& binding) noexcept {
  return {&*binding.settings, binding.address, binding.host_name};
}

using Answer = std::expected<Outcome, Drop>;

// SELECTING and INIT-REBOOT name the address in option 50, RENEWING and REBINDING in ciaddr (RFC 2131, 4.3.2).
Answer answer_request(const Request& request, const Binding& binding) {
  if (!is_for_us(request, *binding.settings)) return std::unexpected(Drop::not_ours);
  auto believed = request.client_address;
  if (believed.is_unspecified() && request.requested_address) believed = *request.requested_address;
  // Clients that renew with option 50 as well mean one address; two different ones are a lie about one of them.
  const bool contradicts = request.requested_address && *request.requested_address != believed;
  Answer result;
  if (believed != binding.address || contradicts) {
    write_refusal(result->reply.emplace(), request, *binding.settings);
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

Answer answer_bootp(const Request& request, const Binding& binding) {
  if (!binding.settings->bootp) return std::unexpected(Drop::bootp);
  const auto terms = terms_of(binding);
  Answer result;
  auto& sent = result->reply.emplace();
  start(sent, request, *binding.settings, MessageType::bootp);
  sent.message.client_address = request.client_address;
  sent.message.your_address = binding.address;
  add_bootp_configuration(terms, sent.message);
  address(sent, request, terms);
  result->lease = LeaseState::bound;
  return result;
}

// Neither has a reply. A static binding stays as it is; what the client said is only reported. Whom it says it to is
// required of both (RFC 2131, table 5), but systemd-networkd 252 leaves that out of its RELEASE.
Answer note(const Request& request, const Binding& binding, const address_v4& about, LeaseState state) {
  const bool says_whom = request.server_identifier || state == LeaseState::released;
  if (!says_whom || !is_for_us(request, *binding.settings) || about != binding.address)
    return std::unexpected(Drop::not_ours);
  return Outcome{std::nullopt, state};
}

}  // namespace

address_v4 server_identifier(const Request& request, const Settings& settings) noexcept {
  const bool relayed = !request.relay_address.is_unspecified();
  if (relayed && request.server_override) return *request.server_override;
  // Behind a relay the gateway may be of the client's own subnet, where nobody answers ARP for it; what its relay
  // reaches, it reaches by its relay.
  return request.asked.is_unspecified() ? settings.gateway : request.asked;
}

bool is_for_us(const Request& request, const Settings& settings) noexcept {
  return !request.server_identifier || *request.server_identifier == settings.gateway ||
         *request.server_identifier == server_identifier(request, settings);
}

std::uint32_t lease_seconds(const Request& request, const Settings& settings) noexcept {
  if (request.type == MessageType::bootp) return kForEver;
  const auto configured = static_cast<std::uint32_t>(
      std::clamp(settings.lease_time, std::chrono::seconds{1}, std::chrono::seconds{kForEver}).count());
  return std::min(configured, std::max(request.lease_time.value_or(kForEver), kShortestWish));
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
      return answer_bootp(request, binding);
    case MessageType::offer:
    case MessageType::ack:
    case MessageType::nak:
      break;  // never decoded
  }
  return std::unexpected(Drop::not_ours);
}

}  // namespace vrouter::dhcp
