// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>
#include <charconv>

#include "config/loader.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;
using std::chrono_literals::operator""s;

constexpr std::array kDhcpKeys{
    KeySpec{"lease_time", Type::string, "\"1h\""},
    KeySpec{"options", Type::array, "[{ code = 42, addresses = [\"192.0.2.1\"] }]"},
    KeySpec{"range", Type::string, "\"10.0.5.200-10.0.5.249\""},
    KeySpec{"relays", Type::array, "[\"192.0.2.7\"]"},
};

constexpr std::array kOptionKeys{
    KeySpec{"code", Type::integer, "42"},
    KeySpec{"addresses", Type::array, "[\"192.0.2.1\"]"},
    KeySpec{"text", Type::string, "\"boot.example\""},
    KeySpec{"hex", Type::string, "\"0104c0000201\""},
};

constexpr auto kMinLease = 60s;  // below, ten thousand guests' renewals alone would keep the server busy
constexpr std::chrono::seconds kMaxLease = std::chrono::days{365};
constexpr std::size_t kMaxOption = 255;  // its length is one byte (RFC 2132 2)

struct OwnOption {
  std::int64_t first, last;
  std::string_view why;
};

// Options that the server makes itself, so that one from the file would be a lie or be lost.
constexpr std::array kOwnOptions{
    OwnOption{0, 0, "it is padding"},
    OwnOption{1, 1, "the mask follows from prefix and addressing"},
    OwnOption{3, 3, "the router is the network's gateway"},
    OwnOption{12, 12, "the host name is the guest's name"},
    OwnOption{26, 26, "the network's mtu says it"},
    OwnOption{28, 28, "the broadcast address follows from prefix"},
    OwnOption{50, 61, "the protocol itself uses it (lease_time says how long)"},
    OwnOption{82, 82, "it is the relays'"},
    OwnOption{121, 121, "the routes follow from addressing"},
    OwnOption{249, 249, "the routes follow from addressing"},
    OwnOption{255, 255, "it ends the options"},
};

Parsed<std::vector<std::uint8_t>> parse_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  bool good = text.size() % 2 == 0;
  for (std::size_t i = 0; good && i < text.size(); i += 2) {
    std::uint8_t byte = 0;
    const auto* begin = text.data() + i;
    const auto [end, error] = std::from_chars(begin, begin + 2, byte, 16);
    good = error == std::errc{} && end == begin + 2;
    bytes.push_back(byte);
  }
  if (good) return bytes;
  return std::unexpected(quoted(text) + " is no row of hex bytes; write two digits for each, such as 0104c0000201");
}

Parsed<std::vector<std::uint8_t>> parse_text(std::string_view text) {
  return std::vector<std::uint8_t>{text.begin(), text.end()};
}

std::optional<std::uint8_t> read_code(const TableReader& reader) {
  const auto* node = reader.find("code");
  if (node == nullptr) {
    if (!reader.present("code")) reader.complain(reader.at(), "a DHCP option needs its number; write code = 42");
    return std::nullopt;
  }
  const auto number = std::to_string(node->integer);
  if (node->integer < 0 || node->integer > 255) {
    reader.complain(node->at, number + " is no DHCP option; write a number of 1 to 254");
    return std::nullopt;
  }
  const auto own = std::ranges::find_if(
      kOwnOptions, [&](const OwnOption& o) { return o.first <= node->integer && node->integer <= o.last; });
  if (own != kOwnOptions.end()) {
    reader.complain(node->at,
                    "DHCP option " + number + " can't be set here, for " + std::string{own->why} + "; leave it out");
    return std::nullopt;
  }
  return static_cast<std::uint8_t>(node->integer);
}

void load_option(Diagnosis& diagnosis, const Node& table, NetworkDhcp& dhcp) {
  const auto before = diagnosis.count();
  const TableReader reader{diagnosis, table, "dhcp.options", kOptionKeys};
  const auto code = read_code(reader);
  RawDhcpOption option;
  const auto forms = std::ranges::count_if(std::array{"addresses", "text", "hex"},
                                           [&](const char* key) { return reader.present(key); });
  if (forms != 1) {
    reader.complain(table.at, "a DHCP option needs one value; write just one of addresses, text or hex");
    return;
  }
  for (const auto& [server, at] : reader.read_list("addresses", parse_address4)) {
    for (const auto byte : server.to_bytes()) option.value.push_back(byte);
  }
  reader.read("text", parse_text, option.value);
  reader.read("hex", parse_hex, option.value);
  if (diagnosis.count() > before || !code) return;
  if (option.value.empty() || option.value.size() > kMaxOption) {
    reader.complain(table.at, "the value of DHCP option " + std::to_string(*code) + " has " +
                                  std::to_string(option.value.size()) + " bytes; write 1 to 255");
    return;
  }
  option.code = *code;
  if (std::ranges::find(dhcp.options, option.code, &RawDhcpOption::code) != dhcp.options.end()) {
    reader.complain(reader.at("code"), "DHCP option " + std::to_string(*code) + " stands twice; write it once");
    return;
  }
  dhcp.options.push_back(std::move(option));
}

void read_lease_time(const TableReader& reader, NetworkDhcp& dhcp) {
  std::chrono::seconds time{};
  if (!reader.read("lease_time", parse_duration, time)) return;
  if (time < kMinLease || time > kMaxLease) {
    reader.complain(reader.at("lease_time"), "lease_time is too " + std::string{time < kMinLease ? "short" : "long"} +
                                                 "; write 60s to 365d, such as 1h");
    return;
  }
  dhcp.lease_time = time;
}

bool overlap(const AddressRange& a, const AddressRange& b) {
  return a.first <= b.last && b.first <= a.last;
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

}  // namespace

void load_dhcp(Diagnosis& diagnosis, const Node& table, bool prefix_known, Network& network) {
  const TableReader reader{diagnosis, table, "dhcp of network " + network.name, kDhcpKeys};
  read_lease_time(reader, network.dhcp);
  if (const auto* options = reader.find("options")) {
    for (const auto& item : options->items) {
      if (item.type == Type::table) {
        load_option(diagnosis, item, network.dhcp);
      } else {
        reader.complain(item.at, "options holds tables, not " + std::string{describe(item.type)} +
                                     "; write { code = 42, addresses = [\"192.0.2.1\"] }");
      }
    }
  }
  read_range(reader, prefix_known, network);
  for (const auto& [relay, at] : reader.read_list("relays", parse_address4)) {
    if (relay.is_unspecified() || relay.is_multicast() || relay == address_v4::broadcast()) {
      reader.complain(at, relay.to_string() + " is no relay's address; name one relay");
    } else if (std::ranges::find(network.dhcp.relays, relay) != network.dhcp.relays.end()) {
      reader.complain(at, relay.to_string() + " stands twice in relays; name it once");
    } else {
      network.dhcp.relays.push_back(relay);
    }
  }
}

}  // namespace vrouter::config
