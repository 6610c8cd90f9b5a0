// SPDX-License-Identifier: GPL-2.0-or-later
// What is done to vrouterd and to its host, each fault with the excuse that it gives.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "tests/lab/lib/daemon.h"
#include "tests/torture/model.h"
#include "tests/torture/traffic.h"

namespace vrouter::torture {

// The numbers that one action is made of: always as many, so that a seed gives the same actions whatever came of them.
struct Draw {
  std::uint32_t action, who, how, pause;
};
[[nodiscard]] Draw draw(std::mt19937& generator);

// The last guests' TAPs are never closed nor set down: they show that teardown gives TAPs back as well.
inline constexpr int kKeptTaps = 5;
// While it exists every flush of the daemon's hangs (tests/integration/hold_fsync.cpp).
inline constexpr const char* kHeldDiskFile = "/run/lab/hold-disk";

class Faults {
 public:
  using Say = std::function<void(const std::string&)>;
  Faults(const lab::Namespace& host, lab::Daemon& daemon, Model& model, Traffic& traffic, bool owner_wanted, Say say);

  void start();  // the daemon; closes what its absence excused
  void add_guest(int guest, bool publish);
  void act(const Draw& draw);
  [[nodiscard]] static std::string config(int variant, bool owner_wanted);
  // What the files declare besides the guests that are added by command.
  [[nodiscard]] bool file_guest() const { return variant_ == kVariantWithGuest; }
  static constexpr const char* kFileGuest = "declared";

 private:
  using Action = void (Faults::*)(const Draw&);
  struct Choice {
    int weight;
    Action action;
  };
  static const std::vector<Choice>& choices();
  static constexpr int kVariants = 4, kVariantWithGuest = 3;

  // vrouterd itself.
  void kill_and_start(const Draw& draw);
  void stop_and_start(const Draw& draw);
  void kill_child(const Draw& draw);
  void kill_and_change(const Draw& draw);
  // Its host.
  void flush_ruleset(const Draw& draw);
  void damage_table(const Draw& draw);
  void delete_route(const Draw& draw);
  void damage_neighbour(const Draw& draw);
  void delete_gateway(const Draw& draw);
  void change_group(const Draw& draw);
  void flap_link(const Draw& draw);
  void replug(const Draw& draw);
  void toggle_forwarding(const Draw& draw);
  void flap_uplink(const Draw& draw);
  void storm(const Draw& draw);
  void fill_disk(const Draw& draw);
  void slow_disk(const Draw& draw);
  // Its operator.
  void toggle_guest(const Draw& draw);
  void toggle_published(const Draw& draw);
  void reload(const Draw& draw);
  void reload_nonsense(const Draw& draw);

  void kill9();
  void spawner_died(pid_t pid);
  // Makes a change behind vrouterd's back, excused until a bar after it, or after the next start.
  void foreign(const std::string& why, const Scope& scope, const std::function<void()>& change, Span bar = kRepair);
  void foreign_line(const std::string& why, const Scope& scope, const std::string& line);
  [[nodiscard]] Scope rules_gone() const;
  void change_membership(int guest, bool may_be_refused);
  bool answered(const std::string& what, const lab::Finished& finished, bool may_be_refused);
  [[nodiscard]] int any_guest(const Draw& draw) const;
  [[nodiscard]] int any_unkept(const Draw& draw) const;

  const lab::Namespace& host_;
  lab::Daemon& daemon_;
  Model& model_;
  Traffic& traffic_;
  bool owner_wanted_;
  bool owned_ = false;  // while it runs nobody else can touch its tables
  int variant_ = 0;
  Say say_;
  struct Pending {
    Model::ExcuseId id;
    Span bar;
  };
  std::vector<Pending> pending_;  // until the daemon is back
  struct Deaths {
    Time last{};
    int young = 0;
  };
  std::map<std::string, Deaths> deaths_;  // of children
};

}  // namespace vrouter::torture
