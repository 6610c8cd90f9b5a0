// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/packet.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace vrouter::router {
namespace {

struct alignas(cmsghdr) Control {
  std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> bytes{};
};

UniqueFd take_descriptor(msghdr& header) {
  UniqueFd taken;
  for (auto* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(int))) continue;
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
    taken.reset(fd);
  }
  return taken;
}

}  // namespace

std::expected<Packet, int> receive_packet(int line, std::span<std::uint8_t> into, Descriptors allowed) {
  iovec vector{into.data(), into.size()};
  Control control;
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  ssize_t n = -1;
  do {
    if (allowed == Descriptors::one) {
      header.msg_control = &control;
      // CMSG_SPACE rounds up to room for a second descriptor, which nobody would close.
      header.msg_controllen = CMSG_LEN(sizeof(int));
    }
    n = ::recvmsg(line, &header, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return std::unexpected(errno);
  Packet packet;
  packet.size = static_cast<std::size_t>(n);
  packet.cut = (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0;
  if (allowed == Descriptors::one) packet.fd = take_descriptor(header);
  return packet;
}

std::expected<void, int> send_packet(int line, std::span<const std::uint8_t> bytes, int fd) {
  // The API has no const; sendmsg(2) only reads.
  iovec vector{const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
  Control control;
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  if (fd >= 0) {
    header.msg_control = &control;
    header.msg_controllen = sizeof control;
    auto* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  ssize_t n = -1;
  do {
    n = ::sendmsg(line, &header, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return std::unexpected(errno);
  return {};
}

std::expected<std::pair<UniqueFd, UniqueFd>, KernelError> open_line(const char* what, int flags) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0, ends.data()) != 0) {
    return std::unexpected(KernelError{what, errno, ""});
  }
  return std::pair{UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

}  // namespace vrouter::router
