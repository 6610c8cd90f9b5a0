// SPDX-License-Identifier: GPL-2.0-or-later
// What to do, as values: typed operations in their order, each with its sentence and its inverse.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "router/kernel/types.h"

namespace vrouter::router {

struct CreateTap {
  std::string tap;
  std::optional<uid_t> owner;
  bool operator==(const CreateTap&) const = default;
};
struct RemoveTap {
  std::string tap;
  std::uint32_t ifindex = 0;
  bool operator==(const RemoveTap&) const = default;
};
struct ChangeLink {
  std::uint32_t ifindex = 0;
  std::string link;
  LinkChange after;
  LinkChange before;  // the same fields, as they were
  bool operator==(const ChangeLink&) const = default;
};
struct PutAddress {
  InterfaceAddress address;
  std::string link;
  bool operator==(const PutAddress&) const = default;
};
struct RemoveAddress {
  InterfaceAddress address;
  std::string link;
  bool operator==(const RemoveAddress&) const = default;
};
struct PutRoute {
  Route route;
  std::string link;             // empty: a route without interface
  std::optional<Route> before;  // ours, that it replaces
  bool operator==(const PutRoute&) const = default;
};
struct RemoveRoute {
  Route route;
  std::string link;
  bool operator==(const RemoveRoute&) const = default;
};
struct PutNeighbour {
  Neighbour neighbour;
  std::string link;
  std::optional<Neighbour> before;
  bool operator==(const PutNeighbour&) const = default;
};
struct RemoveNeighbour {
  Neighbour neighbour;
  std::string link;
  bool operator==(const RemoveNeighbour&) const = default;
};
struct WriteSysctl {
  std::string key;  // "net/ipv4/conf/eth0/forwarding"
  std::string value;
  std::optional<std::string> before;
  bool operator==(const WriteSysctl&) const = default;
};

using Operation = std::variant<CreateTap, RemoveTap, ChangeLink, PutAddress, RemoveAddress, PutRoute, RemoveRoute,
                               PutNeighbour, RemoveNeighbour, WriteSysctl>;

// "route 10.0.5.2/32 to tap0", "set tap0's group to 7672 and bring it up"
[[nodiscard]] std::string describe(const Operation& operation);
// Empty for what can't be undone: a removed TAP.
[[nodiscard]] std::optional<Operation> inverse(const Operation& operation);

// What was there before us, by key. The state keeps them on disk *before* the change is applied, so that teardown
// restores them even after kill -9. They hold for one boot (sysctl kernel/random/boot_id): a
// reboot forgets what we changed.
//   "link tap0"                               "index=7 group=0 up=0 forwarding=0 rp_filter=2 disable_ipv6=0"
//   "tap tap0"                                "made index=7": by vrouter, to be removed; "made": its index isn't known
//   yet "sysctl net/ipv4/conf/eth0/forwarding"    "0" "address 10.0.5.1 lo"                     "absent"
using Originals = std::map<std::string, std::string, std::less<>>;

struct Original {
  std::string key;
  std::string value;
  bool operator==(const Original&) const = default;
};

struct Plan {
  std::vector<Operation> operations;
  std::vector<Original> record;       // write (replacing the key's value) before applying
  std::vector<std::string> forget;    // keys whose original is restored once all is applied
  std::vector<std::string> problems;  // what can't be made right, each a sentence with its remedy

  // A right host yields an empty plan. Problems don't count: they stay until somebody acts.
  [[nodiscard]] bool empty() const noexcept { return operations.empty() && record.empty() && forget.empty(); }
  void append(Plan other);
  bool operator==(const Plan&) const = default;
};

// Replays what a plan says of originals: record before applying, forget after.
void record(Originals& originals, const Plan& plan);
void forget(Originals& originals, const Plan& plan);

}  // namespace vrouter::router
