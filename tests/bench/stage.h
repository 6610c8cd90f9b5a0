// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "tests/bench/disk.h"
#include "tests/lab/lib/daemon.h"
#include "tests/lab/lib/frame_guest.h"
#include "tests/lab/lib/servers.h"
#include "tests/lab/lib/tap_fleet.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {

// A host with an uplink to a world that has a name server, a crowd's TAPs, and a daemon that isn't started yet.
// The first `sampled` guests are made of frames; the others' TAPs are held open by nobody's VMM.
class Stage {
 public:
  Stage(int guests, int sampled, const std::string& more_config = {});
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  ~Stage();

  static constexpr const char* kHost = "192.0.2.1";
  static constexpr const char* kWorld = "192.0.2.80";
  static constexpr const char* kName = "www.world.example";

  // Starts the daemon and adds them all; throws LabError unless every guest is ready.
  void populate(const std::function<config::Guest(int)>& guest = lab::guest_of);
  // The state directory moves to the disk that this program was built on; the daemon is restarted.
  void use_disk();
  [[nodiscard]] lab::Memory memory() const;
  [[nodiscard]] int guests() const { return guests_; }
  // The TAPs of all but the sampled.
  [[nodiscard]] lab::TapFleet& fleet() { return *fleet_; }

  lab::Namespace host{"host"};
  lab::Namespace world{"world"};
  std::vector<std::unique_ptr<lab::FrameGuest>> sample;
  std::unique_ptr<lab::DnsServer> names;
  std::unique_ptr<lab::Daemon> daemon;

 private:
  int guests_;
  std::unique_ptr<lab::TapFleet> fleet_;
  std::unique_ptr<StateDisk> disk_;
};

}  // namespace vrouter::bench
