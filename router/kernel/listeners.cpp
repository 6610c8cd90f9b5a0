// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/listeners.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "router/kernel/netlink_socket.h"

namespace vrouter::router {
namespace {

constexpr std::uint32_t kListening = 1U << 10;   // TCP_LISTEN, linux/include/net/tcp_states.h
constexpr std::uint32_t kUnconnected = 1U << 7;  // TCP_CLOSE, which a UDP socket is in that nobody connected

NlMessage request(int family, int protocol) {
  NlMessage message{nlmsg_alloc_simple(SOCK_DIAG_BY_FAMILY, 0)};
  inet_diag_req_v2 fixed{};
  fixed.sdiag_family = static_cast<std::uint8_t>(family);
  fixed.sdiag_protocol = static_cast<std::uint8_t>(protocol);
  fixed.idiag_states = protocol == IPPROTO_TCP ? kListening : kUnconnected;
  if (!message || nlmsg_append(message.get(), &fixed, sizeof fixed, NLMSG_ALIGNTO) < 0) return {};
  return message;
}

std::optional<Listener> parse(const nlmsghdr* header, int protocol) {
  if (header->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg))) return std::nullopt;
  inet_diag_msg said{};
  std::memcpy(&said, NLMSG_DATA(header), sizeof said);
  Listener found;
  found.tcp = protocol == IPPROTO_TCP;
  found.port = ntohs(said.id.idiag_sport);
  if (said.idiag_family == AF_INET) {
    found.local = address_v4{ntohl(said.id.idiag_src[0])};
    return found;
  }
  if (said.idiag_family != AF_INET6) return std::nullopt;
  address_v6::bytes_type bytes;
  std::memcpy(bytes.data(), said.id.idiag_src, bytes.size());
  found.local = address_v6{bytes};
  if (found.local.to_v6().is_v4_mapped()) {
    found.local = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, found.local.to_v6());
  }
  // libnl only reads it.
  auto* message = const_cast<nlmsghdr*>(header);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  const auto* v6only = nlmsg_find_attr(message, sizeof(inet_diag_msg), INET_DIAG_SKV6ONLY);
  found.v6only = v6only != nullptr && nla_len(v6only) >= 1 && nla_get_u8(v6only) != 0;
  return found;
}

}  // namespace

Result<std::vector<Listener>> list_listeners() {
  auto socket = connect_netlink(NETLINK_SOCK_DIAG, "open a socket to ask the kernel for sockets");
  if (!socket && socket.error().code == EPROTONOSUPPORT) return std::vector<Listener>{};
  if (!socket) return std::unexpected(socket.error());
  Requests requests{std::move(*socket)};
  std::vector<Listener> all;
  for (const int protocol : {IPPROTO_TCP, IPPROTO_UDP}) {
    for (const int family : {AF_INET, AF_INET6}) {
      std::vector<Listener> found;
      const auto read =
          requests.dump([&] { return request(family, protocol); }, "list listening sockets", [&] { found.clear(); },
                        [&](const nlmsghdr* header) {
                          if (const auto one = parse(header, protocol)) found.push_back(*one);
                        });
      // A kernel without tcp_diag or udp_diag, or without IPv6.
      const bool unknown = !read && (read.error().code == ENOENT || read.error().code == EOPNOTSUPP ||
                                     read.error().code == EAFNOSUPPORT);
      if (!read && !unknown) return std::unexpected(read.error());
      all.insert(all.end(), found.begin(), found.end());
    }
  }
  return all;
}

}  // namespace vrouter::router
