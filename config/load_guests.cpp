// SPDX-License-Identifier: GPL-2.0-or-later
// Declared guests go through the same table as those added by command, so both are held to the same rules; what the
// table refuses is pointed at by the key it came from.
#include <array>
#include <cstdlib>
#include <set>

#include "config/guests.h"
#include "config/load_client_dhcp.h"
#include "config/loader.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;
using Field = Refusal::Field;

constexpr std::array kGuestKeys{
    KeySpec{"name", Type::string, "\"web1\""},
    KeySpec{"tap", Type::string, "\"tap0\""},
    KeySpec{"address", Type::string, "\"10.0.5.2\""},
    KeySpec{"address6", Type::string, "\"fd76:7274:5::2\""},
    KeySpec{"mac", Type::string, "\"52:54:00:12:34:56\""},
    KeySpec{"network", Type::string, "\"default\""},
    KeySpec{"groups", Type::array, "[\"web\"]"},
    KeySpec{"publish", Type::array, "[\"8080:80/tcp\"]"},
    KeySpec{"floating", Type::array, "\"198.51.100.7\"", false, true},
    KeySpec{"snat", Type::array, "\"198.51.100.8\"", false, true},
    KeySpec{"prefixes", Type::array, "[\"10.9.0.0/24\"]"},
    KeySpec{"allowed_addresses", Type::array, "[\"10.0.5.50\"]"},
    KeySpec{"dhcp", Type::table, "{ mask = 24 }"},
    KeySpec{"shared", Type::boolean, "true"},
    KeySpec{"limits", Type::table, "{ egress = { bits = \"100M\" } }"},
};

struct Declared {
  TableReader reader;
  Guest guest;
  std::vector<Position> groups_at, publish_at, allowed_at;
  std::array<Position, 2> floating_at, snat_at;  // IPv4, IPv6
  std::vector<Position> prefixes4_at, prefixes6_at;
  std::set<Field> unread;  // fields whose key was reported by itself
};

Parsed<address_v4> parse_declared_address(std::string_view text) {
  if (text.contains(',')) {
    return std::unexpected(quoted(text) +
                           " is more than one address; write the second as address6 = \"fd76:7274:5::2\"");
  }
  return parse_address4(text);
}

// What it has besides its own address.
void read_addresses(Declared& declared) {
  auto& [reader, guest, groups_at, publish_at, allowed_at, floating_at, snat_at, prefixes4_at, prefixes6_at, unread] =
      declared;
  const auto read_outside = [&](std::string_view key, Addresses& into, std::array<Position, 2>& places) {
    for (const auto& [one, at] : reader.read_list(key, parse_address)) {
      places[one.is_v4() ? 0 : 1] = at;
      if (!into.add(one)) {
        reader.complain(at, std::string{key} + " holds a second address of one family; a guest has one of each");
      }
    }
  };
  read_outside("floating", guest.floating, floating_at);
  read_outside("snat", guest.snat, snat_at);
  for (const auto& [prefix, at] : reader.read_list("prefixes", parse_prefix)) {
    add_prefix(guest, prefix);
    (std::holds_alternative<network_v4>(prefix) ? prefixes4_at : prefixes6_at).push_back(at);
  }
  for (const auto& [allowed, at] : reader.read_list("allowed_addresses", parse_address)) {
    guest.allowed_addresses.push_back(allowed);
    allowed_at.push_back(at);
  }
}

Declared read_guest(Diagnosis& diagnosis, const Node& table) {
  Declared declared{.reader = {diagnosis, table, "[[guests]]", kGuestKeys},
                    .guest = {},
                    .groups_at = {},
                    .publish_at = {},
                    .allowed_at = {},
                    .floating_at = {},
                    .snat_at = {},
                    .prefixes4_at = {},
                    .prefixes6_at = {},
                    .unread = {}};
  auto& reader = declared.reader;
  auto& guest = declared.guest;
  auto& unread = declared.unread;
  const auto read = [&](Field field, std::string_view key, auto parse, auto& into) {
    if (!reader.read(key, parse, into) && reader.present(key)) unread.insert(field);
  };
  guest.declared_at = diagnosis.place(table.at);
  read(Field::name, "name", parse_guest_name, guest.name);
  read(Field::tap, "tap", parse_interface_name, guest.tap);
  if (!reader.present("tap")) {
    reader.complain(table.at, "a guest needs its TAP; write tap = \"tap0\"");
    unread.insert(Field::tap);
  }
  read(Field::address, "address", parse_declared_address, guest.address);
  read(Field::address6, "address6", parse_address6, guest.address6);
  read(Field::mac, "mac", parse_mac_address, guest.mac);
  read(Field::network, "network", parse_network_name, guest.network);
  for (auto& [group, at] : reader.read_list("groups", parse_group_name)) {
    guest.groups.push_back(std::move(group));
    declared.groups_at.push_back(at);
  }
  for (auto& [publish, at] : reader.read_list("publish", parse_publish)) {
    guest.publish.push_back(publish);
    declared.publish_at.push_back(at);
  }
  read_addresses(declared);
  if (const auto* limits = reader.find("limits")) load_limits(diagnosis, *limits, guest.limits);
  if (const auto* dhcp = reader.find("dhcp")) load_guest_dhcp(diagnosis, *dhcp, guest.dhcp);
  if (const auto* shared = reader.find("shared")) guest.shared = shared->boolean;
  return declared;
}

Position place(const Declared& declared, const Refusal& refusal) {
  const auto& reader = declared.reader;
  switch (refusal.field) {
    case Field::guest:
      return reader.at();
    case Field::name:
      return reader.at(reader.present("name") ? "name" : "tap");
    case Field::tap:
      return reader.at("tap");
    case Field::network:
      return reader.at("network");
    case Field::address:
      return reader.at("address");
    case Field::address6:
      return reader.at("address6");
    case Field::mac:
      return reader.at("mac");
    case Field::groups:
    case Field::undeclared_group:
      return declared.groups_at[refusal.index];
    case Field::publish:
      return declared.publish_at[refusal.index];
    case Field::floating:
      return declared.floating_at.at(refusal.index);
    case Field::snat:
      return declared.snat_at.at(refusal.index);
    case Field::prefixes: {
      const auto in4 = declared.prefixes4_at.size();
      return refusal.index < in4 ? declared.prefixes4_at[refusal.index] : declared.prefixes6_at[refusal.index - in4];
    }
    case Field::allowed:
      return declared.allowed_at[refusal.index];
  }
  std::abort();
}

bool about_networks(Field field) {
  return field == Field::network || field == Field::address || field == Field::address6;
}

// Reports what the table refuses, but for what is only the echo of something reported before. True: nothing was.
bool fits(Diagnosis& diagnosis, const Declared& declared, const std::vector<Refusal>& refusals, bool networks_known) {
  for (const auto& refusal : refusals) {
    const bool nameless = refusal.field == Field::name && declared.guest.name.empty();
    if (declared.unread.contains(refusal.field) || (nameless && declared.unread.contains(Field::tap))) continue;
    if (about_networks(refusal.field) && (!networks_known || declared.unread.contains(Field::network))) continue;
    diagnosis.add(place(declared, refusal), refusal.to_string());
  }
  return refusals.empty();
}

Fitted fit(const GuestTable& table, const Config& config, const Guest& guest, Known known) {
  auto fitted = table.fit(config, guest);
  if (!known.groups) {
    std::erase_if(fitted.refusals, [](const Refusal& r) { return r.field == Field::undeclared_group; });
  }
  return fitted;
}

// Enters the guest as far as it was not refused, so that a second one that takes the same is found in the same run.
void enter(GuestTable& table, Guest guest, const std::vector<Refusal>& refusals) {
  for (const auto& refusal : refusals) {
    switch (refusal.field) {
      case Field::guest:
      case Field::mac:
      case Field::groups:
      case Field::undeclared_group:
        break;
      case Field::name:
      case Field::tap:
      case Field::network:
      case Field::address:
        return;
      case Field::address6:
        guest.address6.reset();
        break;
      case Field::publish:
        guest.publish.clear();
        break;
      case Field::floating:
        guest.floating = {};
        break;
      case Field::snat:
        guest.snat = {};
        break;
      case Field::prefixes:
        guest.prefixes4.clear();
        guest.prefixes6.clear();
        break;
      case Field::allowed:
        guest.allowed_addresses.clear();
        break;
    }
  }
  table.insert(std::move(guest));
}

}  // namespace

void load_guests(Diagnosis& diagnosis, const Node& array, Known known, Config& config) {
  GuestTable table;
  std::vector<Declared> without_address;
  config.guests.own().reserve(array.items.size());  // a doubling would leave half of ten thousand places empty
  for (const auto& item : array.items) {
    if (item.type != Type::table) {
      diagnosis.add(item.at, "guests holds tables, not " + std::string{describe(item.type)} +
                                 "; write [[guests]] and the guest's keys below");
      continue;
    }
    auto declared = read_guest(diagnosis, item);
    if (!declared.guest.address && !declared.guest.shared && !declared.unread.contains(Field::address)) {
      without_address.push_back(std::move(declared));
      continue;
    }
    auto [guest, refusals] = fit(table, config, declared.guest, known);
    guest.address = declared.guest.address;
    enter(table, guest, refusals);
    if (fits(diagnosis, declared, refusals, known.networks)) config.guests.push_back(std::move(guest));
  }
  // A guest of the file must have the same address after every reload and restart, whatever stands above it there
  // and whatever was added by command meanwhile: so it can't be taken from the pool.
  for (auto& declared : without_address) {
    auto [guest, refusals] = fit(table, config, declared.guest, known);
    const auto such_as = guest.address ? guest.address->to_string() : "10.0.5.2";
    diagnosis.add(declared.reader.at(),
                  "a declared guest needs an address of its own; write address = \"" + such_as + '"');
    declared.unread.insert(Field::address);
    enter(table, std::move(guest), refusals);
    static_cast<void>(fits(diagnosis, declared, refusals, known.networks));
  }
}

}  // namespace vrouter::config
