// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <array>
#include <deque>
#include <vector>

#include "tests/torture/model.h"

namespace vrouter::torture {

// The packets under way: what was sent, whether it was answered. One thread's.
class Ledger {
 public:
  explicit Ledger(Model& model);

  // Notes a packet and gives it its number, which counts from 0 for each guest and flow.
  std::uint32_t sent(int guest, Flow flow, Time now);
  void answered(int guest, Flow flow, std::uint32_t sequence);
  // For answers that carry no number: the last one sent, which by its rate is the one meant.
  void answered_last(int guest, Flow flow);
  // Tells the model of all that were sent longer than kPatience ago.
  void judge(Time now);

  struct Totals {
    std::uint64_t sent = 0, answered = 0;
  };
  [[nodiscard]] const Totals& totals(Flow flow) const { return totals_[static_cast<std::size_t>(flow)]; }

 private:
  struct Packet {
    Time sent;
    bool answered = false;
  };
  struct Line {
    std::uint32_t first = 0;  // the number of the front
    std::deque<Packet> packets;
  };
  [[nodiscard]] Line& line(int guest, Flow flow) {
    return lines_.at(static_cast<std::size_t>(guest) * kFlows + static_cast<std::size_t>(flow));
  }
  void mark(Flow flow, Packet& packet);

  Model& model_;
  std::vector<Line> lines_;
  std::array<Totals, kFlows> totals_{};
};

}  // namespace vrouter::torture
