// SPDX-License-Identifier: GPL-2.0-or-later
// What a network, a group and a guest alike may say of DHCP.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "config/table_reader.h"

namespace vrouter::config {

inline constexpr std::array kClientDhcpKeys{
    KeySpec{"dns", Node::Type::array, "[\"192.0.2.53\"]", false, true},
    KeySpec{"ntp", Node::Type::array, "[\"192.0.2.1\"]", false, true},
    KeySpec{"log", Node::Type::array, "[\"192.0.2.2\"]", false, true},
    KeySpec{"netbios", Node::Type::array, "[\"192.0.2.3\"]", false, true},
    KeySpec{"search", Node::Type::array, "[\"corp.example\"]", false, true},
    KeySpec{"captive_portal", Node::Type::string, "\"https://portal.example/api\""},
    KeySpec{"wpad", Node::Type::string, "\"http://wpad.example/wpad.dat\""},
    KeySpec{"tftp_server", Node::Type::string, "\"tftp.example\""},
    KeySpec{"tftp_addresses", Node::Type::array, "[\"192.0.2.4\"]", false, true},
    KeySpec{"capwap", Node::Type::array, "[\"192.0.2.5\"]", false, true},
    KeySpec{"posix_timezone", Node::Type::string, "\"CET-1CEST,M3.5.0,M10.5.0/3\""},
    KeySpec{"tzdb_timezone", Node::Type::string, "\"Europe/Berlin\""},
    KeySpec{"ipv6_only", Node::Type::string, "\"30m\""},
    KeySpec{"vendor", Node::Type::string, "\"0104c0000201\""},
    KeySpec{"static_routes", Node::Type::array, "[{ to = \"10.9.0.0/16\" }]"},
    KeySpec{"options", Node::Type::array, "[{ code = 42, addresses = [\"192.0.2.1\"] }]"},
    KeySpec{"boot", Node::Type::table, "{ bios = \"pxelinux.0\" }"},
};

// A table's own keys with those.
template <std::size_t N>
consteval auto and_client_dhcp_keys(const std::array<KeySpec, N>& own) {
  std::array<KeySpec, N + kClientDhcpKeys.size()> all{};
  std::ranges::copy(own, all.begin());
  std::ranges::copy(kClientDhcpKeys, all.begin() + N);
  return all;
}

// Whose it is: the routers of a network's routes are looked at here, those of a guest's once its network is known, and
// a group, whose members may be in several networks, names none.
enum class Whose { network, group, guest };

// Sets options and boot. Of a network, prefix, gateway, addressing and dhcp.range must have been read; null: they are
// not known, or it isn't one's.
void load_client_dhcp(Diagnosis& diagnosis, const TableReader& reader, Whose whose, const Network* network,
                      ClientDhcp& dhcp);

// The whole of `dhcp` in [[guests]] and of [dhcp.groups.NAME].
void load_guest_dhcp(Diagnosis& diagnosis, const Node& table, ClientDhcp& dhcp);
void load_group_dhcp(Diagnosis& diagnosis, const Node& table, const std::string& group, ClientDhcp& dhcp);

}  // namespace vrouter::config
