// SPDX-License-Identifier: GPL-2.0-or-later
// Stopped and started, killed and started, while guests ping and a connection is up: what is lost, and how long until
// DHCP and DNS answer again. Then the services' own processes are killed, which the daemon has to notice by itself.
#include <csignal>
#include <cstring>
#include <map>
#include <optional>

#include "router/processes/supervisor.h"
#include "tests/bench/bench.h"
#include "tests/bench/stage.h"
#include "tests/bench/traffic.h"
#include "tests/lab/lib/paths.h"
#include "tests/lab/lib/tap.h"
#include "tests/scale/pinger.h"

namespace vrouter::bench {
namespace {

using lab::Clock;
using lab::milliseconds_since;

constexpr double kMaxAnswerAgain = 200;  // ms, issue 3
constexpr int kPingers = 3;
constexpr int kAskers = 2;
constexpr auto kStreamTap = "stream";
constexpr auto kStreamAddress = "10.8.0.9";
constexpr std::uint16_t kStreamPort = 5002;
constexpr auto kGiveUp = 30s;

// What a guest without a lease in hand waits for, from a given moment.
struct Answers {
  double dhcp = 0, dns = 0;  // ms
};

class Askers {
 public:
  Askers(Stage& stage, Clock::time_point begin)
      : dhcp_{[&stage, begin, this] {
          if (stage.sample[kPingers]->get_lease(kGiveUp, 10ms).empty()) return;
          answers_.dhcp = milliseconds_since(begin);
        }},
        dns_{[&stage, begin, this] {
          if (stage.sample[kPingers + 1]->look_up(Stage::kName, kGiveUp, 5ms).empty()) return;
          answers_.dns = milliseconds_since(begin);
        }} {}
  Answers wait() {
    dhcp_.join();
    dns_.join();
    if (answers_.dhcp == 0 || answers_.dns == 0) throw lab::LabError{"DHCP or DNS did not answer again"};
    return answers_;
  }

 private:
  Answers answers_;
  std::thread dhcp_, dns_;
};

struct Series {
  std::vector<double> ready, dhcp, dns;
  void add(const Answers& answers) {
    dhcp.push_back(answers.dhcp);
    dns.push_back(answers.dns);
  }
  void report(const std::string& what, Report& into) const {
    into.at_most(what + ", until DHCP answers, median", lab::median(dhcp), "ms", kMaxAnswerAgain);
    into.at_most(what + ", until DNS answers, median", lab::median(dns), "ms", kMaxAnswerAgain);
    if (!ready.empty()) into.value(what + ", until ready, median", lab::median(ready), "ms");
  }
};

void start_again(Stage& stage, Series& series) {
  std::this_thread::sleep_for(200ms);
  const auto begin = Clock::now();
  Askers askers{stage, begin};
  stage.daemon->start(60s);
  series.ready.push_back(milliseconds_since(begin));
  series.add(askers.wait());
}

// Of the daemon's processes in the stage's host; -1 where the services run in the daemon's own.
pid_t process_titled(const Stage& stage, const std::string& title) {
  for (const auto pid : lab::processes_of(stage.host, lab::built_program("vrouterd"))) {
    if (lab::title_of(pid) == title) return pid;
  }
  return -1;
}

// Milliseconds from its death until its successor answers; nothing where there is no such process.
std::optional<double> kill_one(Stage& stage, const std::string& service) {
  const auto pid = process_titled(stage, "vrouterd: " + service);
  if (pid < 0) return std::nullopt;
  const auto begin = Clock::now();
  ::kill(pid, SIGKILL);
  // What was on its way when it died is no answer of its successor's.
  std::this_thread::sleep_for(1ms);
  const auto answers = Askers{stage, begin}.wait();
  return service == "dhcp" ? answers.dhcp : answers.dns;
}

void kill_services(Stage& stage, int rounds, const std::string& guests, Report& report) {
  std::map<std::string, std::vector<double>> took;
  for (int i = 0; i < rounds; ++i) {
    // One that dies again before it is grown up is restarted later and later.
    if (i > 0) std::this_thread::sleep_for(router::kGrownUp);
    for (const std::string service : {"dhcp", "dns"}) {
      const auto one = kill_one(stage, service);
      if (!one) return report.broken("kill -9 of `vrouterd: " + service + "`", "there is no such process");
      took[service].push_back(*one);
    }
  }
  for (const auto& [service, all] : took) {
    report.at_most("kill -9 of `vrouterd: " + service + "` with " + guests + ", until it answers, median",
                   lab::median(all), "ms", kMaxAnswerAgain);
  }
}

void with_guests(int guests, const Sizes& sizes, Report& report) {
  Stage stage{guests, kPingers + kAskers};
  lab::TapGuest talker{stage.host, kStreamTap};
  stage.populate();
  stage.daemon->vrouter({"add-guest", kStreamTap, kStreamAddress});
  talker.set_static(std::string{kStreamAddress} + "/16", "10.8.0.1");
  for (const auto& guest : stage.sample) {
    if (guest->get_lease().empty()) throw lab::LabError{guest->tap().name() + " got no lease"};
  }
  const auto count = std::to_string(guests) + " guests";
  Series stopped, killed;
  {
    std::vector<std::unique_ptr<lab::Pinger>> pingers;
    for (std::size_t i = 0; i < kPingers; ++i) {
      pingers.push_back(std::make_unique<lab::Pinger>(*stage.sample[i], Stage::kWorld));
    }
    SteadyStream stream{talker.inside(), stage.world, Stage::kWorld, kStreamPort};
    for (int i = 0; i < sizes.starts; ++i) {
      stage.daemon->stop();
      start_again(stage, stopped);
      stage.daemon->kill9();
      start_again(stage, killed);
    }
    stopped.report("stop, start with " + count, report);
    killed.report("kill -9, start with " + count, report);
    kill_services(stage, std::min(sizes.starts, 3), count, report);
    int sent = 0, lost = 0;
    for (const auto& pinger : pingers) {
      pinger->stop();
      sent += pinger->sent();
      lost += pinger->lost();
    }
    const auto outcome = stream.finish();
    report.at_most("all of these with " + count + ", pings lost of " + std::to_string(sent), lost, "", 0);
    report.at_most("connections broken", outcome.whole ? 0 : 1, "", 0);
    report.value("longest pause of the connection's bytes", static_cast<double>(outcome.longest_pause.count()), "ms");
  }
}

}  // namespace

void restart(const Sizes& sizes, Report& report) {
  with_guests(sizes.few, sizes, report);
  with_guests(sizes.crowd, sizes, report);
}

}  // namespace vrouter::bench
