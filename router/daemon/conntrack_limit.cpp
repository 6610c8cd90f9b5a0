// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/conntrack_limit.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <charconv>

#include "router/daemon/log.h"
#include "router/daemon/router.h"
#include "router/reconcile/keys.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {

std::size_t conntrack_step(std::size_t guests) noexcept {
  return std::max<std::size_t>((guests + kGuestsPerStep - 1) / kGuestsPerStep, 1) * kGuestsPerStep;
}

std::uint64_t conntrack_max_for(std::size_t guests, std::uint64_t memory) noexcept {
  const std::uint64_t wanted = kConnectionsOfHost + guests * kConnectionsPerGuest;
  return std::min(wanted, memory / kShareOfMemory / kBytesPerConnection);
}

bool conntrack_suffices(const std::string& present, std::size_t guests) noexcept {
  std::uint64_t entries = 0;
  std::from_chars(present.data(), present.data() + present.size(), entries);
  return entries >= conntrack_max_for(guests, physical_memory());
}

std::uint64_t physical_memory() noexcept {
  const auto pages = ::sysconf(_SC_PHYS_PAGES);
  const auto size = ::sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size) : 0;
}

// Raised, never lowered. In a network namespace of its own the switch is not ours to set: then it is a warning where
// what it holds doesn't suffice.
boost::asio::awaitable<void> Router::fit_conntrack() {
  auto pass = co_await gate_.enter("/conntrack");
  if (stopped_) co_return;
  const auto step = conntrack_step(guests_.size());
  if (step <= conntrack_step_) co_return;
  const auto wanted = conntrack_max_for(step, physical_memory());
  plane_.observe_switches();  // the module may have come with our own rules
  const auto* now = plane_.observed().sysctl(kConntrackMax);
  // Absent: nothing is tracked on this host yet, or nobody may know.
  if (now == nullptr) co_return;
  if (conntrack_suffices(*now, step)) {
    conntrack_step_ = step;
    co_return;
  }
  const std::string before = *now;
  auto raised = co_await carry_out([this, wanted, before] {
    Plan plan;
    const auto key = sysctl_key(kConntrackMax);
    if (!plane_.originals().contains(key)) plan.record.push_back({key, before});
    plan.operations.emplace_back(WriteSysctl{kConntrackMax, std::to_string(wanted), before});
    return plan;
  });
  conntrack_warning_.clear();
  if (raised) {
    conntrack_step_ = step;
    log_info("net.netfilter.nf_conntrack_max is " + std::to_string(wanted) + " now, before " + before);
  } else {
    conntrack_warning_ =
        "this host tracks at most " + before +
        " connections, and its guests may need more; `sysctl net.netfilter.nf_conntrack_max=" + std::to_string(wanted) +
        "` where that can be set: vrouterd could not (" + raised.error() + ")";
  }
}

}  // namespace vrouter::router
