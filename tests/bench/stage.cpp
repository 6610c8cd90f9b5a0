// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/stage.h"

#include <numeric>

#include "tests/lab/lib/paths.h"

namespace vrouter::bench {

using lab::LabError;
using namespace std::chrono_literals;

Stage::Stage(int guests, int sampled, const std::string& more_config) : guests_{guests} {
  lab::expect_a_crowd(host);
  lab::connect({host, "eth0", std::string{kHost} + "/24"}, {world, "eth0", std::string{kWorld} + "/24"});
  host.must(std::string{"ip route add default via "} + kWorld);
  names = std::make_unique<lab::DnsServer>(
      world, kWorld, std::multimap<std::string, std::string>{{std::string{kName} + " A", kWorld}});
  for (int i = 0; i < sampled; ++i) sample.push_back(std::make_unique<lab::FrameGuest>(host, lab::tap_of(i)));
  std::vector<int> own(static_cast<std::size_t>(sampled));
  std::iota(own.begin(), own.end(), 0);
  fleet_ = std::make_unique<lab::TapFleet>(host, lab::taps_of(guests, own));
  lab::DaemonOptions options;
  options.config = more_config + lab::kCrowdNetwork;
  options.resolv_conf = std::string{"nameserver "} + kWorld + "\n";
  options.print_log = false;
  daemon = std::make_unique<lab::Daemon>(host, options);
}

// What the daemon stands on goes after it.
Stage::~Stage() {
  daemon.reset();
}

void Stage::populate(const std::function<config::Guest(int)>& guest) {
  daemon->start();
  auto client = lab::connect_to(host, *daemon);
  for (int i = 0; i < guests_; ++i) static_cast<void>(lab::must(client.add_guest(guest(i))));
  const auto all_ready = [&] { return lab::must(client.status()).guests_ready == static_cast<std::uint64_t>(guests_); };
  if (!lab::wait_until(all_ready, 30s)) throw LabError{"not every guest became ready\n" + daemon->log()};
}

void Stage::use_disk() {
  if (daemon->running()) daemon->stop();
  const auto state = daemon->state_dir(), before = state + "-before";
  host.must("cp -a " + state + " " + before);
  disk_ = std::make_unique<StateDisk>(host, state);
  host.must("cp -a " + before + "/. " + state + "/");
  daemon->start(60s);
}

lab::Memory Stage::memory() const {
  return lab::memory_of(host, lab::built_program("vrouterd"));
}

}  // namespace vrouter::bench
