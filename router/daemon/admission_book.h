// SPDX-License-Identifier: GPL-2.0-or-later
// Which guests were told which addresses of which domains: what rules to domains let them reach. Pure.
//
// The kernel holds the same as elements that expire by themselves. What has expired stays here for as long as there is
// room: a connection that began while it held goes on, and is judged by it when other rules come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "config/networks.h"
#include "firewall/diff.h"

namespace vrouter::router {

// One guest asks for names without end that a wildcard means, and each answer has new addresses.
inline constexpr std::size_t kMaxAdmittedByDomain = 1000;  // of one guest
inline constexpr std::size_t kGivesWay = 64;               // of those at once: looking for one costs as much
inline constexpr std::size_t kMaxAdmittedInAll = 262'144;  // some 60 MB, here and in the kernel
// Addresses that one guest has let in. Each takes the daemon some ten microseconds, and what is in already isn't asked
// for again: nobody who uses what he was told comes near.
inline constexpr unsigned kGuestAdmissionBurst = 2000;
inline constexpr unsigned kGuestAdmissionsPerSecond = 200;
// An answer that holds for a second is no use to who connects after two.
inline constexpr std::uint32_t kLeastAdmission = 60;  // seconds
inline constexpr std::uint32_t kAdmissionGrace = 30;  // beyond the time that was told
inline constexpr std::uint32_t kLongestAdmission = 7 * 86400;

// For how long what is told for `ttl` seconds is let in.
[[nodiscard]] std::uint32_t admission_time(std::uint32_t ttl) noexcept;

// Whether a rule to a domain may ever open it: a unicast address of the world, by its class alone.
[[nodiscard]] bool may_be_admitted(const address& a);

class AdmissionBook {
 public:
  struct Entry {
    std::string tap, guest;  // its name: a TAP may be another's tomorrow
    std::string domain;
    address its;
    BootTime until{};
  };
  // Whether one more may come, over all guests. Makes room by what has expired.
  [[nodiscard]] bool has_room(BootTime now);
  // Takes out what must give way to it, those that end first; what the kernel still has of that goes to `into`.
  void make_room(const Entry& entry, BootTime now, firewall::Transaction& into);
  void put(Entry entry);
  // Until when it is in already, whatever brought it; the past where it isn't.
  [[nodiscard]] BootTime until(const Entry& entry) const;

  // All of a TAP, or all that is of another guest than `guest` there.
  void expel(const std::string& tap, firewall::Transaction& into);
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> guests() const;  // TAP and name
  // Those of other domains are forgotten: their sets are gone.
  void keep(const std::vector<std::string>& domains);

  // As elements: those that hold, with the seconds they have left, and all.
  [[nodiscard]] std::vector<firewall::Admitted> living(BootTime now) const;
  [[nodiscard]] std::vector<firewall::Element> all() const;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  using Addresses = std::map<address, BootTime>;
  struct Guest {
    std::string name;
    std::map<std::string, Addresses, std::less<>> domains;
  };
  void drop(const std::string& tap);

  std::map<std::string, Guest> guests_;  // by TAP
  std::size_t size_ = 0;
  BootTime swept_{};
};

}  // namespace vrouter::router
