// SPDX-License-Identifier: GPL-2.0-or-later
// As much of a daemon as its processes' tests need, to be killed or to live in a namespace: starts the spawner and both
// services, sends a datagram from a socket of each service's user, says the pids, and waits.
// processes_daemon ROOT ADDRESS
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "tests/lab/caged_child.h"

namespace vrouter::lab {
namespace {

constexpr std::uint16_t kDiscard = 9;

void send_datagram(Spawner& spawner, Service service, const char* address) {
  const auto socket = spawner.make_socket(service, AF_INET, SOCK_DGRAM);
  if (!socket) throw LabError{socket.error().to_string()};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(kDiscard);
  if (::inet_pton(AF_INET, address, &to.sin_addr) != 1) throw LabError{"ADDRESS is none"};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
  (void)::sendto(socket->get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

int run(const char* root, const char* address) {
  auto spawner = Spawner::fork(hostile_options(root));
  if (!spawner) throw LabError{spawner.error().to_string()};
  const Hostile dhcp{**spawner, Service::dhcp}, dns{**spawner, Service::dns};
  if (!dhcp.attempt(Attempt::nothing) || !dns.attempt(Attempt::nothing)) throw LabError{"a child doesn't live"};
  dns.command(Attempt::never_read);  // it won't notice that its line closes
  for (const auto service : {Service::dhcp, Service::dns}) send_datagram(**spawner, service, address);
  std::printf("%d %d %d\n", (*spawner)->pid(), dhcp.pid(), dns.pid());
  std::fflush(stdout);
  while (true) ::pause();
}

}  // namespace
}  // namespace vrouter::lab

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    return vrouter::lab::run(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
