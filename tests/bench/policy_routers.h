// SPDX-License-Identifier: GPL-2.0-or-later
// The routers of routers.h with the tenants' policy. The measured guest is in the group in the middle.
#pragma once

#include "tests/bench/routers.h"
#include "tests/bench/tenants.h"

namespace vrouter::bench {

// vrouterd with these guests, each in its group. The measured one may begin as many connections as it likes, or what is
// measured would be the default limit of guests.
[[nodiscard]] std::unique_ptr<Bed> tenants_bed(const std::string& name, const Tenants& tenants);
// linear_rules(), by this kind of iptables ("legacy", "nft").
[[nodiscard]] std::unique_ptr<Bed> linear_policy_bed(const std::string& kind, const Tenants& tenants);

}  // namespace vrouter::bench
