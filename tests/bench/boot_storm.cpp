// SPDX-License-Identifier: GPL-2.0-or-later
// A host comes back, and every guest asks for its address at the same time.
#include <algorithm>

#include "tests/bench/bench.h"
#include "tests/bench/cpu.h"
#include "tests/bench/stage.h"
#include "tests/bench/storm.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::bench {
namespace {

constexpr double kMaxFourWay = 1000;     // ms, issue 5
constexpr double kMaxProportional = 96;  // MiB
constexpr auto kGiveUp = 60s;

struct Kind {
  std::string name;
  Milliseconds within;
};

void print(const StormOutcome& outcome, double cpu, const Kind& kind, const std::string& with, Report& report) {
  const auto guests = outcome.four_way.size();
  const auto storm = with + " that begin " + kind.name;
  report.at_most(storm + ", from DISCOVER to ACK, 99 %", lab::percentile(outcome.four_way, 99), "ms", kMaxFourWay);
  report.value("the same, median", lab::median(outcome.four_way), "ms");
  report.value("the same, at most", lab::percentile(outcome.four_way, 100), "ms");
  report.at_most("the same, messages sent again", outcome.retransmissions, "", 0);
  report.value("the same, until the last DISCOVER was out", outcome.sending, "ms");
  report.value("the same, vrouterd's CPU for each", cpu * 1e6 / static_cast<double>(std::max<std::size_t>(guests, 1)),
               "us");
}

void begin_storm(Stage& stage, const Kind& kind, Report& report) {
  const auto with = std::to_string(stage.guests()) + " guests";
  const auto processes = lab::processes_of(stage.host, lab::built_program("vrouterd"));
  const auto before = cpu_seconds(processes);
  StormOutcome outcome;
  stage.fleet().run([&](std::span<const UniqueFd> taps) { outcome = storm(taps, kind.within, kGiveUp); });
  // The events of the last are on their way to the daemon still.
  std::this_thread::sleep_for(500ms);
  const auto cpu = cpu_seconds(processes) - before;
  print(outcome, cpu, kind, with, report);
  report.at_most("the same, guests without their address", stage.guests() - outcome.bound, "", 0);
  if (outcome.strangers > 0)
    throw lab::LabError{std::to_string(outcome.strangers) + " guests got NAK or another's address"};
}

// Memory in MiB, Pss summed: what the processes share counts once.
double storm_at_once(Stage& stage, const std::string& how, Milliseconds settled, Report& report) {
  stage.daemon->stop();
  stage.daemon->start(60s);
  std::this_thread::sleep_for(settled);
  const auto before = stage.memory();
  begin_storm(stage, {"at once", 0ms}, report);
  const auto after = stage.memory();
  const auto with = "memory with " + std::to_string(stage.guests()) + " guests " + how + ", after it, Pss of " +
                    std::to_string(after.processes) + " processes, summed";
  report.at_most(with, after.proportional, "MiB", kMaxProportional);
  report.value("the same, before it", before.proportional, "MiB");
  report.value("the same, VmRSS summed", after.resident, "MiB");
  report.value("the same, VmHWM summed", after.most, "MiB");
  return after.proportional;
}

double with_guests(int guests, Milliseconds settled, Report& report) {
  Stage stage{guests, 0};
  stage.populate();
  stage.use_disk();
  std::this_thread::sleep_for(settled);
  begin_storm(stage, {"within a second", 1000ms}, report);
  return storm_at_once(stage, "added by command", settled, report);
}

// What a file declares is kept as the file has it too, to tell what the next reload changes.
void with_declared(int guests, Milliseconds settled, Report& report) {
  Stage stage{guests, 0};
  stage.daemon->set_config(config_with_guests({.guests = guests}, false));
  stage.daemon->start(60s);
  stage.use_disk();
  storm_at_once(stage, "declared in vrouter.toml", settled, report);
}

}  // namespace

void boot_storm(const Sizes& sizes, Report& report) {
  double smallest = 0, largest = 0;
  for (const auto guests : sizes.storms) {
    largest = with_guests(guests, sizes.settled, report);
    if (smallest == 0) smallest = largest;
  }
  const auto more = sizes.storms.back() - sizes.storms.front();
  report.value("memory for each guest, from " + std::to_string(sizes.storms.front()) + " to " +
                   std::to_string(sizes.storms.back()),
               (largest - smallest) * 1024 / more, "KiB");
  with_declared(sizes.storms.back(), sizes.settled, report);
}

}  // namespace vrouter::bench
