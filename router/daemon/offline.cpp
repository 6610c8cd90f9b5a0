// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/offline.h"

#include "config/load.h"
#include "router/daemon/dataplane.h"
#include "router/daemon/paths.h"
#include "router/reconcile/diff.h"
#include "router/state/store.h"

namespace vrouter::router {

std::expected<std::vector<std::string>, std::string> teardown_offline(const std::filesystem::path& config,
                                                                      const std::filesystem::path& state_dir) {
  const auto loaded = config::load_config(config, {});
  // A file that can't be read must not keep the host from being given back: then the default number holds.
  const auto protocol = loaded ? loaded->host.route_protocol : config::Host{}.route_protocol;

  auto store = state::Store::open(Paths{.state_dir = state_dir}.database());
  // A damaged database must not keep the host from being given back: what is ours is known by its marks, only what was
  // there before is lost.
  const bool damaged =
      !store && (store.error().kind == state::OpenFailure::damaged || store.error().kind == state::OpenFailure::newer);
  if (!store && !damaged) return std::unexpected(store.error().message);
  auto ports = Dataplane::open_ports();
  if (!ports) return std::unexpected(ports.error().to_string());
  Originals originals;
  if (store) originals.insert((*store)->loaded().originals.begin(), (*store)->loaded().originals.end());
  Dataplane plane{std::move(*ports), originals};
  if (auto observed = plane.observe(); !observed) return std::unexpected(observed.error().to_string());

  std::vector<std::string> done;
  const auto plan = restore(plane.originals(), plane.observed(), protocol);
  const auto applied = plane.apply(plan.operations);
  for (std::size_t i = 0; i < applied.done; ++i) done.push_back(describe(plan.operations[i]));
  if (applied.error)
    return std::unexpected(applied.error->to_string() + "; run `vrouter teardown` again once that is mended");
  const auto rules = plane.nft().observe();
  if (auto removed = plane.nft().teardown(); !removed) return std::unexpected(removed.error().to_string());
  if (!rules || !rules->tables.empty()) done.emplace_back("firewall tables removed");

  if (damaged) {
    done.push_back("switches that vrouter changed could not be put back: " + store.error().message);
    return done;
  }
  state::Change change;
  change.stopped = true;
  for (const auto& [key, value] : originals) change.remove_originals.push_back(key);
  if (auto committed = (*store)->commit_now(std::move(change)); !committed) return std::unexpected(committed.error());
  return done;
}

}  // namespace vrouter::router
