// SPDX-License-Identifier: GPL-2.0-or-later
// A guest sends through each router in turn, all of them standing at the same time: what the machine does meanwhile
// hits them alike. Each figure is a median over the rounds; each ratio is the median of the rounds' ratios. Two
// routers that are the same (A/A) show how far from 1 a ratio comes by chance.
#include <algorithm>

#include "tests/bench/bench.h"
#include "tests/bench/routers.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

// DESIGN.md section 8
constexpr double kCrowdAgainstOne = 0.95, kTcpAgainstPlain = 0.85, kPacketsAgainstMasquerade = 0.75;

struct Contestant {
  std::unique_ptr<Bed> bed;
  std::vector<double> tcp{}, packets{};
};

enum Role : std::uint8_t {
  plain,
  masquerade,
  masquerade_again,
  one,
  one_again,
  crowd,
  linear_one,
  linear_many,
  linear_nft,
  roles
};

// A kernel may lack one of iptables' two kinds: then that one doesn't take part.
std::unique_ptr<Bed> linear_if_possible(const std::string& kind, int guests, Report& report) {
  try {
    return linear_bed(kind, guests);
  } catch (const lab::LabError& error) {
    report.broken("iptables-" + kind + " with " + std::to_string(guests) + " guests", error.what());
    return nullptr;
  }
}

std::vector<Contestant> set_up(const Sizes& sizes, Report& report) {
  std::vector<Contestant> all(roles);
  all[plain].bed = plain_bed();
  all[masquerade].bed = masquerade_bed("masquerade only");
  all[masquerade_again].bed = masquerade_bed("masquerade only, a second one");
  all[one].bed = vrouter_bed("vrouter, 1 guest", 1);
  all[one_again].bed = vrouter_bed("vrouter, 1 guest, a second one", 1);
  all[crowd].bed = vrouter_bed("vrouter, " + std::to_string(sizes.crowd) + " guests", sizes.crowd);
  all[linear_one].bed = linear_if_possible("legacy", 1, report);
  all[linear_many].bed = linear_if_possible("legacy", sizes.linear, report);
  all[linear_nft].bed = linear_if_possible("nft", sizes.linear, report);
  for (const auto& contestant : all) {
    if (!contestant.bed) continue;
    const auto reached = contestant.bed->guest.sh(std::string{"ping -c 3 -i 0.05 -W 2 "} + Bed::kWorld);
    if (!reached.ok()) throw lab::LabError{contestant.bed->name() + " forwards nothing: " + reached.to_string()};
  }
  return all;
}

void compare(const std::vector<Contestant>& all, std::vector<double> Contestant::* kind, const std::string& what,
             const std::string& unit, Report& report) {
  const auto figure = [&](Role ours, Role theirs) {
    return Figure{.what = what + ", " + all[ours].bed->name(),
                  .ours = lab::median(all[ours].*kind),
                  .unit = unit,
                  .against = all[theirs].bed->name(),
                  .theirs = lab::median(all[theirs].*kind),
                  .ratio = paired_ratio(all[ours].*kind, all[theirs].*kind)};
  };
  const bool tcp = kind == &Contestant::tcp;
  report.ratio(figure(crowd, one), kCrowdAgainstOne);
  if (tcp) {
    report.ratio(figure(crowd, plain), kTcpAgainstPlain);
    report.add(figure(crowd, masquerade));
  } else {
    report.ratio(figure(crowd, masquerade), kPacketsAgainstMasquerade);
    report.add(figure(crowd, plain));
  }
  for (const auto linear : {linear_one, linear_many, linear_nft}) {
    if (all[linear].bed) report.add(figure(crowd, linear));
  }
  report.add(figure(masquerade_again, masquerade));
  report.add(figure(one_again, one));
}

}  // namespace

void throughput(const Sizes& sizes, Report& report) {
  auto all = set_up(sizes, report);
  for (int round = 0; round < sizes.rounds; ++round) {
    // Each round begins with another one, so that none always follows the same.
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto& contestant = all[(i + static_cast<std::size_t>(round)) % all.size()];
      if (!contestant.bed) continue;
      contestant.tcp.push_back(tcp_throughput(contestant.bed->up(), sizes.round));
      contestant.packets.push_back(packet_rate(contestant.bed->up(), "eth0", sizes.round));
    }
  }
  compare(all, &Contestant::tcp, "TCP", "Gbit/s", report);
  compare(all, &Contestant::packets, "64-byte UDP", "kpps", report);
  report.note("The lines with \"a second one\" compare two routers that are the same: their distance from 1 is noise.");
}

}  // namespace vrouter::bench
