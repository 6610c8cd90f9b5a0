// SPDX-License-Identifier: GPL-2.0-or-later
// Each directory beside this file is a case: config.toml, policy.toml where it has a policy, what is said of the host
// in `surroundings` (lines of "guarded4 eth0", "dns_user 991", "upstream 9.9.9.9:53"), who has an address by lease in
// `lessees` (lines of "br0 10.9.0.100 52:54:00:00:00:01 GROUP", `-` for those of the link), and expected.nft. After a
// change that is meant, VROUTER_UPDATE_GOLDEN=1 writes expected.nft anew: read the difference before committing it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "firewall/compile.h"

namespace vrouter::firewall::testing {

struct GoldenCase {
  std::filesystem::path directory;
  config::Config config;
  Ruleset ruleset;
  std::string expected;  // empty: no such file yet
};

[[nodiscard]] std::vector<std::string> golden_names();
// Fails the test when the case can't be read.
[[nodiscard]] GoldenCase read_case(const std::string& name);

}  // namespace vrouter::firewall::testing
