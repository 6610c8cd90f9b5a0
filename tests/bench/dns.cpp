// SPDX-License-Identifier: GPL-2.0-or-later
// Names looked up through a forwarder: what a query costs it, at a rate that
// all follow, and how many it answers at most. All servers stand at the same
// time and are asked in turn, so that what the machine does meanwhile hits them
// alike. Cached names, names that nobody has asked before, and nine of the
// first to one of the second.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <map>
#include <random>

#include "tests/bench/bench.h"
#include "tests/bench/dns_servers.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

constexpr double kAgainstEcho = 1.15;  // issue 6
constexpr int kMissEvery = 10;         // of the mixed questions
constexpr int kPatience = 10;          // attempts until a server answers
constexpr double kAgainstOne = 1.1;    // the same, of two workers: who asks needs
                                       // the machine's other processor
constexpr auto kOurs = "vrouter", kTwo = "vrouter with two workers", kUnbound = "unbound", kDnsmasq = "dnsmasq",
               kEcho = "echo loop";

enum class Workload : std::uint8_t { hits, mixed, misses };
constexpr std::array kWorkloads{Workload::hits, Workload::mixed, Workload::misses};

std::string name_of(Workload workload) {
  switch (workload) {
    case Workload::hits:
      return "cached names";
    case Workload::mixed:
      return "nine cached names to one new";
    case Workload::misses:
      return "new names";
  }
  return {};
}

// What the guests ask.
class Questions {
 public:
  explicit Questions(const Sizes& sizes) : sizes_{sizes.dns} {
    const auto step = sizes_.names / sizes_.asked;
    for (int i = 0; i < sizes_.asked; ++i) cached_.push_back(fmt::format("h{}.bench.example A\n", i * step));
  }

  // Every guest asks for the same names, each in an order of its own.
  [[nodiscard]] std::vector<std::string> hits() {
    std::vector<std::string> lists;
    for (int guest = 0; guest < sizes_.guests; ++guest) {
      std::ranges::shuffle(cached_, random_);
      auto& list = lists.emplace_back();
      for (const auto& line : cached_) list += line;
    }
    return lists;
  }

  // `count` in all, of which each `every`th was never asked before.
  [[nodiscard]] std::vector<std::string> with_misses(int count, int every) {
    std::vector<std::string> lists;
    for (int guest = 0; guest < sizes_.guests; ++guest) {
      auto& list = lists.emplace_back();
      for (int i = 0; i < count / sizes_.guests; ++i) {
        if (i % every == 0) {
          fmt::format_to(std::back_inserter(list), "n{}.miss.bench.example A\n", next_++);
        } else {
          list += cached_[random_() % cached_.size()];
        }
      }
    }
    return lists;
  }

 private:
  decltype(Sizes::dns) sizes_;
  std::mt19937 random_{6};
  std::vector<std::string> cached_;
  std::uint64_t next_ = 0;
};

// A workload's figures of one contestant, one of each round.
struct Series {
  std::vector<double> cpu{}, loss{}, mean{}, p50{}, p99{};  // at the common rate; us
  std::vector<double> most{}, cpu_at_most{}, loss_at_most{};
};

struct Contestant {
  std::unique_ptr<DnsBed> bed;
  std::map<Workload, Series> series{};
};

class Trials {
 public:
  explicit Trials(const Sizes& sizes) : sizes_{sizes.dns}, questions_{sizes} {}

  // Until it answers, and then until it has been asked for every name that is
  // to be cached.
  void warm_up(const DnsBed& bed) {
    for (int i = 0; bed.ask(questions_.with_misses(sizes_.guests, 1), {.seconds = 1, .once = true}).answered == 0;
         ++i) {
      if (i == kPatience) throw lab::LabError{"answers nobody\n" + bed.log()};
    }
    static_cast<void>(bed.ask(questions_.hits(), {.seconds = kWarmUp, .once = true}));
  }

  void round(Contestant& contestant) {
    for (const auto workload : kWorkloads) {
      auto& series = contestant.series[workload];
      at_common_rate(*contestant.bed, workload, series);
      as_fast_as_it_can(*contestant.bed, workload, series);
    }
  }

  [[nodiscard]] int rate_of(Workload workload) const {
    switch (workload) {
      case Workload::hits:
        return sizes_.hit_rate;
      case Workload::mixed:
        return sizes_.mixed_rate;
      case Workload::misses:
        return sizes_.miss_rate;
    }
    return 0;
  }

 private:
  static constexpr int kWarmUp = 20;  // s at most

  [[nodiscard]] std::vector<std::string> questions(Workload workload, int count) {
    if (workload == Workload::hits) return questions_.hits();
    return questions_.with_misses(count, workload == Workload::mixed ? kMissEvery : 1);
  }

  // The lookups, and the CPU of each that was answered.
  std::pair<Lookups, double> run(const DnsBed& bed, Workload workload, int rate) {
    const auto list = questions(workload, (rate > 0 ? rate : sizes_.highest) * sizes_.seconds);
    const auto before = bed.cpu_seconds();
    auto lookups = bed.ask(list, {.seconds = sizes_.seconds, .rate = rate, .once = workload != Workload::hits});
    const auto cpu = bed.cpu_seconds() - before;
    return {std::move(lookups), cpu * 1e6 / static_cast<double>(std::max<std::uint64_t>(lookups.answered, 1))};
  }

  void at_common_rate(const DnsBed& bed, Workload workload, Series& series) {
    const auto [lookups, cpu] = run(bed, workload, rate_of(workload));
    series.cpu.push_back(cpu);
    series.loss.push_back(lookups.loss() * 100);
    series.mean.push_back(lookups.mean_latency() * 1e6);
    if (lookups.latencies.empty()) return;
    series.p50.push_back(lab::percentile(lookups.latencies, 50) * 1e6);
    series.p99.push_back(lab::percentile(lookups.latencies, 99) * 1e6);
  }

  void as_fast_as_it_can(const DnsBed& bed, Workload workload, Series& series) {
    const auto [lookups, cpu] = run(bed, workload, 0);
    series.most.push_back(lookups.rate());
    series.cpu_at_most.push_back(cpu);
    series.loss_at_most.push_back(lookups.loss() * 100);
  }

  decltype(Sizes::dns) sizes_;
  Questions questions_;
};

// One that isn't there, or doesn't answer, doesn't take part.
class Field {
 public:
  Field(const Sizes& sizes, Report& report)
      : sizes_{sizes}, report_{report}, cpus_{cpus_to_pin()}, upstream_{sizes.dns.names, cpus_}, trials_{sizes} {}
  [[nodiscard]] DnsBed::Place place_for_crowd(int number) { return {upstream_, cpus_, number, sizes_.dns.crowd, true}; }

  void add(const std::string& name, std::unique_ptr<DnsBed> (*make)(const DnsBed::Place&)) {
    try {
      ++number_;
      Contestant contestant{.bed = make({upstream_, cpus_, number_, sizes_.dns.guests})};
      trials_.warm_up(*contestant.bed);
      all_.emplace(name, std::move(contestant));
      order_.push_back(name);
    } catch (const lab::LabError& error) {
      report_.broken("dns, " + name, error.what());
    }
  }

  void compete() {
    for (int round = 0; round < sizes_.dns.rounds; ++round) {
      std::cerr << "  round " << round + 1 << " of " << sizes_.dns.rounds;
      // Each round begins with another one, so that none always follows the
      // same.
      for (std::size_t i = 0; i < order_.size(); ++i) {
        const auto& name = order_[(i + static_cast<std::size_t>(round)) % order_.size()];
        auto& one = all_.at(name);
        trials_.round(one);
        std::cerr << fmt::format(", {}", name);
        for (const auto workload : kWorkloads)
          std::cerr << fmt::format(" {:.2f} us {:.0f}/s", one.series[workload].cpu.back(),
                                   one.series[workload].most.back());
        std::cerr << std::flush;
      }
      std::cerr << '\n';
    }
  }

  [[nodiscard]] const Contestant* find(const std::string& name) const {
    const auto found = all_.find(name);
    return found == all_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const std::vector<std::string>& order() const { return order_; }
  [[nodiscard]] std::string at_rate(Workload workload) const {
    return fmt::format("at {}/s", trials_.rate_of(workload));
  }

 private:
  const Sizes& sizes_;
  Report& report_;
  Cpus cpus_;
  DnsUpstream upstream_;
  Trials trials_;
  std::map<std::string, Contestant> all_;
  std::vector<std::string> order_;
  int number_ = 0;
};

void print(const Field& field, Workload workload, Report& report) {
  for (const auto& name : field.order()) {
    const auto& series = field.find(name)->series.at(workload);
    const auto value = [&](const std::string& what, const std::vector<double>& values, const std::string& unit) {
      if (!values.empty()) report.value(name_of(workload) + ", " + what + ", " + name, lab::median(values), unit);
    };
    const auto rate = field.at_rate(workload);
    value("CPU of a query, " + rate, series.cpu, "us");
    // What isn't there needs no line.
    const auto lost = [&](const std::string& what, const std::vector<double>& values) {
      if (lab::median(values) > 0) value(what, values, "%");
    };
    lost("not answered, " + rate, series.loss);
    value("mean latency, " + rate, series.mean, "us");
    value("median latency, " + rate, series.p50, "us");
    value("99 % are faster than, " + rate, series.p99, "us");
    value("queries a second at most", series.most, "/s");
    value("CPU of a query, as many as it can", series.cpu_at_most, "us");
    lost("not answered, as many as it can", series.loss_at_most);
  }
}

// The CPU of ours against `factor` times another's.
void judge(const Field& field, Workload workload, const std::string& other, double factor, Report& report) {
  const auto *ours = field.find(kOurs), *theirs = field.find(other);
  const auto what = fmt::format("{}, CPU of a query, {}, against {}{}", name_of(workload), field.at_rate(workload),
                                factor == 1 ? "" : fmt::format("{} x ", factor), other);
  if (ours == nullptr || theirs == nullptr) return;
  report.at_most(what, lab::median(ours->series.at(workload).cpu), "us",
                 factor * lab::median(theirs->series.at(workload).cpu));
}

// Two workers share the one processor here: what they cost each other shows in
// what a query takes when there is no pause.
void judge_two_workers(const Field& field, Report& report) {
  const auto *one = field.find(kOurs), *two = field.find(kTwo);
  if (one == nullptr || two == nullptr) return;
  report.at_most(fmt::format("{}, CPU of a query, as many as it can, two workers against {} x one",
                             name_of(Workload::hits), kAgainstOne),
                 lab::median(two->series.at(Workload::hits).cpu_at_most), "us",
                 kAgainstOne * lab::median(one->series.at(Workload::hits).cpu_at_most));
}

// A thousand guests, each on a link of its own: whoever answers sees them all
// come by different ways.
class Crowds {
 public:
  Crowds(const Sizes& sizes, Field& field, Report& report) : sizes_{sizes.dns}, field_{field}, report_{report} {
    const auto step = sizes_.names / sizes_.asked;
    for (int i = 0; i < sizes_.asked; ++i) names_.push_back(fmt::format("h{}.bench.example", i * step));
  }

  void add(const std::string& name, std::unique_ptr<DnsBed> (*make)(const DnsBed::Place&)) {
    constexpr int kBehindTheField = 100;
    try {
      auto bed = make(field_.place_for_crowd(kBehindTheField + static_cast<int>(all_.size())));
      // Until every name is cached, and every guest has found its gateway.
      for (int i = 0;; ++i) {
        const auto lookups = bed->ask_as_crowd(names_, 1, 0);
        if (lookups.answered >= names_.size()) break;
        if (i == kPatience)
          throw lab::LabError{fmt::format("answers too few: {} of {}, and {} with an error\n", lookups.answered,
                                          lookups.sent, lookups.failed) +
                              bed->log()};
      }
      all_.emplace_back(name, Contestant{.bed = std::move(bed)});
    } catch (const lab::LabError& error) {
      report_.broken("dns, a crowd, " + name, error.what());
    }
  }

  void compete() {
    for (int round = 0; round < sizes_.rounds; ++round) {
      std::cerr << "  crowd, round " << round + 1 << " of " << sizes_.rounds;
      for (std::size_t i = 0; i < all_.size(); ++i) {
        auto& [name, one] = all_[(i + static_cast<std::size_t>(round)) % all_.size()];
        auto& series = one.series[Workload::hits];
        const auto [lookups, cpu] = run(*one.bed, sizes_.hit_rate);
        series.cpu.push_back(cpu);
        series.loss.push_back(lookups.loss() * 100);
        series.p50.push_back(lab::percentile(lookups.latencies, 50) * 1e6);
        series.p99.push_back(lab::percentile(lookups.latencies, 99) * 1e6);
        const auto [many, cpu_of_many] = run(*one.bed, 0);
        series.most.push_back(many.rate());
        series.cpu_at_most.push_back(cpu_of_many);
        std::cerr << fmt::format(", {} {:.2f} us {:.0f}/s", name, cpu, many.rate()) << std::flush;
      }
      std::cerr << '\n';
    }
  }

  void print() {
    const auto what = fmt::format("{} guests", sizes_.crowd);
    for (const auto& [name, one] : all_) {
      const auto& series = one.series.at(Workload::hits);
      const auto value = [&](const std::string& of, const std::vector<double>& values, const char* unit) {
        report_.value(fmt::format("{}, {}, {}", what, of, name), lab::median(values), unit);
      };
      const auto rate = fmt::format("at {}/s", sizes_.hit_rate);
      value("CPU of a query, " + rate, series.cpu, "us");
      if (lab::median(series.loss) > 0) value("not answered, " + rate, series.loss, "%");
      value("median latency, " + rate, series.p50, "us");
      value("99 % are faster than, " + rate, series.p99, "us");
      value("queries a second at most", series.most, "/s");
      value("CPU of a query, as many as it can", series.cpu_at_most, "us");
    }
  }

  // The CPU of ours against `factor` times another's.
  void judge(const std::string& other, double factor) {
    const auto *ours = find(kOurs), *theirs = find(other);
    if (ours == nullptr || theirs == nullptr) return;
    report_.at_most(fmt::format("{} guests, CPU of a query, at {}/s, against {}{}", sizes_.crowd, sizes_.hit_rate,
                                factor == 1 ? "" : fmt::format("{} x ", factor), other),
                    lab::median(ours->cpu), "us", factor * lab::median(theirs->cpu));
  }

 private:
  [[nodiscard]] const Series* find(const std::string& name) const {
    const auto found = std::ranges::find(all_, name, &std::pair<std::string, Contestant>::first);
    return found == all_.end() ? nullptr : &found->second.series.at(Workload::hits);
  }
  std::pair<Lookups, double> run(const DnsBed& bed, int rate) {
    const auto before = bed.cpu_seconds();
    auto lookups = bed.ask_as_crowd(names_, sizes_.seconds, rate);
    const auto cpu = bed.cpu_seconds() - before;
    return {std::move(lookups), cpu * 1e6 / static_cast<double>(std::max<std::uint64_t>(lookups.answered, 1))};
  }

  decltype(Sizes::dns) sizes_;
  Field& field_;
  Report& report_;
  std::vector<std::string> names_;
  std::vector<std::pair<std::string, Contestant>> all_;
};

}  // namespace

void dns(const Sizes& sizes, Report& report) {
  const auto missing = [&](const std::string& what) {
    const std::string why = "there is no such program on this machine: ./dev deps";
    sizes.dns.must_be_there ? report.broken("dns, " + what, why) : report.note("dns, " + what + ": " + why);
  };
  if (!have_dnsperf()) return missing("dnsperf");
  if (!lab::Nsd::here()) return missing("nsd");
  Field field{sizes, report};
  field.add(kOurs, vrouter_dns);
  field.add(kTwo, vrouter_dns_two_workers);
  have_unbound() ? field.add(kUnbound, unbound_dns) : missing("unbound");
  field.add(kDnsmasq, dnsmasq_dns);
  field.add(kEcho, echo_dns);
  field.compete();
  for (const auto workload : kWorkloads) print(field, workload, report);
  judge(field, Workload::hits, kUnbound, 1, report);
  judge(field, Workload::hits, kDnsmasq, 1, report);
  judge(field, Workload::hits, kEcho, kAgainstEcho, report);
  judge(field, Workload::misses, kUnbound, 1, report);
  judge_two_workers(field, report);
  Crowds crowds{sizes, field, report};
  crowds.add(kOurs, vrouter_dns);
  if (have_unbound()) crowds.add(kUnbound, unbound_dns);
  crowds.add(kDnsmasq, dnsmasq_dns);
  crowds.add(kEcho, echo_dns);
  crowds.compete();
  crowds.print();
  crowds.judge(kUnbound, 1);
  crowds.judge(kDnsmasq, 1);
  crowds.judge(kEcho, kAgainstEcho);
  report.note("dns: " + versions_of_dns_peers());
  if (cpus_to_pin().server < 0) report.broken("dns", "one CPU only: who asks and who answers have to share it");
}

}  // namespace vrouter::bench
