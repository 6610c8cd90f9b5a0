// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/ledger.h"

namespace vrouter::torture {

Ledger::Ledger(Model& model) : model_{model}, lines_(static_cast<std::size_t>(model.guests()) * kFlows) {}

std::uint32_t Ledger::sent(int guest, Flow flow, Time now) {
  auto& way = line(guest, flow);
  way.packets.push_back({now});
  ++totals_[static_cast<std::size_t>(flow)].sent;
  return way.first + static_cast<std::uint32_t>(way.packets.size()) - 1;
}

void Ledger::mark(Flow flow, Packet& packet) {
  if (!packet.answered) ++totals_[static_cast<std::size_t>(flow)].answered;
  packet.answered = true;
}

void Ledger::answered(int guest, Flow flow, std::uint32_t sequence) {
  auto& way = line(guest, flow);
  const auto at = sequence - way.first;  // wraps to something huge for one that was judged already
  if (at < way.packets.size()) mark(flow, way.packets[at]);
}

void Ledger::answered_last(int guest, Flow flow) {
  auto& way = line(guest, flow);
  if (!way.packets.empty()) mark(flow, way.packets.back());
}

void Ledger::judge(Time now) {
  for (int guest = 0; guest < model_.guests(); ++guest) {
    for (std::size_t f = 0; f < kFlows; ++f) {
      const auto flow = static_cast<Flow>(f);
      auto& way = line(guest, flow);
      while (!way.packets.empty() && now - way.packets.front().sent > kPatience) {
        const auto packet = way.packets.front();
        way.packets.pop_front();
        ++way.first;
        if (packet.answered) {
          model_.judge_answered(guest, flow);
        } else {
          model_.judge_lost(guest, flow, packet.sent);
        }
      }
    }
  }
}

}  // namespace vrouter::torture
