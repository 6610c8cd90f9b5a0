// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel's tables -> Observed and Foreign.
#pragma once

#include <expected>
#include <optional>
#include <set>

#include "base/kernel_error.h"
#include "firewall/diff.h"
#include "firewall/foreign.h"
#include "firewall/nft/netlink.h"
#include "firewall/nft/port.h"

namespace vrouter::firewall {

// Which of our tables exist, and whose they are; nothing of what is in them.
[[nodiscard]] std::expected<std::optional<ObservedTable>, KernelError> read_table(NetlinkSocket& socket, Family family);

// With `sets`, the elements of those only: nothing that is read depends on how many guests there are, then.
[[nodiscard]] std::expected<Observed, KernelError> read_all(NetlinkSocket& socket,
                                                            const std::set<SetRef>* sets = nullptr);

// What has been counted: by the named counters, and by the elements of the sets of whom something was refused.
[[nodiscard]] std::expected<Tallies, KernelError> read_counted(NetlinkSocket& socket);
[[nodiscard]] std::expected<Denied, KernelError> read_denied(NetlinkSocket& socket);

// What these sets hold; one that isn't there holds nothing.
[[nodiscard]] std::expected<std::vector<Admitted>, KernelError> read_admitted(NetlinkSocket& socket,
                                                                              const std::set<SetRef>& sets);

// The number of nf_tables' generation; empty where it can't be read.
[[nodiscard]] std::optional<std::uint32_t> read_generation(NetlinkSocket& socket);

// Base chains of all tables but ours. Nothing inside them is parsed: what a newer nft notes there may be new to us.
[[nodiscard]] std::expected<Foreign, KernelError> read_foreign(NetlinkSocket& socket);

}  // namespace vrouter::firewall
