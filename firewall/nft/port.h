// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's nf_tables as the rest of vrouter sees it. Calls block for one exchange with the kernel and never longer:
// netlink answers in the context of the sender.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "base/kernel_error.h"
#include "firewall/diff.h"
#include "firewall/foreign.h"

namespace vrouter::firewall {

// What this kernel can do, probed once at open().
struct Features {
  bool owner_persist = false;  // NFT_TABLE_F_OWNER|NFT_TABLE_F_PERSIST, Linux 6.9
  bool operator==(const Features&) const = default;
};

struct Tally {
  std::uint64_t packets = 0, bytes = 0;
  bool operator==(const Tally&) const = default;
};
using Tallies = std::map<std::string, Tally>;

// What guests were refused, by interface: what each sent, ARP too, and what was sent to it.
struct Denied {
  Tallies from, to;
  bool operator==(const Denied&) const = default;
};

class NftPort {
 public:
  virtual ~NftPort() = default;
  [[nodiscard]] virtual Features features() const = 0;
  // The netlink port that our changes come from, by which NftEvents knows them; 0: a kernel without events.
  [[nodiscard]] virtual std::uint32_t port_id() const { return 0; }

  // How many transactions nf_tables has seen in this network namespace, anybody's; empty: a kernel that doesn't tell.
  [[nodiscard]] virtual std::optional<std::uint32_t> generation() { return std::nullopt; }

  // Our tables and all that is in them.
  [[nodiscard]] virtual std::expected<Observed, KernelError> observe() = 0;
  // The same without elements, save those of `sets`. Costs no more than what it reads; may read more than asked.
  [[nodiscard]] virtual std::expected<Observed, KernelError> observe_sets(const std::set<SetRef>& sets) {
    static_cast<void>(sets);
    return observe();
  }

  // All or nothing. KernelError.what names the object that the kernel refused; ENOBUFS means that the outcome is
  // not known: observe again. Element-only transactions cost the same however many guests there are.
  [[nodiscard]] virtual std::expected<void, KernelError> apply(const Transaction& transaction) = 0;

  // Deletes our tables, owned, orphaned or plain; none there is no error.
  [[nodiscard]] virtual std::expected<void, KernelError> teardown() = 0;

  // What the named counters of our tables have counted, by name; costs as much as there are of them.
  [[nodiscard]] virtual std::expected<Tallies, KernelError> counted() { return Tallies{}; }
  // Costs as much as there are guests that were refused something in the last week.
  [[nodiscard]] virtual std::expected<Denied, KernelError> denied() { return Denied{}; }

  // What these sets of domains hold, with the seconds that it has left; costs as much as there is.
  [[nodiscard]] virtual std::expected<std::vector<Admitted>, KernelError> admitted(const std::set<SetRef>& sets) {
    static_cast<void>(sets);
    return std::vector<Admitted>{};
  }

  // Input and forward chains of other tables.
  [[nodiscard]] virtual std::expected<Foreign, KernelError> foreign() = 0;
};

// One netlink socket, which owns our tables as long as it lives; keep it for the daemon's lifetime.
// EPERM without CAP_NET_ADMIN, EOPNOTSUPP and the like on a kernel without nf_tables.
[[nodiscard]] std::expected<std::unique_ptr<NftPort>, KernelError> open_nft();

}  // namespace vrouter::firewall
