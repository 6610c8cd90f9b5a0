// SPDX-License-Identifier: GPL-2.0-or-later
// A policy as a host of many tenants has it, in vrouter's words and in iptables': each group has as many guests and as
// many rules as the others.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/model.h"

namespace vrouter::bench {

struct Tenants {
  int guests = 0;
  int groups = 0;  // 0: no policy at all
  int rules = 0;   // 4 to 10 for each group

  [[nodiscard]] int group_of(int guest) const { return guest / (guests / groups); }
  // The guest whose group has as many rules before it as behind it.
  [[nodiscard]] int middle() const { return guests / 2; }
};

// The guest of lab::guest_of() in its group; `group` instead of it.
[[nodiscard]] config::Guest tenant_of(const Tenants& tenants, int number);
[[nodiscard]] config::Guest tenant_in(int group, int number);
// vrouter.toml with the crowd's network and every guest, in its group or in none.
[[nodiscard]] std::string config_with_guests(const Tenants& tenants, bool in_groups);

using PolicyFiles = std::map<std::string, std::string>;  // policy.d/NAME -> text
[[nodiscard]] PolicyFiles policy_of(const Tenants& tenants);
// The same groups, and no rule: what guests that are added by command need before the rules come.
[[nodiscard]] PolicyFiles groups_of(const Tenants& tenants);
// One of those files, as policy_of() has it but for the port of one rule of one group in it.
struct ChangedFile {
  std::string name, text;
};
[[nodiscard]] ChangedFile with_one_rule_changed(const Tenants& tenants, int group, int port);

// The same rules in the same order for iptables-restore: one chain, established connections first, what no rule allows
// is dropped. A group is the 64 addresses of a /26 that begins with its first guest's: no address is named by itself,
// and nobody checks that a guest has the one that it says. The guests' numbers are other ones, therefore.
[[nodiscard]] std::string linear_rules(const Tenants& tenants);
[[nodiscard]] int first_linear_guest(int group);

}  // namespace vrouter::bench
