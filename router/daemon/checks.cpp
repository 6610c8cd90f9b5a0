// SPDX-License-Identifier: GPL-2.0-or-later
// The slow check: what changes without an event, looked at again in slices that leave the loop to others.
#include "router/daemon/router.h"

namespace vrouter::router {

namespace {

// One guest takes the kernel some 20 us: a slice holds the loop for a few milliseconds.
constexpr int kGuestsPerSlice = 200;
constexpr std::chrono::milliseconds kSliceEvery{50};
// Docker makes its bridge, then switches bridge netfilter on; so do those who load br_netfilter for one. The switch
// tells nothing, the bridge does: looked at after it, first soon, then twice as late each time, for 2.5 s in all.
constexpr std::chrono::milliseconds kBridgeFirst{5};
constexpr std::chrono::milliseconds kBridgeLast{1280};

}  // namespace

void Router::check_after(BootClock::duration rest) {
  check_.expires_after(rest);
  check_.async_wait([this](const boost::system::error_code& error) {
    if (!error) check_guests();
  });
}

void Router::check_guests() {
  if (stopped_) {
    check_after(kCheckEvery);
    return;
  }
  events_->drain();  // or an older event would overwrite what is read now
  if (checked_.empty()) {
    follow(plane_.look_at_host());
    if (desired_.host.ipv6()) follow(plane_.look_at_links(desired_.host.uplinks6));
    mend_rules_after(BootClock::duration{});  // of tables, chains and rules; elements that nobody told of stay unread
    look_at_others();                         // the old iptables tells nobody
    mends_.sum_up(BootClock::now());
  }
  auto guest = desired_.guests.upper_bound(checked_);
  for (int n = 0; n < kGuestsPerSlice && guest != desired_.guests.end(); ++n, ++guest) {
    checked_ = guest->first;
    follow(plane_.look_at(guest->second));
  }
  if (guest != desired_.guests.end()) {
    check_after(kSliceEvery);
  } else {
    checked_.clear();
    check_after(kCheckEvery);
  }
}

void Router::look_at_bridges_soon() {
  // One that is due soon stays: bridges that change without end must not put it off without end.
  if (bridge_rest_ != kBridgeFirst) look_at_bridges_after(kBridgeFirst);
}

void Router::look_at_bridges_after(std::chrono::milliseconds rest) {
  bridge_rest_ = rest;
  bridge_timer_.expires_after(rest);
  bridge_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    if (!stopped_) follow(plane_.look_at_host());
    const auto next = bridge_rest_ * 2;
    bridge_rest_ = {};
    if (next <= kBridgeLast) look_at_bridges_after(next);
  });
}

}  // namespace vrouter::router
