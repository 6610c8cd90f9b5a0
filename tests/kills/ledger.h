// SPDX-License-Identifier: GPL-2.0-or-later
// Who has been told which address, until when, as the clients themselves know it; and what may not follow from that.
// Pure: time is an argument. A lease lasts from its ACK to when the client asked plus its length (RFC 2131, 4.4.5),
// which is never later than the end that the server counts with.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/mac_address.h"

namespace vrouter::kills {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

struct Who {
  MacAddress mac{};
  std::vector<std::uint8_t> client_id{};
  auto operator<=>(const Who&) const = default;
};

struct Claim {
  Who who{};
  std::uint32_t address = 0;
  Time until{};
  std::uint64_t number = 0;  // other numbers are other leases; a renewal keeps it
};

// What the daemon says.
struct Listed {
  Who who{};
  bool bound = false;
  std::chrono::seconds left{};  // rounded down
};

[[nodiscard]] std::string dotted(std::uint32_t address);

class Ledger {
 public:
  void acknowledged(const Who& who, std::uint32_t address, Time asked, Time heard, std::chrono::seconds length);
  void offered(const Who& who, std::uint32_t address, Time heard);
  void refused(const Who& who, std::uint32_t address, Time heard);
  void released(const Who& who);

  // What lasts at that time.
  [[nodiscard]] std::vector<Claim> lasting(Time at) const;
  // Holds what lasted when the daemon was asked against what it said; `now`: when that had come. What was released
  // since, or has ended, doesn't count. How many did.
  std::size_t compare(const std::vector<Claim>& before, const std::map<std::uint32_t, Listed>& listed, Time now);

  [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }
  [[nodiscard]] std::size_t renewed() const { return renewed_; }
  [[nodiscard]] std::size_t given() const { return next_ - 1; }

 private:
  [[nodiscard]] const Claim* of(const Who& who, Time at) const;
  void drop(const Who& who);

  std::map<std::uint32_t, Claim> claims_;
  std::map<Who, std::uint32_t> by_client_;
  std::vector<std::string> failures_;
  std::uint64_t next_ = 1;
  std::size_t renewed_ = 0;
};

}  // namespace vrouter::kills
