// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/tenants.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

enum class Side : std::uint8_t { group, next, world, banned, office, syslog };

struct Kind {
  Side from, to;
  std::string_view protocol;  // empty: deny "any"
  std::vector<std::string_view> ports{};
};

const std::array<Kind, 10>& kinds() {
  static const std::array<Kind, 10> all{{
      {Side::banned, Side::group, ""},
      {Side::group, Side::group, "tcp", {"8000-8009"}},
      {Side::group, Side::next, "tcp", {"5432"}},
      {Side::world, Side::group, "tcp", {"80", "443"}},
      {Side::office, Side::group, "tcp", {"22"}},
      {Side::group, Side::syslog, "udp", {"514"}},
      {Side::group, Side::world, "tcp", {"80", "443"}},
      {Side::group, Side::world, "udp", {"123"}},
      {Side::group, Side::world, "tcp", {"5001-5099"}},
      {Side::group, Side::world, "udp", {"5001-5099"}},
  }};
  return all;
}
constexpr std::size_t kChanged = 2;   // of the kinds: the rule whose port with_one_rule_changed() takes
constexpr std::size_t kMeasured = 2;  // of them, the last ones, every group has

constexpr int kGroupsPerFile = 10;
constexpr int kGroupSize = 64;  // of iptables' groups
constexpr auto kBanned = "203.0.113.0/24", kOffice = "198.51.100.0/24", kSyslog = "192.0.2.53";

// Which kinds of rules a group has, in their order.
std::vector<Kind> rules_of_a_group(const Tenants& tenants) {
  const auto count = std::min(static_cast<std::size_t>(tenants.rules / tenants.groups), kinds().size());
  const auto first = kinds().begin(), last = kinds().end();
  std::vector<Kind> chosen{first, first + static_cast<std::ptrdiff_t>(count - kMeasured)};
  chosen.insert(chosen.end(), last - static_cast<std::ptrdiff_t>(kMeasured), last);
  return chosen;
}

std::string peer(Side side, int group, int groups) {
  switch (side) {
    case Side::group:
      return fmt::format("group:g{}", group);
    case Side::next:
      return fmt::format("group:g{}", (group + 1) % groups);
    case Side::world:
      return "world";
    case Side::banned:
      return "set:banned";
    case Side::office:
      return "set:office";
    case Side::syslog:
      return fmt::format("net:{}", kSyslog);
  }
  return {};
}

std::string rule(const Kind& kind, int group, int groups) {
  std::string services = kind.protocol.empty() ? "deny = \"any\"" : "allow = [";
  for (const auto port : kind.ports) services += fmt::format("\"{}/{}\", ", kind.protocol, port);
  if (!kind.protocol.empty()) services += "]";
  return fmt::format("[[rules]]\nfrom = \"{}\"\nto = \"{}\"\n{}\n", peer(kind.from, group, groups),
                     peer(kind.to, group, groups), services);
}

std::string file_name(int group) {
  return fmt::format("{:03}.toml", group / kGroupsPerFile);
}

constexpr auto kSets = "[sets]\nbanned = [\"{}\"]\noffice = [\"{}\"]\n";

std::string iptables_match(Side side, bool from, int group, int groups) {
  const auto prefix = [&](int number) {
    return fmt::format("{} {}/26", from ? "-s" : "-d", lab::address_of(first_linear_guest(number)));
  };
  switch (side) {
    case Side::group:
      return prefix(group);
    case Side::next:
      return prefix((group + 1) % groups);
    case Side::world:
      return from ? "-i eth0" : "-o eth0";
    case Side::banned:
      return fmt::format("-s {}", kBanned);
    case Side::office:
      return fmt::format("-s {}", kOffice);
    case Side::syslog:
      return fmt::format("-d {}", kSyslog);
  }
  return {};
}

std::string iptables_service(const Kind& kind) {
  if (kind.protocol.empty()) return "-j DROP";
  auto ports = fmt::format("{}", fmt::join(kind.ports, ","));
  std::ranges::replace(ports, '-', ':');
  const auto* match = kind.ports.size() > 1 ? "-m multiport --dports" : "--dport";
  return fmt::format("-p {} {} {} -j ACCEPT", kind.protocol, match, ports);
}

}  // namespace

config::Guest tenant_in(int group, int number) {
  auto guest = lab::guest_of(number);
  guest.groups = {fmt::format("g{}", group)};
  return guest;
}

config::Guest tenant_of(const Tenants& tenants, int number) {
  return tenants.groups == 0 ? lab::guest_of(number) : tenant_in(tenants.group_of(number), number);
}

std::string config_with_guests(const Tenants& tenants, bool in_groups) {
  std::string text = lab::kCrowdNetwork;
  for (int i = 0; i < tenants.guests; ++i) {
    text += fmt::format("[[guests]]\ntap = \"{}\"\naddress = \"{}\"\n", lab::tap_of(i), lab::address_of(i));
    if (in_groups) text += fmt::format("groups = [\"g{}\"]\n", tenants.group_of(i));
  }
  return text;
}

PolicyFiles policy_of(const Tenants& tenants) {
  PolicyFiles files;
  if (tenants.groups == 0) return files;
  files["sets.toml"] = fmt::format(kSets, kBanned, kOffice);
  const auto kinds = rules_of_a_group(tenants);
  for (int group = 0; group < tenants.groups; ++group) {
    auto& text = files[file_name(group)];
    text += fmt::format("[groups.g{}]\negress = \"reject\"\ningress = \"deny\"\n", group);
    for (const auto& kind : kinds) text += rule(kind, group, tenants.groups);
  }
  return files;
}

PolicyFiles groups_of(const Tenants& tenants) {
  PolicyFiles files;
  files["sets.toml"] = "";
  for (int group = 0; group < tenants.groups; ++group) files[file_name(group)] += fmt::format("[groups.g{}]\n", group);
  return files;
}

ChangedFile with_one_rule_changed(const Tenants& tenants, int group, int port) {
  const auto before = rule(kinds()[kChanged], group, tenants.groups);
  auto after = kinds()[kChanged];
  const auto text_of_port = std::to_string(port);
  after.ports = {text_of_port};
  auto text = policy_of(tenants).at(file_name(group));
  text.replace(text.find(before), before.size(), rule(after, group, tenants.groups));
  return {file_name(group), text};
}

int first_linear_guest(int group) {
  return group * kGroupSize;
}

std::string linear_rules(const Tenants& tenants) {
  std::string text =
      "*nat\n-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n"
      "*filter\n:FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n";
  const auto kinds = rules_of_a_group(tenants);
  for (int group = 0; group < tenants.groups; ++group) {
    for (const auto& kind : kinds) {
      text += fmt::format("-A FORWARD {} {} {}\n", iptables_match(kind.from, true, group, tenants.groups),
                          iptables_match(kind.to, false, group, tenants.groups), iptables_service(kind));
    }
  }
  return text + "COMMIT\n";
}

}  // namespace vrouter::bench
