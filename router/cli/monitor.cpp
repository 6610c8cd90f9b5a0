// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/monitor.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cstdio>
#include <ctime>

#include "router/cli/print.h"
#include "router/cli/run.h"
#include "router/cli/table.h"

namespace vrouter::router::cli {
namespace {

using control::LeaseView;
using control::MonitorView;
using control::PacketView;

std::string clock_text(std::chrono::microseconds time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto since = static_cast<std::time_t>(seconds.count());
  std::tm local{};
  ::localtime_r(&since, &local);
  return fmt::format("{:%H:%M:%S}.{:03}", local,
                     std::chrono::duration_cast<std::chrono::milliseconds>(time - seconds).count());
}

// "web1 10.0.5.2:41234"; who is no guest is known by the interface, where the packet has come so far.
std::string end(const std::string& guest, const std::string& interface, const std::string& address,
                std::optional<std::uint16_t> port) {
  const std::string_view who = guest.empty() ? interface : guest;
  const bool v6 = address.find(':') != std::string::npos;
  auto text = fmt::format("{}{}", who, who.empty() ? "" : " ");
  if (!port) return text + address;
  return text + (v6 ? fmt::format("[{}]:{}", address, *port) : fmt::format("{}:{}", address, *port));
}

bool print(const Request& request, const MonitorView& told, const std::string& json) {
  if (!told.packet && !told.lease && told.missed == 0) {
    // For whoever waits, not for whoever reads the output on.
    fmt::print(stderr,
               "vrouter: shows what the firewall refuses and what becomes of leases{}, as it happens; Ctrl-C ends it\n",
               request.guest.empty() ? "" : fmt::format(", of {} only", request.guest));
    if (!told.notice.empty()) fmt::print(stderr, "vrouter: warning: {}\n", told.notice);
    return true;
  }
  if (request.json) {
    fmt::print(stdout, "{}\n", json);
  } else {
    if (told.missed != 0) fmt::print(stdout, "{} missed: more than could be told\n", told.missed);
    if (told.packet) fmt::print(stdout, "{}\n", packet_line(*told.packet));
    if (told.lease) fmt::print(stdout, "{}\n", lease_line(*told.lease, told.lease_time));
  }
  return std::fflush(stdout) == 0;  // whoever reads the output on has ended
}

}  // namespace

std::string packet_line(const PacketView& packet) {
  const auto what = packet.icmp_type ? fmt::format("{}/{}", packet.protocol, *packet.icmp_type) : packet.protocol;
  const auto place = packet.file.empty() ? "" : fmt::format(" ({}:{})", packet.file, packet.line);
  return fmt::format("{} {:<6} {} {} -> {}  {}{}", clock_text(packet.time), packet.action, what,
                     end(packet.from_guest, packet.in, packet.source, packet.source_port),
                     end(packet.to_guest, packet.out, packet.destination, packet.destination_port), packet.rule, place);
}

std::string lease_line(const LeaseView& lease, std::chrono::microseconds time) {
  return fmt::format("{} lease  {} {} {} {} {}", clock_text(time), dhcp::name(lease.state), lease.address.to_string(),
                     lease.client.to_string(), printable(lease.host_name), interface_text(lease));
}

int monitor(const Request& request, control::Client& client) {
  const auto ended = client.monitor(
      request.guest, [&](const MonitorView& told, const std::string& json) { return print(request, told, json); });
  return ended ? kDone : fail(request, ended.error());
}

}  // namespace vrouter::router::cli
