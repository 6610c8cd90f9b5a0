// SPDX-License-Identifier: GPL-2.0-or-later
// vrouter-bench [quick] [WHAT...]: measures, prints a table of what was measured beside what is promised. Status 0:
// all was measured, met or not; 1: something could not be.
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <string_view>
#include <thread>

#include "tests/bench/bench.h"

namespace vrouter::bench {
namespace {

struct Bench {
  std::string_view word;
  std::string_view what;
  void (*run)(const Sizes&, Report&);
};

constexpr std::array kBenches{
    Bench{"add-guest", "one guest more beside ten thousand", add_guest},
    Bench{"start", "a cold start with ten thousand guests, and memory", cold_start},
    Bench{"restart", "stop, start, kill -9 under traffic", restart},
    Bench{"repair", "a deleted route, a link flap, flushed rules", repair},
    Bench{"throughput", "beside plain forwarding, masquerading and iptables", throughput},
    Bench{"policy", "2,000 rules over ten thousand guests: load, change a rule, change a guest's groups", policy},
    Bench{"policy-throughput", "with that policy, beside the same as linear iptables rules", policy_throughput},
    Bench{"boot-storm", "ten thousand guests that ask for their addresses in the same second, and memory", boot_storm},
    Bench{"dhcp", "leases of a range through a relay, beside Kea and dnsmasq", dhcp},
    Bench{"dns", "names looked up by guests, beside unbound, dnsmasq and an echo loop", dns},
};

int usage() {
  std::cerr << "usage: vrouter-bench [quick] [WHAT...]\n\n";
  for (const auto& bench : kBenches) std::cerr << "  " << bench.word << "  " << bench.what << '\n';
  std::cerr << "\nquick: so small that it shows only whether the bench runs\n";
  return 2;
}

// How busy the machine was before: another's work makes the figures worthless.
void describe_machine(Report& report) {
  std::ifstream file{"/proc/loadavg"};
  double load = 0;
  file >> load;
  utsname name{};
  ::uname(&name);
  report.note("Linux " + std::string{name.release} + ", " + std::to_string(std::thread::hardware_concurrency()) +
              " cores, load before the start " + std::to_string(load).substr(0, 4) +
              (load > 0.5 ? ": NOT a quiet machine" : ""));
}

int run(const std::vector<std::string_view>& words) {
  Sizes sizes;
  std::vector<Bench> chosen;
  for (const auto word : words) {
    if (word == "quick") {
      sizes = kQuick;
      continue;
    }
    const auto* bench = std::ranges::find(kBenches, word, &Bench::word);
    if (bench == kBenches.end()) return usage();
    chosen.push_back(*bench);
  }
  if (chosen.empty()) chosen.assign(kBenches.begin(), kBenches.end());
  Report report;
  describe_machine(report);
  for (const auto& bench : chosen) {
    std::cerr << bench.word << ": " << bench.what << '\n';
    try {
      bench.run(sizes, report);
    } catch (const std::exception& error) {
      report.broken(std::string{bench.word}, error.what());
    }
  }
  report.print(std::cout);
  return report.complete() ? 0 : 1;
}

}  // namespace
}  // namespace vrouter::bench

int main(int argc, char** argv) {
  return vrouter::bench::run({argv + 1, argv + argc});
}
