// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/dhcp/watch.h"

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <stdexcept>

#include "tests/lab/lib/frames.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp::testing {
namespace {

constexpr std::array kNames{"discover",  "selecting", "init-reboot", "renewing",
                            "rebinding", "decline",   "release",     "inform"};
constexpr std::size_t kOptionsAt = 240;  // behind the fields and the cookie

// Requests need no overload: what we look for is in the options field of every client's.
std::map<int, Bytes> options_of(const Bytes& message) {
  std::map<int, Bytes> options;
  std::size_t i = kOptionsAt;
  while (i + 1 < message.size() && message[i] != 255) {
    if (message[i] == 0) {
      ++i;
      continue;
    }
    const auto end = std::min<std::size_t>(i + 2 + message[i + 1], message.size());
    options[message[i]] =
        Bytes(message.begin() + static_cast<std::ptrdiff_t>(i) + 2, message.begin() + static_cast<std::ptrdiff_t>(end));
    i = end;
  }
  return options;
}

std::optional<Asked> meaning_of(const lab::Seen& seen) {
  const auto options = options_of(seen.payload);
  const auto type = options.find(53);
  if (type == options.end() || type->second.size() != 1) return std::nullopt;
  switch (type->second[0]) {
    case 1:
      return Asked::discover;
    case 4:
      return Asked::decline;
    case 7:
      return Asked::release;
    case 8:
      return Asked::inform;
    case 3:
      if (options.contains(54)) return Asked::selecting;
      if (std::all_of(seen.payload.begin() + 12, seen.payload.begin() + 16, [](auto byte) { return byte == 0; }))
        return Asked::init_reboot;
      return seen.to == "255.255.255.255" ? Asked::rebinding : Asked::renewing;
    default:
      return std::nullopt;
  }
}

}  // namespace

RequestWatch::RequestWatch(const std::string& interface)
    : socket_{::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_IP))} {
  sockaddr_ll here{};
  here.sll_family = AF_PACKET;
  here.sll_protocol = htons(ETH_P_IP);
  here.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
  if (!socket_ || ::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
    throw std::runtime_error("a packet socket on " + interface);
}

void RequestWatch::read() {
  Bytes frame(9100);
  for (;;) {
    const auto n = ::recv(socket_.get(), frame.data(), frame.size(), 0);
    if (n < 0) return;
    const auto seen = lab::dissect(std::span{frame}.first(static_cast<std::size_t>(n)));
    if (!seen || seen->protocol != lab::kProtocolUdp || seen->to_port != 67 || seen->payload.size() < kOptionsAt)
      continue;
    if (const auto what = meaning_of(*seen)) seen_.push_back(*what);
  }
}

std::size_t RequestWatch::count(Asked what) {
  read();
  return static_cast<std::size_t>(std::ranges::count(seen_, what));
}

std::string RequestWatch::story() {
  read();
  std::string text = "the client sent:";
  for (const auto what : seen_) text += std::string{" "} + kNames.at(static_cast<std::size_t>(what));
  return text + "\n";
}

}  // namespace vrouter::dhcp::testing
