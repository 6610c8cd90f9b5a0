// SPDX-License-Identifier: GPL-2.0-or-later
// What a policy's rules and profiles are called in the ruleset. Not for other rooms.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/model.h"
#include "firewall/profiles.h"

namespace vrouter::firewall {

// What nft can read back of it, in names and in comments.
[[nodiscard]] std::string slug(std::string_view text);
[[nodiscard]] std::string said(std::string text);
[[nodiscard]] std::string hex(std::uint64_t value, int digits);

[[nodiscard]] std::string short_place(const config::Place& at);  // "10-web.toml:3"
// The comment of what a rule does: "web to db (10-web.toml:3)".
[[nodiscard]] std::string comment_of(const config::PolicyRule& rule);
[[nodiscard]] std::string default_comment(const config::Group& group);
// What the names of a rule's chains, sets and counters begin with. Made of what the rule says, without where: what it
// has counted stays its own when others come and go around it.
[[nodiscard]] std::string key_of(const config::PolicyRule& rule);
// The same of a profile.
[[nodiscard]] std::string profile_name(const Membership& membership, ProfileId id);

}  // namespace vrouter::firewall
