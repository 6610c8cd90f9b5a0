// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/perfdhcp.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/asio/ip/address_v4.hpp>
#include <charconv>
#include <filesystem>
#include <thread>

#include "base/unique_fd.h"

namespace vrouter::bench {
namespace {

using namespace std::chrono_literals;

// How long it listens after its last DISCOVER, in its own unit: as long as it takes an answer for lost.
constexpr auto kListenOn = std::chrono::microseconds{1s};
// perfdhcp leaves its socket what the kernel gives to all: room for some 160 replies, which at 8,000 exchanges a second
// come in 10 ms. Whenever the machine takes it off its processor for longer than that, the answers of every server are
// lost in the generator. It gets the room that the servers' own sockets have.
constexpr int kReceiveBuffer = 4 << 20;

// "sent packets: 1999" behind the heading of one half of the exchange.
int count_of(std::string_view text, std::string_view heading, std::string_view what) {
  const auto section = text.find(heading);
  const auto line = section == text.npos ? text.npos : text.find(what, section);
  int value = -1;
  if (line != text.npos) std::from_chars(text.data() + line + what.size(), text.data() + text.size(), value);
  if (value < 0) throw lab::LabError{"perfdhcp said no \"" + std::string{what} + "\": " + std::string{text}};
  return value;
}

// A fork that hasn't become perfdhcp yet holds the sockets of this process: the address tells them apart.
bool is_udp_at(int fd, const boost::asio::ip::address_v4& address) {
  sockaddr_in local{};
  int type = 0;
  socklen_t type_size = sizeof type, size = sizeof local;
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_DGRAM &&
         // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
         ::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0 && local.sin_family == AF_INET &&
         ntohl(local.sin_addr.s_addr) == address.to_uint();
}

// The process's UDP socket at the address; none while it hasn't bound it.
UniqueFd udp_socket_of(pid_t pid, const boost::asio::ip::address_v4& address) {
  const UniqueFd process{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/fd", gone}) {
    UniqueFd fd{static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), std::stoi(entry.path().filename()), 0))};
    if (fd && is_udp_at(fd.get(), address)) return fd;
  }
  return {};
}

void give_room(lab::Process& perfdhcp, const std::string& relay) {
  const auto address = boost::asio::ip::make_address_v4(relay);
  for (const auto deadline = std::chrono::steady_clock::now() + 2s;
       perfdhcp.running() && std::chrono::steady_clock::now() < deadline;) {
    if (const auto socket = udp_socket_of(perfdhcp.pid(), address)) {
      if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) == 0) return;
      lab::throw_errno("perfdhcp's receive buffer");
    }
    std::this_thread::sleep_for(1ms);
  }
  throw lab::LabError{"perfdhcp made no UDP socket: " + perfdhcp.output()};
}

}  // namespace

Exchanges read_perfdhcp(std::string_view text, double seconds) {
  constexpr auto kFirst = "Statistics for: DISCOVER-OFFER", kSecond = "Statistics for: REQUEST-ACK";
  return {.discovers = count_of(text, kFirst, "sent packets: "),
          .offers = count_of(text, kFirst, "received packets: "),
          .acks = count_of(text, kSecond, "received packets: "),
          .seconds = seconds};
}

Exchanges run_perfdhcp(const lab::Namespace& where, const std::string& relay, const std::string& server,
                       const PerfdhcpRun& run) {
  auto perfdhcp =
      where.spawn({"perfdhcp", "-4", "-l", relay, "-r", std::to_string(run.rate), "-R", std::to_string(run.clients),
                   "-p", std::to_string(run.seconds), "-W", std::to_string(kListenOn.count()), server});
  give_room(perfdhcp, relay);
  // Its exit status says only whether something was lost.
  if (!perfdhcp.wait(std::chrono::seconds{run.seconds} + 20s))
    throw lab::LabError{"perfdhcp does not end: " + perfdhcp.output()};
  return read_perfdhcp(perfdhcp.output(), run.seconds);
}

}  // namespace vrouter::bench
