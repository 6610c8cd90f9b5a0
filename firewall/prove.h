// SPDX-License-Identifier: GPL-2.0-or-later
// A policy's [[expect]] proved against the rules it compiles to, by the evaluator. Pure.
#pragma once

#include <optional>
#include <vector>

#include "config/model.h"
#include "firewall/compile.h"
#include "firewall/journey.h"

namespace vrouter::firewall {

// Somebody of the world, behind no guest, who stands in no rule by address; empty: the policy names all that are
// thought of.
[[nodiscard]] std::optional<address> stranger(const config::Config& config, const Topology& topology, bool v6);

// The expectations that don't hold, each at its place with who of whom was judged how, and by which rule. `guests` are
// all there are. A peer of many members is tried with two of each profile, with all of their addresses (of a prefix
// with the first); one without any (a group that is empty as yet) with a made-up guest, so that a policy can be proved
// before its guests are there.
// What could not be tried at all (a guest by name that isn't there yet) goes to `untried`.
// A `cache` of its own, kept from one proof to the next, makes those after the first cheap.
[[nodiscard]] config::Problems prove(const config::Config& config, const std::vector<const config::Guest*>& guests,
                                     config::Problems& untried, CompileCache* cache = nullptr);

}  // namespace vrouter::firewall
