// SPDX-License-Identifier: GPL-2.0-or-later
// Policy files: any text gives a policy that is whole in itself, whose peers, services and limits print and read back
// as the same, and which is loaded again from what it prints; or problems that each have a place and a remedy. The
// input is split at NUL bytes into several files.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "config/address_sets.h"
#include "config/load.h"
#include "config/policy_specs.h"
#include "config/service_sets.h"

using namespace vrouter::config;

namespace {

constexpr std::string_view kConfig = R"([networks.default]
prefix6 = "fd76:7274:5::/64"
[networks.lab]
prefix = "10.0.6.0/24"
[[guests]]
name = "web1"
tap = "tap0"
address = "10.0.5.2"
)";

void check(bool good) {
  if (!good) __builtin_trap();
}

void check_messages(const Problems& problems) {
  for (const auto& [where, message] : problems) {
    check(std::ranges::all_of(message, [](char c) { return c >= ' ' && c <= '~'; }));
    check(message.contains("; ") && where.file.starts_with("policy") && where.line > 0 && where.column > 0);
  }
}

void check_peer(const Config& config, const Peer& peer) {
  const auto again = parse_peer(peer.to_string());
  check(again && *again == peer);
  if (peer.kind == Peer::Kind::group) check(config.policy.groups.contains(peer.name));
  if (peer.kind == Peer::Kind::set) check(config.policy.sets.contains(peer.name));
  if (peer.kind == Peer::Kind::network) check(config.networks.contains(peer.name));
}

void check_service(const Service& service) {
  const auto again = parse_services(service.to_string());
  check(again && again->size() == 1 && again->front() == service);
  check(!service.ports || (service.ports->first > 0 && service.ports->first <= service.ports->last));
}

void check_policy(const Config& config) {
  const auto& policy = config.policy;
  for (const auto& [name, set] : policy.sets) {
    check(name == set.name && normalised(set.v4) == set.v4 && normalised(set.v6) == set.v6);
  }
  for (const auto& rule : policy.rules) {
    check(!rule.from.empty() && !rule.to.empty() && !rule.name.empty() && rule.declared_at.line > 0);
    for (const auto& peer : rule.from) check_peer(config, peer);
    for (const auto& peer : rule.to) check_peer(config, peer);
    for (const auto& service : rule.services) check_service(service);
    check(normalised(rule.services) == rule.services);
    if (!rule.limit) continue;
    const auto limit = parse_rate_limit(rule.limit->to_string());
    check(rule.action == Action::allow && limit && *limit == *rule.limit);
  }
  for (const auto& expect : policy.expects) {
    check_peer(config, expect.from);
    check_peer(config, expect.to);
    const auto again = parse_packet(expect.packet.to_string());
    check(again && *again == expect.packet);
  }
}

template <typename Item>
std::string list(const std::vector<Item>& items) {
  std::string text = "[";
  for (const auto& item : items) text += '"' + item.to_string() + "\",";
  return text + ']';
}

std::string printed(const Policy& policy) {
  std::string text;
  for (const auto& [name, group] : policy.groups) {
    text.append("[groups.").append(name).append("]\negress = \"").append(vrouter::config::name(group.egress));
    text.append("\"\ningress = \"").append(vrouter::config::name(group.ingress)).append("\"\n");
  }
  text += "[sets]\n";
  for (const auto& [name, set] : policy.sets) {
    auto all = list(set.v4);
    all.back() = ' ';
    text += name + " = " + all + list(set.v6).substr(1) + '\n';
  }
  for (const auto& rule : policy.rules) {
    text += "[[rules]]\nname = \"" + rule.name + "\"\nfrom = " + list(rule.from) + "\nto = " + list(rule.to) + '\n';
    text.append(name(rule.action)).append(" = ");
    text +=
        (rule.services.empty() ? "\"any\"" : list(rule.services)) + "\nlog = " + (rule.log ? "true" : "false") + '\n';
    if (rule.limit) text += "limit = \"" + rule.limit->to_string() + "\"\n";
  }
  for (const auto& expect : policy.expects) {
    text += "[[expect]]\nfrom = \"" + expect.from.to_string() + "\"\nto = \"" + expect.to.to_string() +
            "\"\npacket = \"" + expect.packet.to_string() + "\"\n";
    text.append("verdict = \"").append(name(expect.verdict)).append("\"\n");
  }
  return text;
}

std::vector<PolicyText> files(const std::string& input) {
  std::vector<PolicyText> result;
  for (std::size_t begin = 0; begin <= input.size();) {
    const auto end = std::min(input.find('\0', begin), input.size());
    result.push_back({.file = "policy" + std::to_string(result.size()), .text = input.substr(begin, end - begin)});
    begin = end + 1;
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto config = parse_config(kConfig, "f", files({data, data + size}));
  if (!config) {
    check(!config.error().empty());
    check_messages(config.error());
    return 0;
  }
  check_messages(config->warnings);
  check_policy(*config);
  const PolicyText again{.file = "policy", .text = printed(config->policy)};
  const auto reloaded = parse_config(kConfig, "f", std::span{&again, 1});
  check(reloaded && same_meaning(reloaded->policy, config->policy));
  return 0;
}
