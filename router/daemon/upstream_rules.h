// SPDX-License-Identifier: GPL-2.0-or-later
// Whom the firewall lets the DNS process ask. That process hears of other servers a moment later than the kernel, and
// questions are under way to those before: a server that is left stays let in until nothing is waited for from it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <vector>

#include "firewall/ruleset.h"

namespace vrouter::router {

// Longer than the DNS process waits for any question (dns/lookup.h).
inline constexpr std::chrono::milliseconds kUpstreamLeaves{6000};

class UpstreamRules {
 public:
  using Elements = std::vector<firewall::Element>;
  // Called when elements() are others, with what they were before.
  using Changed = std::function<void(const Elements& before)>;

  UpstreamRules(boost::asio::io_context& io, Changed changed, std::chrono::milliseconds leaves = kUpstreamLeaves)
      : timer_{io}, changed_{std::move(changed)}, leaves_{leaves} {}

  void want(Elements wanted);
  [[nodiscard]] const Elements& elements() const noexcept { return elements_; }  // sorted

 private:
  using Time = boost::asio::steady_timer::time_point;
  void update(Time now);

  boost::asio::steady_timer timer_;
  Changed changed_;
  std::chrono::milliseconds leaves_;
  Elements wanted_, elements_;
  std::map<firewall::Element, Time> leaving_;
};

}  // namespace vrouter::router
