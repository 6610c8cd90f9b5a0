// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/router.h"

#include <fmt/format.h>
#include <pwd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cerrno>

#include "config/merged_dhcp.h"
#include "firewall/origin.h"
#include "router/daemon/log.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {

namespace asio = boost::asio;

namespace {

std::string sentence(const KernelError& error) {
  return error.to_string();
}

std::optional<uid_t> uid_of(const std::string& user) {
  if (user.empty()) return std::nullopt;
  const auto* entry = ::getpwnam(user.c_str());
  return entry == nullptr ? std::nullopt : std::optional{entry->pw_uid};
}

}  // namespace

Router::Router(asio::io_context& io, Parts parts)
    : io_{io},
      paths_{std::move(parts.paths)},
      disk_{io, std::move(parts.store), [this](const Unwritten& names) { return compose(names); }},
      plane_{std::move(parts.ports), Originals{disk_.loaded().originals.begin(), disk_.loaded().originals.end()}},
      users_{parts.users},
      upstreams_{io, [this](const UpstreamRules::Elements& before) { change_upstreams(before); }},
      services_{io,
                paths_.resolv_conf,
                parts.spawner,
                {.dhcp = {.event = [this](const dhcp::LeaseEvent& event) { on_lease(event); },
                          .commit = [this](std::vector<dhcp::Commit> commits) { on_commits(std::move(commits)); },
                          .probe = [this](const dhcp::Probe& probe) { on_probe(probe); }},
                 .admit = [this](const std::vector<config::DnsServer>& servers) { admit_upstreams(servers); },
                 .let_in = [this](const dns::AdmissionRequest& request) { on_admission(request); }}},
      gate_{io},
      files_{parts.files ? std::move(*parts.files) : config::Files{paths_.config, paths_.policy_dir}},
      admission_timer_{io},
      damaged_{disk_.loaded().damaged},
      retry_{io},
      rest_{io},
      mends_{log_info},
      rules_timer_{io},
      monitors_{io,
                [this](bool wanted) {
                  if (packet_log_) packet_log_->want(wanted);
                }},
      others_timer_{io},
      check_{io},
      bridge_timer_{io},
      confirm_timer_{io},
      leases_{disk_.loaded().leases},
      lease_timer_{io},
      lease_store_{std::move(parts.leases)},
      lease_end_{io} {
  const auto take = [this](const LoggedPacket& logged) { on_packet(logged); };
  if (!parts.packet_log) {
    packet_log_problem_ = "what the firewall refuses can't be shown: " + parts.packet_log.error().to_string() +
                          (parts.packet_log.error().code == EBUSY
                               ? fmt::format("; another process reads nflog group {} (ulogd, tcpdump): stop it, and "
                                             "restart vrouterd",
                                             firewall::kLogGroup)
                               : "");
    log_warning(packet_log_problem_);
  } else if (*parts.packet_log) {
    packet_log_ = parts.spawner == nullptr
                      ? read_log_here(io, std::move(*parts.packet_log), take)
                      : RemotePacketLog::open(io, *parts.spawner, std::move(*parts.packet_log), take);
  }
  lists_ = std::move(parts.lists);
  for (const auto& warning : lists_.warnings()) log_warning(warning);
  adopt_config(std::move(parts.config));
  for (const auto& [tap, guest] : disk_.loaded().guests) guests_.insert(guest);
  enter_profiles();
}

// --- the desired state ---------------------------------------------------------------------------------------------

void Router::adopt_config(config::Config config) {
  config::GuestTable guests = config::declared_guests(config);
  for (const auto& [tap, guest] : guests_.all()) {
    if (guest.declared_at.file.empty()) guests.insert(guest);
  }
  config_ = std::move(config);
  guests_ = std::move(guests);
  use_domains();
  use_pools();
  enter_profiles();
}

void Router::adopt_policy(config::Config config) {
  config_ = std::move(config);
  use_domains();
  // Mostly rules tell guests apart as before, and those are the same.
  if (profiles_entered_ != guests_.revision() || !firewall::Profiles{config_}.reads_as(profiles_)) enter_profiles();
}

void Router::enter_profiles() {
  profiles_ = firewall::Profiles{config_};
  for (const auto& [tap, guest] : guests_.all()) profiles_.add(guest, network_of(guest));
  for (const auto& lessee : lessees()) profiles_.add(lessee, network_of(lessee));
  profiles_entered_ = guests_.revision();
}

const config::Network& Router::network_of(const config::Guest& guest) const {
  return config_.networks.at(guest.network);
}

DesiredGuest Router::desire(const config::Guest& guest) const {
  auto desired = desired_guest(guest, network_of(guest));
  desired.owner = uid_of(guest.owner);
  if (guest.shared) desired.lessees = lessees_behind(guest.tap);
  return desired;
}

std::vector<firewall::Element> Router::elements_of(const config::Guest& guest) const {
  return firewall::compile_guest(guest, network_of(guest), profiles_);
}

std::vector<std::string> Router::resolve_uplinks(InternetFamily family) const {
  return config_.host.uplinks.empty() ? uplinks_of(plane_.observed(), family) : config_.host.uplinks;
}

std::set<std::string> Router::networks_with_ipv6() const {
  std::set<std::string> networks;
  if (without_ipv6(plane_.observed())) return networks;
  for (const auto& [tap, guest] : guests_.all()) {
    if (guest.address6) networks.insert(guest.network);
  }
  return networks;
}

DesiredHost Router::wanted_host() const {
  auto host = desired_host(config_, resolve_uplinks(), networks_with_ipv6(), resolve_uplinks(InternetFamily::ipv6));
  host.addresses = outside_addresses();
  for (const auto& [tap, guest] : guests_.all()) {
    host.routed.insert(host.routed.end(), guest.prefixes4.begin(), guest.prefixes4.end());
    host.routed.insert(host.routed.end(), guest.prefixes6.begin(), guest.prefixes6.end());
  }
  return host;
}

firewall::Surroundings Router::surroundings() const {
  // Forwarding is guarded from the moment that its original is noted, before it is switched on.
  const auto guarded = guarded_interfaces(plane_.originals(), plane_.observed());
  const auto guarded6 = guarded_interfaces6(desired_.host, plane_.originals(), plane_.observed());
  firewall::Surroundings surroundings;
  surroundings.guarded_interfaces = {guarded.begin(), guarded.end()};
  surroundings.guarded_interfaces6 = {guarded6.begin(), guarded6.end()};
  surroundings.own_table = plane_.owns_table(config_);
  surroundings.users = users_;
  return surroundings;
}

firewall::Ruleset Router::skeleton() {
  auto rules = firewall::compile(config_, surroundings(), profiles_, &compiled_);
  rules.insert(upstreams_.elements());
  return rules;
}

// A guest's elements into the kernel; where the policy has no chains yet for one like it, those as well.
Result<void> Router::enter(const config::Guest& guest) {
  if (!profiles_.lacks(guest, network_of(guest))) return plane_.change({}, elements_of(guest));
  const auto before = profiles_;
  profiles_.add(guest, network_of(guest));
  auto entered = plane_.restructure(skeleton(), {}, elements_of(guest));
  plane_.release_former();
  if (!entered && entered.error().code == ENOBUFS) on_rules_event(firewall::ChangesLost{});
  if (!entered) profiles_ = before;
  return entered;
}

std::string Router::told(const KernelError& error) {
  // What the kernel holds now may be neither what it was nor what it should be.
  if (error.code == ENOBUFS) on_rules_event(firewall::ChangesLost{});
  const auto origin = firewall::origin_of(error.subject, config_.policy, profiles_);
  if (!origin) return sentence(error);
  constexpr std::array kKinds{"rule \"", "group \"", "set \""};
  return origin->declared_at.to_string() + ": the kernel refused what " +
         kKinds.at(static_cast<std::size_t>(origin->kind)) + origin->name + "\" becomes: " + sentence(error);
}

firewall::Ruleset Router::desired_rules() {
  auto rules = skeleton();
  rules.insert(held_);
  for (const auto& [tap, guest] : desired_.guests) {
    const auto* known = guests_.by_tap(tap);
    if (known != nullptr && !keeps_out(tap)) rules.insert(elements_of(*known));
  }
  for (const auto& lessee : lessees()) {
    if (desired_.guests.contains(lessee.tap) && !keeps_out(lessee.tap)) rules.insert(elements_of_lessee(lessee));
  }
  return rules;
}

// The host's own interface under a guest's name: elements that close it would cut the host off. A TAP that is some
// bridge's port is closed all the same, and ready for the moment it leaves.
bool Router::keeps_out(const std::string& tap) const {
  const auto* link = plane_.observed().link(tap);
  const auto* guest = guests_.by_tap(tap);
  const bool shared = guest != nullptr && guest->shared;
  return link != nullptr && link->master == 0 && unfit(desired_.host, tap, plane_.observed(), shared).has_value();
}

Attempt<> Router::put_rules(const std::string& tap) {
  const auto* guest = guests_.by_tap(tap);
  if (guest == nullptr || !desired_.guests.contains(tap) || keeps_out(tap)) return {};
  const auto elements = elements_of(*guest);
  const auto set =
      elements.empty() ? plane_.rules().elements.end() : plane_.rules().elements.find(elements.front().set);
  if (set != plane_.rules().elements.end() && set->second.contains(elements.front().key)) return {};
  if (auto changed = plane_.change({}, elements); !changed) return std::unexpected(sentence(changed.error()));
  return {};
}

void Router::fail_link(const std::string& tap, const std::string& why) {
  failures_[tap] = why;
  failed_.links.insert(tap);
}

Attempt<> Router::check_collisions() const {
  // A network that is at work here already stays, whatever came to this host since: its guests need DHCP and DNS.
  const auto at_work = [this](const address& gateway) { return plane_.originals().contains(gateway_key(gateway)); };
  const auto ipv6 = networks_with_ipv6();
  for (const auto& [name, network] : config_.networks) {
    const auto protocol = config_.host.route_protocol;
    if (auto collision = collides(network, plane_.observed(), protocol, plane_.originals())) {
      if (!at_work(network.gateway)) return std::unexpected(*collision);
      log_warning(*collision);
    }
    if (!ipv6.contains(name)) continue;
    if (auto collision = collides6(network, plane_.observed(), protocol, plane_.originals())) {
      if (!network.gateway6 || !at_work(*network.gateway6)) return std::unexpected(*collision);
      log_warning(*collision);
    }
  }
  for (const auto& [tap, guest] : guests_.all()) {
    if (auto fit = check_addresses(guest); !fit) return fit;
  }
  return {};
}

Attempt<> Router::check_addresses(const config::Guest& guest) const {
  const auto floating = guest.floating.all();
  if (floating.empty() && guest.prefixes4.empty() && guest.prefixes6.empty()) return {};
  for (const auto& [index, addresses] : plane_.observed().addresses()) {
    const auto* link = plane_.observed().link(index);
    if (link == nullptr || link->group == kGuestGroup) continue;
    for (const auto& own : addresses) {
      const auto& local = own.local;
      if (plane_.originals().contains(gateway_key(local, link->name))) continue;
      const auto text = local.to_string() + " is this host's own address on " + link->name;
      if (std::ranges::find(floating, local) != floating.end()) {
        return std::unexpected(text + ", and guest " + guest.name +
                               " would take all of it; give the guest another floating address, or take this one off " +
                               link->name + " first");
      }
      const auto holds = [&local](const auto& prefix) {
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(prefix)>, network_v4>) {
          return local.is_v4() && config::contains(prefix, local.to_v4());
        } else {
          return local.is_v6() && config::contains(prefix, local.to_v6());
        }
      };
      if (std::ranges::any_of(guest.prefixes4, holds) || std::ranges::any_of(guest.prefixes6, holds)) {
        return std::unexpected(text + ", inside a prefix of guest " + guest.name + "; route the guest another prefix");
      }
    }
  }
  return {};
}

const Link* Router::adopted_link(const std::string& tap) const {
  const auto* link = plane_.observed().link(tap);
  return link != nullptr && link->group == kGuestGroup && desired_.guests.contains(tap) ? link : nullptr;
}

void Router::serve(const config::Guest& guest) {
  offer(guest);
  services_.flush();
}

void Router::offer(const config::Guest& guest) {
  if (guest.shared) offer_pool(guest.network);
  const auto* link = adopted_link(guest.tap);
  services_.put(guest, network_of(guest), link == nullptr ? std::nullopt : std::optional{TapIdentity{link->index}},
                config::merged_dhcp(config_, network_of(guest), guest));
}

// --- carrying it out -----------------------------------------------------------------------------------------------

state::Change Router::unrecorded(const Plan& plan) const {
  state::Change change;
  const auto& originals = plane_.originals();
  for (const auto& original : plan.record) {
    const auto known = originals.find(original.key);
    if (known != originals.end() && known->second == original.value) continue;
    change.remove_originals.push_back(original.key);  // the store keeps the first value of a key
    change.put_originals.insert_or_assign(original.key, original.value);
  }
  return change;
}

asio::awaitable<Attempt<>> Router::note(state::Change change) {
  co_return co_await disk_.note(std::move(change));
}

void Router::commit_later(const state::Change& change) {
  disk_.write_later(change);
}

state::Change Router::compose(const Unwritten& names) const {
  state::Change change;
  for (const auto& key : names.originals) {
    if (!plane_.originals().contains(key)) change.remove_originals.push_back(key);
  }
  for (const auto& tap : names.leases) {
    const auto known = leases_.find(tap);
    if (known == leases_.end()) {
      change.remove_leases.push_back(tap);
    } else {
      change.put_leases.push_back(known->second);
    }
  }
  if (names.settings) {
    change.stopped = stopped_;
    change.damaged = damaged_;
  }
  return change;
}

asio::awaitable<Attempt<std::vector<std::string>>> Router::carry_out(Plans make, std::string mended_name) {
  for (;;) {
    if (events_) events_->drain();
    const Plan plan = make();
    auto change = unrecorded(plan);
    if (!change.put_originals.empty()) {
      if (auto noted = co_await note(std::move(change)); !noted) co_return std::unexpected(noted.error());
      record(plane_.originals(), plan);
      continue;  // the world may have moved while the disk was written
    }
    auto applied = plane_.apply(plan.operations);
    if (applied.error) {
      const auto undone = plane_.apply(applied.undo);
      if (undone.error) log_error("could not take back: " + sentence(*undone.error));
      co_return std::unexpected(sentence(*applied.error));
    }
    mended(mended_name, plan.operations);
    if (!plan.forget.empty()) {
      forget(plane_.originals(), plan);
      state::Change forgotten;
      forgotten.remove_originals = plan.forget;
      commit_later(forgotten);
    }
    co_return plan.problems;
  }
}

FullPlan Router::full_plan() const {
  auto plan = diff(desired_, plane_.observed(), plane_.originals());
  if (holding()) {
    plan.release.clear();
    plan.host.stale = {};
  }
  return plan;
}

// The order of the house: rules, host, links that are nobody's any more, guests, what is stale.
Attempt<> Router::apply_all(const FullPlan& plan, bool repairs) {
  std::optional<std::string> first_error;
  state::Change forgotten;
  const auto run = [&](const Plan& part, const std::string& name = {}) -> Attempt<> {
    const auto applied = plane_.apply(part.operations);
    if (applied.error) {
      static_cast<void>(plane_.apply(applied.undo));
      return std::unexpected(sentence(*applied.error));
    }
    mended(name, part.operations);
    forget(plane_.originals(), part);
    forgotten.remove_originals.insert(forgotten.remove_originals.end(), part.forget.begin(), part.forget.end());
    return {};
  };
  const auto keep = [&](const Attempt<>& attempt) {
    if (!attempt && !first_error) first_error = attempt.error();
  };
  host_problems_.insert(host_problems_.end(), plan.host.host.problems.begin(), plan.host.host.problems.end());
  keep(run(plan.host.host, repairs ? "host" : ""));
  for (const auto& [link, part] : plan.release) keep(run(part));
  guest_problems_.clear();
  for (const auto& [tap, part] : plan.guests) {
    if (!unrecorded(part).put_originals.empty()) {
      due_.links.insert(tap);  // it came since the originals were noted
      continue;
    }
    // One guest that can't be served doesn't stop the others.
    const bool repair = repairs && adopted_link(tap) != nullptr;
    if (auto served = run(part, repair ? tap : ""); !served) fail_link(tap, served.error());
    if (!part.problems.empty()) {
      guest_problems_[tap] = part.problems;
      if (unfit(desired_.host, tap, plane_.observed(), desired_.guests.at(tap).shared))
        failures_[tap] = part.problems.front();
    }
  }
  keep(run(plan.host.stale, repairs ? "host" : ""));
  if (!forgotten.remove_originals.empty()) commit_later(forgotten);
  keep(put_surroundings());  // what forwards as it did before us needs no guard any more
  if (first_error) return std::unexpected(*first_error);
  return {};
}

// Sets whose elements come from the host's surroundings; all else of the skeleton depends on the configuration alone.
constexpr std::array kSurroundingSets{"guarded4", "guarded6"};

Attempt<> Router::put_surroundings() {
  // Without the policy, which can be thousands of rules: nothing of it depends on what is around.
  config::Config bare;
  bare.host = config_.host;
  const auto wanted = firewall::compile(bare, surroundings());
  std::vector<firewall::Element> before;
  std::vector<firewall::Element> after;
  const auto gather = [](const firewall::Ruleset& rules, const firewall::SetRef& set,
                         std::vector<firewall::Element>& into) {
    const auto found = rules.elements.find(set);
    if (found == rules.elements.end()) return;
    for (const auto& [key, data] : found->second) into.push_back({set, key, data});
  };
  for (const auto* set : kSurroundingSets) {
    const firewall::SetRef ref{firewall::Family::inet, set};
    gather(plane_.rules(), ref, before);
    gather(wanted, ref, after);
  }
  if (auto changed = plane_.change(before, after); !changed) return std::unexpected(sentence(changed.error()));
  return {};
}

void Router::admit_upstreams(const std::vector<config::DnsServer>& servers) {
  upstreams_.want(users_ ? firewall::upstream_elements(servers) : UpstreamRules::Elements{});
}

void Router::change_upstreams(const UpstreamRules::Elements& before) {
  if (!rules_in_) return;  // they come with the rules
  if (auto changed = plane_.change(before, upstreams_.elements()); !changed) {
    log_error(sentence(changed.error()));
    failed_.all = true;
    retry_later();
  }
}

std::string Router::summary() const {
  std::size_t ready = 0;
  for (const auto& [tap, guest] : guests_.all())
    ready += adopted_link(tap) != nullptr && !failures_.contains(tap) ? 1 : 0;
  return std::to_string(guests_.size()) + (guests_.size() == 1 ? " guest, " : " guests, ") + std::to_string(ready) +
         " ready";
}

}  // namespace vrouter::router
