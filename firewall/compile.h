// SPDX-License-Identifier: GPL-2.0-or-later
// Configuration -> ruleset. Pure: no kernel, no clock.
//
// The whole desired state is the skeleton and the elements of every guest:
//     Profiles profiles{config};
//     for (guest : guests) profiles.add(guest, network);
//     Ruleset desired = compile(config, surroundings, profiles);
//     for (guest : guests) desired.insert(compile_guest(guest, network, profiles));
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/model.h"
#include "firewall/profiles.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

// Whom the service processes run as.
struct ServiceUsers {
  uid_t dhcp = 0, dns = 0;
  bool operator==(const ServiceUsers&) const = default;
};

// What of the host the ruleset depends on.
struct Surroundings {
  // Interfaces whose forwarding vrouter itself turned on, per family: what comes in there and goes to no guest is
  // dropped, or we would have made the host a router for others.
  std::set<std::string> guarded_interfaces = {};
  std::set<std::string> guarded_interfaces6 = {};
  bool own_table = false;                  // config says automatic and Features::owner_persist holds
  std::optional<ServiceUsers> users = {};  // none: no processes of their own, and no rules for what they send
  bool operator==(const Surroundings&) const = default;
};

// What a policy was compiled to the last time: what of it comes out the same isn't compiled again. It has no say in
// what comes out.
class CompileCache {
 public:
  CompileCache();
  CompileCache(CompileCache&&) noexcept;
  CompileCache& operator=(CompileCache&&) noexcept;
  ~CompileCache();

  struct Last;  // policy_cache.h
  [[nodiscard]] Last& last() noexcept { return *last_; }

 private:
  std::unique_ptr<Last> last_;
};

// Tables, sets, chains, rules, and the elements that come from networks, policy and surroundings.
[[nodiscard]] Ruleset compile(const config::Config& config, const Surroundings& surroundings,
                              const Profiles& profiles = {}, CompileCache* cache = nullptr);

// All elements of one guest, sorted. `network` is the guest's own; `profiles` must have it.
[[nodiscard]] std::vector<Element> compile_guest(const config::Guest& guest, const config::Network& network,
                                                 const Profiles& profiles = {});

// Those of a client that has its address by lease, behind a shared guest's TAP: what it needs besides that guest's own.
// It is a guest of that TAP with an address and a MAC, which are pinned to one another.
[[nodiscard]] std::vector<Element> compile_lessee(const config::Guest& lessee, const config::Network& network,
                                                  const Profiles& profiles = {});

// The servers that the DNS process may ask, for a ruleset compiled with `users`. Tell the kernel of a new one before
// the process, and take an old one back after it. What repeats is named once; sorted.
[[nodiscard]] std::vector<Element> upstream_elements(const std::vector<config::DnsServer>& servers);

}  // namespace vrouter::firewall
