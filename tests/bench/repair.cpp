// SPDX-License-Identifier: GPL-2.0-or-later
// What others break, put back: from the kernel's news of the change to its news of the repair. Without table ownership,
// since nobody else can flush a table that has an owner.
#include "tests/bench/bench.h"
#include "tests/bench/stage.h"
#include "tests/lab/lib/kernel_watch.h"

namespace vrouter::bench {
namespace {

using Kind = lab::KernelChange::Kind;
using lab::Clock;

constexpr double kMaxRepair = 50;  // ms, DESIGN.md section 8
constexpr auto kGiveUp = 5s;
constexpr int kSampled = 1;

double between(const lab::KernelChange& from, const lab::KernelChange& to) {
  return std::chrono::duration<double, std::milli>(to.at - from.at).count();
}

// From one change to the first of another kind after it; nothing when that doesn't come.
std::optional<double> repaired(const lab::KernelWatch& watch, Clock::time_point begin, Kind broken, Kind mended,
                               const std::string& what_broke, const std::string& what_mends) {
  const auto change = watch.first(broken, what_broke, begin, kGiveUp);
  if (!change) return std::nullopt;
  const auto back = watch.first(mended, what_mends, change->at, kGiveUp);
  if (!back) return std::nullopt;
  return between(*change, *back);
}

std::optional<double> deleted_route(Stage& stage, lab::KernelWatch& watch, int number) {
  const auto route = lab::address_of(number) + "/32";
  const auto begin = Clock::now();
  stage.host.must("ip route del " + route);
  return repaired(watch, begin, Kind::route_removed, Kind::route_added, route, route);
}

std::optional<double> link_flap(Stage& stage, lab::KernelWatch& watch, int number) {
  const auto tap = lab::tap_of(number);
  stage.host.must("ip link set " + tap + " down");
  const auto begin = Clock::now();
  stage.host.must("ip link set " + tap + " up");
  return repaired(watch, begin, Kind::link_up, Kind::route_added, tap, lab::address_of(number) + "/32");
}

// Until the transaction is through that makes the table anew: it holds all of it.
std::optional<double> flushed_rules(Stage& stage, lab::KernelWatch& watch, int) {
  const auto begin = Clock::now();
  stage.host.must("nft flush ruleset");
  const auto gone = watch.first(Kind::table_removed, "vrouter", begin, kGiveUp);
  if (!gone) return std::nullopt;
  const auto made = watch.first(Kind::table_added, "vrouter", gone->at, kGiveUp);
  if (!made) return std::nullopt;
  // News of one transaction may come in several pieces; the end of it is a piece of its own.
  const auto done = watch.first(Kind::rules_committed, "", made->at - 1us, kGiveUp);
  if (!done) return std::nullopt;
  if (!stage.sample.front()->ping(Stage::kWorld)) return std::nullopt;
  return between(*gone, *done);
}

using Break = std::optional<double> (*)(Stage&, lab::KernelWatch&, int);

void measure(Stage& stage, int repairs, const std::string& what, Break one, std::optional<double> limit,
             Report& report) {
  lab::KernelWatch watch{stage.host};
  std::vector<double> took;
  for (int i = 0; i < repairs; ++i) {
    // Not the sampled guest: its link's carrier comes with it.
    const int number = kSampled + i * (stage.guests() - kSampled) / repairs;
    const auto milliseconds = one(stage, watch, number);
    if (!milliseconds) return report.broken(what, "it was not repaired within 5 s");
    took.push_back(*milliseconds);
    watch.forget();
    std::this_thread::sleep_for(50ms);
  }
  if (limit) {
    report.at_most(what + ", median", lab::median(took), "ms", *limit);
  } else {
    report.value(what + ", median", lab::median(took), "ms");
  }
  report.value("the same, at most", lab::percentile(took, 100), "ms");
}

void with_guests(int guests, const Sizes& sizes, bool few, Report& report) {
  Stage stage{guests, kSampled, "[host]\ntable_owner = false\n"};
  stage.populate();
  if (stage.sample.front()->get_lease().empty()) throw lab::LabError{"the guest got no lease"};
  const auto with = " with " + std::to_string(guests) + " guests";
  measure(stage, sizes.repairs, "a deleted route" + with, deleted_route, kMaxRepair, report);
  measure(stage, sizes.repairs, "a link that flapped" + with, link_flap, kMaxRepair, report);
  // All rules of ten thousand guests are 40,000 elements and more, which the kernel alone takes longer than that for.
  measure(stage, few ? sizes.repairs : std::min(sizes.repairs, 5), "`nft flush ruleset`" + with, flushed_rules,
          few ? std::optional{kMaxRepair} : std::nullopt, report);
}

}  // namespace

void repair(const Sizes& sizes, Report& report) {
  with_guests(sizes.few, sizes, true, report);
  with_guests(sizes.crowd, sizes, false, report);
}

}  // namespace vrouter::bench
