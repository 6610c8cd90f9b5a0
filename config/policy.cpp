// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/policy.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "config/protocols.h"

namespace vrouter::config {
namespace {

template <typename Said>
bool same_said(const Said& a, const Said& b) {
  if (a == b) return true;
  auto moved = a;  // to another line, perhaps: that is no other meaning
  moved.declared_at = b.declared_at;
  return moved == b;
}

template <typename Said>
bool same_items(const std::vector<Said>& a, const std::vector<Said>& b) {
  return std::ranges::equal(a, b, same_said<Said>);
}

template <typename Said>
bool same_items(const std::map<std::string, Said>& a, const std::map<std::string, Said>& b) {
  return std::ranges::equal(
      a, b, [](const auto& x, const auto& y) { return x.first == y.first && same_said(x.second, y.second); });
}

}  // namespace

std::string_view name(Action value) noexcept {
  switch (value) {
    case Action::allow:
      return "allow";
    case Action::deny:
      return "deny";
    case Action::reject:
      return "reject";
  }
  std::abort();
}

std::string_view name(RateLimit::Unit value) noexcept {
  switch (value) {
    case RateLimit::Unit::second:
      return "second";
    case RateLimit::Unit::minute:
      return "minute";
    case RateLimit::Unit::hour:
      return "hour";
    case RateLimit::Unit::day:
      return "day";
  }
  std::abort();
}

std::string Peer::to_string() const {
  switch (kind) {
    case Kind::any:
      return "any";
    case Kind::world:
      return "world";
    case Kind::host:
      return "host";
    case Kind::group:
      return "group:" + name;
    case Kind::guest:
      return "guest:" + name;
    case Kind::network:
      return "network:" + name;
    case Kind::set:
      return "set:" + name;
    case Kind::net:
      return "net:" + (net4 ? net4->to_string() : net6 ? net6->to_string() : std::string{});
    case Kind::domain:
      return "domain:" + name;
  }
  std::abort();
}

bool domain_means(std::string_view domain, std::string_view asked) noexcept {
  if (!domain.starts_with("*.")) return domain == asked;
  const auto below = domain.substr(1);  // with its dot
  return asked.size() > below.size() && asked.ends_with(below);
}

std::vector<std::string> domains_of(const PolicyRule& rule) {
  std::vector<std::string> domains;
  for (const auto& peer : rule.to) {
    if (peer.kind == Peer::Kind::domain) domains.push_back(peer.name);
  }
  return domains;
}

std::vector<std::string> domains_of(const std::vector<PolicyRule>& rules) {
  std::vector<std::string> domains;
  for (const auto& rule : rules) std::ranges::move(domains_of(rule), std::back_inserter(domains));
  std::ranges::sort(domains);
  const auto repeated = std::ranges::unique(domains);
  domains.erase(repeated.begin(), repeated.end());
  return domains;
}

bool has_ports(std::uint8_t protocol) noexcept {
  switch (protocol) {
    case 6:    // tcp
    case 17:   // udp
    case 33:   // dccp
    case 132:  // sctp
    case 136:  // udplite
      return true;
    default:
      return false;
  }
}

std::string Service::to_string() const {
  std::string text{protocol_name(protocol)};
  if (text.empty()) text = std::to_string(protocol);
  if (ports) {
    text += '/' + std::to_string(ports->first);
    if (ports->last != ports->first) text += '-' + std::to_string(ports->last);
  }
  if (icmp_type) text += '/' + std::to_string(*icmp_type);
  return text;
}

std::string RateLimit::to_string() const {
  return std::to_string(count).append("/").append(config::name(unit)).append(" burst ").append(std::to_string(burst));
}

bool same_meaning(const Policy& a, const Policy& b) {
  return same_items(a.groups, b.groups) && same_items(a.sets, b.sets) && same_items(a.rules, b.rules) &&
         same_items(a.expects, b.expects);
}

}  // namespace vrouter::config
