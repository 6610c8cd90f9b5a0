// SPDX-License-Identifier: GPL-2.0-or-later
// Everything at once: the start, which blocks before the loop runs, and the same on the loop, for a reload and after
// lost events. Whatever is right already isn't touched.
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

#include "firewall/prove.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {

namespace asio = boost::asio;

namespace {

// The expectations of the configuration that don't hold, a line each.
std::string failed_expectations(const config::Config& config, const config::GuestTable& guests,
                                firewall::CompileCache& cache) {
  std::vector<const config::Guest*> all;
  for (const auto& [tap, guest] : guests.all()) all.push_back(&guest);
  config::Problems untried;
  std::string text;
  for (const auto& problem : firewall::prove(config, all, untried, &cache)) {
    text += (text.empty() ? "" : "\n") + problem.to_string();
  }
  return text;
}

Plan everything(const FullPlan& plan) {
  Plan all = plan.host.host;
  for (const auto& [link, part] : plan.release) all.append(part);
  for (const auto& [tap, part] : plan.guests) all.append(part);
  all.append(plan.host.stale);
  return all;
}

// What the daemon before this one answered for; networks' gateways stay.
std::set<address> answered_for_before(const Originals& originals, const DesiredHost& host) {
  std::set<address> all;
  for (const auto& [key, value] : originals) {
    if (const auto ours = gateway_in(key)) all.insert(ours->local);
  }
  for (const auto& network : host.networks) {
    all.erase(network.gateway);
    if (network.gateway6) all.erase(*network.gateway6);
  }
  return all;
}

}  // namespace

Attempt<> Router::start() {
  if (auto watching = begin_watching(); !watching) return watching;
  load_leases();
  if (auto clear = check_collisions(); !clear) return clear;
  // No daemon would be worse than a policy that does what its own tests deny: guests need DHCP and DNS.
  if (const auto failed = failed_expectations(config_, guests_, proved_); !failed.empty()) {
    files_problem_ =
        "the policy is in force, but not all that it expects holds; correct it, then run `vrouter reload`: " + failed;
    log_error(files_problem_);
  }
  for (const auto& hidden : hidden_sockets(config_.guests)) log_warning(hidden);
  if (holding()) {
    if (auto recovered = recover(); !recovered) return recovered;
  }
  auto trouble = note_beginning();
  disk_.forget_loaded();  // ten thousand guests once more, and what their TAPs were like before
  if (auto begun = begin_rules(std::move(trouble)); !begun) return begun;
  if (!failed_.empty()) retry_later();
  start_repair();
  spawn([this] { return fit_conntrack(); });
  begin_services();
  look_at_others_soon();
  check_after(kCheckEvery);
  return {};
}

// The host as it is, and whoever tells of its changes.
Attempt<> Router::begin_watching() {
  auto events = KernelEvents::open(io_, [this](const KernelEvent& event) { on_event(event); });
  if (!events) return std::unexpected(events.error().to_string());
  auto conntrack = ConntrackFlusher::open(io_);
  if (!conntrack) return std::unexpected(conntrack.error().to_string());
  conntrack_ = std::move(*conntrack);
  if (auto observed = plane_.observe(); !observed) return std::unexpected(observed.error().to_string());
  events_ = std::move(*events);
  events_->drain();
  return {};
}

// What the start replaces on this host goes to the disk before the kernel hears of it.
std::optional<std::string> Router::note_beginning() {
  state::Change change;
  drop_lost_ephemerals(change);
  change.stopped = false;
  for (const auto& [tap, guest] : guests_.all()) desired_.guests.insert_or_assign(tap, desire(guest));
  desired_.host = wanted_host();
  for (const auto& [tap, guest] : desired_.guests) {
    if (plane_.observed().link(tap) != nullptr) plane_.observe_guest(guest);
  }
  const auto plan = everything(full_plan());
  auto originals = unrecorded(plan);
  change.remove_originals = std::move(originals.remove_originals);
  change.put_originals = std::move(originals.put_originals);
  if (!change.remove_guests.empty() || !change.put_originals.empty() || disk_.loaded().stopped) {
    if (auto noted = disk_.note_now(std::move(change)); !noted) return noted.error();
  }
  record(plane_.originals(), plan);
  return std::nullopt;
}

// The rules, and behind them all else; with `trouble` none of it is done now.
Attempt<> Router::begin_rules(std::optional<std::string> trouble) {
  auto rules_seen = plane_.nft().generation();
  if (!trouble) {
    const auto before = answered_for_before(plane_.originals(), desired_.host);
    if (auto silent = holding() ? Attempt<>{} : stop_answering(before); !silent) log_error(silent.error());
    admit_upstreams(services_.upstream_servers(config_.dns));
    const auto installed = plane_.install(desired_rules());
    // Another daemon's tables, or no right to change any: waiting would not help.
    if (!installed && installed.error().code == EPERM) return std::unexpected(installed.error().to_string());
    if (!installed) trouble = told(installed.error());
    // Even where nothing was missing: the daemon before may have been killed when it had just put rules back.
    if (installed) {
      enter_all_lessees();
      take_over_admissions();
      learn_ = !*installed;  // the rules were these all along
      forget_untranslated();
      spawn([this] { return cut_what_slipped_in(); });
    }
    if (installed && *installed && rules_seen) ++*rules_seen;
  }
  if (auto listening = listen_to_rules(rules_seen); !listening) return listening;
  if (trouble) {
    degrade(*trouble);
    failed_.all = true;
    return {};
  }
  rules_in_ = true;
  for (const auto& [tap, guest] : desired_.guests) {
    const auto made = plane_.apply(create_guest_tap(guest, plane_.observed()).operations);
    if (made.error) fail_link(tap, made.error->to_string());
  }
  events_->drain();
  if (auto applied = apply_all(full_plan()); !applied) {
    degrade(applied.error());
    failed_.all = true;  // the host's part it may be, or a link that is nobody's any more
  }
  return {};
}

// After the tables are in: ten thousand guests' elements are not made news of in the kernel, a tenth of a cold start,
// while nobody listens. What others did between the look at the tables and this shows in the generation.
Attempt<> Router::listen_to_rules(std::optional<std::uint32_t> expected) {
  auto events = firewall::NftEvents::open(io_, plane_.nft().port_id(),
                                          [this](const firewall::NftEvent& event) { on_rules_event(event); });
  if (!events) return std::unexpected(events.error().to_string());
  rules_events_ = std::move(*events);
  if (plane_.nft().generation() != expected) on_rules_event(firewall::ChangesLost{});
  return {};
}

// An ephemeral guest lives as long as its TAP.
void Router::drop_lost_ephemerals(state::Change& change) {
  for (const auto& [tap, guest] : guests_.all()) {
    if (guest.ephemeral && plane_.observed().link(tap) == nullptr) change.remove_guests.push_back(tap);
  }
  for (const auto& tap : change.remove_guests) guests_.erase(tap);
}

// The guests that are served already go on being served; what can't be done now stands in `vrouter status`.
void Router::degrade(const std::string& why) {
  log_error(why);
  host_problems_.push_back(why);
}

asio::awaitable<void> Router::make_taps() {
  std::vector<std::string> missing;
  for (const auto& [tap, guest] : desired_.guests) {
    if (guest.create_tap && plane_.observed().link(tap) == nullptr) missing.push_back(tap);
  }
  for (const auto& tap : missing) {
    auto made = co_await carry_out([this, &tap] {
      const auto guest = desired_.guests.find(tap);
      return guest == desired_.guests.end() ? Plan{} : create_guest_tap(guest->second, plane_.observed());
    });
    if (!made) fail_link(tap, made.error());
  }
}

asio::awaitable<Attempt<>> Router::reconcile_all(bool repairs) {
  const auto answered_for = std::move(desired_.host.addresses);
  desired_.guests.clear();
  failures_.clear();
  failed_ = {.links = {}, .ended = std::move(failed_.ended)};
  host_problems_.clear();
  for (const auto& [tap, guest] : guests_.all()) desired_.guests.insert_or_assign(tap, desire(guest));
  desired_.host = wanted_host();
  for (;;) {
    events_->drain();
    for (const auto& [tap, guest] : desired_.guests) {
      if (plane_.observed().link(tap) != nullptr) plane_.observe_guest(guest);
    }
    const auto plan = everything(full_plan());
    auto change = unrecorded(plan);
    if (change.put_originals.empty()) break;
    if (auto noted = co_await note(std::move(change)); !noted) {
      desired_.host.addresses.insert(answered_for.begin(), answered_for.end());  // still answered for
      co_return noted;
    }
    record(plane_.originals(), plan);
  }
  if (auto silent = stop_answering(answered_for); !silent) {
    desired_.host.addresses.insert(answered_for.begin(), answered_for.end());
    co_return silent;
  }
  const auto installed = plane_.install(desired_rules());
  if (!installed) co_return std::unexpected(told(installed.error()));
  enter_all_lessees();
  if (*installed) {
    admit_again();  // should the tables be new
    forget_untranslated();
  }
  spawn([this] { return cut_what_slipped_in(); });  // the rules may have been others for a while all the same
  rules_are_in();
  co_await make_taps();
  co_return apply_all(full_plan(), repairs);
}

}  // namespace vrouter::router
