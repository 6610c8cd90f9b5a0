// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/port_table.h"

#include <iterator>

namespace vrouter::config {

void PortTable::insert(const std::string& tap, const Publish& publish) {
  spaces_[Space{publish.protocol, publish.host}][publish.first] = Held{.last = publish.last, .tap = tap};
}

void PortTable::erase(const std::string& tap, const Publish& publish) {
  const auto space = spaces_.find(Space{publish.protocol, publish.host});
  if (space == spaces_.end()) return;
  const auto range = space->second.find(publish.first);
  if (range == space->second.end() || range->second.tap != tap) return;
  space->second.erase(range);
  if (space->second.empty()) spaces_.erase(space);
}

const std::string* PortTable::overlapping(const Ranges& ranges, const Publish& wanted, const std::string& except) {
  auto range = ranges.upper_bound(wanted.first);
  if (range != ranges.begin() && std::prev(range)->second.last >= wanted.first) --range;
  for (; range != ranges.end() && range->first <= wanted.last; ++range) {
    if (range->second.tap != except) return &range->second.tap;
  }
  return nullptr;
}

const std::string* PortTable::holder(const Publish& wanted, const std::string& except) const {
  const auto in_space = [&](const std::optional<address>& host) -> const std::string* {
    const auto space = spaces_.find(Space{wanted.protocol, host});
    return space == spaces_.end() ? nullptr : overlapping(space->second, wanted, except);
  };
  if (wanted.host) {
    const auto* tap = in_space(wanted.host);
    return tap != nullptr || wanted.on_loopback() ? tap : in_space(std::nullopt);
  }
  for (auto space = spaces_.lower_bound(Space{wanted.protocol, std::nullopt});
       space != spaces_.end() && space->first.first == wanted.protocol; ++space) {
    if (space->first.second && space->first.second->is_loopback()) continue;
    if (const auto* tap = overlapping(space->second, wanted, except)) return tap;
  }
  return nullptr;
}

const std::string* PortTable::holder_on(const address& host) const {
  for (const auto protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    const auto space = spaces_.find(Space{protocol, host});
    if (space != spaces_.end() && !space->second.empty()) return &space->second.begin()->second.tap;
  }
  return nullptr;
}

}  // namespace vrouter::config
