// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>

namespace vrouter::router {

// Where vrouterd reads and writes. Every file may be missing: then the embedded defaults hold.
struct Paths {
  std::filesystem::path config = "/etc/vrouter/vrouter.toml";
  std::filesystem::path policy_dir = "/etc/vrouter/policy.d";
  std::filesystem::path state_dir = "/var/lib/vrouter";
  std::filesystem::path runtime_dir = "/run/vrouter";
  std::filesystem::path resolv_conf = "/etc/resolv.conf";

  [[nodiscard]] std::filesystem::path socket() const { return runtime_dir / "vrouter.sock"; }
  [[nodiscard]] std::filesystem::path database() const { return state_dir / "vrouter.db"; }
  [[nodiscard]] std::filesystem::path leases() const { return state_dir / "leases.db"; }
};

}  // namespace vrouter::router
