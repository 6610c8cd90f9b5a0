// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/shared_guests.h"

#include <algorithm>

namespace vrouter::config {
namespace {

using Field = Refusal::Field;

std::string whom(const Reservation& reserved) {
  if (!reserved.name.empty()) return reserved.name;
  return reserved.mac ? reserved.mac->to_string() : "a client-id";
}

std::string at(const Reservation& reserved) {
  return reserved.declared_at.file.empty() ? "" : " (" + reserved.declared_at.to_string() + ')';
}

}  // namespace

std::optional<Refusal> unfit_leased(const Network& network, const address_v4& its) {
  const auto& dhcp = network.dhcp;
  if (dhcp.range && dhcp.range->contains(its)) {
    return Refusal{.field = Field::address,
                   .reason = its.to_string() + " is in the dhcp range " + dhcp.range->first.to_string() + '-' +
                             dhcp.range->last.to_string() + " of network " + network.name,
                   .remedy = "take an address outside the range",
                   .other = network.declared_at};
  }
  const auto kept = std::ranges::find(dhcp.reservations, its, &Reservation::address);
  if (kept == dhcp.reservations.end()) return std::nullopt;
  return Refusal{.field = Field::address,
                 .reason = its.to_string() + " is reserved for " + whom(*kept) + at(*kept),
                 .remedy = "take another address",
                 .other = kept->declared_at};
}

std::optional<Refusal> unfit_name(const Config& config, const Guest& guest) {
  for (const auto& [name, network] : config.networks) {
    const auto kept = std::ranges::find(network.dhcp.reservations, guest.name, &Reservation::name);
    if (kept == network.dhcp.reservations.end() || guest.name.empty()) continue;
    return Refusal{.field = Field::name,
                   .reason = "the name " + guest.name + " is reserved for " + kept->address.to_string() + at(*kept),
                   .remedy = "give the guest another name",
                   .other = kept->declared_at};
  }
  return std::nullopt;
}

void refuse_addresses(const Guest& guest, std::vector<Refusal>& refusals) {
  const auto refuse = [&refusals](bool has, Field field, std::size_t index, const char* what) {
    if (!has) return;
    refusals.push_back({.field = field,
                        .index = index,
                        .reason = "an interface that several clients share has no " + std::string{what} + " of its own",
                        .remedy = "leave it out, or declare a guest that is not shared"});
  };
  refuse(guest.address.has_value(), Field::address, 0, "address");
  refuse(guest.address6.has_value(), Field::address6, 0, "IPv6 address");
  refuse(guest.mac.has_value(), Field::mac, 0, "MAC address");
  refuse(!guest.floating.empty(), Field::floating, guest.floating.v4 ? 0 : 1, "floating address");
  refuse(!guest.snat.empty(), Field::snat, guest.snat.v4 ? 0 : 1, "snat address");
  refuse(!guest.prefixes4.empty() || !guest.prefixes6.empty(), Field::prefixes, 0, "prefixes");
  refuse(!guest.allowed_addresses.empty(), Field::allowed, 0, "allowed addresses");
}

void fit_shared(const Network& network, const Guest& guest, std::vector<Refusal>& refusals) {
  if (!guest.dhcp.empty()) {
    refusals.push_back(
        {.field = Refusal::Field::guest,
         .reason =
             "clients behind an interface that several share are told by DHCP what their groups and their network say",
         .remedy = "write it in [networks." + network.name + ".dhcp], or in [dhcp.groups.NAME] of one of its groups"});
  }
  if (network.dhcp.range) return;
  refusals.push_back(
      {.field = Field::network,
       .reason = "network " + network.name +
                 " has no dhcp range, so the clients of a shared interface "
                 "would have no addresses",
       .remedy = "write range = \"FIRST-LAST\" in [networks." + network.name + ".dhcp], or name a network that has one",
       .other = network.declared_at});
}

}  // namespace vrouter::config
