// SPDX-License-Identifier: GPL-2.0-or-later
// Leases of a range, through a relay: how many four-way exchanges a second a server answers with less than 1 % lost,
// and what they cost it. All servers stand at the same time and are asked in turn, so that what the machine does
// meanwhile hits them alike; each is asked by the same clients over and over, so that its leases are there already.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>

#include "tests/bench/bench.h"
#include "tests/bench/dhcp_servers.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

constexpr double kLost = 0.01;
constexpr double kAgainstKea = 1.6, kAgainstBare = 0.9;  // issue 5: whichever is less
constexpr double kCpuAgainstKea = 1.0 / 3;
constexpr double kBracket = 1.25;  // a round looks for the best rate this far around that of the rounds before
constexpr int kSteps = 3;          // and halves that so often
constexpr double kFollows = 0.85;  // of the rate that is asked for; perfdhcp itself doesn't do more
constexpr int kWarmTrials = 6, kPatience = 3;

// What one run of perfdhcp showed.
struct Trial {
  double rate = 0;  // exchanges that were complete, a second
  double loss = 1;
  double cpu = 0;         // us of each
  bool followed = false;  // perfdhcp began as many as it was asked to
  [[nodiscard]] bool good() const { return loss < kLost; }
};

struct Contestant {
  std::unique_ptr<DhcpBed> bed;
  double guess = 0;  // the best rate until now
  std::vector<double> rate{}, cpu_at_best{}, cpu_at_common{};
};

class Trials {
 public:
  explicit Trials(const Sizes& sizes) : sizes_{sizes.dhcp} {}

  // Until it answers, and then until most of the clients have a lease.
  void warm_up(const DhcpBed& bed) const {
    for (int i = 0; run(bed, sizes_.lowest).rate == 0; ++i) {
      if (i == kPatience) throw lab::LabError{"answers nobody\n" + bed.log()};
    }
    for (int i = 0; i < kWarmTrials && sizes_.rounds > 1; ++i) static_cast<void>(run(bed, sizes_.common));
  }

  void round(Contestant& contestant) const {
    const auto common = run(*contestant.bed, sizes_.common);
    if (common.good()) contestant.cpu_at_common.push_back(common.cpu);
    const auto best = contestant.guess == 0 ? search(*contestant.bed) : search_near(*contestant.bed, contestant.guess);
    contestant.rate.push_back(best.rate);
    contestant.cpu_at_best.push_back(best.cpu);
    contestant.guess = lab::median(contestant.rate);
  }

 private:
  [[nodiscard]] Trial run(const DhcpBed& bed, double rate) const {
    const auto before = bed.cpu_seconds();
    const auto exchanges =
        bed.ask({.rate = static_cast<int>(rate), .clients = sizes_.clients, .seconds = sizes_.seconds});
    const auto cpu = bed.cpu_seconds() - before;
    return {.rate = exchanges.rate(),
            .loss = exchanges.loss(),
            .cpu = cpu * 1e6 / std::max(exchanges.acks, 1),
            .followed = exchanges.discovers >= kFollows * std::floor(rate) * sizes_.seconds};
  }

  // One that is lost counts when it is lost again: what else the machine does takes some hundredths of a second now and
  // then, in which the socket's buffer of either side overflows.
  [[nodiscard]] Trial attempt(const DhcpBed& bed, double rate) const {
    const auto trial = run(bed, rate);
    return trial.good() && trial.followed ? trial : run(bed, rate);
  }

  // Doubles until the server or perfdhcp doesn't follow.
  [[nodiscard]] Trial search(const DhcpBed& bed) const {
    Trial best{.rate = 0, .loss = 1};
    double low = sizes_.lowest, high = 0;
    for (double rate = low; high == 0 && rate <= sizes_.highest; rate *= 2) {
      const auto trial = attempt(bed, rate);
      if (trial.good() && trial.rate > best.rate) best = trial;
      if (trial.good() && trial.followed) {
        low = rate;
      } else {
        high = rate;
      }
    }
    return high == 0 ? best : halve(bed, low, high, best);
  }

  [[nodiscard]] Trial search_near(const DhcpBed& bed, double guess) const {
    auto best = halve(bed, guess / kBracket, guess * kBracket, {});
    for (auto rate = guess / kBracket; !best.good() && rate >= 1; rate /= kBracket) best = attempt(bed, rate);
    return best;
  }

  [[nodiscard]] Trial halve(const DhcpBed& bed, double low, double high, Trial best) const {
    for (int i = 0; i < kSteps; ++i) {
      const auto middle = std::sqrt(low * high);
      const auto trial = attempt(bed, middle);
      (trial.good() && trial.followed ? low : high) = middle;
      if (trial.good() && trial.rate > best.rate) best = trial;
    }
    return best;
  }

  decltype(Sizes::dhcp) sizes_;
};

// One that isn't there, or doesn't answer, doesn't take part.
class Field {
 public:
  Field(const Sizes& sizes, Report& report) : trials_{sizes}, report_{report} {}

  void add(const std::string& name, const std::function<std::unique_ptr<DhcpBed>()>& make) {
    try {
      Contestant contestant{.bed = make()};
      trials_.warm_up(*contestant.bed);
      all_.emplace(name, std::move(contestant));
      order_.push_back(name);
    } catch (const lab::LabError& error) {
      report_.broken("dhcp, " + name, error.what());
    }
  }

  void compete(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      std::cerr << "  round " << round + 1 << " of " << rounds;
      // Each round begins with another one, so that none always follows the same.
      for (std::size_t i = 0; i < order_.size(); ++i) {
        const auto& name = order_[(i + static_cast<std::size_t>(round)) % order_.size()];
        trials_.round(all_.at(name));
        std::cerr << ", " << name << ' ' << std::lround(all_.at(name).rate.back()) << "/s" << std::flush;
      }
      std::cerr << '\n';
    }
  }

  [[nodiscard]] const Contestant* find(const std::string& name) const {
    const auto found = all_.find(name);
    return found == all_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const std::vector<std::string>& order() const { return order_; }

 private:
  Trials trials_;
  Report& report_;
  std::map<std::string, Contestant> all_;
  std::vector<std::string> order_;
};

constexpr auto kOurs = "vrouter", kOursUnsynced = "vrouter, fsync off", kKea = "Kea", kKeaThreads = "Kea, 2 threads",
               kDnsmasq = "dnsmasq", kBare = "bare responder";

// The faster one of Kea's two ways.
const Contestant* best_kea(const Field& field) {
  const auto* one = field.find(kKea);
  const auto* two = field.find(kKeaThreads);
  if (one == nullptr || two == nullptr) return one != nullptr ? one : two;
  return lab::median(one->rate) >= lab::median(two->rate) ? one : two;
}

Figure rates(const Contestant& ours, const Contestant& theirs) {
  return {.what = "four-way exchanges a second, less than 1 % lost, " + ours.bed->name(),
          .ours = std::round(lab::median(ours.rate)),
          .unit = "/s",
          .against = theirs.bed->name(),
          .theirs = std::round(lab::median(theirs.rate)),
          .ratio = paired_ratio(ours.rate, theirs.rate)};
}

void compare_rates(const Field& field, const Contestant& ours, Report& report) {
  const auto* kea = best_kea(field);
  const auto* bare = field.find(kBare);
  const auto bound = [](const Contestant* other, double factor) {
    return other == nullptr ? HUGE_VAL : factor * lab::median(other->rate);
  };
  const bool kea_is_less = bound(kea, kAgainstKea) <= bound(bare, kAgainstBare);
  if (kea != nullptr) kea_is_less ? report.ratio(rates(ours, *kea), kAgainstKea) : report.add(rates(ours, *kea));
  if (bare != nullptr) kea_is_less ? report.add(rates(ours, *bare)) : report.ratio(rates(ours, *bare), kAgainstBare);
  for (const auto* name : {kOursUnsynced, kDnsmasq}) {
    if (const auto* other = field.find(name)) report.add(rates(ours, *other));
  }
}

void compare_cpu(const Contestant& ours, const Contestant* kea, std::vector<double> Contestant::* kind,
                 const std::string& when, Report& report) {
  const auto what = "CPU of an exchange, " + when + ", " + ours.bed->name();
  if (kea == nullptr || (kea->*kind).empty() || (ours.*kind).empty()) {
    report.broken(what, "it or Kea lost too many at that rate");
    return;
  }
  report.at_most(what, lab::median(ours.*kind), "us", lab::median(kea->*kind) * kCpuAgainstKea);
}

void print(const Field& field, const Sizes& sizes, Report& report) {
  const auto at_common = "at " + std::to_string(sizes.dhcp.common) + "/s";
  for (const auto& name : field.order()) {
    const auto& one = *field.find(name);
    report.value("four-way exchanges a second, less than 1 % lost, " + name, std::round(lab::median(one.rate)), "/s");
    report.value("CPU of an exchange, at that rate, " + name, lab::median(one.cpu_at_best), "us");
    report.value("CPU of an exchange, " + at_common + ", " + name, lab::median(one.cpu_at_common), "us");
  }
  const auto* ours = field.find(kOurs);
  if (ours == nullptr) return;
  compare_rates(field, *ours, report);
  compare_cpu(*ours, best_kea(field), &Contestant::cpu_at_common, at_common, report);
  compare_cpu(*ours, best_kea(field), &Contestant::cpu_at_best, "at each one's best rate", report);
}

}  // namespace

void dhcp(const Sizes& sizes, Report& report) {
  const auto missing = [&](const std::string& what) {
    const std::string why = "there is no such program on this machine: ./dev deps";
    sizes.dhcp.must_be_there ? report.broken("dhcp, " + what, why) : report.note("dhcp, " + what + ": " + why);
  };
  if (!have_perfdhcp()) return missing("perfdhcp");
  Field field{sizes, report};
  field.add(kOurs, [] { return vrouter_dhcp(Sync::on); });
  field.add(kOursUnsynced, [] { return vrouter_dhcp(Sync::off); });
  if (have_kea()) {
    field.add(kKea, [] { return kea_dhcp(1); });
    field.add(kKeaThreads, [] { return kea_dhcp(2); });
  } else {
    missing("Kea");
  }
  field.add(kDnsmasq, dnsmasq_dhcp);
  field.add(kBare, bare_dhcp);
  field.compete(sizes.dhcp.rounds);
  print(field, sizes, report);
  report.note("dhcp: " + versions_of_peers());
  for (const auto& name : field.order()) {
    const auto& disk = field.find(name)->bed->disk();
    if (!disk.durable())
      report.broken("dhcp, " + name, "its state is on " + disk.file_system() + ": fsync costs nothing");
    if (name == field.order().front()) report.note("dhcp: every server's state is on " + disk.file_system());
  }
}

}  // namespace vrouter::bench
