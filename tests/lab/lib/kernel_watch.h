// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/lab/lib/servers.h"

namespace vrouter::lab {

// What the kernel told everybody who listens, and when this thread heard it.
struct KernelChange {
  enum class Kind : std::uint8_t {
    route_added,
    route_removed,
    link_up,    // an interface whose IFF_UP is set: told again with every other change of it
    link_down,  // ... or isn't
    table_added,
    table_removed,
    rules_committed  // the end of an nftables transaction, whoever made it
  };
  Kind kind = Kind::rules_committed;
  std::string what;  // "10.8.0.5/32", "t5", "vrouter"
  std::chrono::steady_clock::time_point at;
};

// Hears of IPv4 routes, links and nftables' tables of one namespace, so that a test can tell how long it took from a
// change to its repair.
class KernelWatch : public Service {
 public:
  explicit KernelWatch(const Namespace& where);
  ~KernelWatch() override;

  // The first change of this kind heard after `since`, waited for until `limit` from now.
  [[nodiscard]] std::optional<KernelChange> first(KernelChange::Kind kind, const std::string& what,
                                                  std::chrono::steady_clock::time_point since,
                                                  Milliseconds limit = 10s) const;
  void forget();

 private:
  void read(int fd);

  UniqueFd routes_, rules_;
  mutable std::mutex mutex_;
  std::vector<KernelChange> changes_;
};

}  // namespace vrouter::lab
