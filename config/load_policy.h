// SPDX-License-Identifier: GPL-2.0-or-later
// Policy files are read in two steps: first what each says by itself, then, once the networks and the guests are known
// too, whether what is named exists and what each rule can mean.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/load.h"
#include "config/table_reader.h"

namespace vrouter::config {

struct WrittenPeer {
  Peer peer;
  Position at;
};

// One word, which may be several services.
struct WrittenServices {
  std::vector<Service> services;
  Position at;
};

// A rule or an expectation. What its texts come to is kept beside it, with their places, until it is resolved.
template <typename Said>
struct Written {
  Said said{};
  std::size_t file = 0;  // index of WrittenPolicy::files
  std::vector<WrittenPeer> from{}, to{};
  std::vector<WrittenServices> services{};
  bool good = false;  // every text was read
};

struct WrittenFile {
  Diagnosis problems, warnings;
};

struct WrittenPolicy {
  std::vector<WrittenFile> files;  // in the order of the policy
  std::map<std::string, Group> groups;
  std::map<std::string, AddressSet> sets;
  std::vector<Written<PolicyRule>> rules;
  std::vector<Written<Expect>> expects;
  std::unordered_map<std::string, Place> rule_names;
  std::size_t prefixes = 0;  // in all sets, as written
  Problems warnings;         // of all files, once they are resolved
  // False: a file could not be read, so nothing can be said to be undeclared.
  bool names_known = true;
};

void read_policy_file(const PolicyText& file, WrittenPolicy& policy);

// Appends what one file says, read by itself and with nothing to say of it. False, and nothing is appended: together
// with what is there already it says something twice, or too much, so that it is to be read after that.
[[nodiscard]] bool append_file(const WrittenPolicy& one, WrittenPolicy& policy);

// In all files together: five times what is promised to be compiled and loaded within two seconds.
inline constexpr std::size_t kMaxRules = 10000;
inline constexpr std::size_t kMaxExpects = 10000;
// The parts of read_policy_file() for [[rules]] and [[expect]].
void read_rules(const Node& array, WrittenPolicy& policy);
void read_expects(const Node& array, WrittenPolicy& policy);

// Looks every name up and fills config.policy. Needs config's networks and guests; where `networks_known` is false,
// nothing is said of networks and addresses.
void resolve_policy(WrittenPolicy& written, bool networks_known, Config& config);

// A rule that never decides, since an earlier one covers all of it; both as indices of Policy::rules.
struct Shadowed {
  std::size_t rule = 0;
  std::size_t by = 0;
  bool operator==(const Shadowed&) const = default;
};

// In the order of the rules. What several earlier rules cover only together is not found.
[[nodiscard]] std::vector<Shadowed> shadowed_rules(const Config& config);

}  // namespace vrouter::config
