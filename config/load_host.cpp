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

}  // namespace vrouter::config
