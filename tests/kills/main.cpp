// SPDX-License-Identifier: GPL-2.0-or-later
// vrouter-kills [ROUNDS] [SEED]: some hundred clients of a range, behind a relay, that never rest; and vrouterd, which
// in each round is killed with SIGKILL at some moment: the whole of it, its main process alone, its DHCP service alone,
// or the whole while it starts. Exit status 0: after each kill the daemon knew every lease whose ACK a client had, its
// client and its end; clients that rebooted were given them again; and no address was ever given to a second client
// while the first one's lease lasted. Every other time the disk hangs before the kill: what is written by then survives
// one, and so would an answer that did not wait for the disk. A seed makes the same kills again, though their times
// vary.
//
//     clients --- 10.9.0.2 relay eth0 192.0.2.2 --- 192.0.2.1 eth0 host
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <random>

#include "tests/bench/disk.h"
#include "tests/kills/crowd.h"
#include "tests/lab/lib/daemon.h"
#include "tests/lab/lib/paths.h"
#include "tests/scale/crowd.h"

namespace vrouter::kills {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kClients = 300;
constexpr std::size_t kReboots = 20;          // clients that are asked for their leases after each kill
constexpr std::uint32_t kLongestCalm = 250;   // before a kill, in ms
constexpr std::uint32_t kLongestStart = 200;  // of a start that is cut short, in ms
// A service that dies young over and over is started again later and later, after 10 s at last.
constexpr auto kServiceBack = 15s;
constexpr std::uint32_t kLongestHang = 150;  // of the disk, in ms
constexpr double kLongOutage = 2;            // s; is told
constexpr std::size_t kLogShown = 20'000;
constexpr std::size_t kFailuresShown = 20;
constexpr auto kState = "/run/lab/state";
// While it exists every flush of the daemon's hangs (tests/integration/hold_fsync.cpp).
constexpr auto kHeldDiskFile = "/run/lab/hold-disk";
constexpr auto kServer = "192.0.2.1", kUplink = "192.0.2.2", kRelay = "10.9.0.2";
// So narrow that released and ended addresses come round, and clients now and then find none.
constexpr auto kConfig = R"(
[networks.lab]
prefix = "10.9.0.0/16"
gateway = "10.9.0.1"
[networks.lab.dhcp]
range = "10.9.1.0-10.9.3.255"
lease_time = "90s"
relays = ["10.9.0.2"]
)";

class Kills {
 public:
  Kills(int rounds, std::uint32_t seed) : rounds_{rounds}, seed_{seed}, generator_{seed} { wire(); }

  bool run() {
    daemon_->start();
    crowd_ = std::make_unique<Crowd>(relay_, kRelay, kServer, kClients, seed_);
    say(fmt::format("{} rounds, {} clients, seed {}, state on {}", rounds_, kClients, seed_, disk_->file_system()));
    wait_for_service();
    began_ = Clock::now();
    while (done_ < rounds_ && !failed()) {
      std::this_thread::sleep_for(std::chrono::milliseconds{draw(kLongestCalm)});
      round();
      ++done_;
      if (done_ % 50 == 0) say(progress());
    }
    return report();
  }
  bool report();
  void fail(const std::string& what) { failures_.push_back(what); }

 private:
  void wire();
  void round();
  void hang_disk();
  void release_disk() { std::filesystem::remove(host_.path(kHeldDiskFile)); }
  void kill_all();
  void kill_service();
  void start();
  void wait_for_service();
  void ask_daemon();
  void ask_clients();
  [[nodiscard]] bool failed() const { return !failures_.empty() || crowd_->failed(); }
  [[nodiscard]] std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(generator_()) % below; }
  [[nodiscard]] std::string progress() const;
  void say(const std::string& what) const {
    const auto since = std::chrono::duration<double>(Clock::now() - began_).count();
    std::cout << fmt::format("[{:8.3f}] {}\n", since, what) << std::flush;
  }

  int rounds_;
  std::uint32_t seed_;
  std::mt19937 generator_;
  Time began_ = Clock::now();
  lab::Namespace host_{"host"};
  lab::Namespace relay_{"relay"};
  std::unique_ptr<bench::StateDisk> disk_;
  std::unique_ptr<lab::Daemon> daemon_;
  std::unique_ptr<Crowd> crowd_;
  std::vector<std::string> failures_;
  std::vector<double> outages_;  // s, from a kill to the next ACK
  int done_ = 0, whole_ = 0, main_ = 0, services_ = 0, starts_ = 0, hangs_ = 0;
  std::size_t compared_ = 0;
};

void Kills::wire() {
  lab::connect({host_, "eth0", std::string{kServer} + "/24"}, {relay_, "eth0", std::string{kUplink} + "/24"});
  relay_.must(
      fmt::format("ip addr add {}/32 dev eth0 && ip route add 10.9.0.1/32 via {} && "
                  "for net in 10.9.1.0/24 10.9.2.0/23; do ip route add local $net dev lo; done",
                  kRelay, kServer));
  host_.must(fmt::format("ip route add default via {}", kUplink));
  disk_ = std::make_unique<bench::StateDisk>(host_, kState);
  lab::DaemonOptions options;
  options.config = kConfig;
  options.wrapper = {"env", "LD_PRELOAD=" + lab::binary_directory() + "/tests/libhold_fsync.so",
                     std::string{"HOLD_FSYNC="} + kHeldDiskFile};
  options.print_log = false;
  daemon_ = std::make_unique<lab::Daemon>(host_, std::move(options));
}

void Kills::round() {
  const auto how = draw(100);
  if (draw(2) == 0) hang_disk();
  const auto killed = Clock::now();
  const char* what = "the service alone";
  if (how < 20) {
    kill_service();
    release_disk();
  } else {
    what = how < 60 ? "the whole" : "the main process";
    if (how < 60) {
      kill_all();
    } else {
      ++main_;
      daemon_->kill9();
    }
    release_disk();
    start();
  }
  const auto started = Clock::now();
  wait_for_service();
  const auto seconds = [&](Time until) { return std::chrono::duration<double>(until - killed).count(); };
  outages_.push_back(seconds(Clock::now()));
  if (outages_.back() > kLongOutage) {
    say(fmt::format("round {}: {} killed, started after {:.2f} s, an ACK after {:.2f} s", done_, what, seconds(started),
                    outages_.back()));
  }
  ask_daemon();
  ask_clients();
}

void Kills::hang_disk() {
  host_.write_file(kHeldDiskFile, "");
  ++hangs_;
  std::this_thread::sleep_for(std::chrono::milliseconds{draw(kLongestHang)});
}

// In any order, so that those who live a moment longer may act on it.
void Kills::kill_all() {
  ++whole_;
  auto processes = lab::processes_of(host_, lab::built_program("vrouterd"));
  std::ranges::shuffle(processes, generator_);
  for (const auto pid : processes) ::kill(pid, SIGKILL);
  daemon_->kill9();
}

void Kills::kill_service() {
  for (const auto pid : lab::processes_of(host_, lab::built_program("vrouterd"))) {
    if (!lab::title_of(pid).ends_with("dhcp")) continue;
    ++services_;
    ::kill(pid, SIGKILL);
    return;
  }
  fail("vrouterd has no DHCP service");
}

// One in four starts is killed before it is through.
void Kills::start() {
  while (draw(4) == 0) {
    try {
      daemon_->start(std::chrono::milliseconds{1 + draw(kLongestStart)});
      kill_all();
    } catch (const lab::LabError& error) {
      if (std::string{error.what()}.find("is not ready yet") == std::string::npos) throw;
      ++starts_;
    }
  }
  daemon_->start();
}

void Kills::wait_for_service() {
  const auto before = crowd_->totals().acks;
  if (!lab::wait_until([&] { return crowd_->totals().acks > before || failed(); }, kServiceBack))
    fail("nobody gets a lease");
}

void Kills::ask_daemon() {
  std::vector<Claim> before;
  crowd_->with_ledger([&](const Ledger& ledger) { before = ledger.lasting(Clock::now()); });
  auto client = lab::connect_to(host_, *daemon_);
  std::map<std::uint32_t, Listed> listed;
  for (const auto& lease : lab::must(client.list_leases())) {
    Listed one{.who = {.mac = lease.client},
               .bound = lease.state == dhcp::LeaseState::bound,
               .left = lease.expires_in.value_or(std::chrono::seconds{0})};
    for (std::size_t i = 0; i + 1 < lease.client_id.size(); i += 2)
      one.who.client_id.push_back(static_cast<std::uint8_t>(std::stoi(lease.client_id.substr(i, 2), nullptr, 16)));
    listed.emplace(lease.address.to_uint(), std::move(one));
  }
  crowd_->with_ledger([&](Ledger& ledger) { compared_ += ledger.compare(before, listed, Clock::now()); });
}

void Kills::ask_clients() {
  crowd_->reboot(kReboots);
  if (!lab::wait_until([&] { return crowd_->rebooting() == 0 || failed(); }, kServiceBack))
    fail(fmt::format("{} clients that rebooted get no answer about leases that last", crowd_->rebooting()));
}

std::string Kills::progress() const {
  const auto totals = crowd_->totals();
  const auto minutes = std::chrono::duration<double>(Clock::now() - began_).count() / 60;
  return fmt::format(
      "{} kills: {} rounds ({} whole, {} main process, {} service; {:.0f} a minute), {} starts cut short, {} while the "
      "disk hung; {} ACKs "
      "({} renewals past the relay, {} INIT-REBOOTs), {} NAKs, {} releases, {} vanished; {} leases compared; without "
      "service {:.2f} s (median), {:.2f} s at most",
      done_ + starts_, done_, whole_, main_, services_, done_ / minutes, starts_, hangs_, totals.acks, totals.renewals,
      totals.reboots, totals.naks, totals.releases, totals.vanished, compared_, lab::median(outages_),
      outages_.empty() ? 0.0 : *std::ranges::max_element(outages_));
}

bool Kills::report() {
  if (crowd_) {
    crowd_->with_ledger([&](const Ledger& ledger) {
      failures_.insert(failures_.end(), ledger.failures().begin(), ledger.failures().end());
    });
    say(progress());
  }
  if (failures_.empty() && daemon_->stop() != 0) fail("the last stop failed");
  if (failures_.empty()) {
    std::cout << fmt::format("seed {}: no lease was lost, and none given twice\n", seed_);
    return true;
  }
  const auto log = daemon_->log();
  std::cout << "--- the end of vrouterd's log\n" << log.substr(log.size() - std::min(log.size(), kLogShown)) << "---\n";
  for (std::size_t i = 0; i < std::min(failures_.size(), kFailuresShown); ++i)
    std::cout << "FAILED " << failures_[i] << '\n';
  std::cout << fmt::format("{} failures; do it again with: sudo ./dev kills {} {}\n", failures_.size(), rounds_, seed_);
  return false;
}

int main_with(int rounds, std::uint32_t seed) {
  Kills kills{rounds, seed};
  try {
    return kills.run() ? 0 : 1;
  } catch (const std::exception& error) {
    kills.fail(error.what());
    static_cast<void>(kills.report());
    return 1;
  }
}

}  // namespace
}  // namespace vrouter::kills

int main(int argc, char** argv) {
  try {
    const int rounds = argc > 1 ? std::stoi(argv[1]) : 1000;
    const auto seed = argc > 2 ? static_cast<std::uint32_t>(std::stoul(argv[2])) : std::random_device{}() % 1'000'000;
    return vrouter::kills::main_with(rounds, seed);
  } catch (const std::exception& error) {
    std::cerr << "kills: " << error.what() << "\nusage: vrouter-kills [ROUNDS] [SEED]\n";
    return 2;
  }
}
