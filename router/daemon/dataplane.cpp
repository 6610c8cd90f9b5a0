// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/dataplane.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "firewall/diff.h"

namespace vrouter::router {

Result<Dataplane::Ports> Dataplane::open_ports() {
  auto net = open_kernel();
  if (!net) return std::unexpected(net.error());
  auto sysctls = open_sysctls();
  if (!sysctls) return std::unexpected(sysctls.error());
  auto nft = firewall::open_nft();
  if (!nft) return std::unexpected(nft.error());
  return Ports{std::move(*net), std::move(*sysctls), std::move(*nft)};
}

Result<void> Dataplane::observe() {
  auto observed = router::observe(kernel());
  if (!observed) return std::unexpected(observed.error());
  observed_ = std::move(*observed);
  return {};
}

bool Dataplane::owns_table(const config::Config& config) const {
  return config.host.table_owner == config::TableOwner::automatic && ports_.nft->features().owner_persist;
}

Result<bool> Dataplane::install(firewall::Ruleset rules) {
  const auto observed = ports_.nft->observe();
  if (!observed) return std::unexpected(observed.error());
  for (const auto& [family, table] : observed->tables) {
    if (table.ownership != firewall::Ownership::foreign) continue;
    return std::unexpected(
        KernelError{"another vrouterd runs on this host and owns its firewall tables; stop that one first", EPERM, ""});
  }
  const auto transaction = firewall::diff(rules, *observed);
  if (!transaction.empty()) {
    if (auto applied = ports_.nft->apply(transaction); !applied) return std::unexpected(applied.error());
  }
  rules_ = std::move(rules);
  return !transaction.empty();
}

Result<void> Dataplane::change(const std::vector<firewall::Element>& before,
                               const std::vector<firewall::Element>& after) {
  // Deleting what isn't there would fail the whole batch, and a guest that was never quite added has only some.
  std::vector<firewall::Element> present;
  std::ranges::copy_if(before, std::back_inserter(present), [this](const firewall::Element& element) {
    const auto set = rules_.elements.find(element.set);
    return set != rules_.elements.end() && set->second.contains(element.key);
  });
  const auto transaction = firewall::change_elements(present, after);
  if (transaction.empty()) return {};
  auto wanted_by = [&](firewall::Ruleset& rules) {
    rules.erase(present);
    rules.insert(after);
  };
  auto applied = ports_.nft->apply(transaction);
  if (!applied && applied.error().code == ENOBUFS) {
    // The kernel's answer was lost, not necessarily the change: what it shows decides.
    auto wanted = rules_;
    wanted_by(wanted);
    const auto installed = install(std::move(wanted));
    if (!installed) return std::unexpected(installed.error());
    return {};
  }
  if (applied) wanted_by(rules_);
  return applied;
}

}  // namespace vrouter::router
