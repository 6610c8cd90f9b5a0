// SPDX-License-Identifier: GPL-2.0-or-later
// Clients behind a relay that come, renew, reboot, go with a word or without one, and come back as somebody else.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/kills/ledger.h"
#include "tests/kills/relay.h"
#include "tests/kills/wire.h"

namespace vrouter::kills {

struct Totals {
  std::size_t sent = 0, acks = 0, naks = 0, releases = 0, renewals = 0, reboots = 0, vanished = 0;
};

class Crowd {
 public:
  // `relay_address`: giaddr. Starts at once, on a thread of its own; the draws are the seed's.
  Crowd(const lab::Namespace& where, const std::string& relay_address, const std::string& server, std::size_t clients,
        std::uint32_t seed);
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd();

  // Has some clients whose leases last ask for them as after a reboot, and again and again until they are answered.
  void reboot(std::size_t count);
  [[nodiscard]] std::size_t rebooting() const;
  [[nodiscard]] Totals totals() const;
  // The crowd stands still meanwhile.
  void with_ledger(const std::function<void(Ledger&)>& work);
  [[nodiscard]] bool failed() const;

 private:
  enum class State { idle, selecting, requesting, bound };
  enum class Doing { discover, take_offer, renew, rebind, reboot };
  struct Client {
    std::size_t index = 0;
    std::uint32_t generation = 0;  // each is another MAC
    Who who{};
    std::chrono::seconds wish{};  // 0: none said
    bool rapid = false;
    State state = State::idle;
    Doing doing = Doing::discover;
    std::uint32_t transaction = 0, address = 0, wanted = 0, server = 0;
    Time first_sent{}, next{}, until{};
    int tries = 0;
    bool must_reboot = false;
  };

  void run();
  void become(Client& client);
  void act(Client& client, Time now);
  void act_bound(Client& client, Time now);
  void begin(Client& client, Doing what, State state, Time now);
  void again(Client& client, Time now);
  void send(Client& client, Time now);
  void release(Client& client, Time now);
  void hear(const Heard& heard, Time now);
  void bind(Client& client, const Heard& heard, Time now);
  [[nodiscard]] std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(generator_()) % below; }
  [[nodiscard]] Time pause(Time now) { return now + std::chrono::milliseconds{50 + draw(kLongestPause)}; }

  static constexpr std::uint32_t kLongestPause = 1000;  // ms

  Relay relay_;
  std::uint32_t relay_address_;
  std::mt19937 generator_;
  std::vector<Client> clients_;
  std::map<MacAddress, std::size_t> by_mac_;
  Ledger ledger_;
  Totals totals_;
  mutable std::mutex mutex_;
  std::jthread thread_;
};

}  // namespace vrouter::kills
