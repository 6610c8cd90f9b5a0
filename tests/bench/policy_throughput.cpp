// SPDX-License-Identifier: GPL-2.0-or-later
// What the policy costs its guests' packets, in alternated rounds as in throughput.cpp: the packets of connections
// under way, and the first of new ones, by which linear rules are walked.
#include <array>

#include "tests/bench/bench.h"
#include "tests/bench/policy_routers.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

// DESIGN.md section 8
constexpr double kCrowdAgainstOne = 0.95, kTcpAgainstPlain = 0.85, kPacketsAgainstMasquerade = 0.75;

struct Contestant {
  std::unique_ptr<Bed> bed;
  std::vector<double> tcp{}, packets{}, flows{};
};

enum Role : std::uint8_t { plain, masquerade, masquerade_again, one, tenants, linear_legacy, linear_nft, roles };

// A kernel may lack one of iptables' two kinds: then that one doesn't take part.
std::unique_ptr<Bed> linear_if_possible(const std::string& kind, const Tenants& wanted, Report& report) {
  try {
    return linear_policy_bed(kind, wanted);
  } catch (const lab::LabError& error) {
    report.broken("iptables-" + kind + " with " + std::to_string(wanted.rules) + " rules", error.what());
    return nullptr;
  }
}

std::vector<Contestant> set_up(const Sizes& sizes, Report& report) {
  std::vector<Contestant> all(roles);
  all[plain].bed = plain_bed();
  all[masquerade].bed = masquerade_bed("masquerade only");
  all[masquerade_again].bed = masquerade_bed("masquerade only, a second one");
  all[one].bed = tenants_bed("vrouter, 1 guest, no policy", {.guests = 1});
  all[tenants].bed = tenants_bed(
      "vrouter, " + std::to_string(sizes.tenants.guests) + " guests, " + std::to_string(sizes.tenants.rules) + " rules",
      sizes.tenants);
  all[linear_legacy].bed = linear_if_possible("legacy", sizes.tenants, report);
  all[linear_nft].bed = linear_if_possible("nft", sizes.tenants, report);
  return all;
}

void measure(Contestant& contestant, const Sizes& sizes) {
  const auto& bed = *contestant.bed;
  contestant.tcp.push_back(tcp_throughput(bed.up(), sizes.round));
  contestant.packets.push_back(packet_rate(bed.up(), "eth0", sizes.round));
  contestant.flows.push_back(new_flow_rate(bed.up(), "eth0", sizes.flows));
  // All routers share the kernel's table of connections; and the same ports are to be new ones again.
  bed.host.must("conntrack -F");
}

using Kind = std::vector<double> Contestant::*;

Figure figure(const std::vector<Contestant>& all, Kind kind, const std::string& what, const std::string& unit,
              Role ours, Role theirs) {
  return {.what = what + ", " + all[ours].bed->name(),
          .ours = lab::median(all[ours].*kind),
          .unit = unit,
          .against = all[theirs].bed->name(),
          .theirs = lab::median(all[theirs].*kind),
          .ratio = paired_ratio(all[ours].*kind, all[theirs].*kind)};
}

void compare(const std::vector<Contestant>& all, Kind kind, const std::string& what, const std::string& unit,
             Report& report) {
  const auto against = [&](Role theirs) { return figure(all, kind, what, unit, tenants, theirs); };
  const bool tcp = kind == &Contestant::tcp, packets = kind == &Contestant::packets;
  if (tcp || packets) {
    report.ratio(against(one), kCrowdAgainstOne);
  } else {
    report.add(against(one));
  }
  if (tcp) {
    report.ratio(against(plain), kTcpAgainstPlain);
  } else {
    report.add(against(plain));
  }
  if (packets) {
    report.ratio(against(masquerade), kPacketsAgainstMasquerade);
  } else {
    report.add(against(masquerade));
  }
  for (const auto linear : {linear_legacy, linear_nft}) {
    if (all[linear].bed) report.add(against(linear));
  }
  report.add(figure(all, kind, what, unit, masquerade_again, masquerade));
}

}  // namespace

void policy_throughput(const Sizes& sizes, Report& report) {
  auto all = set_up(sizes, report);
  for (int round = 0; round < sizes.rounds; ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto& contestant = all[(i + static_cast<std::size_t>(round)) % all.size()];
      if (contestant.bed) measure(contestant, sizes);
    }
  }
  compare(all, &Contestant::tcp, "TCP", "Gbit/s", report);
  compare(all, &Contestant::packets, "64-byte UDP", "kpps", report);
  compare(all, &Contestant::flows, "new connections, UDP", "k/s", report);
  report.note("iptables: the same rules in one FORWARD chain, a group a /26; the measured guest's are in the middle.");
}

}  // namespace vrouter::bench
