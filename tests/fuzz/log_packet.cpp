// SPDX-License-Identifier: GPL-2.0-or-later
// The log process's decoders. The first byte says which: a packet's bytes as a guest sent them, a datagram of the
// kernel's, or a message between the daemon and its child.
#include <algorithm>
#include <span>

#include "router/processes/log_verbs.h"
#include "router/processes/nflog.h"

namespace {

namespace verbs = vrouter::router::log_verbs;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check(const vrouter::router::LoggedPacket& logged) {
  require(logged.prefix.size() <= vrouter::router::kMaxPrefix);
  require(logged.packet.source.is_v4() == logged.packet.destination.is_v4());
  require(!logged.packet.ports || !logged.packet.icmp);
}

// What was made of a packet must reach the daemon as it is.
void check_packet(std::span<const std::uint8_t> bytes) {
  const auto summary = vrouter::router::summarize(bytes);
  if (!summary) return;
  const vrouter::router::LoggedPacket logged{"vr:deny:x", 1, 2, *summary};
  check(logged);
  const auto report = verbs::decode_report(verbs::encode(verbs::Report{logged}));
  require(report && std::get<vrouter::router::LoggedPacket>(*report) == logged);
}

void check_verbs(std::span<const std::uint8_t> bytes) {
  if (const auto order = verbs::decode_order(bytes)) {
    require(std::ranges::equal(verbs::encode(*order), bytes));
  } else {
    require(!order.error().empty());
  }
  if (const auto report = verbs::decode_report(bytes)) {
    require(std::ranges::equal(verbs::encode(*report), bytes));
    if (const auto* logged = std::get_if<vrouter::router::LoggedPacket>(&*report)) check(*logged);
  } else {
    require(!report.error().empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span bytes{data + 1, size - 1};
  switch (data[0] % 3) {
    case 0:
      check_packet(bytes);
      break;
    case 1: {
      // A datagram lies in a buffer that is aligned for its headers.
      std::vector<std::uint8_t> datagram{bytes.begin(), bytes.end()};
      vrouter::router::read_packet_log(datagram, check);
      break;
    }
    default:
      check_verbs(bytes);
  }
  return 0;
}
