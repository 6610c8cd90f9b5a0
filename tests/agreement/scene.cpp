// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/agreement/scene.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>

#include "tests/agreement/zone.h"
#include "tests/lab/lib/paths.h"
#include "tests/scale/crowd.h"

namespace vrouter::agreement {

using namespace std::chrono_literals;

Scene::Scene(int guests) {
  lab::connect({host_, "eth0", "198.18.0.1/24"}, {upstream_, "eth0", std::string{kUpstream} + "/24"});
  host_.must(std::string{"ip route add default via "} + kUpstream);
  nsd_ = std::make_unique<lab::Nsd>(upstream_, kOrigin, zone_text());
  for (int i = 0; i < guests; ++i) {
    auto& guest = *guests_.emplace_back(std::make_unique<lab::Namespace>(fmt::format("guest{}", i)));
    lab::connect({host_, lab::tap_of(i), ""}, {guest, "eth0", lab::address_of(i) + "/32"});
    guest.must(fmt::format("ip route add default via {} dev eth0 onlink", kGateway));
  }
  lab::DaemonOptions options;
  options.config = fmt::format("{}\n[dns]\nupstreams = [\"{}\"]\n", lab::kCrowdNetwork, kUpstream);
  options.print_log = false;
  daemon_ = std::make_unique<lab::Daemon>(host_, options);
  daemon_->start();
  auto client = lab::connect_to(host_, *daemon_);
  lab::add_guests(client, 0, guests);
  const auto ready = [&] { return lab::must(client.status()).guests_ready == static_cast<std::uint64_t>(guests); };
  if (!lab::wait_until(ready, 30s)) throw lab::LabError{"not every guest became ready\n" + daemon_->log()};
}

// What the daemon stands on goes after it.
Scene::~Scene() {
  daemon_.reset();
}

double Scene::resident_of_dns() const {
  for (const auto pid : lab::processes_of(host_, lab::built_program("vrouterd"))) {
    if (!lab::title_of(pid).ends_with("dns")) continue;
    std::ifstream file{fmt::format("/proc/{}/statm", pid)};
    double size = 0, resident = 0;
    file >> size >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
  }
  throw lab::LabError{"vrouterd has no DNS service"};
}

}  // namespace vrouter::agreement
