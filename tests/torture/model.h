// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: what ought to be, as answers of the command line and our own faults make it, kept over time. A packet is
// judged a while after it was sent, when all that happened around it has been noted: a right one that got no answer
// must have an excuse, a wrong one that arrived too.
//
// A fault opens an excuse before it is made and closes it a bar after it is over. Everything else is a failure.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/mac_address.h"
#include "tests/torture/bars.h"

namespace vrouter::torture {

// Where something stands; `changing` while a command that changes it is under way, and for its bar.
enum class Standing : std::uint8_t { out, changing, in };

// How something stood from when on.
class Timeline {
 public:
  explicit Timeline(Standing first) : changes_{{Time{}, first}} {}
  // Forgets what was noted for later than `at`.
  void set(Time at, Standing standing);
  // What it was all the time; `changing` when it wasn't the same.
  [[nodiscard]] Standing during(Time from, Time to) const;
  [[nodiscard]] Standing last() const { return changes_.back().second; }

 private:
  std::vector<std::pair<Time, Standing>> changes_;
};

// What a packet of ours is sent for.
enum class Flow : std::uint8_t { world, published, gateway, arp, dns, dhcp };
inline constexpr std::size_t kFlows = 6;
[[nodiscard]] const char* name(Flow flow);

// What may fail, or pass, while a fault lasts.
struct Scope {
  bool data = false;           // packets that are routed, or answered by the host's kernel, may be lost
  bool dns = false;            // no answer from the name server
  bool dhcp = false;           // none from the DHCP server
  bool open = false;           // rules may be missing: wrong packets may pass
  std::optional<int> guest{};  // only this one's; everybody's without
};

struct GuestModel {
  std::string name, tap, address;
  MacAddress mac;
  bool pinned = false;     // added with --mac
  std::uint16_t port = 0;  // of the host, when published
  Timeline member{Standing::out};
  Timeline published{Standing::out};
  std::optional<Time> leased{};  // it was told ACK, since it was added
};

struct Failure {
  Time at;
  std::string text;
};

class Model {
 public:
  explicit Model(int guests);

  // The main thread's.
  using ExcuseId = std::size_t;
  [[nodiscard]] ExcuseId excuse(std::string why, Scope scope, Time from = Clock::now());
  void close(ExcuseId id, Time until);
  void set_member(int guest, Time at, Standing standing);
  void set_published(int guest, Time at, Standing standing);
  [[nodiscard]] Standing member(int guest) const;
  [[nodiscard]] Standing published(int guest) const;
  [[nodiscard]] bool leased(int guest) const;
  // A lease that is written after the ACK may be lost with a process that dies so soon after it.
  void forget_leases_since(Time at);
  void fail(std::string text, Time at = Clock::now());
  [[nodiscard]] std::vector<Failure> failures() const;
  [[nodiscard]] int guests() const { return static_cast<int>(guests_.size()); }
  // What never changes: name, TAP, address, MAC, port.
  [[nodiscard]] const GuestModel& facts(int guest) const { return guests_.at(static_cast<std::size_t>(guest)); }
  // By cause: how many outages, and the longest, from the first packet lost to the last.
  [[nodiscard]] std::string outages() const;

  // The traffic's, about packets sent long enough ago.
  void judge_lost(int guest, Flow flow, Time sent);
  void judge_answered(int guest, Flow flow);
  void end_outages();                                                 // nothing more will be sent
  void judge_arrived(int guest, Time sent, const std::string& what);  // it never may
  void judge_left(int guest, Time sent);                              // its own traffic: only a member's may
  void judge_reached(int guest, Time sent);                           // by its published port
  void note_lease(int guest);

 private:
  struct Excuse {
    std::string why;
    Scope scope;
    Time from;
    Time until = Time::max();
  };
  // Of one guest's one flow: packets lost, with none answered between.
  struct Outage {
    Time first, last;
    std::string why;  // of the last that was excused
    int packets = 0;
    std::optional<Time> unexcused;  // the first that wasn't
  };
  struct Toll {
    int count = 0;
    Span longest{0};
  };
  [[nodiscard]] const Excuse* excused(int guest, Flow flow, Time sent) const;
  [[nodiscard]] bool open(Time sent) const;
  void end_outage(int guest, Flow flow, const Outage& outage);

  mutable std::mutex mutex_;
  std::vector<GuestModel> guests_;
  std::vector<Excuse> excuses_;
  std::size_t first_open_ = 0;  // excuses before it ended long ago
  std::map<std::pair<int, Flow>, Outage> outages_;
  std::map<std::string, Toll> tolls_;
  std::vector<Failure> failures_;
};

}  // namespace vrouter::torture
