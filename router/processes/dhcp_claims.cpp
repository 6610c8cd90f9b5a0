// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dhcp_claims.h"

#include <algorithm>

#include "dhcp/codec.h"

namespace vrouter::router {
namespace {

using dhcp::LeaseState;
constexpr std::uint32_t kForEver = 0xffffffff;  // RFC 2131, 3.3

// A client may wish for less (RFC 2132, 9.2); BOOTP knows no end.
std::uint32_t longest_lease(const dhcp::Settings& settings) {
  if (settings.bootp) return kForEver;
  constexpr std::chrono::seconds kShortest{1};
  return static_cast<std::uint32_t>(std::clamp(settings.lease_time, kShortest, std::chrono::seconds{kForEver}).count());
}

bool is_host_name(std::string_view text) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as bytes
  const std::span bytes{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
  return text.empty() || dhcp::sanitise_host_name(bytes).text() == text;
}

// What is wrong with it whatever the table says.
std::optional<std::string> nonsense(const dhcp_verbs::Lease& claim, BootTime now) {
  if (claim.state == LeaseState::offered) return "a static address was offered for keeps";
  if (claim.client.is_group() || claim.client.is_zero()) return claim.client.to_string() + " is no station's address";
  if (claim.client_id.size() == 1) return "a client identifier has 1 byte";
  if (!is_host_name(claim.host_name)) return "the host name is no DNS label";
  if (claim.state != LeaseState::bound && claim.expires > now + kClockSlack) return "a lease ended in the future";
  return std::nullopt;
}

// What is wrong with it by what the child was told of the interface.
std::optional<std::string> contradiction(const dhcp_verbs::Lease& claim, const dhcp::Binding* binding, BootTime now) {
  if (binding == nullptr) return "there is no guest on that interface";
  if (claim.address != binding->address) return "the address there is " + binding->address.to_string();
  if (binding->pinned_mac && *binding->pinned_mac != claim.client)
    return "the client there is " + binding->pinned_mac->to_string();
  if (claim.state != LeaseState::bound) return std::nullopt;
  const auto seconds = longest_lease(*binding->settings);
  const auto last = seconds == kForEver ? BootTime::max() : now + kClockSlack + std::chrono::seconds{seconds};
  if (claim.expires > last) return "it is to last longer than " + std::to_string(seconds) + " s";
  return std::nullopt;
}

std::string sentence(const dhcp_verbs::Lease& claim, const std::string& why) {
  return "it claims that " + claim.client.to_string() + " on interface " + std::to_string(claim.ifindex) + " has " +
         claim.address.to_string() + " (" + std::string{name(claim.state)} + "), but " + why;
}

}  // namespace

std::expected<std::optional<dhcp::LeaseEvent>, std::string> check_lease(const dhcp_verbs::Lease& claim,
                                                                        const dhcp::Binding* binding,
                                                                        Knowledge knowledge, BootTime now) {
  if (const auto why = nonsense(claim, now)) return std::unexpected(sentence(claim, *why));
  if (const auto why = contradiction(claim, binding, now)) {
    if (knowledge == Knowledge::all) return std::unexpected(sentence(claim, *why));
    return std::nullopt;
  }
  if (claim.state == LeaseState::bound && claim.expires <= now) return std::nullopt;
  return dhcp::LeaseEvent{.state = claim.state,
                          .ifindex = claim.ifindex,
                          .guest = binding->guest,
                          .tap = binding->tap,
                          .address = binding->address,
                          .client = claim.client,
                          .client_id = claim.client_id,
                          .host_name = claim.host_name,
                          .expires = claim.expires};
}

std::optional<std::string> nonsense_in(const dhcp::Lease& lease) {
  const auto& client = lease.client;
  if (lease.state == LeaseState::offered) return "a lease was offered for keeps";
  if (client.hardware.is_group() || client.hardware.is_zero())
    return client.hardware.to_string() + " is no station's address";
  if (client.client_id.size() == 1) return "a client identifier has 1 byte";
  if (!is_host_name(lease.host_name)) return "the host name is no DNS label";
  return std::nullopt;
}

}  // namespace vrouter::router
