// SPDX-License-Identifier: GPL-2.0-or-later
// A guest's own address: the one it asks for, or a free one.
#include <set>

#include "config/guests.h"
#include "config/shared_guests.h"

namespace vrouter::config {

using Field = Refusal::Field;

std::optional<address_v4> GuestTable::free_address(const Network& network) const {
  const auto base = network.prefix.network();
  const auto end = network.prefix.broadcast();
  const auto pool = network.pool.value_or(AddressRange{.first = base, .last = end});
  std::set<address_v4> kept;  // for single clients; looked up once for each address of which nobody else is the holder
  for (const auto& reserved : network.dhcp.reservations) kept.insert(reserved.address);
  auto from = pool.first;
  while (const auto gap = used_.first_gap(from, pool.last)) {
    const bool reserved = *gap == base || *gap == end || *gap == network.gateway || kept.contains(*gap);
    const bool leased = network.dhcp.range && network.dhcp.range->contains(*gap);
    if (!reserved && !leased) return gap;
    const auto passed = leased ? network.dhcp.range->last : *gap;
    if (passed >= pool.last) return std::nullopt;
    from = address_v4{passed.to_uint() + 1};
  }
  return std::nullopt;
}

std::string GuestTable::or_free(const Network& network) const {
  const auto free = free_address(network);
  return free ? "take another, such as " + free->to_string() : "take another, or remove a guest: none is free";
}

void GuestTable::fit_address(const Network& network, Guest& guest, Refusals& refusals) const {
  const auto refuse = [&](std::string reason, std::string remedy, Place other) {
    refusals.push_back(
        {.field = Field::address, .reason = std::move(reason), .remedy = std::move(remedy), .other = std::move(other)});
  };
  const auto its_network = "network " + network.name + " (" + network.prefix.to_string() + ')';
  if (!guest.address) {
    guest.address = free_address(network);
    if (!guest.address)
      refuse(its_network + " has no free address left", "remove a guest, or widen the network's pool",
             network.declared_at);
    return;
  }
  const auto text = guest.address->to_string();
  if (!contains(network.prefix, *guest.address)) {
    refuse(text + " is outside " + its_network, or_free(network), network.declared_at);
  } else if (*guest.address == network.gateway) {
    refuse(text + " is the gateway of " + its_network + ", the host's own address", or_free(network),
           network.declared_at);
  } else if (*guest.address == network.prefix.network()) {
    refuse(text + " is the address of " + its_network + " itself", or_free(network), network.declared_at);
  } else if (*guest.address == network.prefix.broadcast()) {
    refuse(text + " is the broadcast address of " + its_network, or_free(network), network.declared_at);
  } else if (const auto taken = tap_by_address_.find(*guest.address); taken != tap_by_address_.end()) {
    refuse(text + " is taken by " + who(taken->second), or_free(network), place_of(taken->second));
  } else if (const auto shared = taps_by_allowed_.find(*guest.address); shared != taps_by_allowed_.end()) {
    refuse(text + " is an allowed address of " + who(*shared->second.begin()), or_free(network),
           place_of(*shared->second.begin()));
  } else if (auto leased = unfit_leased(network, *guest.address)) {
    refuse(std::move(leased->reason), or_free(network), std::move(leased->other));
  }
}

void GuestTable::fit_address6(const Network& network, const Guest& guest, Refusals& refusals) const {
  if (!guest.address6) return;
  const auto refuse = [&](std::string reason, std::string remedy, Place other) {
    refusals.push_back({.field = Field::address6,
                        .reason = std::move(reason),
                        .remedy = std::move(remedy),
                        .other = std::move(other)});
  };
  const auto text = guest.address6->to_string();
  if (!network.prefix6) {
    refuse("network " + network.name + " has no IPv6 prefix, and the guest has " + text,
           "leave the IPv6 address out, or give the network a prefix6", network.declared_at);
    return;
  }
  const auto its_network = "network " + network.name + " (" + network.prefix6->to_string() + ')';
  const auto remedy = "take another address of " + network.prefix6->to_string();
  if (!contains(*network.prefix6, *guest.address6)) {
    refuse(text + " is outside " + its_network, remedy, network.declared_at);
  } else if (network.gateway6 && *guest.address6 == *network.gateway6) {
    refuse(text + " is the gateway of " + its_network + ", the host's own address", remedy, network.declared_at);
  } else if (*guest.address6 == network.prefix6->network()) {
    // RFC 4291 2.6.1: the Subnet-Router anycast address.
    refuse(text + " means the routers of " + its_network, remedy, network.declared_at);
  } else if (const auto taken = tap_by_address6_.find(*guest.address6); taken != tap_by_address6_.end()) {
    refuse(text + " is taken by " + who(taken->second), remedy, place_of(taken->second));
  } else if (const auto shared = taps_by_allowed_.find(*guest.address6); shared != taps_by_allowed_.end()) {
    refuse(text + " is an allowed address of " + who(*shared->second.begin()), remedy,
           place_of(*shared->second.begin()));
  }
}

}  // namespace vrouter::config
