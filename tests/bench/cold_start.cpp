// SPDX-License-Identifier: GPL-2.0-or-later
// As after a boot: the guests in the database, their TAPs there, and nothing of vrouter's in the kernel yet.
#include "tests/bench/bench.h"
#include "tests/bench/stage.h"

namespace vrouter::bench {
namespace {

constexpr double kMaxStart = 1500;   // ms, DESIGN.md section 8
constexpr double kMaxResident = 96;  // MiB
constexpr auto kSettled = 3s;

int routes_of(const Stage& stage) {
  return std::stoi(stage.host.must("ip route show proto 118 type unicast | wc -l"));
}

}  // namespace

void cold_start(const Sizes& sizes, Report& report) {
  Stage stage{sizes.crowd, 0};
  stage.populate();
  std::vector<double> ready, resident, most, proportional;
  int processes = 0;
  for (int i = 0; i < sizes.starts; ++i) {
    // Keeps the guests, and takes all that was made out of the kernel.
    stage.daemon->vrouter({"teardown"}, 120s);
    stage.daemon->stop();
    if (routes_of(stage) != 0) throw lab::LabError{"teardown left routes: the start would not be a cold one"};
    ready.push_back(lab::timed([&] { stage.daemon->start(60s); }));
    // Ready must mean complete, or the figure is of something else.
    const auto routes = routes_of(stage);
    if (routes != stage.guests()) {
      throw lab::LabError{"ready with " + std::to_string(routes) + " routes of " + std::to_string(stage.guests())};
    }
    // The services' processes are launched and told when the daemon is ready, and what the start took is given back.
    std::this_thread::sleep_for(kSettled);
    const auto memory = stage.memory();
    resident.push_back(memory.resident);
    most.push_back(memory.most);
    proportional.push_back(memory.proportional);
    processes = memory.processes;
  }
  const auto guests = std::to_string(stage.guests()) + " guests";
  report.at_most("cold start with " + guests + ", until the data plane is complete", lab::median(ready), "ms",
                 kMaxStart);
  report.at_most("memory with " + guests + ", VmRSS of " + std::to_string(processes) + " processes, summed",
                 lab::median(resident), "MiB", kMaxResident);
  report.value("the same, at its highest", lab::median(most), "MiB");
  report.value("the same, shared pages counted once", lab::median(proportional), "MiB");
}

}  // namespace vrouter::bench
