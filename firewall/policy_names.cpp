// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/policy_names.h"

#include <algorithm>
#include <cctype>

namespace vrouter::firewall {
namespace {

constexpr std::size_t kMaxSlug = 24, kMaxComment = 127;
constexpr int kDigits = 8;

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
std::string short_place(const config::Place& at) {
  const auto slash = at.file.rfind('/');
  return (slash == std::string::npos ? at.file : at.file.substr(slash + 1)) + ':' + std::to_string(at.line);
}
std::string comment_of(const config::PolicyRule& rule) {
  // The place is what an operator needs most: it stays when the name is long.
  const auto where = " (" + short_place(rule.declared_at) + ")";
  return said(rule.name.substr(0, kMaxComment - std::min(where.size(), kMaxComment)) + where);
}

std::string key_of(const config::PolicyRule& rule) {
  std::string text = rule.name + '\n' + std::string{config::name(rule.action)};
  for (const auto& peer : rule.from) text += "\nfrom " + peer.to_string();
  for (const auto& peer : rule.to) text += "\nto " + peer.to_string();
  for (const auto& service : rule.services) text += '\n' + service.to_string();
  return "r_" + slug(rule.name) + '_' + hex(stable_hash(text), kDigits);
}

std::string default_comment(const config::Group& group) {
  return said("default of group " + group.name + " (" + short_place(group.declared_at) + ")");
}

std::string profile_name(const Membership& membership, ProfileId id) {
  std::string groups;
  for (const auto& group : membership.groups) groups += (groups.empty() ? "" : "_") + group;
  if (!membership.guest.empty()) groups += (groups.empty() ? "" : "_") + membership.guest;
  return "p_" + slug(groups.empty() ? membership.network : groups) + '_' + hex(id, kDigits);
}

}  // namespace vrouter::firewall
