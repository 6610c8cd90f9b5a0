// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>
#include <string>

#include "config/loader.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kHostKeys{
    KeySpec{"uplinks", Type::array, "[\"eth0\"]"},
    KeySpec{"forwarding", Type::string, "\"interfaces\""},
    KeySpec{"bridge_netfilter", Type::string, "\"off\""},
    KeySpec{"route_protocol", Type::integer, "118"},
    KeySpec{"table_owner", Type::string, "\"auto\", or false", true},
};

constexpr std::array kDnsKeys{
    KeySpec{"upstreams", Type::array, "[\"192.0.2.53\"]"},
    KeySpec{"forward", Type::array, "[{ domain = \"corp.example\", servers = [\"192.0.2.54\"] }]"},
};

constexpr std::array kForwardKeys{
    KeySpec{"domain", Type::string, "\"corp.example\""},
    KeySpec{"servers", Type::array, "[\"192.0.2.54\"]"},
};

struct RouteProtocol {
  std::int64_t number;
  std::string_view owner;
};

// linux/rtnetlink.h, RTPROT_*, and OVN's own 84. Routes with our number are ours to remove.
constexpr std::array kTakenProtocols{
    RouteProtocol{0, "nobody (unspec)"},
    RouteProtocol{1, "ICMP redirects"},
    RouteProtocol{2, "the kernel"},
    RouteProtocol{3, "routes made at boot"},
    RouteProtocol{4, "routes the administrator made (static)"},
    RouteProtocol{8, "GateD"},
    RouteProtocol{9, "router advertisements"},
    RouteProtocol{10, "MRT"},
    RouteProtocol{11, "zebra"},
    RouteProtocol{12, "BIRD"},
    RouteProtocol{13, "DECnet"},
    RouteProtocol{14, "XORP"},
    RouteProtocol{15, "Netsukuku"},
    RouteProtocol{16, "DHCP clients"},
    RouteProtocol{17, "mrouted"},
    RouteProtocol{18, "keepalived"},
    RouteProtocol{42, "Babel"},
    RouteProtocol{84, "OVN"},
    RouteProtocol{99, "Open/R"},
    RouteProtocol{186, "BGP"},
    RouteProtocol{187, "IS-IS"},
    RouteProtocol{188, "OSPF"},
    RouteProtocol{189, "RIP"},
    RouteProtocol{192, "EIGRP"},
};

void read_route_protocol(const TableReader& reader, Host& host) {
  const auto* node = reader.find("route_protocol");
  if (node == nullptr) return;
  const auto number = std::to_string(node->integer);
  if (const auto taken = std::ranges::find(kTakenProtocols, node->integer, &RouteProtocol::number);
      taken != kTakenProtocols.end()) {
    reader.complain(node->at, "route_protocol " + number + " marks the routes of " + std::string{taken->owner} +
                                  ", and vrouter removes what has its own number; write one nobody uses, such as 118");
  } else if (node->integer < 0 || node->integer > 255) {
    reader.complain(node->at,
                    "route_protocol " + number + " is no protocol number; write one of 5 to 255, such as 118");
  } else {
    host.route_protocol = static_cast<std::uint8_t>(node->integer);
  }
}

void read_table_owner(const TableReader& reader, Host& host) {
  const auto* node = reader.find("table_owner");
  if (node == nullptr) return;
  if (node->type == Type::string && node->text == "auto") return;
  if (node->type == Type::boolean && !node->boolean) {
    host.table_owner = TableOwner::no;
    return;
  }
  const auto given = node->type == Type::boolean ? std::string{"true"} : quoted(node->text);
  reader.complain(node->at, "table_owner can't be " + given + "; write \"auto\" or false");
}

// Servers in their order, each once, none of them a gateway of ours: a question would come straight back.
std::vector<address> read_servers(const TableReader& reader, std::string_view key, const Config& config) {
  std::vector<address> servers;
  for (const auto& [server, at] : reader.read_list(key, parse_address)) {
    const bool link_local = server.is_v6() && server.to_v6().is_link_local();
    const bool gateway = std::ranges::any_of(config.networks, [&](const auto& entry) {
      const auto& network = entry.second;
      return server == address{network.gateway} || (network.gateway6 && server == address{*network.gateway6});
    });
    if (gateway) {
      reader.complain(at, server.to_string() +
                              " is a gateway of vrouter's own, where questions would go in circles; "
                              "name the resolver behind it");
    } else if (server.is_unspecified() || server.is_multicast() || server == address{address_v4::broadcast()}) {
      reader.complain(at, server.to_string() + " is no server's address; name one server");
    } else if (link_local) {
      reader.complain(at, server.to_string() +
                              " is link-local and needs an interface, which can't be given; name a "
                              "global or unique local address");
    } else if (std::ranges::find(servers, server) != servers.end()) {
      reader.complain(at, server.to_string() + " stands twice in " + std::string{key} + "; name it once");
    } else {
      servers.push_back(server);
    }
  }
  return servers;
}

void load_forward_zone(Diagnosis& diagnosis, const Node& table, Config& config) {
  const TableReader reader{diagnosis, table, "dns.forward", kForwardKeys};
  ForwardZone zone;
  zone.servers = read_servers(reader, "servers", config);
  if (!reader.present("servers") || (reader.find("servers") != nullptr && reader.find("servers")->items.empty())) {
    reader.complain(table.at, "dns.forward needs servers for its domain; write servers = [\"192.0.2.54\"]");
  }
  if (!reader.present("domain")) {
    reader.complain(table.at, "dns.forward needs the domain that goes elsewhere; write domain = \"corp.example\"");
    return;
  }
  if (!reader.read("domain", parse_domain, zone.domain)) return;
  if (std::ranges::any_of(config.networks, [&](const auto& entry) { return entry.second.domain == zone.domain; })) {
    reader.complain(reader.at("domain"), "names in " + zone.domain +
                                             " are the guests' and answered by vrouter "
                                             "itself; forward another domain");
    return;
  }
  if (std::ranges::find(config.dns.forward, zone.domain, &ForwardZone::domain) != config.dns.forward.end()) {
    reader.complain(reader.at("domain"), zone.domain + " is forwarded twice; name all its servers in one entry");
    return;
  }
  config.dns.forward.push_back(std::move(zone));
}

}  // namespace

void load_host(Diagnosis& diagnosis, const Node& table, Host& host) {
  const TableReader reader{diagnosis, table, "[host]", kHostKeys};
  for (auto& [uplink, at] : reader.read_list("uplinks", parse_interface_name)) {
    if (uplink == "lo") {
      reader.complain(at, "lo is the loopback and leads nowhere; name the interface that leads out, such as eth0");
    } else if (std::ranges::find(host.uplinks, uplink) != host.uplinks.end()) {
      reader.complain(at, quoted(uplink) + " stands twice in uplinks; name it once");
    } else {
      host.uplinks.push_back(std::move(uplink));
    }
  }
  reader.choose("forwarding", {Forwarding::interfaces, Forwarding::global}, host.forwarding);
  reader.choose("bridge_netfilter", {BridgeNetfilter::off, BridgeNetfilter::on, BridgeNetfilter::leave},
                host.bridge_netfilter);
  read_route_protocol(reader, host);
  read_table_owner(reader, host);
}

void load_dns(Diagnosis& diagnosis, const Node& table, Config& config) {
  const TableReader reader{diagnosis, table, "[dns]", kDnsKeys};
  config.dns.upstreams = read_servers(reader, "upstreams", config);
  const auto* forward = reader.find("forward");
  if (forward == nullptr) return;
  for (const auto& item : forward->items) {
    if (item.type == Type::table) {
      load_forward_zone(diagnosis, item, config);
    } else {
      reader.complain(item.at, "dns.forward holds tables, not " + std::string{describe(item.type)} +
                                   "; write { domain = \"corp.example\", servers = [\"192.0.2.54\"] }");
    }
  }
}

}  // namespace vrouter::config
