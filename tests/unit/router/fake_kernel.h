// SPDX-License-Identifier: GPL-2.0-or-later
// A kernel made of maps: remembers what it was told, does what the real one does with it, fails on demand.
#pragma once

#include <algorithm>
#include <cerrno>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "router/kernel/kernel_port.h"
#include "router/kernel/sysctls.h"
#include "router/reconcile/observed.h"

namespace vrouter::router {

class FakeKernel final : public KernelPort {
 public:
  std::map<std::uint32_t, Link> link_table;
  std::vector<InterfaceAddress> address_table;
  std::vector<Route> route_table;
  std::vector<Neighbour> neighbour_table;
  std::vector<std::pair<std::uint32_t, address_v4>> solicited;
  std::optional<int> fail_in;  // 0: the next change fails, 1: the one after it, ...
  int fail_code = EPERM;
  int changes = 0;

  Link& add_link(std::uint32_t index, const std::string& name, const std::string& kind) {
    Link link;
    link.index = index;
    link.name = name;
    link.kind = kind;
    link.ethernet = kind != "";
    link.loopback = name == "lo";
    link.up = name == "lo";
    link.conf[Conf::send_redirects] = 1;
    link.conf[Conf::accept_redirects] = 1;
    link.conf6.values = {0, 1, 0, 0, 0};
    return link_table[index] = link;
  }

  Result<std::vector<Link>> links() override {
    std::vector<Link> result;
    for (const auto& [index, link] : link_table) result.push_back(link);
    return result;
  }
  Result<std::vector<InterfaceAddress>> addresses() override { return address_table; }
  Result<std::vector<Route>> routes() override { return route_table; }
  Result<std::vector<Neighbour>> neighbours() override { return neighbour_table; }
  Result<Link> link(const std::string& name) override {
    for (const auto& [index, link] : link_table) {
      if (link.name == name) return link;
    }
    return std::unexpected(KernelError{"look up interface " + name, ENODEV, ""});
  }

  Result<LinkTraffic> traffic(const std::string& name) override {
    if (const auto known = link(name); !known) return std::unexpected(known.error());
    return LinkTraffic{};
  }

  Result<void> change_link(std::uint32_t ifindex, const std::string& name, const LinkChange& change) override {
    if (auto failed = step("change interface " + name)) return std::unexpected(*failed);
    const auto found = link_table.find(ifindex);
    if (found == link_table.end()) return std::unexpected(KernelError{"change interface " + name, ENODEV, ""});
    Link& link = found->second;
    if (change.group) link.group = *change.group;
    if (change.up) link.up = *change.up;
    for (const Conf key : kAllConf) link.conf[key] = change.conf[key].value_or(link.conf[key]);
    if (!link.up) {
      drop_on(ifindex);
      drop_addresses6(ifindex);
    }
    return {};
  }
  Result<void> create_tap(const std::string& name, std::optional<uid_t>) override {
    if (auto failed = step("create TAP " + name)) return std::unexpected(*failed);
    add_link(link_table.empty() ? 1 : link_table.rbegin()->first + 1, name, "tun");
    return {};
  }
  Result<void> remove_link(std::uint32_t ifindex, const std::string& name) override {
    if (auto failed = step("remove interface " + name)) return std::unexpected(*failed);
    if (link_table.erase(ifindex) == 0) return std::unexpected(KernelError{"remove interface " + name, ENODEV, ""});
    drop_on(ifindex);
    std::erase_if(address_table, [&](const auto& a) { return a.ifindex == ifindex; });
    return {};
  }
  Result<void> put_address(const InterfaceAddress& address) override {
    if (auto failed = step("add address")) return std::unexpected(*failed);
    if (address.local.is_v6() && !ipv6_on(address.ifindex)) {
      return std::unexpected(KernelError{"add address", EACCES, "IPv6 is disabled on this device"});
    }
    address_table.push_back(address);
    return {};
  }
  Result<void> remove_address(const InterfaceAddress& address) override {
    if (auto failed = step("remove address")) return std::unexpected(*failed);
    return erase(address_table, address, "remove address", EADDRNOTAVAIL);
  }
  Result<void> put_route(const Route& route) override {
    const std::string what = "add route " + route.destination.to_string();
    if (auto failed = step(what)) return std::unexpected(*failed);
    if (route.ifindex != 0 && (!link_table.contains(route.ifindex) || !link_table.at(route.ifindex).up)) {
      return std::unexpected(KernelError{what, ENETDOWN, ""});
    }
    if (route.destination.network().is_v6()) {
      if (route.ifindex != 0 && !ipv6_on(route.ifindex)) return std::unexpected(KernelError{what, EACCES, ""});
      const auto is_source = [&](const InterfaceAddress& a) { return a.local == route.source; };
      if (route.source && std::ranges::none_of(address_table, is_source))
        return std::unexpected(KernelError{what, EINVAL, "Invalid source address"});
    }
    const auto same = [&](const Route& r) { return Observed::key_of(r) == Observed::key_of(route); };
    std::erase_if(route_table, same);
    route_table.push_back(route);
    return {};
  }
  Result<void> remove_route(const Route& route) override {
    if (auto failed = step("remove route")) return std::unexpected(*failed);
    return erase(route_table, route, "remove route", ESRCH);
  }
  Result<void> put_neighbour(const Neighbour& neighbour) override {
    if (auto failed = step("add neighbour")) return std::unexpected(*failed);
    const auto same = [&](const Neighbour& n) {
      return n.ifindex == neighbour.ifindex && n.address == neighbour.address;
    };
    std::erase_if(neighbour_table, same);
    neighbour_table.push_back(neighbour);
    return {};
  }
  Result<void> remove_neighbour(const Neighbour& neighbour) override {
    if (auto failed = step("remove neighbour")) return std::unexpected(*failed);
    return erase(neighbour_table, neighbour, "remove neighbour", ENOENT);
  }
  Result<void> solicit(std::uint32_t ifindex, const address_v4& address) override {
    solicited.emplace_back(ifindex, address);
    return {};
  }

 private:
  std::optional<KernelError> step(const std::string& what) {
    ++changes;
    if (!fail_in) return std::nullopt;
    if ((*fail_in)-- > 0) return std::nullopt;
    fail_in.reset();
    return KernelError{what, fail_code, "because the test says so"};
  }
  template <typename T>
  static Result<void> erase(std::vector<T>& table, const T& value, const std::string& what, int absent) {
    const auto found = std::ranges::find(table, value);
    if (found == table.end()) return std::unexpected(KernelError{what, absent, ""});
    table.erase(found);
    return {};
  }
  [[nodiscard]] bool ipv6_on(std::uint32_t ifindex) const {
    const auto link = link_table.find(ifindex);
    return link != link_table.end() && link->second.ipv6_on();
  }
  void drop_addresses6(std::uint32_t ifindex) {
    std::erase_if(address_table, [&](const auto& a) { return a.ifindex == ifindex && a.local.is_v6(); });
  }
  void drop_on(std::uint32_t ifindex) {
    std::erase_if(route_table, [&](const Route& r) { return r.ifindex == ifindex; });
    std::erase_if(neighbour_table, [&](const Neighbour& n) { return n.ifindex == ifindex; });
  }
};

// A switch of IPv6's is written: as the kernel, which takes all of IPv6 off a link that is told to do without.
inline void write_conf6(FakeKernel& kernel, Link& link, Conf6 key, std::int32_t value) {
  link.conf6[key] = value;
  if (key != Conf6::disable_ipv6 || value == 0) return;
  const auto on_link = [&](const auto& what) { return what.ifindex == link.index; };
  std::erase_if(kernel.address_table, [&](const auto& a) { return on_link(a) && a.local.is_v6(); });
  std::erase_if(kernel.route_table, [&](const auto& r) { return on_link(r) && r.destination.network().is_v6(); });
  std::erase_if(kernel.neighbour_table, [&](const auto& n) { return on_link(n) && n.address.is_v6(); });
}

class FakeSysctls final : public Sysctls {
 public:
  std::map<std::string, std::string> values{
      {"net/ipv4/ip_forward", "0"},
      {"net/ipv4/conf/all/arp_ignore", "0"},
      {"net/ipv4/conf/all/accept_redirects", "1"},
      {"net/ipv4/conf/default/forwarding", "0"},
      {"net/ipv6/conf/all/forwarding", "0"},
      {"net/ipv6/conf/default/forwarding", "0"},
  };
  FakeKernel* links = nullptr;  // whose switches are the same as some files

  Result<std::string> read(const std::string& key) const override {
    const auto found = values.find(key);
    if (found == values.end()) return std::unexpected(KernelError{"read sysctl " + key, ENOENT, ""});
    return found->second;
  }
  Result<void> write(const std::string& key, const std::string& value) override {
    writes.push_back(key + "=" + value);
    values[key] = value;
    if (links == nullptr) return {};
    for (auto& [index, link] : links->link_table) {
      if (key == "net/ipv4/conf/" + link.name + "/forwarding") link.conf[Conf::forwarding] = value == "1" ? 1 : 0;
      for (const Conf6 conf : kAllConf6) {
        if (key == "net/ipv6/conf/" + link.name + "/" + std::string{name(conf)})
          write_conf6(*links, link, conf, std::stoi(value));
      }
      if (key == "net/ipv6/conf/all/forwarding") link.conf6[Conf6::forwarding] = std::stoi(value);
      if (key == "net/ipv4/ip_forward") link.conf[Conf::forwarding] = value == "1" ? 1 : 0;
    }
    return {};
  }
  std::vector<std::string> writes;
};

}  // namespace vrouter::router
