// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load_reservations.h"

#include <algorithm>
#include <array>
#include <set>

#include "config/dhcp_options.h"
#include "config/undeclared_group.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kReservationKeys{
    KeySpec{"mac", Type::string, "\"52:54:00:12:34:56\""}, KeySpec{"client_id", Type::string, "\"01525400123456\""},
    KeySpec{"address", Type::string, "\"10.0.5.210\""},    KeySpec{"name", Type::string, "\"printer\""},
    KeySpec{"groups", Type::array, "[\"web\"]"},
};

constexpr std::size_t kLeastClientId = 2, kMostClientId = 255;  // RFC 2132 9.14: a type and something of it

class Loader {
 public:
  Loader(Diagnosis& diagnosis, bool prefix_known, Reserving& reserving, Network& network)
      : diagnosis_{diagnosis}, prefix_known_{prefix_known}, reserving_{reserving}, network_{network} {}

  void load(const Node& table);

 private:
  void read_address(const TableReader& reader, Reservation& reserved);
  void read_client(const TableReader& reader, Reservation& reserved);
  void read_name(const TableReader& reader, Reservation& reserved);
  void read_groups(const TableReader& reader, Reservation& reserved);

  Diagnosis& diagnosis_;
  bool prefix_known_;
  Reserving& reserving_;
  Network& network_;
  std::map<address_v4, Place> addresses_;
  std::map<MacAddress, Place> macs_;
  std::map<std::vector<std::uint8_t>, Place> client_ids_;
};

void Loader::read_address(const TableReader& reader, Reservation& reserved) {
  if (!reader.present("address"))
    reader.complain(reader.at(), "a reservation needs its address; write address = \"10.0.5.210\"");
  if (!reader.read("address", parse_address4, reserved.address)) return;
  const auto at = reader.at("address");
  const auto text = reserved.address.to_string();
  const auto& prefix = network_.prefix;
  const auto remedy = "; write another address of " + prefix.to_string();
  const auto [other, fresh] = addresses_.emplace(reserved.address, reserved.declared_at);
  if (!fresh) {
    reader.complain(at,
                    text + " is reserved twice, here and at " + other->second.to_string() + "; write another address");
  } else if (!prefix_known_) {
    return;
  } else if (!contains(prefix, reserved.address)) {
    reader.complain(at, text + " is outside " + prefix.to_string() + "; write an address inside");
  } else if (reserved.address == network_.gateway) {
    reader.complain(at, text + " is the gateway" + remedy);
  } else if (reserved.address == prefix.network() || reserved.address == prefix.broadcast()) {
    reader.complain(at, text + " is the first or last address of " + prefix.to_string() + remedy);
  }
}

void Loader::read_client(const TableReader& reader, Reservation& reserved) {
  if (MacAddress mac; reader.read("mac", parse_mac_address, mac)) {
    reserved.mac = mac;
    const auto [other, fresh] = macs_.emplace(mac, reserved.declared_at);
    if (mac.is_group() || mac.is_zero()) {
      reader.complain(reader.at("mac"), mac.to_string() +
                                            " is no station's address; write that of the client's network "
                                            "card, such as 52:54:00:12:34:56");
    } else if (!fresh) {
      reader.complain(reader.at("mac"), mac.to_string() + " has a reservation already (" + other->second.to_string() +
                                            "); write one for each client");
    }
  }
  if (reader.read("client_id", parse_hex, reserved.client_id)) {
    const auto size = reserved.client_id.size();
    const auto [other, fresh] = client_ids_.emplace(reserved.client_id, reserved.declared_at);
    if (size < kLeastClientId || size > kMostClientId) {
      reader.complain(reader.at("client_id"), "a client-id has 2 to 255 bytes, its type byte first, not " +
                                                  std::to_string(size) + "; write it such as 01525400123456");
    } else if (!fresh) {
      reader.complain(reader.at("client_id"), "this client-id has a reservation already (" + other->second.to_string() +
                                                  "); write one for each client");
    }
  }
  const auto at = reader.at();
  if (!reader.present("mac") && !reader.present("client_id")) {
    reader.complain(at, "nothing says whom this reservation is for; write mac = \"52:54:00:12:34:56\"");
  } else if (!reader.present("mac") && network_.dhcp.identity == Identity::mac) {
    reader.complain(reader.at("client_id"),
                    "with identity = \"mac\" no client is told by its client-id; write its mac");
  }
}

void Loader::read_name(const TableReader& reader, Reservation& reserved) {
  if (!reader.read("name", parse_guest_name, reserved.name)) return;
  const auto [other, fresh] = reserving_.names.emplace(reserved.name, reserved.declared_at);
  if (fresh) return;
  reader.complain(reader.at("name"), "the name " + reserved.name + " is taken by the reservation at " +
                                         other->second.to_string() + "; write another");
}

void Loader::read_groups(const TableReader& reader, Reservation& reserved) {
  for (auto& [group, at] : reader.read_list("groups", parse_group_name)) {
    if (std::ranges::find(reserved.groups, group) != reserved.groups.end()) {
      reader.complain(at, "group '" + group + "' is named twice; name it once");
    } else if (const auto why =
                   reserving_.groups == nullptr ? std::nullopt : undeclared_group(*reserving_.groups, group)) {
      reader.complain(at, why->first + "; " + why->second);
    }
    reserved.groups.push_back(std::move(group));
  }
}

void Loader::load(const Node& table) {
  const auto before = diagnosis_.count();
  const TableReader reader{diagnosis_, table, "dhcp.reservations", kReservationKeys};
  Reservation reserved;
  reserved.declared_at = diagnosis_.place(table.at);
  read_address(reader, reserved);
  read_client(reader, reserved);
  read_name(reader, reserved);
  read_groups(reader, reserved);
  if (diagnosis_.count() == before) network_.dhcp.reservations.push_back(std::move(reserved));
}

}  // namespace

void load_reservations(Diagnosis& diagnosis, const Node& array, bool prefix_known, Reserving& reserving,
                       Network& network) {
  Loader loader{diagnosis, prefix_known, reserving, network};
  for (const auto& item : array.items) {
    if (item.type == Type::table) {
      loader.load(item);
    } else {
      diagnosis.add(item.at, "reservations holds tables, not " + std::string{describe(item.type)} +
                                 "; write { mac = \"52:54:00:12:34:56\", address = \"10.0.5.210\" }");
    }
  }
}

}  // namespace vrouter::config
