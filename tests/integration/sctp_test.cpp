// SPDX-License-Identifier: GPL-2.0-or-later
// A published SCTP port, where the kernel speaks SCTP: Debian's does, in the QEMU machine (tests/vm).
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>

#include "tests/integration/scene.h"
#include "tests/lab/lib/error.h"

namespace vrouter::lab {
namespace {

constexpr int kPatience = 5000;  // ms: under TCG a handshake takes its time

sockaddr_in endpoint(const std::string& text, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  if (::inet_pton(AF_INET, text.c_str(), &at.sin_addr) != 1) throw LabError{"not an IPv4 address: " + text};
  return at;
}

template <typename Address>
sockaddr* generic(Address& at) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket calls' own idiom
  return reinterpret_cast<sockaddr*>(&at);
}

UniqueFd open_sctp() {
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP)};
  const timeval limit{kPatience / 1000, 0};
  if (fd) ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (fd) ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

std::string hear(const UniqueFd& end) {
  std::array<char, 64> buffer{};
  const auto got = ::recv(end.get(), buffer.data(), buffer.size(), 0);
  return got > 0 ? std::string{buffer.data(), static_cast<std::size_t>(got)} : std::string{};
}

// What the server on port 7000 of `callee` was asked, and by whom; empty: the call didn't get through.
std::string ask(Namespace& caller, const std::string& to, std::uint16_t port, Namespace& callee) {
  UniqueFd listener, client;
  callee.enter([&] {
    listener = open_sctp();
    auto any = endpoint("0.0.0.0", 7000);
    const int on = 1;
    ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(listener.get(), generic(any), sizeof any) < 0 || ::listen(listener.get(), 1) < 0) throw_errno("listen");
  });
  bool connected = false;
  caller.enter([&] {
    client = open_sctp();
    auto there = endpoint(to, port);
    connected = ::connect(client.get(), generic(there), sizeof there) == 0;
  });
  pollfd ready{listener.get(), POLLIN, 0};
  if (!connected || ::poll(&ready, 1, kPatience) != 1) return {};
  sockaddr_in from{};
  socklen_t size = sizeof from;
  const UniqueFd server{::accept(listener.get(), generic(from), &size)};
  constexpr std::string_view kQuestion = "question", kAnswer = "answer";
  if (!server || ::send(client.get(), kQuestion.data(), kQuestion.size(), MSG_NOSIGNAL) < 0) return {};
  const auto heard = hear(server);
  if (::send(server.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL) < 0 || hear(client) != kAnswer) return {};
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &from.sin_addr, text.data(), text.size());
  return heard + " of " + text.data();
}

TEST(Sctp, APublishedPortLeadsToTheGuestAndIsClosedAgain) {
  if (!open_sctp()) GTEST_SKIP() << "this kernel has no SCTP";
  Scene scene;
  TapGuest guest{scene.host, "tap0"}, other{scene.host, "tap1"};
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--publish", "5000:7000/sctp"});
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
  guest.set_static("10.0.5.2/32", "10.0.5.1");
  other.set_static("10.0.5.3/32", "10.0.5.1");
  EXPECT_EQ(ask(scene.world, Scene::kHost, 5000, guest.inside()), "question of 192.0.2.80");
  EXPECT_EQ(ask(other.inside(), Scene::kHost, 5000, guest.inside()), "question of 10.0.5.3");
  EXPECT_EQ(ask(scene.host, Scene::kHost, 5000, guest.inside()), "question of 192.0.2.1");
  EXPECT_EQ(ask(scene.world, Scene::kHost, 5001, guest.inside()), "");
  scene.daemon->vrouter({"unpublish", "tap0", "5000:7000/sctp"});
  EXPECT_EQ(ask(scene.world, Scene::kHost, 5000, guest.inside()), "");
}

}  // namespace
}  // namespace vrouter::lab
