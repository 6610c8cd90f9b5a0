// SPDX-License-Identifier: GPL-2.0-or-later
// What was put right behind somebody's back: counted always, told within bounds, and done within bounds.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/clock.h"
#include "firewall/diff.h"
#include "router/control/views.h"
#include "router/reconcile/plan.h"

namespace vrouter::router {

// How often something may be done: `burst` times at once, later once in `every`.
class Pace {
 public:
  Pace(int burst, BootClock::duration every) : burst_{burst}, every_{every} {}

  // What is left to wait before the next time; zero: none.
  [[nodiscard]] BootClock::duration wait(BootTime now) const;
  void use(BootTime now);
  // As if it had not been used for long.
  [[nodiscard]] bool rested(BootTime now) const { return next_ <= now; }
  void slow_down(BootClock::duration every) { every_ = every; }

 private:
  int burst_;
  BootClock::duration every_;
  BootTime next_{};  // when the whole burst is free again
};

// The same for many, by name; those that rested long are forgotten.
class Paces {
 public:
  Paces(int burst, BootClock::duration every) : fresh_{burst, every} {}

  [[nodiscard]] BootClock::duration wait(const std::string& name, BootTime now) const;
  void use(const std::string& name, BootTime now);

 private:
  // Names are those of guests' TAPs, so no more than there are guests; more than this are never kept once they rest.
  static constexpr std::size_t kKept = 256;
  Pace fresh_;
  std::map<std::string, Pace> paces_;
};

// A tool that undoes what we do, as fast as we do it, has it mended at once twenty times, then ten times a second: it
// must not have the daemon spin for it. Whoever does it once waits for nothing.
inline constexpr int kRepairBurst = 20;
inline constexpr std::chrono::milliseconds kRepairEvery{100};
// The firewall's rules are put back sooner, since guests are open meanwhile; but a repair rests three times as long as
// the last one took, so that the loop is never held for more than a quarter of the time.
inline constexpr int kRulesBurst = 10;
inline constexpr std::chrono::milliseconds kRulesEvery{100};
inline constexpr int kRulesRest = 3;
// Lines in the log: about one guest, and about all of them together.
inline constexpr int kLineBurst = 5;
inline constexpr std::chrono::minutes kLineEvery{1};
inline constexpr int kAllLinesBurst = 20;
inline constexpr std::chrono::seconds kAllLinesEvery{5};
// How often the lines that were held back are summed up.
inline constexpr std::chrono::seconds kSummaryEvery{60};

// How often the slow check begins: what tells no event is right again after this at the latest.
inline constexpr std::chrono::seconds kCheckEvery{30};

class MendLog {
 public:
  using Write = std::function<void(const std::string&)>;
  explicit MendLog(Write write) : write_{std::move(write)} {}

  // `name` is the TAP's, or "host".
  void mended(const std::string& name, const Operation& operation, BootTime now);
  // `after` says what others did: "nft (pid 4711) flushed ..."; empty where the kernel didn't tell.
  void mended_rules(const firewall::Transaction& transaction, const std::string& after, BootTime now);
  // One line for all that were held back, if there are any and the last such line is old enough.
  void sum_up(BootTime now);

  [[nodiscard]] const control::Repairs& counts() const noexcept { return counts_; }

 private:
  void tell(const std::string& name, const std::string& line, BootTime now);

  Write write_;
  control::Repairs counts_;
  Paces lines_{kLineBurst, kLineEvery};
  Pace all_lines_{kAllLinesBurst, kAllLinesEvery};
  Pace summaries_{1, kSummaryEvery};
  std::uint64_t untold_ = 0;
};

// Whether carrying it out is a repair. To mark a neighbour that ARP learned is the daily work.
[[nodiscard]] bool mends(const Operation& operation);
// "made table inet vrouter again", "put back 2 chains, 7 elements"
[[nodiscard]] std::string describe(const firewall::Transaction& transaction);

}  // namespace vrouter::router
