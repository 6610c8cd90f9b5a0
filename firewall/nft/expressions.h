// SPDX-License-Identifier: GPL-2.0-or-later
// bytecode.h's expressions to and from libnftnl's. What is written reads back equal.
#pragma once

#include <cstdint>

#include "firewall/bytecode.h"

struct nftnl_expr;  // libnftnl

namespace vrouter::firewall {

// The caller, or the rule that it is added to, owns the result. Unknown can't be written.
[[nodiscard]] nftnl_expr* to_nftnl(const Expression& expression);
[[nodiscard]] Expression from_nftnl(const nftnl_expr* expression);

// NF_ACCEPT, NFT_GOTO and so on (linux/netfilter/nf_tables.h).
[[nodiscard]] std::uint32_t verdict_code(Verdict::Kind kind) noexcept;
[[nodiscard]] std::optional<Verdict> verdict_of(std::uint32_t code, const char* chain);

}  // namespace vrouter::firewall
