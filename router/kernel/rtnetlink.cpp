// SPDX-License-Identifier: GPL-2.0-or-later
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "router/kernel/kernel_port.h"
#include "router/kernel/listeners.h"
#include "router/kernel/netlink_socket.h"
#include "router/kernel/parse.h"
#include "router/kernel/requests.h"
#include "router/kernel/tap.h"

namespace vrouter::router {
namespace {

std::string where(std::uint32_t ifindex) {
  return ifindex == 0 ? "" : " on interface " + std::to_string(ifindex);
}

std::string in_words(const Route& route) {
  return (route.type == RouteType::unreachable ? "unreachable route " : "route ") + route.destination.to_string() +
         where(route.ifindex);
}

class RtnetlinkKernel final : public KernelPort {
 public:
  explicit RtnetlinkKernel(NlSocket socket) : requests_{std::move(socket)} {}

  Result<std::vector<Link>> links() override {
    std::vector<Link> found;
    const auto read = requests_.dump(
        link_dump_request, "list interfaces", [&] { found.clear(); },
        [&](const nlmsghdr* header) {
          if (auto link = parse_link(header)) found.push_back(std::move(*link));
        });
    if (!read) return std::unexpected(read.error());
    return found;
  }

  Result<std::vector<InterfaceAddress>> addresses() override {
    return list<InterfaceAddress>(RTM_GETADDR, "list addresses", parse_address);
  }
  Result<std::vector<Route>> routes() override { return list<Route>(RTM_GETROUTE, "list routes", parse_routes); }
  Result<std::vector<Neighbour>> neighbours() override {
    return list<Neighbour>(RTM_GETNEIGH, "list neighbours", parse_neighbour);
  }

  Result<Link> link(const std::string& name) override {
    const std::string what = "look up interface " + name;
    std::optional<Link> found;
    const auto message = link_request(name);
    const auto read = requests_.get(message.get(), what, [&](const nlmsghdr* header) { found = parse_link(header); });
    if (!read) return std::unexpected(read.error());
    if (!found) return std::unexpected(KernelError{what, ENODEV, ""});
    return *std::move(found);
  }

  Result<LinkTraffic> traffic(const std::string& name) override {
    const std::string what = "read the traffic of interface " + name;
    std::optional<LinkTraffic> found;
    const auto message = link_request(name);
    const auto read =
        requests_.get(message.get(), what, [&](const nlmsghdr* header) { found = parse_traffic(header); });
    if (!read) return std::unexpected(read.error());
    if (!found) return std::unexpected(KernelError{what, ENODEV, ""});
    return *found;
  }

  Result<std::vector<Listener>> listeners() override { return list_listeners(); }

  Result<void> change_link(std::uint32_t ifindex, const std::string& link, const LinkChange& change) override {
    const auto message = link_change_request(ifindex, change);
    return requests_.change(message.get(), "change interface " + link);
  }
  Result<void> create_tap(const std::string& name, std::optional<uid_t> owner) override {
    return make_persistent_tap(name, owner);
  }
  Result<void> remove_link(std::uint32_t ifindex, const std::string& link) override {
    const auto message = link_remove_request(ifindex);
    return requests_.change(message.get(), "remove interface " + link);
  }

  Result<void> put_address(const InterfaceAddress& address) override {
    const auto message = address_request(address, true);
    return requests_.change(message.get(), "add address " + address.local.to_string() + where(address.ifindex));
  }
  Result<void> remove_address(const InterfaceAddress& address) override {
    const auto message = address_request(address, false);
    return requests_.change(message.get(), "remove address " + address.local.to_string() + where(address.ifindex));
  }
  Result<void> put_route(const Route& route) override {
    const auto message = route_request(route, true);
    return requests_.change(message.get(), "add " + in_words(route));
  }
  Result<void> remove_route(const Route& route) override {
    const auto message = route_request(route, false);
    return requests_.change(message.get(), "remove " + in_words(route));
  }
  Result<void> put_neighbour(const Neighbour& neighbour) override {
    const auto message = neighbour_request(neighbour, true);
    return requests_.change(message.get(), "add neighbour " + neighbour.address.to_string() + where(neighbour.ifindex));
  }
  Result<void> solicit(std::uint32_t ifindex, const address_v4& address) override {
    const auto message = solicit_request(ifindex, address);
    return requests_.change(message.get(), "ask for " + address.to_string() + where(ifindex));
  }
  Result<std::uint32_t> bridge_port(std::uint32_t bridge, const MacAddress& station) override {
    const auto what = "find " + station.to_string() + where(bridge);
    std::optional<std::uint32_t> port;
    const auto message = bridge_port_request(bridge, station);
    const auto read = requests_.get(message.get(), what, [&](const nlmsghdr* header) {
      if (header->nlmsg_type != RTM_NEWNEIGH || header->nlmsg_len < NLMSG_LENGTH(sizeof(ndmsg))) return;
      ndmsg fixed{};
      std::memcpy(&fixed, NLMSG_DATA(header), sizeof fixed);
      port = static_cast<std::uint32_t>(fixed.ndm_ifindex);
    });
    if (!read) return std::unexpected(read.error());
    if (!port) return std::unexpected(KernelError{what, ENOENT, ""});
    return *port;
  }
  Result<void> remove_neighbour(const Neighbour& neighbour) override {
    const auto message = neighbour_request(neighbour, false);
    return requests_.change(message.get(),
                            "remove neighbour " + neighbour.address.to_string() + where(neighbour.ifindex));
  }

 private:
  // `parse` gives an optional value, or a vector of them.
  template <typename T, typename Parse>
  Result<std::vector<T>> list(int type, const std::string& what, Parse parse) {
    std::vector<T> found;
    const auto read = requests_.dump([type] { return dump_request(type); }, what, [&] { found.clear(); },
                                     [&](const nlmsghdr* header) { append(found, parse(header)); });
    if (!read) return std::unexpected(read.error());
    return found;
  }
  template <typename T>
  static void append(std::vector<T>& found, std::optional<T> one) {
    if (one) found.push_back(std::move(*one));
  }
  template <typename T>
  static void append(std::vector<T>& found, std::vector<T> several) {
    found.insert(found.end(), several.begin(), several.end());
  }

  Requests requests_;
};

}  // namespace

Result<std::unique_ptr<KernelPort>> open_kernel() {
  auto socket = connect_rtnetlink();
  if (!socket) return std::unexpected(socket.error());
  return std::make_unique<RtnetlinkKernel>(std::move(*socket));
}

}  // namespace vrouter::router
