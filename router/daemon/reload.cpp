// SPDX-License-Identifier: GPL-2.0-or-later
// Commands about the whole host: read the files again, or give the host back.
#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>
#include <optional>

#include "config/load.h"
#include "firewall/prove.h"
#include "router/daemon/aside.h"
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

// In one line, as every problem is.
std::string not_in_force(const std::string& why) {
  std::string text =
      "the files on disk are not in force, but what was read before; correct them, then run `vrouter reload`: ";
  for (const char c : why) c == '\n' ? text += " | " : text += c;
  return text;
}

bool only_policy_differs(const config::Config& before, const config::Config& after) {
  return before.file == after.file && before.host == after.host && before.networks == after.networks &&
         before.dns == after.dns && before.guests == after.guests && before.dhcp_groups == after.dhcp_groups;
}

constexpr std::size_t kMaxNamed = 5;  // of what changed, in one line of the log

std::string in_short(const std::vector<std::string>& changes) {
  if (changes.empty()) return "nothing changed";
  std::string text;
  for (std::size_t i = 0; i < std::min(changes.size(), kMaxNamed); ++i) text += (i == 0 ? "" : "; ") + changes[i];
  if (changes.size() > kMaxNamed) text += "; and " + std::to_string(changes.size() - kMaxNamed) + " more";
  return text;
}

template <typename Said>
bool same_said(const Said& a, const Said& b) {
  if (a == b) return true;
  auto moved = a;  // to another line, perhaps: that is no change
  moved.declared_at = b.declared_at;
  return moved == b;
}

void add_guest_differences(const config::GuestTable& before, const config::GuestTable& after,
                           std::vector<std::string>& changes) {
  for (const auto& [tap, guest] : after.all()) {
    const auto* old = before.by_tap(tap);
    if (old == nullptr) {
      changes.push_back("guest " + guest.name + " added on " + tap);
    } else if (!same_said(*old, guest)) {
      changes.push_back("guest " + guest.name + " changed");
    }
  }
  for (const auto& [tap, guest] : before.all()) {
    if (after.by_tap(tap) == nullptr) changes.push_back("guest " + guest.name + " removed from " + tap);
  }
}

std::vector<std::string> differences(const config::Config& before, const config::Config& after) {
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
    } else if (!same_said(old->second, network)) {
      changes.push_back("network " + name + " changed");
    }
  }
  for (const auto& [name, network] : before.networks) {
    if (!after.networks.contains(name)) changes.push_back("network " + name + " removed");
  }
  return changes;
}

// The guest with what it has no more of prefixes and allowed addresses.
config::Guest without(config::Guest before, const config::Guest& now) {
  const auto kept = [](const auto& all) {
    return [&all](const auto& one) { return std::ranges::find(all, one) != all.end(); };
  };
  std::erase_if(before.prefixes4, kept(now.prefixes4));
  std::erase_if(before.prefixes6, kept(now.prefixes6));
  std::erase_if(before.allowed_addresses, kept(now.allowed_addresses));
  return before;
}

// After the answer: the summary looks at every guest, and what held before is freed with its last owner.
asio::awaitable<void> tell_ready(const Router& router, Dataplane& plane, std::shared_ptr<void> /*what held before*/) {
  plane.release_former();
  notify_ready(router.summary());
  co_return;
}

}  // namespace

std::expected<config::Config, std::string> Router::load_files() {
  auto loaded = files_.load();
  if (!loaded) return std::unexpected(lines(loaded.error()));
  if (auto checked = check_files(*loaded); !checked) return std::unexpected(checked.error());
  return std::move(*loaded);
}

// Off the loop: a list of a million takes a second.
asio::awaitable<Attempt<DnsLists>> Router::load_lists(const config::Dns& dns) {
  if (dns.lists.empty()) co_return DnsLists{};
  auto read = co_await aside<Attempt<DnsLists>>(io_, [&dns, before = lists_] { return read_dns_lists(dns, before); });
  for (const auto& warning : read ? read->warnings() : std::vector<std::string>{}) log_warning(warning);
  co_return read;
}

// Whether all that is on this host can live under these files.
Attempt<> Router::check_files(config::Config& loaded) {
  // Where the guests' side of the files is as it was, all that can be wrong with a guest added by command is its
  // groups.
  const bool same_guests = only_policy_differs(config_, loaded);
  const auto group_lost = [&](const auto& entry) {
    return std::ranges::any_of(entry.second.groups,
                               [&](const std::string& group) { return !loaded.policy.groups.contains(group); });
  };
  std::optional<config::GuestTable> declared;
  std::vector<const config::Guest*> guests;
  if (!same_guests || std::ranges::any_of(guests_.all(), group_lost)) {
    if (const auto problems = config::check_against(loaded, guests_); !problems.empty())
      return std::unexpected(lines(problems));
    declared = config::declared_guests(loaded);
    for (const auto& [tap, guest] : declared->all()) guests.push_back(&guest);
  }
  if (!loaded.policy.expects.empty()) {
    for (const auto& [tap, guest] : guests_.all()) {
      if (!declared || guest.declared_at.file.empty()) guests.push_back(&guest);
    }
  }
  if (const auto problems = firewall::prove(loaded, guests, loaded.warnings, &proved_); !problems.empty())
    return std::unexpected(lines(problems));
  if (!stopped_ && loaded.host.route_protocol != config_.host.route_protocol) {
    return std::unexpected(
        "host.route_protocol can't change while routes carry the old number; run `vrouter teardown`, then `vrouter "
        "reload`");
  }
  return {};
}

control::Answer<control::ReloadView> Router::reload(std::optional<std::chrono::seconds> confirm_within,
                                                    control::Peer peer) {
  auto pass = std::optional{co_await gate_.enter_alone()};
  if (confirm_within && (stopped_ || holding())) {
    co_return refused(
        "there is nothing to go back to: " + (stopped_ ? std::string{"vrouter was torn down on this host"} : damage()) +
        "; run `vrouter reload` without --confirm first");
  }
  auto loaded = load_files();
  Attempt<DnsLists> lists;
  if (loaded) {
    lists = co_await load_lists(loaded->dns);
  } else {
    lists = std::unexpected(loaded.error());
  }
  if (!lists) {
    if (!stopped_) files_problem_ = not_in_force(lists.error());
    log_warning("reload refused (uid " + std::to_string(peer.uid) + "): " + lists.error());
    co_return refused("nothing was changed:\n" + lists.error());
  }
  if (stopped_) {
    // Events of the meantime went unheard: the replica is of another world.
    if (auto observed = plane_.observe(); !observed) co_return refused(observed.error().to_string());
  }
  notify_reloading();
  auto before = hold(*loaded, *std::move(lists));
  kinds_proved_.clear();
  auto done = co_await apply_files(std::move(*loaded), before);
  if (!done) {
    auto error = co_await take_back_files(std::move(before), done.error());
    notify_ready(summary());
    log_warning("reload refused (uid " + std::to_string(peer.uid) + "): " + error);
    co_return refused(std::move(error));
  }
  files_problem_.clear();
  control::ReloadView shown{changes_since(before), {}, confirm_within};
  if (confirm_within) {
    await_confirmation(std::move(before.config), std::move(before.lists), *confirm_within);
  } else {
    awaited_.reset();
    confirm_timer_.cancel();
  }
  co_await finish_reload(before, shown, pass);
  log_info("reloaded (uid " + std::to_string(peer.uid) + "): " + in_short(shown.changes) +
           (confirm_within ? "; to be confirmed within " + std::to_string(confirm_within->count()) + " s" : ""));
  spawn([this, old = std::make_shared<Before>(std::move(before))] { return tell_ready(*this, plane_, old); });
  co_return shown;
}

// Takes what is in force aside, before other files come in its place.
Router::Before Router::hold(const config::Config& wanted, DnsLists lists) {
  events_->drain();
  Before before;
  // The operator has seen what was rebuilt, and says that it is all.
  before.damaged = std::exchange(damaged_, 0);
  before.held = std::exchange(held_, {});
  before.was_stopped = std::exchange(stopped_, false);
  before.services_waited = services_wait_;
  before.lists = std::exchange(lists_, std::move(lists));
  // Whoever reloads files that say the same wants everything looked at.
  const bool rules_alone = before.damaged == 0 && before.held.empty() && rules_in_ && failed_.empty() &&
                           only_policy_differs(config_, wanted) && lists_.same_as(before.lists) &&
                           !config::same_meaning(config_.policy, wanted.policy);
  if (!rules_alone) before.guests = guests_;
  return before;
}

asio::awaitable<Attempt<>> Router::apply_files(config::Config config, Before& before) {
  before.config = std::move(config_);
  if (!before.guests) {
    const auto profiles_before = profiles_;
    adopt_policy(std::move(config));
    co_return change_policy(profiles_before);
  }
  adopt_config(std::move(config));
  if (auto clear = check_collisions(); !clear) co_return clear;
  for (const auto& [name, network] : config_.networks) {
    const auto known = before.config.networks.find(name);
    if (known != before.config.networks.end() && known->second.snat == network.snat) continue;
    if (auto fit = check_neighbours({}, network.snat, "network " + name); !fit) co_return fit;
  }
  for (const auto& [tap, guest] : guests_.all()) {
    // Only for what is new: a guest whose link was spoilt since is a problem of its own, not of these files.
    const auto* known = before.guests->by_tap(tap);
    if (known == nullptr || known->floating != guest.floating || known->snat != guest.snat) {
      if (auto fit = check_neighbours(guest.floating, guest.snat, "guest " + guest.name); !fit) co_return fit;
    }
    if (known != nullptr) continue;
    if (auto fit = check_link(guest); !fit) co_return fit;
  }
  co_return co_await reconcile_all();
}

// Files that could not be put in force: what held before holds, and the sentence says what is the matter.
asio::awaitable<std::string> Router::take_back_files(Before before, std::string why) {
  std::string error = "the files were not applied, what held before holds: " + why;
  if (before.was_stopped) {
    stopped_ = true;
    if (auto given = co_await give_back(); !given) error += "; and taking it back failed: " + given.error();
  }
  config_ = std::move(before.config);
  lists_ = std::move(before.lists);
  use_domains();
  if (before.guests) {
    guests_ = std::move(*before.guests);
    use_pools();
  }
  enter_profiles();
  damaged_ = before.damaged;
  held_ = std::move(before.held);
  if (before.was_stopped) co_return error;
  files_problem_ = not_in_force(why);
  if (auto back = co_await reconcile_all(); !back) {
    error += "; and going back failed: " + back.error();
    failed_.all = true;
    retry_later();
  }
  if (before.services_waited) begin_services();  // of the files that hold, should they have begun meanwhile
  co_return error;
}

std::vector<std::string> Router::changes_since(const Before& before) const {
  auto changes = differences(before.config, config_);
  if (!lists_.same_as(before.lists)) changes.emplace_back("lists of domains changed");
  if (before.guests) add_guest_differences(*before.guests, guests_, changes);
  if (before.was_stopped) changes.insert(changes.begin(), "vrouter runs again on this host");
  return changes;
}

// What follows once other files are in force. What they deny has ended when this returns.
asio::awaitable<void> Router::finish_reload(const Before& before, control::ReloadView& shown,
                                            std::optional<Gate::Pass>& pass) {
  forget_homeless();
  expel_strangers();
  if (before.guests) {
    dismiss(*before.guests);
    begin_services();
  }
  if (before.was_stopped || before.damaged != 0) {
    state::Change change;
    change.stopped = false;
    change.damaged = 0;
    commit_later(change);
  }
  if (lease_store_ && !lease_store_->aside().empty())
    lease_store_->forget_damage(io_, [this](const state::Committed& done) { heard_of_leases(done); });
  if (!failed_.empty()) retry_later();
  start_repair();
  spawn([this] { return fit_conntrack(); });
  const auto look_around = [this, &shown] {
    // Said, not refused: who listens may be meant to stop, and a daemon started later must not keep these from a boot.
    for (auto& hidden : hidden_sockets(config_.guests)) shown.warnings.push_back(std::move(hidden));
    for (const auto& warning : config_.warnings) shown.warnings.push_back(warning.to_string());
    for (auto& warning : lists_.warnings()) shown.warnings.push_back(std::move(warning));
    const auto obstacles = foreign_obstacles({});
    shown.warnings.insert(shown.warnings.begin(), obstacles.begin(), obstacles.end());
  };
  if (shown.changes.empty()) {
    look_around();
    co_return;
  }
  pass.reset();
  const auto closed = before.guests ? closed_ports(*before.guests, guests_) : std::vector<ClosedPort>{};
  co_await end_denied(closed, shown.warnings, look_around);
}

// What differs, in one transaction, whatever else is on this host.
Attempt<> Router::change_policy(const firewall::Profiles& before) {
  std::vector<firewall::Element> old_elements;
  std::vector<firewall::Element> new_elements;
  const bool same_profiles = profiles_.within(before);
  for (const auto& [tap, desired] : desired_.guests) {
    if (same_profiles) break;
    const auto* guest = guests_.by_tap(tap);
    if (guest == nullptr || before.of(*guest, network_of(*guest)) == profiles_.of(*guest, network_of(*guest))) continue;
    if (keeps_out(tap)) continue;
    std::ranges::move(firewall::compile_guest(*guest, network_of(*guest), before), std::back_inserter(old_elements));
    std::ranges::move(elements_of(*guest), std::back_inserter(new_elements));
  }
  std::ranges::sort(old_elements);
  std::ranges::sort(new_elements);
  if (auto done = plane_.restructure(skeleton(), old_elements, new_elements); !done) {
    return std::unexpected(told(done.error()));
  }
  return {};
}

// Guests that the files no longer declare, or whose address moved: their leases and connections are forgotten.
void Router::dismiss(const config::GuestTable& before) {
  std::vector<address> vacated;
  state::Change change;
  for (const auto& [tap, guest] : before.all()) {
    const auto* now = guests_.by_tap(tap);
    if (guest.has_more_addresses()) forget_more(now == nullptr ? guest : without(guest, *now));
    if (guest.address6 && (now == nullptr || now->address6 != guest.address6)) vacated.emplace_back(*guest.address6);
    if (now == nullptr || now->floating != guest.floating) {
      for (const auto& floating : guest.floating.all()) vacated.push_back(floating);
    }
    if (now != nullptr && now->address == guest.address) continue;
    if (guest.address) vacated.emplace_back(*guest.address);
    leases_.erase(tap);
    leases_heard_.erase(tap);
    leases_due_.erase(tap);
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
  admissions_ = {};
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
  awaited_.reset();
  confirm_timer_.cancel();
  log_info("torn down (uid " + std::to_string(peer.uid) + "); `vrouter reload` starts again");
  notify_status("torn down");
  co_return std::move(*done);
}

}  // namespace vrouter::router
