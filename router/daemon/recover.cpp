// SPDX-License-Identifier: GPL-2.0-or-later
// A start after the database was lost. The kernel still holds what was made of it, and its guests are at work: each is
// read back from the rules' own elements and written down anew, so that DHCP and DNS answer it at once. Its name,
// groups and TAP's origin are lost. Of the host's originals two are certain: where the guard stands, forwarding was
// off; and a gateway on lo with our unreachable route beside it was put there by us.
//
// What can't be read back stays in the kernel as it is, untouched, until the operator has looked and reloads.
#include <cstring>

#include "firewall/decompile.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"
#include "router/reconcile/keys.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {

namespace {

std::string interface_in(const firewall::ElementKey& key) {
  return {key.first.begin(), std::ranges::find(key.first, 0)};
}

bool is_floating(const address& a, const std::map<firewall::SetRef, firewall::ElementMap>& rules) {
  const auto set = rules.find({firewall::Family::inet, a.is_v4() ? "float4" : "float6"});
  if (set == rules.end()) return false;
  firewall::Bytes key(a.is_v4() ? 4 : 16);
  if (a.is_v4()) {
    std::ranges::copy(a.to_v4().to_bytes(), key.begin());
  } else {
    std::ranges::copy(a.to_v6().to_bytes(), key.begin());
  }
  return set->second.contains(firewall::ElementKey{std::move(key), {}});
}

// Only those that are certain.
std::map<std::string, std::string> originals_left(const std::map<firewall::SetRef, firewall::ElementMap>& rules,
                                                  const config::Config& config, const Observed& observed) {
  std::map<std::string, std::string> originals;
  if (const auto guarded = rules.find({firewall::Family::inet, "guarded4"}); guarded != rules.end()) {
    for (const auto& [key, data] : guarded->second)
      originals.emplace(sysctl_key(forwarding_key(interface_in(key))), "0");
  }
  const auto* lo = observed.link(std::string{"lo"});
  if (lo == nullptr) return originals;
  if (const auto guarded = rules.find({firewall::Family::inet, "guarded6"}); guarded != rules.end()) {
    const bool alone = lo->conf6[Conf6::force_forwarding].has_value();
    for (const auto& [key, data] : guarded->second) {
      originals.emplace(
          sysctl_key(alone ? conf6_key(interface_in(key), Conf6::force_forwarding) : std::string{kAllForwarding6}),
          "0");
    }
  }
  for (const auto& [index, addresses] : observed.addresses()) {
    const auto* link = observed.link(index);
    for (const auto& own : addresses) {
      const bool whole = own.prefix_length == (own.local.is_v4() ? 32 : 128);
      if (link == nullptr || !whole || !is_floating(own.local, rules)) continue;
      originals.emplace(gateway_key(own.local, link->name), std::string{kAbsent});
    }
  }
  for (const auto& [name, network] : config.networks) {
    const auto put_there_by_us = [&](const address& gateway, const Prefix& prefix) {
      const auto& there = observed.addresses_on(lo->index);
      const auto ours = [&](const Route& r) {
        return r.protocol == config.host.route_protocol && r.destination == prefix;
      };
      return std::ranges::any_of(there, [&](const auto& a) { return a.local == gateway; }) &&
             std::ranges::any_of(observed.routes_on(0), ours);
    };
    const auto note = [&](const address& gateway, const Prefix& prefix) {
      if (put_there_by_us(gateway, prefix)) originals.emplace(gateway_key(gateway), std::string{kAbsent});
    };
    note(network.gateway, network.prefix);
    if (network.gateway6 && network.prefix6) note(*network.gateway6, *network.prefix6);
  }
  return originals;
}

// What is the network's is left to it.
config::Limits own_limits(config::Limits limits, const config::Limits& of_network) {
  for (const auto& spec : config::kLimitSpecs) {
    auto& value = limits.*(spec.member);
    if (value.value_or(0) == (of_network.*(spec.member)).value_or(0)) value.reset();
  }
  return limits;
}

// Whether the policy had a profile for it.
bool in_groups(const config::Guest& guest, const std::map<firewall::SetRef, firewall::ElementMap>& elements) {
  const auto profile_in = [&](const char* set, const auto& address) {
    const auto bytes = address.to_bytes();
    auto id = firewall::kOpenProfile;
    const auto ids = elements.find({firewall::Family::inet, set});
    if (ids == elements.end()) return id;
    const auto found = ids->second.find(firewall::ElementKey{{bytes.begin(), bytes.end()}, {}});
    if (found != ids->second.end() && found->second.value.size() == sizeof id) {
      std::memcpy(&id, found->second.value.data(), sizeof id);
    }
    return id;
  };
  const auto built_in = [](firewall::ProfileId id) {
    return id == firewall::kOpenProfile || id == firewall::kIsolatedProfile;
  };
  return (guest.address && !built_in(profile_in("id4", *guest.address))) ||
         (guest.address6 && !built_in(profile_in("id6", *guest.address6)));
}

}  // namespace

std::string Router::damage() const {
  return "the state database was damaged and is kept as " + paths_.database().string() + ".damaged-" +
         std::to_string(damaged_) +
         "; the guests added by command were rebuilt from the rules in force, without names and groups, and nothing "
         "was removed. Compare `vrouter guests` with what you know, then run `vrouter reload` to accept it; or stop "
         "vrouterd and put a backup in its place";
}

Attempt<> Router::recover() {
  const auto rules = plane_.nft().observe();
  if (!rules) return std::unexpected(rules.error().to_string());
  state::Change change;
  for (auto& guest : firewall::decompile_guests(rules->elements)) {
    if (guests_.by_tap(guest.tap) != nullptr) continue;
    const auto tap = guest.tap;
    // Of the policy's groups, which nobody knows any more: as a guest of none it would be open.
    if (in_groups(guest, rules->elements)) {
      log_warning(
          "what is in force for " + tap +
          " stays, but no guest could be made of it: it was in groups of the policy, which are lost; add it again");
      continue;
    }
    // Without an address it could be given one that some guest uses who is not known yet.
    auto completed =
        guest.address ? guests_.complete(config_, std::move(guest)) : std::unexpected(std::string{"it has no address"});
    if (!completed) {
      log_warning("what is in force for " + tap + " stays, but no guest could be made of it: " + completed.error());
      continue;
    }
    completed->limits = own_limits(completed->limits, config_.networks.at(completed->network).limits);
    change.put_guests.push_back(*completed);
    guests_.insert(std::move(*completed));
  }
  enter_profiles();
  change.put_originals = originals_left(rules->elements, config_, plane_.observed());
  for (const auto& [key, value] : change.put_originals) plane_.originals().emplace(key, value);
  firewall::Ruleset known;
  for (const auto& [tap, guest] : guests_.all()) known.insert(elements_of(guest));
  for (const auto& [set, elements] : rules->elements) {
    if (!firewall::holds_guests(set)) continue;
    for (const auto& [key, data] : elements) {
      if (!known.elements[set].contains(key)) held_.push_back({set, key, data});
    }
  }
  log_error(damage());
  log_warning("rebuilt guests: " + std::to_string(change.put_guests.size()));
  if (change.put_guests.empty() && change.put_originals.empty()) return {};
  // They are served in any case; the next start would rebuild them again.
  static_cast<void>(disk_.note_now(std::move(change)));
  return {};
}

}  // namespace vrouter::router
