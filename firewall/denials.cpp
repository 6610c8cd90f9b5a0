// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/denials.h"

#include <cstdlib>
#include <utility>

#include "firewall/rule_names.h"
#include "firewall/words.h"

namespace vrouter::firewall {
namespace {

using namespace words;

constexpr std::uint32_t kLogBytes = 128;  // headers, and no more of what guests say to each other
// A second and TAP: what a person can still read, and no more than a hundredth of what the log's reader takes.
constexpr std::uint32_t kDeniedRate = 10, kDeniedBurst = 20;
// More interfaces than a host has, even if each is made again under a new name all the time.
constexpr std::uint32_t kMostInterfaces = 65536;
constexpr std::uint32_t kMinute = 60, kWeek = 7 * 86400;
constexpr const char *kSeen = "counted and logged", *kCounted = "counted";
constexpr const char *kLogFrom = "log_from", *kLogTo = "log_to";

Update count(Field interface, std::string_view set) {
  return {{interface}, std::string{set}, Counter{}};
}
Update count_from() {
  return count(Field::iifname, kDeniedFrom);
}
Update count_to() {
  return count(Field::oifname, kDeniedTo);
}
Update within_rate(Field interface, const char* set) {
  return {{interface}, set, Limit{kDeniedRate, 1, kDeniedBurst, false}};
}
Compare not_from_guest() {
  return {Field::iifgroup, host_order(kGuestGroup), true, 0};
}

// A bucket that nobody asked for a minute is full again, and can go.
Set dynamic(std::string_view name, std::uint32_t timeout) {
  return {std::string{name}, {Type::ifname}, DataKind::none, {}, false, false, kMostInterfaces, timeout};
}

}  // namespace

Rule counted_from(std::string comment) {
  return rule(std::move(comment), {count_from()});
}
Rule counted_to(std::string comment) {
  return rule(std::move(comment), {count_to()});
}

std::vector<Rule> seen(Refused where, std::string_view action, const std::string& comment) {
  const Log log{log_prefix(action, comment), kLogGroup, kLogBytes};
  const auto from = within_rate(Field::iifname, kLogFrom), to = within_rate(Field::oifname, kLogTo);
  switch (where) {
    case Refused::sent:
      return {rule(kSeen, {count_from(), from, log})};
    case Refused::egress:
      return {rule(kCounted, {to_guest(), count_to()}), rule(kSeen, {count_from(), from, log})};
    case Refused::ingress:
      return {rule(kSeen, {from_guest(), count_to(), count_from(), from, log}),
              rule(kSeen, {not_from_guest(), count_to(), to, log})};
    case Refused::from_host:
      return {rule(kSeen, {count_to(), to, log})};
  }
  std::abort();
}

Chain refusal(std::string name, Refused where, std::string_view action, const std::string& comment, Verdict verdict) {
  Chain chain{std::move(name), std::nullopt, seen(where, action, comment)};
  chain.rules.push_back(rule(comment, {std::move(verdict)}));
  return chain;
}

std::vector<Set> denial_sets() {
  return {dynamic(kDeniedFrom, kWeek), dynamic(kDeniedTo, kWeek), dynamic(kLogFrom, kMinute), dynamic(kLogTo, kMinute)};
}

std::vector<Set> arp_denial_sets() {
  return {dynamic(kDeniedFrom, kWeek)};
}

}  // namespace vrouter::firewall
