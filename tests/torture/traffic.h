// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: all guests, and the world's end, are played by one thread: a descriptor per TAP, frames made by hand. Fifty
// namespaces with clients would cost the two cores more than vrouterd itself, and no client sends what a hostile one
// does.
//
// Each guest speaks to the world fifty times a second, now and then asks for its gateway, a name, its lease; and tries
// what it may not: sources that aren't its own, other guests. The world tries guests' inner addresses and their
// published ports.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "tests/lab/lib/frames.h"
#include "tests/lab/lib/namespace.h"
#include "tests/torture/ledger.h"
#include "tests/torture/packets.h"

namespace vrouter::torture {

inline constexpr const char* kHostAddress = "192.0.2.1";
inline constexpr const char* kWorldAddress = "192.0.2.80";
inline constexpr const char* kGateway = "10.0.5.1";
inline constexpr const char* kWorldName = "www.world.example";

class Traffic {
 public:
  // The world needs a way back to the guests' prefix, so that it can try them.
  Traffic(const lab::Namespace& host, const lab::Namespace& world, Model& model);
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;
  ~Traffic();

  void plug(int guest);  // opens its TAP, as a starting QEMU does
  void unplug(int guest);
  [[nodiscard]] bool plugged(int guest) const;
  // From now on the world tries its published port from another port of its own: what conntrack knows of the old one
  // proves nothing.
  void forget_published_flow(int guest);

  void start();
  // Sends no more, waits for the last answers, judges them.
  void finish();
  [[nodiscard]] std::string totals() const;

 private:
  struct Player {
    UniqueFd tap;
    UniqueFd caller;  // the world's socket, connected to its published port
    MacAddress router;
    std::uint32_t trial = 0;  // counts what it may not send
  };
  void run();
  void tick(Time now);
  void guest_turn(int guest, Time now);
  void world_turn(int guest, Time now);
  void try_what_it_may_not(int guest);
  void send(int guest, std::span<const std::uint8_t> frame);
  [[nodiscard]] lab::Ethernet header(int guest) const;
  void udp_to(int guest, const std::string& to, std::uint16_t from_port, std::uint16_t to_port,
              const std::string& payload);
  void read_tap(int guest);
  void on_frame(int guest, const lab::Seen& seen);
  void on_arp(int guest, const lab::Seen& seen);
  void on_udp(int guest, const lab::Seen& seen);
  void on_note(int guest, const lab::Seen& seen, const Note& note);
  void read_echo();
  void read_caller(int guest);
  void watch(int fd, int what);
  [[nodiscard]] UniqueFd open_caller(int guest) const;
  [[nodiscard]] Player& player(int guest) { return players_.at(static_cast<std::size_t>(guest)); }

  const lab::Namespace& host_;
  const lab::Namespace& world_;
  Model& model_;
  mutable std::mutex mutex_;  // of all below: the main thread plugs and unplugs
  Ledger ledger_;
  std::vector<Player> players_;
  UniqueFd echo_;   // the world's server
  UniqueFd probe_;  // the world's trials of inner addresses
  UniqueFd epoll_;
  UniqueFd timer_;
  std::uint64_t ticks_ = 0;
  bool sending_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace vrouter::torture
