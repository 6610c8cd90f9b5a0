// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/loop_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "dns/random.h"

namespace vrouter::dns {

namespace {

// Below a name that nobody has (RFC 6761, 6.2), so that a server that doesn't lead back says so at once.
constexpr std::string_view kPrefix = "vrouter-";
constexpr std::size_t kNonce = 16, kNameSize = 1 + kPrefix.size() + 2 * kNonce + 1 + 4 + 1;  // as on the wire

Name new_name() {
  std::array<std::uint8_t, kNonce> nonce{};
  fill_random(nonce);
  std::string text{kPrefix};
  for (const auto byte : nonce) text += fmt::format("{:02x}", byte);
  return Name::from_text(text + ".test").value();
}

}  // namespace

void LoopProbe::set(std::vector<config::DnsServer> servers) {
  std::map<config::DnsServer, Tried> kept;
  for (auto& server : servers) {
    const auto known = tried_.find(server);
    kept.try_emplace(std::move(server), known == tried_.end() ? Tried{} : known->second);
  }
  tried_ = std::move(kept);
  for (auto& [server, tried] : tried_) {
    if (std::exchange(tried, {}).came_back) calls_.found(server, false);  // whoever mended it says so by a change
  }
  arm(kProbeAfter);
}

void LoopProbe::arm(std::chrono::seconds after) {
  timer_.expires_after(after);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) try_all();
  });
}

// Those that nothing is known of, and again those that led back.
void LoopProbe::try_all() {
  bool again = false;
  std::vector<std::pair<config::DnsServer, Name>> due;
  for (auto& [server, tried] : tried_) {
    const bool fresh = tried.name.size() <= 1;
    if (!fresh && !tried.came_back) {
      calls_.found(server, false);  // what was sent at the last time had its time to come back
      continue;
    }
    tried = {.name = new_name()};
    due.emplace_back(server, tried.name);
    again = true;
  }
  for (const auto& [server, name] : due) calls_.ask(server, {.name = name, .type = type::a});
  if (again) arm(kProbeAgain);
}

bool LoopProbe::heard(const Name& name) {
  if (name.size() != kNameSize) return false;
  const auto found = std::ranges::find_if(tried_, [&](const auto& entry) { return entry.second.name.same_as(name); });
  if (found == tried_.end()) return false;
  if (!std::exchange(found->second.came_back, true)) calls_.found(found->first, true);
  return true;
}

}  // namespace vrouter::dns
