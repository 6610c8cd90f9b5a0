// SPDX-License-Identifier: GPL-2.0-or-later
// Declared guests go through the same table as those added by command, so both are held to the same rules; what the
// table refuses is pointed at by the key it came from.
#include <array>
#include <cstdlib>
#include <set>

#include "config/guests.h"
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
    KeySpec{"limits", Type::table, "{ egress = { bits = \"100M\" } }"},
};

struct Declared {
  TableReader reader;
  Guest guest;
  std::vector<Position> groups_at, publish_at;
  std::set<Field> unread;  // fields whose key was reported by itself
};

Parsed<address_v4> parse_declared_address(std::string_view text) {
  if (text.contains(',')) {
    return std::unexpected(quoted(text) +
                           " is more than one address; write the second as address6 = \"fd76:7274:5::2\"");
  }
  return parse_address4(text);
}

Declared read_guest(Diagnosis& diagnosis, const Node& table) {
  Declared declared{.reader = {diagnosis, table, "[[guests]]", kGuestKeys},
                    .guest = {},
                    .groups_at = {},
                    .publish_at = {},
                    .unread = {}};
  auto& [reader, guest, groups_at, publish_at, unread] = declared;
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
    groups_at.push_back(at);
  }
  for (auto& [publish, at] : reader.read_list("publish", parse_publish)) {
    guest.publish.push_back(publish);
    publish_at.push_back(at);
  }
  if (const auto* limits = reader.find("limits")) load_limits(diagnosis, *limits, guest.limits);
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
    }
  }
  table.insert(std::move(guest));
}

}  // namespace

void load_guests(Diagnosis& diagnosis, const Node& array, Known known, Config& config) {
  GuestTable table;
  std::vector<Declared> without_address;
  for (const auto& item : array.items) {
    if (item.type != Type::table) {
      diagnosis.add(item.at, "guests holds tables, not " + std::string{describe(item.type)} +
                                 "; write [[guests]] and the guest's keys below");
      continue;
    }
    auto declared = read_guest(diagnosis, item);
    if (!declared.guest.address && !declared.unread.contains(Field::address)) {
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
