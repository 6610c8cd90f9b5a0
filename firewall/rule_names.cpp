// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/rule_names.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <variant>

#include "firewall/policy_parts.h"
#include "firewall/profiles.h"

namespace vrouter::firewall {
namespace {

constexpr std::size_t kMaxSlug = 24, kMaxComment = 127;
constexpr std::string_view kPrefix = "vr:";
// What a prefix has before the words: a comment leaves so much room, or its place would be cut off there.
constexpr std::size_t kMaxWords = kMaxComment - std::string_view{"vr:reject:"}.size();
constexpr int kDigits = 8;

std::string place(const config::Place& at) {
  const auto slash = at.file.rfind('/');
  return (slash == std::string::npos ? at.file : at.file.substr(slash + 1)) + ':' + std::to_string(at.line);
}

// The place is what an operator needs most: it stays when the name is long.
std::string with_place(const std::string& text, const config::Place& at) {
  const auto where = " (" + place(at) + ")";
  return said(text.substr(0, kMaxWords - std::min(where.size(), kMaxWords)) + where);
}

}  // namespace

std::string slug(std::string_view text) {
  std::string made;
  for (const char c : text.substr(0, kMaxSlug)) {
    made += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  }
  return made;
}

std::string hex(std::uint64_t value, int digits) {
  std::string text;
  for (int i = digits - 1; i >= 0; --i) text += "0123456789abcdef"[value >> (4 * i) & 0xf];
  return text;
}

std::string said(std::string text) {
  std::ranges::replace_if(text, [](unsigned char c) { return c < 0x20 || c >= 0x7f || c == '"' || c == '\\'; }, '\'');
  return text.substr(0, kMaxComment);
}

std::string comment_of(const config::PolicyRule& rule) {
  return with_place(rule.name, rule.declared_at);
}

std::string default_comment(const config::Group& group, bool egress) {
  return with_place("default of group " + group.name + (egress ? ", egress" : ", ingress"), group.declared_at);
}

std::string key_of(const config::PolicyRule& rule) {
  std::string text = rule.name + '\n' + std::string{config::name(rule.action)};
  for (const auto& peer : rule.from) text += "\nfrom " + peer.to_string();
  for (const auto& peer : rule.to) text += "\nto " + peer.to_string();
  for (const auto& service : rule.services) text += '\n' + service.to_string();
  return "r_" + slug(rule.name) + '_' + hex(stable_hash(text), kDigits);
}

RuleCounters counters_of(const config::PolicyRule& rule) {
  const auto of = [key = key_of(rule)](Side side) { return key + '_' + std::string{suffix(side)}; };
  return {of(Side::egress), of(Side::ingress), of(Side::to_host), of(Side::from_host)};
}

std::string default_counter(const config::Group& group, bool egress) {
  return "g_" + slug(group.name) + '_' + hex(stable_hash(group.name), kDigits) + (egress ? "_eg" : "_in");
}

std::string resolver_comment(const std::string& group, const config::Place& declared_at) {
  return with_place("no other resolver for group " + group, declared_at);
}

std::string resolver_chain(const std::string& group) {
  return "resolver_" + slug(group) + '_' + hex(stable_hash(group), kDigits);
}

std::string profile_name(const Membership& membership, ProfileId id) {
  std::string groups;
  for (const auto& group : membership.groups) groups += (groups.empty() ? "" : "_") + group;
  if (!membership.guest.empty()) groups += (groups.empty() ? "" : "_") + membership.guest;
  return "p_" + slug(groups.empty() ? membership.network : groups) + '_' + hex(id, kDigits);
}

std::string log_prefix(std::string_view action, std::string_view comment) {
  return said(std::string{kPrefix} + std::string{action} + ':' + std::string{comment});
}

std::optional<Decision> read_log_prefix(std::string_view prefix) {
  if (!prefix.starts_with(kPrefix)) return std::nullopt;
  prefix.remove_prefix(kPrefix.size());
  const auto colon = prefix.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  Decision decision{std::string{prefix.substr(0, colon)}, {}, {}, 0};
  auto words = prefix.substr(colon + 1);
  const auto open = words.rfind(" (");
  if (open != std::string_view::npos && words.ends_with(')')) {
    const auto where = words.substr(open + 2, words.size() - open - 3);
    const auto line = where.rfind(':');
    const auto number = line == std::string_view::npos ? std::string_view{} : where.substr(line + 1);
    const auto* end = number.data() + number.size();
    if (!number.empty() && std::from_chars(number.data(), end, decision.line).ptr == end) {
      decision.file = where.substr(0, line);
      words = words.substr(0, open);
    }
  }
  decision.words = words;
  return decision;
}

std::set<std::string> log_prefixes(const Ruleset& ruleset) {
  std::set<std::string> prefixes;
  for (const auto& table : ruleset.tables) {
    for (const auto& chain : table.chains) {
      for (const auto& rule : chain.rules) {
        for (const auto& statement : rule.statements) {
          if (const auto* log = std::get_if<Log>(&statement)) prefixes.insert(log->prefix);
        }
      }
    }
  }
  return prefixes;
}

}  // namespace vrouter::firewall
