// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/upstream_rules.h"

#include <algorithm>
#include <utility>

namespace vrouter::router {

void UpstreamRules::want(Elements wanted) {
  const auto now = boost::asio::steady_timer::clock_type::now();
  for (auto& left : std::exchange(wanted_, std::move(wanted)))
    leaving_.insert_or_assign(std::move(left), now + leaves_);
  for (const auto& kept : wanted_) leaving_.erase(kept);
  update(now);
}

void UpstreamRules::update(Time now) {
  std::erase_if(leaving_, [&](const auto& left) { return left.second <= now; });
  auto before = std::exchange(elements_, wanted_);
  for (const auto& [left, until] : leaving_) elements_.push_back(left);
  std::ranges::sort(elements_);
  elements_.erase(std::ranges::unique(elements_).begin(), elements_.end());
  timer_.cancel();
  if (!leaving_.empty()) {
    const auto until = [](const auto& left) { return left.second; };
    timer_.expires_at(until(*std::ranges::min_element(leaving_, {}, until)));
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) update(boost::asio::steady_timer::clock_type::now());
    });
  }
  if (before != elements_) changed_(before);
}

}  // namespace vrouter::router
