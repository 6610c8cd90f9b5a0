// SPDX-License-Identifier: GPL-2.0-or-later
// Commands about the whole host: read the files again, or give the host back.
#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>
#include <optional>

#include "config/load.h"
#include "firewall/prove.h"
#include "router/daemon/log.h"
#include "router/daemon/notify.h"
#include "router/daemon/router.h"

namespace vrouter::router {

namespace asio = boost::asio;
using control::Failure;
using control::FailureKind;

namespace {

std::unexpected<Failure> refused(std::string message) {
  return std::unexpected(Failure{FailureKind::refused, std::move(message), {}});
}

std::string lines(const config::Problems& problems) {
  std::string text;
  for (const auto& problem : problems) text += (text.empty() ? "" : "\n") + problem.to_string();
  return text;
}

std::string not_in_force(const std::string& why) {
  return "the files on disk are not in force, but what was read before; correct them, then run `vrouter reload`: " +
         why;
}

bool only_policy_differs(const config::Config& before, const config::Config& after) {
  auto with_old_policy = after;
  with_old_policy.policy = before.policy;
  with_old_policy.warnings = before.warnings;
  return with_old_policy == before;
}

std::vector<std::string> differences(const config::Config& before, const config::GuestTable& guests_before,
                                     const config::Config& after, const config::GuestTable& guests_after) {
  std::vector<std::string> changes;
  if (before.host != after.host) changes.emplace_back("host settings changed");
  if (before.dns != after.dns) changes.emplace_back("DNS servers changed");
  if (!config::same_meaning(before.policy, after.policy)) {
    changes.push_back("policy changed: " + std::to_string(after.policy.rules.size()) + " rules, " +
                      std::to_string(after.policy.groups.size()) + " groups");
  }
  for (const auto& [name, network] : after.networks) {
    const auto old = before.networks.find(name);
    if (old == before.networks.end()) {
      changes.push_back("network " + name + " added: " + network.prefix.to_string());
    } else {
      auto moved = old->second;  // to another line, perhaps: that is no change
      moved.declared_at = network.declared_at;
      if (moved != network) changes.push_back("network " + name + " changed");
    }
  }
  for (const auto& [name, network] : before.networks) {
    if (!after.networks.contains(name)) changes.push_back("network " + name + " removed");
  }
  for (const auto& [tap, guest] : guests_after.all()) {
    const auto* old = guests_before.by_tap(tap);
    if (old == nullptr) {
      changes.push_back("guest " + guest.name + " added on " + tap);
    } else {
      auto moved = *old;
      moved.declared_at = guest.declared_at;
      if (moved != guest) changes.push_back("guest " + guest.name + " changed");
    }
  }
  for (const auto& [tap, guest] : guests_before.all()) {
    if (guests_after.by_tap(tap) == nullptr) changes.push_back("guest " + guest.name + " removed from " + tap);
  }
  return changes;
}

}  // namespace

std::expected<config::Config, std::string> Router::load_files() const {
  auto loaded = config::load_config(paths_.config, paths_.policy_dir);
  if (!loaded) return std::unexpected(lines(loaded.error()));
  config::GuestTable added;
  for (const auto& [tap, guest] : guests_.all()) {
    if (guest.declared_at.file.empty()) added.insert(guest);
  }
  if (const auto problems = config::check_against(*loaded, added); !problems.empty())
    return std::unexpected(lines(problems));
  std::vector<const config::Guest*> guests;
  const auto declared = config::declared_guests(*loaded);
  for (const auto& [tap, guest] : declared.all()) guests.push_back(&guest);
  for (const auto& [tap, guest] : added.all()) guests.push_back(&guest);
  if (const auto problems = firewall::prove(*loaded, guests, loaded->warnings); !problems.empty())
    return std::unexpected(lines(problems));
  if (!stopped_ && loaded->host.route_protocol != config_.host.route_protocol) {
    return std::unexpected(
        "host.route_protocol can't change while routes carry the old number; run `vrouter teardown`, then `vrouter "
        "reload`");
  }
  return std::move(*loaded);
}

control::Answer<control::ReloadView> Router::reload(control::Peer peer) {
  auto pass = std::optional{co_await gate_.enter_alone()};
  auto loaded = load_files();
  if (!loaded) {
    if (!stopped_) files_problem_ = not_in_force(loaded.error());
    log_warning("reload refused (uid " + std::to_string(peer.uid) + "): " + loaded.error());
    co_return refused("nothing was changed:\n" + loaded.error());
  }
  if (stopped_) {
    // Events of the meantime went unheard: the replica is of another world.
    if (auto observed = plane_.observe(); !observed) co_return refused(observed.error().to_string());
  }
  notify_reloading();
  const auto before = config_;
  const auto guests_before = guests_;
  const bool was_stopped = std::exchange(stopped_, false);
  // The operator has seen what was rebuilt, and says that it is all.
  const int damaged = std::exchange(damaged_, 0);
  const auto held = std::exchange(held_, {});
  const bool services_waited = services_wait_;
  auto done = co_await apply_files(std::move(*loaded), guests_before, damaged == 0 && held.empty());
  if (!done) {
    std::string error = "the files were not applied, what held before holds: " + done.error();
    if (was_stopped) {
      stopped_ = true;
      if (auto given = co_await give_back(); !given) error += "; and taking it back failed: " + given.error();
    }
    config_ = before;
    guests_ = guests_before;
    enter_profiles();
    damaged_ = damaged;
    held_ = held;
    if (!was_stopped) {
      files_problem_ = not_in_force(done.error());
      if (auto back = co_await reconcile_all(); !back) {
        error += "; and going back failed: " + back.error();
        failed_.all = true;
        retry_later();
      }
      if (services_waited) begin_services();  // of the files that hold, should they have begun meanwhile
    }
    notify_ready(summary());
    log_warning("reload refused (uid " + std::to_string(peer.uid) + "): " + error);
    co_return refused(std::move(error));
  }
  dismiss(guests_before);
  begin_services();
  files_problem_.clear();
  if (was_stopped || damaged != 0) {
    state::Change change;
    change.stopped = false;
    change.damaged = 0;
    commit_later(change);
  }
  if (!failed_.empty()) retry_later();
  start_repair();
  spawn([this] { return fit_conntrack(); });
  control::ReloadView shown;
  shown.changes = differences(before, guests_before, config_, guests_);
  if (was_stopped) shown.changes.insert(shown.changes.begin(), "vrouter runs again on this host");
  shown.warnings = foreign_obstacles({});
  // Said, not refused: who listens may be meant to stop, and a daemon started later must not keep these from a boot.
  for (auto& hidden : hidden_sockets(config_.guests)) shown.warnings.push_back(std::move(hidden));
  if (!shown.changes.empty()) {
    pass.reset();  // the walk may take a second, and nothing in it needs the others to wait
    // Before the answer: what the files deny now has ended when whoever asked hears of it.
    if (const auto cut = co_await cut_denied(); !cut) {
      shown.warnings.push_back("connections under way that the files deny now may go on: " + cut.error().to_string());
    }
    spawn([this] { return cut_stragglers(); });
  }
  for (const auto& warning : config_.warnings) shown.warnings.push_back(warning.to_string());
  log_info("reloaded (uid " + std::to_string(peer.uid) + "): " + std::to_string(shown.changes.size()) + " changes");
  notify_ready(summary());
  co_return shown;
}

asio::awaitable<Attempt<>> Router::apply_files(config::Config config, const config::GuestTable& before,
                                               bool nothing_held) {
  events_->drain();
  // Whoever reloads files that say the same wants everything looked at.
  const bool rules_alone = nothing_held && rules_in_ && failed_.empty() && only_policy_differs(config_, config) &&
                           !config::same_meaning(config_.policy, config.policy);
  const auto profiles_before = profiles_;
  adopt_config(std::move(config));
  if (rules_alone) co_return change_policy(profiles_before);
  if (auto clear = check_collisions(); !clear) co_return clear;
  for (const auto& [tap, guest] : guests_.all()) {
    // Only for what is new: a guest whose link was spoilt since is a problem of its own, not of these files.
    if (before.by_tap(tap) != nullptr) continue;
    if (auto fit = check_link(guest); !fit) co_return fit;
  }
  co_return co_await reconcile_all();
}

// What differs, in one transaction, whatever else is on this host.
Attempt<> Router::change_policy(const firewall::Profiles& before) {
  std::vector<firewall::Element> old_elements;
  std::vector<firewall::Element> new_elements;
  for (const auto& [tap, desired] : desired_.guests) {
    const auto* guest = guests_.by_tap(tap);
    if (guest == nullptr || before.of(*guest, network_of(*guest)) == profiles_.of(*guest, network_of(*guest))) continue;
    if (keeps_out(tap)) continue;
    std::ranges::move(firewall::compile_guest(*guest, network_of(*guest), before), std::back_inserter(old_elements));
    std::ranges::move(elements_of(*guest), std::back_inserter(new_elements));
  }
  std::ranges::sort(old_elements);
  std::ranges::sort(new_elements);
  if (auto done = plane_.restructure(skeleton(), old_elements, new_elements); !done) {
    return std::unexpected(done.error().to_string());
  }
  return {};
}

// Guests that the files no longer declare, or whose address moved: their leases and connections are forgotten.
void Router::dismiss(const config::GuestTable& before) {
  std::vector<address> vacated;
  state::Change change;
  for (const auto& [tap, guest] : before.all()) {
    const auto* now = guests_.by_tap(tap);
    if (guest.address6 && (now == nullptr || now->address6 != guest.address6)) vacated.emplace_back(*guest.address6);
    if (now == nullptr || now->floating != guest.floating) {
      for (const auto& floating : guest.floating.all()) vacated.push_back(floating);
    }
    if (now != nullptr && now->address == guest.address) continue;
    if (guest.address) vacated.emplace_back(*guest.address);
    leases_.erase(tap);
    lease_events_.erase(tap);
    lease_logged_.erase(tap);
    lease_written_.erase(tap);
    change.remove_leases.push_back(tap);
  }
  if (!change.remove_leases.empty()) commit_later(change);
  if (vacated.empty()) return;
  conntrack_->flush(std::move(vacated), [](const Result<void>& flushed) {
    if (!flushed) log_warning(flushed.error().to_string());
  });
}

// All that is ours off the host, all that was there before us back. The network first, the rules last: nothing is
// forwarded unfiltered in between.
asio::awaitable<Attempt<std::vector<std::string>>> Router::give_back() {
  services_.silence();
  services_wait_ = false;
  desired_.guests.clear();
  std::vector<std::string> done;
  auto restored = co_await carry_out([this, &done] {
    auto plan = restore(plane_.originals(), plane_.observed(), config_.host.route_protocol);
    done.clear();
    for (const auto& operation : plan.operations) done.push_back(describe(operation));
    return plan;
  });
  if (!restored) co_return std::unexpected(restored.error());
  const auto rules = plane_.nft().observe();
  if (auto removed = plane_.nft().teardown(); !removed) co_return std::unexpected(removed.error().to_string());
  rules_in_ = false;
  conntrack_step_ = 0;
  if (!rules || !rules->tables.empty()) done.emplace_back("firewall tables removed");
  if (holding()) done.push_back("what this host was like before vrouter is not all known any more: " + damage());
  std::vector<address> addresses;
  for (const auto& [tap, guest] : guests_.all()) {
    if (guest.address) addresses.emplace_back(*guest.address);
    if (guest.address6) addresses.emplace_back(*guest.address6);
  }
  if (!addresses.empty()) conntrack_->flush(std::move(addresses), [](const Result<void>&) {});
  failures_.clear();
  guest_problems_.clear();
  host_problems_ = std::move(*restored);
  damaged_ = 0;
  held_.clear();
  state::Change change;
  change.stopped = true;
  change.damaged = 0;
  for (const auto& [key, value] : plane_.originals()) change.remove_originals.push_back(key);
  plane_.originals().clear();
  // The host is given back; a disk that can't be told only means that the next start takes it again.
  if (auto noted = co_await note(change); !noted) {
    done.push_back("not noted for the next start, unless the disk takes it later: " + noted.error());
    commit_later(change);
  }
  co_return done;
}

control::Answer<std::vector<std::string>> Router::teardown(control::Peer peer) {
  auto pass = co_await gate_.enter_alone();
  const bool was_stopped = std::exchange(stopped_, true);
  auto done = co_await give_back();
  if (!done) {
    std::string error = "the host was not given back: " + done.error();
    if (!was_stopped) {
      stopped_ = false;
      auto back = co_await reconcile_all();
      if (!back) {
        error += "; and going back failed: " + back.error();
        failed_.all = true;
        retry_later();
      }
      begin_services();
    }
    co_return refused(std::move(error));
  }
  log_info("torn down (uid " + std::to_string(peer.uid) + "); `vrouter reload` starts again");
  notify_status("torn down");
  co_return std::move(*done);
}

}  // namespace vrouter::router
