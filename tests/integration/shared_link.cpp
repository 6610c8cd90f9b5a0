// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/integration/shared_link.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace vrouter::lab {
namespace {

// What a distribution's script does, in a few lines.
constexpr const char* kUdhcpcScript = R"(#!/bin/sh
case "$1" in
  bound|renew)
    ip address replace "$ip/${mask:-32}" dev "$interface"
    for gateway in $router; do ip route replace default via "$gateway" dev "$interface" onlink; done
    { echo "search $domain"; for server in $dns; do echo "nameserver $server"; done; } > /etc/resolv.conf ;;
  deconfig) ip address flush dev "$interface" ;;
esac
)";

boost::json::array leases(const Daemon& daemon) {
  return boost::json::parse(daemon.vrouter({"--json", "leases"})).at("leases").as_array();
}

}  // namespace

std::string shared_config(const std::string& dhcp, const std::string& guest) {
  return "[networks.lab]\nprefix = \"10.9.0.0/24\"\ngateway = \"10.9.0.1\"\ndhcp = { " + dhcp +
         " }\n[[guests]]\ntap = \"br0\"\nname = \"bridge\"\nshared = true\nnetwork = \"lab\"\n" + guest;
}

LinkClient::LinkClient(const Namespace& host, unsigned number, const std::string& bridge)
    : mac_{fmt::format("02:00:00:00:00:{:02x}", number)},
      port_{fmt::format("port{}", number)},
      inside_{fmt::format("client{}", number)} {
  inside_.write_file("/tmp/script", kUdhcpcScript);
  inside_.must("chmod 755 /tmp/script");
  plug(host, bridge);
}

void LinkClient::plug(const Namespace& host, const std::string& bridge) const {
  connect({const_cast<Namespace&>(host), port_, ""}, {const_cast<Namespace&>(inside_), "eth0", ""});
  inside_.must("ip link set eth0 address " + mac_);
  host.must("ip link set " + port_ + " master " + bridge);
}

std::string LinkClient::lease(const std::string& more) {
  static_cast<void>(inside_.sh("busybox udhcpc -f -n -q -i eth0 -s /tmp/script -t 8 -T 1 " + more + " 2>&1", 20s));
  return address();
}

std::string LinkClient::address() const {
  auto text = inside_.sh("ip -4 -o address show dev eth0 | sed -n 's,.* inet \\([0-9.]*\\)/.*,\\1,p' | head -1").out;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

void LinkClient::flush() const {
  inside_.must("ip -4 address flush dev eth0");
}

void LinkClient::set(const std::string& address) const {
  inside_.must("ip -4 address flush dev eth0; ip address add " + address +
               "/32 dev eth0; ip route replace default via " + kLabGateway + " dev eth0 onlink");
}

bool LinkClient::reaches(const std::string& where, int tries) const {
  for (int i = 0; i < tries; ++i) {
    if (inside_.sh("ping -c 1 -W 1 " + where).ok()) return true;
  }
  return false;
}

SharedLink::SharedLink(const std::string& dhcp, std::size_t count, DaemonOptions options, const std::string& guest)
    : scene{[&] {
              options.config = shared_config(dhcp, guest);
              return options;
            }(),
            false} {
  make_bridge(scene.host);
  for (unsigned i = 0; i < count; ++i) clients.push_back(std::make_unique<LinkClient>(scene.host, i + 1));
  scene.daemon->start();
}

// Without spanning tree a port forwards at once. IPv6 would only be noise.
void SharedLink::make_bridge(const Namespace& host) {
  host.must("ip link add br0 type bridge forward_delay 0 stp_state 0 && ip link set br0 up");
}

std::string SharedLink::field(const std::string& address, const std::string& name) const {
  for (const auto& lease : leases(*scene.daemon)) {
    if (lease.at("address").as_string() != address) continue;
    const auto* value = lease.as_object().if_contains(name);
    if (value == nullptr) return {};
    return value->is_string() ? std::string{value->as_string()} : boost::json::serialize(*value);
  }
  return {};
}

std::size_t SharedLink::bound() const {
  std::size_t count = 0;
  for (const auto& lease : leases(*scene.daemon)) count += lease.at("state").as_string() == "bound" ? 1 : 0;
  return count;
}

bool SharedLink::says(const std::string& what) const {
  return wait_until([&] { return scene.daemon->vrouter({"status"}).find(what) != std::string::npos; }, 5s);
}

std::string SharedLink::traces(const std::string& address) const {
  return scene.host
      .sh("nft list ruleset | grep -Fw " + address + "; ip route show table all | grep -Fw " + address +
          "; ip neigh show nud permanent | grep -Fw " + address)
      .out;
}

std::size_t SharedLink::logged(const std::string& what) const {
  const auto log = scene.daemon->log();
  std::size_t count = 0;
  for (auto at = log.find(what); at != log.npos; at = log.find(what, at + 1)) ++count;
  return count;
}

void SharedLink::age_leases(std::chrono::seconds by) const {
  scene.daemon->kill9();
  const auto file = scene.daemon->state_dir() + "/leases.db";
  const auto change = fmt::format("UPDATE leases SET expires = expires - {}",
                                  std::chrono::duration_cast<std::chrono::nanoseconds>(by).count());
  // In there: SQLite would take the links of /proc/PID/root for what they say.
  scene.host.enter([&] {
    sqlite3* db = nullptr;
    const bool done = sqlite3_open_v2(file.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK &&
                      sqlite3_exec(db, change.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
    const std::string why = done ? "" : sqlite3_errmsg(db);
    sqlite3_close(db);
    if (!done) throw LabError{"age the leases: " + why};
  });
  scene.daemon->start();
}

}  // namespace vrouter::lab
