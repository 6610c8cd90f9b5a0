// SPDX-License-Identifier: GPL-2.0-or-later
// Theory. A guest that may ask no other resolver is an element: of redirect4 and redirect6, by which its questions are
// sent to its gateway before they are routed, and of resolver_group, whose mark leads to the refusal that its group
// speaks in forward and in input. The refusal goes by the TAP, for all of its addresses; clients of a shared interface
// have groups of their own, so these go by their addresses too. Redirected is what comes from the addresses that DNS
// answers: one of each family.
//
// What is redirected never comes to the refusal, save for what can't be: DNS over TLS (RFC 7858) and QUIC (RFC 9250)
// would end at a certificate that isn't ours, IPv6 where the network has no gateway of it, and a guest's further
// addresses.
//
// No published port leads such a question elsewhere: another guest's resolver is another resolver, whatever the
// address by which it is asked, and its own port may be any.
#include "firewall/resolvers.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <initializer_list>
#include <optional>
#include <set>
#include <utility>

#include "firewall/denials.h"
#include "firewall/rule_names.h"
#include "firewall/skeleton.h"
#include "firewall/skeleton_words.h"
#include "firewall/words.h"

namespace vrouter::firewall {
namespace {

using config::OtherResolvers;
using namespace words;

constexpr const char *kPorts = "resolver_ports", *kBound = "one_resolver", *kBoundLeased = "one_resolver_leased",
                     *kGroup = "resolver_group", *kGroupLeased = "resolver_group_leased",
                     *kRefusal = "resolver_refusal", *kRedirect4 = "redirect4", *kRedirect6 = "redirect6";
constexpr const char *kRefuseChain = "other_resolver", *kHostChain = "asks_host";

Lookup asks() {
  return in({Field::l4proto, Field::th_dport}, kPorts);
}
Statement in_clear() {
  return in({Field::l4proto, Field::th_dport}, "services");
}

void put_before(std::string_view comment, std::string_view chain, const std::vector<Rule>& added, Table& inet) {
  auto& rules = std::ranges::find(inet.chains, chain, &Chain::name)->rules.own();
  rules.insert(std::ranges::find(rules, comment, &Rule::comment), added.begin(), added.end());
}

std::vector<Rule> translations(bool redirect) {
  using enum Field;
  const auto to_gateway = [](bool v6, Key key, std::string map) {
    return Nat{Nat::Kind::dnat, v6, std::move(key), std::move(map), true};
  };
  const auto redirected = [](std::vector<Statement> statements) {
    return rule(std::string{kRedirected}, std::move(statements));
  };
  constexpr auto kNoPort = "no published port leads it to another resolver";
  std::vector<Rule> rules;
  if (redirect) {
    rules = {redirected({in_clear(), to_gateway(false, {iifname, ip_saddr}, kRedirect4)}),
             redirected({in_clear(), to_gateway(true, {iifname, ip6_saddr}, kRedirect6)})};
  }
  rules.push_back(rule(kNoPort, {asks(), in({iifname}, kBound), kReturn}));
  rules.push_back(rule(kNoPort, {asks(), in({iifname, ip_saddr}, kBoundLeased), kReturn}));
  return rules;
}

// To the chain in which its group refuses, by way of the mark.
std::vector<Rule> refusals(const std::vector<Statement>& asked) {
  const auto of = [&](Key key, const char* map) {
    auto statements = asked;
    statements.emplace_back(MarkFromMap{std::move(key), map});
    statements.emplace_back(go(kRefuseChain));
    return rule("may it ask another resolver?", std::move(statements));
  };
  return {of({Field::iifname}, kGroup), of({Field::iifname, Field::ip_saddr}, kGroupLeased)};
}

// What is translated has to be tracked, and the answers to what such a guest asks of its gateway itself look the same.
void keep_tracked(Table& inet) {
  constexpr auto kTracked = "its gateway may answer for another resolver";
  const auto except = [&](std::string_view chain, Field interface, Field own) {
    auto& rules = std::ranges::find(inet.chains, chain, &Chain::name)->rules.own();
    const std::vector<Rule> added{rule(kTracked, {in({interface}, kBound), kReturn}),
                                  rule(kTracked, {in({interface, own}, kBoundLeased), kReturn})};
    rules.insert(rules.begin(), added.begin(), added.end());
  };
  except("questions_untracked", Field::iifname, Field::ip_saddr);
  except("answers_untracked", Field::oifname, Field::ip_daddr);
}

Chain host_chain() {
  using enum Field;
  constexpr auto kGateway = "their gateway's own";
  const auto link_local = bytes_of(boost::asio::ip::make_address_v6("fe80::"));
  Chain chain{
      kHostChain,
      std::nullopt,
      {rule(kGateway, {in({ip_daddr}, "gateways4"), kReturn}), rule(kGateway, {in({ip6_daddr}, "gateways6"), kReturn}),
       rule(kGateway, {within(ip6_daddr, link_local, 10), kReturn})}};
  for (auto& refused : refusals({})) chain.rules.own().push_back(std::move(refused));
  return chain;
}

void add_element(const std::string& name, const Bytes& tap, const std::optional<address_v4>& leased, Bytes data,
                 std::vector<Element>& out) {
  out.push_back(inet(name, leased ? concat({tap, bytes_of(*leased)}) : tap, std::move(data)));
}

}  // namespace

ResolverGroups::ResolverGroups(const config::Dns& dns) {
  constexpr std::uint32_t kSpan = 0x7fffff00;
  std::set<std::uint32_t> taken;
  for (const auto& [name, group] : dns.groups) {
    if (group.other_resolvers == OtherResolvers::allow) continue;
    // From the name: when groups come and go, the others' guests stay as they are.
    auto mark = static_cast<std::uint32_t>(stable_hash(name) % kSpan) + 1;
    while (!taken.insert(mark).second) ++mark;
    groups_.emplace(name, ResolverGroup{group.other_resolvers, mark, group.at});
  }
}

const ResolverGroups::Entry* ResolverGroups::of(const std::vector<std::string>& groups) const {
  const Entry* strictest = nullptr;
  for (const auto& name : groups) {
    const auto group = groups_.find(name);
    if (group == groups_.end()) continue;
    const auto stricter = strictest == nullptr || group->second.what > strictest->second.what ||
                          (group->second.what == strictest->second.what && name < strictest->first);
    if (stricter) strictest = &*group;
  }
  return strictest;
}

bool ResolverGroups::redirect() const {
  return std::ranges::any_of(groups_, [](const Entry& group) { return group.second.what == OtherResolvers::redirect; });
}

void add_resolvers(const ResolverGroups& groups, Ruleset& ruleset) {
  if (groups.empty()) return;
  auto& table = ruleset.tables.front();
  const bool redirect = groups.redirect();
  for (auto& made :
       {set(kPorts, {Type::inet_proto, Type::inet_service}), set(kBound, {Type::ifname}),
        set(kBoundLeased, {Type::ifname, Type::ipv4_addr}), map(kGroup, {Type::ifname}, {Type::mark}),
        map(kGroupLeased, {Type::ifname, Type::ipv4_addr}, {Type::mark}), verdict_map(kRefusal, {Type::mark})}) {
    table.sets.push_back(made);
  }
  if (redirect) {
    table.sets.push_back(map(kRedirect4, {Type::ifname, Type::ipv4_addr}, {Type::ipv4_addr}));
    table.sets.push_back(map(kRedirect6, {Type::ifname, Type::ipv6_addr}, {Type::ipv6_addr}));
  }
  if (redirect) keep_tracked(table);
  put_before("published ports", "dnat_pre", translations(redirect), table);
  put_before("no profile yet", "from_guest", refusals({asks()}), table);
  put_before("their gateway", "guest_to_host",
             {rule("what it asks of this host's resolvers", {asks(), jump(kHostChain)})}, table);
  table.chains.push_back(host_chain());
  table.chains.push_back(
      {kRefuseChain,
       std::nullopt,
       {rule("what its group says", {VerdictMap{{Field::mark}, kRefusal}}), rule("no such group", {kDrop})}});
  std::vector<Element> elements;
  for (const auto protocol : std::initializer_list<std::uint8_t>{IPPROTO_TCP, IPPROTO_UDP}) {
    for (const auto port : {config::DnsServer::kPort, config::DnsServer::kTlsPort})
      elements.push_back(inet(kPorts, concat({bytes_of(protocol), network_order(port)})));
  }
  for (const auto& [name, group] : groups.all()) {
    const auto chain = resolver_chain(name);
    table.chains.push_back(
        refusal(chain, Refused::egress, "reject", resolver_comment(name, group.declared_at), go("deny")));
    elements.push_back(inet_verdict(kRefusal, host_order(group.mark), go(chain)));
  }
  ruleset.insert(elements);
}

void add_resolver_elements(const config::Guest& guest, const config::Network& network, const ResolverGroups& groups,
                           bool leased, std::vector<Element>& out) {
  const auto* group = groups.of(guest.groups);
  if (group == nullptr || (guest.shared && !leased)) return;
  const auto its = leased ? guest.address : std::nullopt;
  const auto tap = bytes_of(guest.tap);
  add_element(leased ? kBoundLeased : kBound, tap, its, {}, out);
  add_element(leased ? kGroupLeased : kGroup, tap, its, host_order(group->second.mark), out);
  if (group->second.what != OtherResolvers::redirect) return;
  if (guest.address) add_element(kRedirect4, tap, guest.address, bytes_of(network.gateway), out);
  if (leased || !guest.address6 || !network.gateway6) return;
  out.push_back(inet(kRedirect6, concat({tap, bytes_of(*guest.address6)}), bytes_of(*network.gateway6)));
}

}  // namespace vrouter::firewall
