// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/kills/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "tests/lab/lib/sockets.h"

namespace vrouter::kills {
namespace {

constexpr std::uint16_t kServerPort = 67, kClientPort = 68;
constexpr int kBuffer = 4 << 20;

void drain(int fd, std::vector<std::vector<std::uint8_t>>& into) {
  std::array<std::uint8_t, 2048> buffer{};
  for (;;) {
    const auto n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n <= 0) return;
    into.emplace_back(buffer.begin(), buffer.begin() + n);
  }
}

}  // namespace

Relay::Relay(const lab::Namespace& where, const std::string& own, const std::string& server) : server_{server} {
  where.enter([&] {
    relay_ = lab::bind_udp(own, kServerPort);
    clients_ = lab::bind_udp("0.0.0.0", kClientPort);
  });
  for (const auto fd : {relay_.get(), clients_.get()})
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kBuffer, sizeof kBuffer);
}

void Relay::forward(std::span<const std::uint8_t> message) const {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(kServerPort);
  ::inet_pton(AF_INET, server_.c_str(), &to.sin_addr);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket calls' own idiom
  ::sendto(relay_.get(), message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

void Relay::send_from(std::uint32_t client, std::uint32_t server, std::span<const std::uint8_t> message) const {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(kServerPort);
  to.sin_addr.s_addr = htonl(server);
  in_pktinfo from{};
  from.ipi_spec_dst.s_addr = htonl(client);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof from)> control{};
  // sendmsg(2) reads it only.
  iovec bytes{.iov_base = const_cast<std::uint8_t*>(message.data()),  // NOLINT(cppcoreguidelines-pro-type-const-cast)
              .iov_len = message.size()};
  msghdr header{};
  header.msg_name = &to;
  header.msg_namelen = sizeof to;
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  auto* field = CMSG_FIRSTHDR(&header);
  field->cmsg_level = IPPROTO_IP;
  field->cmsg_type = IP_PKTINFO;
  field->cmsg_len = CMSG_LEN(sizeof from);
  std::memcpy(CMSG_DATA(field), &from, sizeof from);
  ::sendmsg(clients_.get(), &header, 0);
}

std::vector<std::vector<std::uint8_t>> Relay::receive(lab::Milliseconds limit) const {
  std::array<pollfd, 2> sockets{pollfd{relay_.get(), POLLIN, 0}, pollfd{clients_.get(), POLLIN, 0}};
  std::vector<std::vector<std::uint8_t>> all;
  if (::poll(sockets.data(), sockets.size(), static_cast<int>(limit.count())) <= 0) return all;
  for (const auto& socket : sockets) drain(socket.fd, all);
  return all;
}

}  // namespace vrouter::kills
