// SPDX-License-Identifier: GPL-2.0-or-later
// vrouter-torture [SECONDS] [SEED]: fifty guests under constant traffic on one host, while vrouterd is killed, its work
// undone by others, its disk filled, its guests added and removed, all by numbers drawn from SEED. Exit status 0: no
// wrong packet passed, no right one was lost for longer than tests/torture/bars.h allows, nothing was forgotten,
// nothing grew, and teardown gave the host back. A seed makes the same actions again, though their times vary.
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <random>

#include "tests/lab/lib/paths.h"
#include "tests/lab/lib/servers.h"
#include "tests/torture/checks.h"

namespace vrouter::torture {
namespace {

constexpr int kGuests = 50;
constexpr int kActionsPerCheck = 8;
constexpr std::uint32_t kLongestRest = 400;  // between two actions, in ms
constexpr Span kQuiet = 2s;                  // of nothing but traffic, at the beginning
constexpr std::size_t kLogShown = 20'000;
constexpr auto kStateSize = "8m";  // enough for the database, small enough to be filled at once

class Torture {
 public:
  Torture(Span length, std::uint32_t seed) : length_{length}, seed_{seed}, generator_{seed} { wire(); }

  bool run() {
    begin();
    const auto end = Clock::now() + length_;
    for (int actions = 1; Clock::now() < end && model_.failures().empty(); ++actions) {
      const auto drawn = draw(generator_);
      faults_->act(drawn);
      std::this_thread::sleep_for(Span{drawn.pause % kLongestRest});
      if (actions % kActionsPerCheck == 0) check("after some actions");
    }
    check("at the end");
    traffic_->finish();
    compare_with_fresh();
    give_back();
    return report();
  }

  void fail(const std::string& what) { model_.fail(what); }
  bool report();

 private:
  void wire();
  void begin();
  void check(const std::string& when);
  void compare_with_fresh();
  void give_back();
  void say(const std::string& what) {
    const auto since = std::chrono::duration<double>(Clock::now() - began_).count();
    std::cout << fmt::format("[{:8.3f}] {}\n", since, what) << std::flush;
  }

  Span length_;
  std::uint32_t seed_;
  std::mt19937 generator_;
  Time began_ = Clock::now();
  // Where the kernel lets us own the table, one seed in two does without: the way of older kernels.
  bool owner_wanted_ = seed_ % 2 == 0;
  lab::Namespace host_{"host"};
  lab::Namespace world_{"world"};
  Model model_{kGuests};
  std::unique_ptr<lab::DnsServer> names_;
  std::unique_ptr<Traffic> traffic_;
  std::unique_ptr<lab::Daemon> daemon_;
  std::unique_ptr<Faults> faults_;
  std::string before_;
};

void Torture::wire() {
  lab::connect({host_, "eth0", std::string{kHostAddress} + "/24"},
               {world_, "eth0", std::string{kWorldAddress} + "/24"});
  host_.must(std::string{"ip route add default via "} + kWorldAddress);
  world_.must(std::string{"ip route add 10.0.5.0/24 via "} + kHostAddress);
  names_ = std::make_unique<lab::DnsServer>(
      world_, kWorldAddress, std::multimap<std::string, std::string>{{std::string{kWorldName} + " A", kWorldAddress}});
  host_.must(fmt::format("mkdir -p /run/lab/state && mount -t tmpfs -o size={} tmpfs /run/lab/state", kStateSize));
  traffic_ = std::make_unique<Traffic>(host_, world_, model_);
  lab::DaemonOptions options;
  options.config = Faults::config(0, owner_wanted_);
  options.resolv_conf = std::string{"nameserver "} + kWorldAddress + "\n";
  options.wrapper = {"env", "LD_PRELOAD=" + lab::binary_directory() + "/tests/libhold_fsync.so",
                     std::string{"HOLD_FSYNC="} + kHeldDiskFile};
  options.print_log = false;
  daemon_ = std::make_unique<lab::Daemon>(host_, std::move(options));
  faults_ = std::make_unique<Faults>(host_, *daemon_, model_, *traffic_, owner_wanted_,
                                     [this](const std::string& what) { say(what); });
}

void Torture::begin() {
  for (int i = kGuests - kKeptTaps; i < kGuests; ++i) traffic_->plug(i);
  before_ = portrait(host_);
  for (int i = 0; i < kGuests - kKeptTaps; ++i) traffic_->plug(i);
  faults_->start();
  for (int i = 0; i < kGuests; ++i) faults_->add_guest(i, i % 3 == 0);
  traffic_->start();
  say(fmt::format("{} guests, {} s, seed {}, table_owner = {}", kGuests,
                  std::chrono::duration_cast<std::chrono::seconds>(length_).count(), seed_,
                  owner_wanted_ ? "\"auto\"" : "false"));
  std::this_thread::sleep_for(kQuiet);
  check("before any fault");
}

void Torture::check(const std::string& when) {
  std::string wrong;
  const bool agreed = lab::wait_until(
      [&] {
        wrong = disagreement(*daemon_, model_, *traffic_, faults_->file_guest());
        return wrong.empty();
      },
      kServiceBack);
  if (!agreed) model_.fail("what vrouter says " + when + ":\n" + wrong);
}

void Torture::compare_with_fresh() {
  const auto old = census(daemon_->pid());
  daemon_->stop();
  faults_->start();
  std::vector<Counted> fresh;
  // Descriptors of a command that just ended may still be open.
  static_cast<void>(lab::wait_until(
      [&] {
        fresh = census(daemon_->pid());
        return growth(old, fresh).empty();
      },
      kServiceBack));
  for (const auto& one : old)
    say(fmt::format("{}: {} descriptors, {} kB", one.name, one.descriptors, one.rss_kilobytes));
  if (const auto grown = growth(old, fresh); !grown.empty()) model_.fail("it grew:\n" + grown);
}

void Torture::give_back() {
  daemon_->vrouter({"teardown"});
  for (int i = 0; i < kGuests - kKeptTaps; ++i) traffic_->unplug(i);
  std::string differs;
  // The kernel gives eth0 its link-local address back a while after a flap.
  const bool given_back = lab::wait_until(
      [&] {
        differs = differences(before_, portrait(host_));
        return differs.empty();
      },
      kServiceBack);
  if (!given_back) model_.fail("teardown left the host different:\n" + differs);
  if (const auto status = daemon_->stop(); status != 0) model_.fail(fmt::format("the last stop: status {}", status));
}

bool Torture::report() {
  const auto failures = model_.failures();
  std::cout << traffic_->totals() << model_.outages();
  if (failures.empty()) {
    std::cout << fmt::format("seed {}: all was as it should be\n", seed_);
    return true;
  }
  const auto log = daemon_->log();
  std::cout << "--- the end of vrouterd's log\n" << log.substr(log.size() - std::min(log.size(), kLogShown)) << "---\n";
  for (const auto& failure : failures) {
    std::cout << fmt::format("FAILED [{:8.3f}] {}\n", std::chrono::duration<double>(failure.at - began_).count(),
                             failure.text);
  }
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(length_).count();
  std::cout << fmt::format("seed {0} failed; do it again with: sudo ./dev torture {1} {0}\n", seed_, seconds);
  return false;
}

int main_with(Span length, std::uint32_t seed) {
  Torture torture{length, seed};
  try {
    return torture.run() ? 0 : 1;
  } catch (const std::exception& error) {
    torture.fail(error.what());
    static_cast<void>(torture.report());
    return 1;
  }
}

}  // namespace
}  // namespace vrouter::torture

int main(int argc, char** argv) {
  using namespace vrouter::torture;
  try {
    const int seconds = argc > 1 ? std::stoi(argv[1]) : 45;
    const auto seed = argc > 2 ? static_cast<std::uint32_t>(std::stoul(argv[2])) : std::random_device{}() % 1'000'000;
    return main_with(std::chrono::seconds{seconds}, seed);
  } catch (const std::exception& error) {
    std::cerr << "torture: " << error.what() << "\nusage: vrouter-torture [SECONDS] [SEED]\n";
    return 2;
  }
}
