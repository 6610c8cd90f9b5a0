// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>

#include "config/load_client_dhcp.h"
#include "config/load_reservations.h"
#include "config/loader.h"
#include "config/undeclared_group.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;
using std::chrono_literals::operator""s;

constexpr std::array kDhcpKeys = and_client_dhcp_keys(std::array{
    KeySpec{"lease_time", Type::string, "\"1h\""},
    KeySpec{"range", Type::string, "\"10.0.5.200-10.0.5.249\""},
    KeySpec{"exclude", Type::array, "[\"10.0.5.210\", \"10.0.5.220-10.0.5.229\"]"},
    KeySpec{"reservations", Type::array, "[{ mac = \"52:54:00:12:34:56\", address = \"10.0.5.210\" }]"},
    KeySpec{"relays", Type::array, "[\"192.0.2.7\"]"},
    KeySpec{"identity", Type::string, "\"client-id\""},
    KeySpec{"quarantine", Type::string, "\"1h\""},
    KeySpec{"probe", Type::boolean, "true"},
    KeySpec{"leases_per_port", Type::integer, "16"},
    KeySpec{"bootp", Type::boolean, "false"},
});

constexpr auto kMinLease = 60s;  // below, ten thousand guests' renewals alone would keep the server busy
constexpr std::chrono::seconds kMaxLease = std::chrono::days{365};
constexpr auto kMinQuarantine = 60s;
constexpr std::chrono::seconds kMaxQuarantine = std::chrono::days{30};
constexpr std::int64_t kMaxPerPort = 65536;

struct Bounds {
  const char* key;
  std::chrono::seconds least, most;
  const char* remedy;
};
constexpr Bounds kLeaseTime{"lease_time", kMinLease, kMaxLease, "60s to 365d"};
constexpr Bounds kQuarantine{"quarantine", kMinQuarantine, kMaxQuarantine, "60s to 30d"};

void read_time(const TableReader& reader, const Bounds& bounds, std::chrono::seconds& into) {
  std::chrono::seconds time{};
  if (!reader.read(bounds.key, parse_duration, time)) return;
  if (time < bounds.least || time > bounds.most) {
    reader.complain(reader.at(bounds.key), std::string{bounds.key} + " is too " +
                                               (time < bounds.least ? "short" : "long") + "; write " + bounds.remedy +
                                               ", such as 1h");
    return;
  }
  into = time;
}

bool overlap(const AddressRange& a, const AddressRange& b) {
  return a.first <= b.last && b.first <= a.last;
}

std::string text_of(const AddressRange& range) {
  const auto first = range.first.to_string();
  return range.first == range.last ? first : first + '-' + range.last.to_string();
}

std::uint64_t size_of(const AddressRange& range) {
  return std::uint64_t{range.last.to_uint()} - range.first.to_uint() + 1;
}

void read_range(const TableReader& reader, bool prefix_known, Network& network) {
  AddressRange range;
  if (!reader.read("range", parse_range, range)) return;
  network.dhcp.range = range;
  if (!prefix_known) return;
  const auto at = reader.at("range");
  const auto text = "dhcp range " + range.first.to_string() + '-' + range.last.to_string();
  const auto& prefix = network.prefix;
  if (!contains(prefix, range.first) || !contains(prefix, range.last)) {
    reader.complain(at, text + " is not all inside " + prefix.to_string() + "; write a range inside it");
  } else if (range.contains(network.gateway)) {
    reader.complain(at, text + " includes the gateway " + network.gateway.to_string() + "; write a range without it");
  } else if (range.contains(prefix.network()) || range.contains(prefix.broadcast())) {
    reader.complain(
        at, text + " includes the first or last address of " + prefix.to_string() + "; write a range without them");
  } else if (network.pool && overlap(*network.pool, range)) {
    reader.complain(at, text + " overlaps the pool " + network.pool->first.to_string() + '-' +
                            network.pool->last.to_string() + "; write ranges that are apart");
  }
}

Parsed<AddressRange> parse_address_or_range(std::string_view text) {
  if (text.contains('-')) return parse_range(text);
  const auto one = parse_address4(text);
  if (!one) return std::unexpected(one.error());
  return AddressRange{.first = *one, .last = *one};
}

// What the DHCP service is told in one message holds no more (router/processes/dhcp_verbs.h).
constexpr std::size_t kMostExcluded = 1024, kMostRelays = 256;

void read_exclude(const TableReader& reader, NetworkDhcp& dhcp) {
  std::uint64_t left = dhcp.range ? size_of(*dhcp.range) : 1;
  for (const auto& [excluded, at] : reader.read_list("exclude", parse_address_or_range)) {
    const auto twice =
        std::ranges::find_if(dhcp.exclude, [&one = excluded](const AddressRange& r) { return overlap(one, r); });
    if (dhcp.range && (excluded.first < dhcp.range->first || dhcp.range->last < excluded.last)) {
      reader.complain(at, text_of(excluded) + " is not all inside the dhcp range " + text_of(*dhcp.range) +
                              "; exclude only what is");
    } else if (twice != dhcp.exclude.end()) {
      reader.complain(at,
                      text_of(excluded) + " overlaps " + text_of(*twice) + ", which is excluded too; write it once");
    } else {
      dhcp.exclude.push_back(excluded);
      if (dhcp.range) left -= size_of(excluded);
    }
  }
  if (dhcp.exclude.size() > kMostExcluded) {
    reader.complain(reader.at("exclude"), "more than " + std::to_string(kMostExcluded) +
                                              " ranges are excluded; join neighbours to \"FIRST-LAST\"");
  }
  if (left == 0) reader.complain(reader.at("exclude"), "this leaves no address of the dhcp range; exclude less");
}

void read_relays(const TableReader& reader, NetworkDhcp& dhcp) {
  for (const auto& [relay, at] : reader.read_list("relays", parse_address4)) {
    if (relay.is_unspecified() || relay.is_multicast() || relay == address_v4::broadcast()) {
      reader.complain(at, relay.to_string() + " is no relay's address; name one relay");
    } else if (std::ranges::find(dhcp.relays, relay) != dhcp.relays.end()) {
      reader.complain(at, relay.to_string() + " stands twice in relays; name it once");
    } else {
      dhcp.relays.push_back(relay);
    }
  }
  if (dhcp.relays.size() > kMostRelays) {
    reader.complain(reader.at("relays"),
                    "more than " + std::to_string(kMostRelays) + " relays; make several networks of this one");
  }
}

void read_switches(const TableReader& reader, NetworkDhcp& dhcp) {
  reader.choose("identity", {Identity::client_id, Identity::mac}, dhcp.identity);
  read_time(reader, kQuarantine, dhcp.quarantine);
  if (const auto* probe = reader.find("probe")) dhcp.probe = probe->boolean;
  if (const auto* bootp = reader.find("bootp")) dhcp.bootp = bootp->boolean;
  const auto* per_port = reader.find("leases_per_port");
  if (per_port == nullptr) return;
  if (per_port->integer < 0 || per_port->integer > kMaxPerPort) {
    reader.complain(per_port->at, "leases_per_port can't be " + std::to_string(per_port->integer) +
                                      "; write 1 to 65536, or 0 for no bound");
    return;
  }
  dhcp.leases_per_port = static_cast<std::uint32_t>(per_port->integer);
}

// What speaks of leases means nothing where there are none.
void need_range(const TableReader& reader) {
  if (reader.present("range")) return;
  for (const std::string key : {"exclude", "reservations", "relays"}) {
    if (reader.present(key)) {
      reader.complain(reader.at(key), key +
                                          " is about leases, and the network gives none; write range = "
                                          "\"10.0.5.200-10.0.5.249\" beside it");
    }
  }
}

}  // namespace

void load_dhcp(Diagnosis& diagnosis, const Node& table, bool prefix_known, Reserving& reserving, Network& network) {
  const TableReader reader{diagnosis, table, "dhcp of network " + network.name, kDhcpKeys};
  auto& dhcp = network.dhcp;
  read_time(reader, kLeaseTime, dhcp.lease_time);
  read_range(reader, prefix_known, network);
  read_exclude(reader, dhcp);
  read_relays(reader, dhcp);
  read_switches(reader, dhcp);
  need_range(reader);
  ClientDhcp client;
  load_client_dhcp(diagnosis, reader, Whose::network, prefix_known ? &network : nullptr, client);
  dhcp.options = std::move(client.options);
  dhcp.boot = std::move(client.boot);
  if (const auto* reservations = reader.find("reservations"))
    load_reservations(diagnosis, *reservations, prefix_known, reserving, network);
}

// [dhcp]: groups alone, for all else is a network's.
void load_dhcp_groups(Diagnosis& diagnosis, const Node& table, const Reserving& reserving, Config& config) {
  static constexpr std::array kKeys{KeySpec{"groups", Type::table, "{ web = { ntp = [\"192.0.2.1\"] } }"}};
  const TableReader reader{diagnosis, table, "[dhcp]", kKeys};
  const auto* groups = reader.find("groups");
  for (const auto& member : groups == nullptr ? std::vector<Member>{} : groups->members) {
    if (member.value.type != Type::table) {
      diagnosis.add(member.value.at, "what a group is told is a table, not " +
                                         std::string{describe(member.value.type)} +
                                         "; write [dhcp.groups.web] and ntp = [\"192.0.2.1\"] below");
      continue;
    }
    const auto name = parse_group_name(member.key);
    if (!name) {
      diagnosis.add(member.at, name.error());
      continue;
    }
    if (const auto why = reserving.groups == nullptr ? std::nullopt : undeclared_group(*reserving.groups, *name)) {
      diagnosis.add(member.at, why->first + "; " + why->second);
    }
    load_group_dhcp(diagnosis, member.value, member.key, config.dhcp_groups[member.key]);
  }
}

}  // namespace vrouter::config
