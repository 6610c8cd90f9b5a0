// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>

#include "config/loader.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kNetworkKeys{
    KeySpec{"prefix", Type::string, "\"10.0.5.0/24\""},
    KeySpec{"gateway", Type::string, "\"10.0.5.1\""},
    KeySpec{"prefix6", Type::string, "\"fd76:7274:5::/64\""},
    KeySpec{"gateway6", Type::string, "\"fd76:7274:5::1\""},
    KeySpec{"mode", Type::string, "\"nat\""},
    KeySpec{"pool", Type::string, "\"10.0.5.100-10.0.5.199\""},
    KeySpec{"addressing", Type::string, "\"routed\""},
    KeySpec{"domain", Type::string, "\"guests.internal\""},
    KeySpec{"mtu", Type::integer, "1500"},
    KeySpec{"snat", Type::array, "\"198.51.100.8\"", false, true},
    KeySpec{"dhcp", Type::table, "{ lease_time = \"1h\" }"},
    KeySpec{"limits", Type::table, "{ new_connections = 500 }"},
};

constexpr std::int64_t kMinMtu4 = 576;      // RFC 791: every host takes this much
constexpr std::int64_t kMinMtu6 = 1280;     // RFC 8200 5: IPv6 needs this much
constexpr std::int64_t kMaxMtu = 65535;     // an IPv4 packet can't be longer
constexpr unsigned short kMinLength4 = 8;   // a shorter prefix would cover addresses of every kind
constexpr unsigned short kMaxLength4 = 30;  // a /31 has no address left beside the gateway that is no network address
constexpr unsigned short kMinLength6 = 8;
constexpr unsigned short kMaxLength6 = 126;
// A name of 63 and a dot before it must still make a name of 253 (RFC 1035 2.3.4).
constexpr std::size_t kMaxGuestDomain = 253 - 63 - 1;

// What the tables of the file come to, while they are compared.
struct Loaded {
  Network network;
  Position prefix_at, prefix6_at;
  std::vector<std::pair<address, Position>> snat_at{};
  bool prefix_known = false;
};

std::optional<std::string> unusable(const network_v4& prefix) {
  const auto text = prefix.to_string();
  if (prefix.prefix_length() < kMinLength4) return text + " is too large; write a prefix of /8 to /30";
  if (prefix.prefix_length() > kMaxLength4)
    return text + " has no room for a gateway and a guest; write /30 or shorter";
  const auto first = prefix.address().to_bytes()[0];
  const bool link_local = overlap(prefix, network_v4{address_v4{0xa9fe0000}, 16});
  if (first == 0 || first == 127 || first >= 224 || link_local) {
    return text + " is no range that guests can have; write a private one, such as 10.0.5.0/24";
  }
  return std::nullopt;
}

std::optional<std::string> unusable(const network_v6& prefix) {
  const auto text = prefix.to_string();
  if (prefix.prefix_length() < kMinLength6) return text + " is too large; write a prefix of /8 to /126";
  if (prefix.prefix_length() > kMaxLength6)
    return text + " has no room for a gateway and a guest; write /126 or shorter";
  const auto base = prefix.address();
  // Below 0100::/8 lie the loopback, the unspecified and the mapped addresses.
  if (base.is_multicast() || base.is_link_local() || base.to_bytes()[0] == 0) {
    return text + " is no range that guests can have; write a unique local one, such as fd76:7274:5::/64";
  }
  return std::nullopt;
}

bool read_prefix(const TableReader& reader, Network& network) {
  if (!reader.present("prefix")) {
    if (network.name == "default") return true;
    return reader.complain(reader.at(), "network " + network.name + " has no prefix; write prefix = \"10.0.6.0/24\"");
  }
  if (!reader.read("prefix", parse_prefix4, network.prefix)) return false;
  if (auto why = unusable(network.prefix)) return reader.complain(reader.at("prefix"), *why);
  network.gateway = first_host(network.prefix);
  return true;
}

void read_gateway(const TableReader& reader, bool prefix_known, Network& network) {
  address_v4 gateway;
  if (!reader.read("gateway", parse_address4, gateway) || !prefix_known) return;
  const auto prefix = network.prefix.to_string();
  const auto remedy = "; write an address between, such as " + first_host(network.prefix).to_string();
  if (!contains(network.prefix, gateway)) {
    reader.complain(reader.at("gateway"), "gateway " + gateway.to_string() + " is outside " + prefix +
                                              "; write an address inside, such as " +
                                              first_host(network.prefix).to_string());
  } else if (gateway == network.prefix.network()) {
    reader.complain(reader.at("gateway"),
                    "gateway " + gateway.to_string() + " is the address of " + prefix + " itself" + remedy);
  } else if (gateway == network.prefix.broadcast()) {
    reader.complain(reader.at("gateway"),
                    "gateway " + gateway.to_string() + " is the broadcast address of " + prefix + remedy);
  } else {
    network.gateway = gateway;
  }
}

// False: something is wrong with the IPv6 side.
bool read_ipv6(const TableReader& reader, Network& network) {
  if (reader.present("prefix6")) {
    network_v6 prefix;
    network.prefix6.reset();
    network.gateway6.reset();
    if (!reader.read("prefix6", parse_prefix6, prefix)) return false;
    if (auto why = unusable(prefix)) return reader.complain(reader.at("prefix6"), *why);
    network.prefix6 = prefix;
    network.gateway6 = first_host(prefix);
  }
  address_v6 gateway;
  if (!reader.present("gateway6")) return true;
  if (!reader.read("gateway6", parse_address6, gateway)) return false;
  const auto at = reader.at("gateway6");
  if (!network.prefix6) {
    return reader.complain(at, "gateway6 stands without a prefix6; write prefix6 = \"" +
                                   network_v6{gateway, 64}.canonical().to_string() + "\"");
  }
  const auto such_as = "; write an address inside, such as " + first_host(*network.prefix6).to_string();
  if (!contains(*network.prefix6, gateway)) {
    return reader.complain(at,
                           "gateway6 " + gateway.to_string() + " is outside " + network.prefix6->to_string() + such_as);
  }
  if (gateway == network.prefix6->network()) {
    // RFC 4291 2.6.1: the Subnet-Router anycast address.
    return reader.complain(
        at, "gateway6 " + gateway.to_string() + " means every router of " + network.prefix6->to_string() + such_as);
  }
  network.gateway6 = gateway;
  return true;
}

bool usable(const Network& network, const address_v4& a) {
  return a != network.prefix.network() && a != network.prefix.broadcast() && a != network.gateway;
}

void read_pool(const TableReader& reader, bool prefix_known, Network& network) {
  AddressRange pool;
  if (!reader.read("pool", parse_range, pool)) return;
  network.pool = pool;
  if (!prefix_known) return;
  const auto at = reader.at("pool");
  const auto text = "pool " + pool.first.to_string() + '-' + pool.last.to_string();
  if (!contains(network.prefix, pool.first) || !contains(network.prefix, pool.last)) {
    reader.complain(at, text + " is not all inside " + network.prefix.to_string() + "; write a range inside it");
    return;
  }
  // Three addresses of a network can't be a guest's, so four in a row always hold one that can.
  if (pool.last.to_uint() - pool.first.to_uint() >= 3) return;
  for (auto a = pool.first.to_uint(); a <= pool.last.to_uint(); ++a) {
    if (usable(network, address_v4{a})) return;
  }
  reader.complain(at,
                  text + " holds no address for a guest, only the network's own and its gateway; write a wider range");
}

void read_mtu(const TableReader& reader, Network& network) {
  const auto* node = reader.find("mtu");
  if (node == nullptr) return;
  const auto least = network.prefix6 ? kMinMtu6 : kMinMtu4;
  if (node->integer < least || node->integer > kMaxMtu) {
    const std::string why = network.prefix6 ? " (IPv6 needs 1280)" : "";
    reader.complain(node->at, "mtu " + std::to_string(node->integer) + " can't be; write one of " +
                                  std::to_string(least) + " to " + std::to_string(kMaxMtu) + why);
    return;
  }
  network.mtu = static_cast<std::uint16_t>(node->integer);
}

void read_domain(const TableReader& reader, Network& network) {
  if (!reader.read("domain", parse_domain, network.domain)) return;
  if (network.domain.size() > kMaxGuestDomain) {
    reader.complain(reader.at("domain"), "this domain leaves no room for guests' names; write at most 189 characters");
  }
}

constexpr const char* kSnatRemedy = "; name an address that this host has, or is to have, on its uplink";

bool holds(const Network& network, const address& its) {
  return its.is_v4() ? contains(network.prefix, its.to_v4())
                     : network.prefix6 && contains(*network.prefix6, its.to_v6());
}

void read_snat(const TableReader& reader, Loaded& loaded) {
  auto& network = loaded.network;
  const std::string remedy = kSnatRemedy;
  for (const auto& [snat, at] : reader.read_list("snat", parse_address)) {
    const auto text = snat.to_string();
    if (network.mode != Mode::nat) {
      reader.complain(at, "nothing that guests of a network with mode = \"" + std::string{name(network.mode)} +
                              "\" send is translated; leave snat out");
    } else if (snat.is_v6() && !network.prefix6) {
      reader.complain(at, text + " is an IPv6 address, and the network has no prefix6; leave it out");
    } else if (no_address_of_a_host(snat)) {
      reader.complain(at, text + " is no address that the world could answer" + remedy);
    } else if (holds(network, snat)) {
      reader.complain(at, text + " is inside the guests' own network" + remedy);
    } else if (!network.snat.add(snat)) {
      reader.complain(at, "snat holds a second address of one family; a network has one of each");
    } else {
      loaded.snat_at.emplace_back(snat, at);
    }
  }
}

Loaded load_network(Diagnosis& diagnosis, const Member& member, std::string name, Reserving& reserving) {
  const TableReader reader{diagnosis, member.value, "network " + name, kNetworkKeys};
  Loaded loaded;
  auto& network = loaded.network;
  if (name == "default") network = default_network();
  network.name = std::move(name);
  network.declared_at = diagnosis.place(member.at);
  loaded.prefix_known = read_prefix(reader, network);
  loaded.prefix_at = reader.present("prefix") ? reader.at("prefix") : member.at;
  loaded.prefix6_at = reader.present("prefix6") ? reader.at("prefix6") : member.at;
  read_gateway(reader, loaded.prefix_known, network);
  if (!read_ipv6(reader, network)) network.prefix6.reset();
  read_pool(reader, loaded.prefix_known, network);
  reader.choose("mode", {Mode::nat, Mode::routed, Mode::isolated}, network.mode);
  reader.choose("addressing", {Addressing::routed, Addressing::subnet}, network.addressing);
  read_domain(reader, network);
  read_mtu(reader, network);
  read_snat(reader, loaded);
  if (const auto* dhcp = reader.find("dhcp")) load_dhcp(diagnosis, *dhcp, loaded.prefix_known, reserving, network);
  if (const auto* limits = reader.find("limits")) load_limits(diagnosis, *limits, network.limits);
  return loaded;
}

// Prefixes are nested or apart, so in NetworkLess order one that overlaps any before it lies inside the widest
// one still open.
template <typename Prefix, typename PrefixOf, typename At>
void report_overlaps(Diagnosis& diagnosis, const std::vector<Loaded>& all, PrefixOf prefix_of, At at) {
  std::vector<std::pair<Prefix, const Loaded*>> sorted;
  for (const auto& loaded : all) {
    if (const std::optional<Prefix> prefix = prefix_of(loaded)) sorted.emplace_back(*prefix, &loaded);
  }
  std::ranges::sort(sorted, [](const auto& a, const auto& b) { return NetworkLess{}(a.first, b.first); });
  const std::pair<Prefix, const Loaded*>* open = nullptr;
  for (const auto& entry : sorted) {
    if (open == nullptr || !overlap(open->first, entry.first)) {
      open = &entry;
      continue;
    }
    const auto order = [&](const Loaded* l) { return std::pair{at(*l).line, at(*l).column}; };
    const auto* later = order(open->second) < order(entry.second) ? &entry : open;
    const auto* earlier = later == open ? &entry : open;
    diagnosis.add(at(*later->second), later->first.to_string() + " overlaps " + earlier->first.to_string() +
                                          " of network " + earlier->second->network.name + " (" +
                                          diagnosis.place(at(*earlier->second)).to_string() +
                                          "); give one of them a prefix of its own");
  }
}

// What is said of an address in the world holds wherever the other network stands.
void report_snat(Diagnosis& diagnosis, const std::vector<Loaded>& all) {
  for (const auto& loaded : all) {
    for (const auto& [snat, at] : loaded.snat_at) {
      for (const auto& other : all) {
        if (&other == &loaded || !other.prefix_known || !holds(other.network, snat)) continue;
        diagnosis.add(at, snat.to_string() + " is inside network " + other.network.name + " (" +
                              other.network.declared_at.to_string() + ")" + kSnatRemedy);
      }
    }
  }
}

}  // namespace

bool load_networks(Diagnosis& diagnosis, const Node& table, Reserving& reserving, Config& config) {
  const auto before = diagnosis.count();
  std::vector<Loaded> all;
  for (const auto& member : table.members) {
    if (member.value.type != Type::table) {
      diagnosis.add(member.value.at, "a network is a table, not " + std::string{describe(member.value.type)} +
                                         "; write [networks.default] and prefix = \"10.0.5.0/24\" below");
      continue;
    }
    auto name = parse_network_name(member.key);
    if (!name) diagnosis.add(member.at, name.error());
    const bool twice = name && std::ranges::any_of(all, [&](const Loaded& l) { return l.network.name == *name; });
    if (twice) diagnosis.add(member.at, "network " + *name + " stands twice, in other letter case; name it once");
    all.push_back(load_network(diagnosis, member, name.value_or(member.key), reserving));
  }
  report_overlaps<network_v4>(
      diagnosis, all, [](const Loaded& l) { return l.prefix_known ? std::optional{l.network.prefix} : std::nullopt; },
      [](const Loaded& l) { return l.prefix_at; });
  report_overlaps<network_v6>(
      diagnosis, all, [](const Loaded& l) { return l.network.prefix6; }, [](const Loaded& l) { return l.prefix6_at; });
  report_snat(diagnosis, all);
  for (auto& loaded : all) {
    if (!loaded.prefix_known) continue;
    auto key = loaded.network.name;
    config.networks.emplace(std::move(key), std::move(loaded.network));
  }
  return diagnosis.count() == before;
}

}  // namespace vrouter::config
