// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/perfdhcp.h"

#include <charconv>

namespace vrouter::bench {
namespace {

using namespace std::chrono_literals;

// How long it listens after its last DISCOVER, in its own unit: as long as it takes an answer for lost.
constexpr auto kListenOn = std::chrono::microseconds{1s};

// "sent packets: 1999" behind the heading of one half of the exchange.
int count_of(std::string_view text, std::string_view heading, std::string_view what) {
  const auto section = text.find(heading);
  const auto line = section == text.npos ? text.npos : text.find(what, section);
  int value = -1;
  if (line != text.npos) std::from_chars(text.data() + line + what.size(), text.data() + text.size(), value);
  if (value < 0) throw lab::LabError{"perfdhcp said no \"" + std::string{what} + "\": " + std::string{text}};
  return value;
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
  // Its exit status says only whether something was lost.
  const auto finished =
      where.run({"perfdhcp", "-4", "-l", relay, "-r", std::to_string(run.rate), "-R", std::to_string(run.clients), "-p",
                 std::to_string(run.seconds), "-W", std::to_string(kListenOn.count()), server},
                std::chrono::seconds{run.seconds} + 20s);
  if (finished.timed_out) throw lab::LabError{"perfdhcp does not end: " + finished.to_string()};
  return read_perfdhcp(finished.out, run.seconds);
}

}  // namespace vrouter::bench
