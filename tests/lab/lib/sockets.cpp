// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "tests/lab/lib/error.h"

namespace vrouter::lab {
namespace {

constexpr int kBacklog = 128;
constexpr time_t kStuckPeerSeconds = 5;  // a test's client that hangs must not hang the server
constexpr std::size_t kMaxDatagram = 65536;

template <typename Address>
sockaddr* generic(Address& address) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket calls' own idiom
  return reinterpret_cast<sockaddr*>(&address);
}

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Endpoint endpoint(const std::string& address, std::uint16_t port) {
  Endpoint made;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&made.storage, &v4, made.size = sizeof v4);
  } else if (::inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    std::memcpy(&made.storage, &v6, made.size = sizeof v6);
  } else {
    throw LabError{"not an IP address: " + address};
  }
  return made;
}

Peer describe(const sockaddr_storage& storage) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return {text.data(), ntohs(v6.sin6_port)};
  }
  sockaddr_in v4{};
  std::memcpy(&v4, &storage, sizeof v4);
  ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  return {text.data(), ntohs(v4.sin_port)};
}

UniqueFd bind_internet(const std::string& address, std::uint16_t port, int type) {
  auto where = endpoint(address, port);
  UniqueFd fd{::socket(where.storage.ss_family, type | SOCK_CLOEXEC, 0)};
  const int yes = 1;
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0) throw_errno("socket");
  if (::bind(fd.get(), generic(where.storage), where.size) < 0) {
    throw_errno("bind " + address + " port " + std::to_string(port));
  }
  return fd;
}

}  // namespace

UniqueFd bind_unix_datagram(const std::string& path) {
  UniqueFd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  if (!fd) throw_errno("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw LabError{"path too long: " + path};
  std::memcpy(address.sun_path, path.data(), path.size());
  ::unlink(path.c_str());
  if (::bind(fd.get(), generic(address), sizeof address) < 0) throw_errno("bind " + path);
  return fd;
}

UniqueFd listen_tcp(const std::string& address, std::uint16_t port) {
  auto fd = bind_internet(address, port, SOCK_STREAM);
  if (::listen(fd.get(), kBacklog) < 0) throw_errno("listen");
  return fd;
}

UniqueFd bind_udp(const std::string& address, std::uint16_t port) {
  return bind_internet(address, port, SOCK_DGRAM);
}

UniqueFd accept_tcp(int listener, Peer& peer) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  UniqueFd fd{::accept4(listener, generic(storage), &size, SOCK_CLOEXEC)};
  if (!fd) return fd;
  const timeval patience{.tv_sec = kStuckPeerSeconds, .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  peer = describe(storage);
  return fd;
}

std::string receive_from(int socket, Peer& peer) {
  std::string bytes(kMaxDatagram, '\0');
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  const auto n = ::recvfrom(socket, bytes.data(), bytes.size(), MSG_DONTWAIT, generic(storage), &size);
  bytes.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  peer = describe(storage);
  return bytes;
}

void send_to(int socket, const Peer& peer, const std::string& bytes) {
  auto where = endpoint(peer.address, peer.port);
  // A peer that is gone is no matter of the server's.
  static_cast<void>(::sendto(socket, bytes.data(), bytes.size(), 0, generic(where.storage), where.size));
}

}  // namespace vrouter::lab
