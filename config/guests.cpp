// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/guests.h"

#include <algorithm>
#include <atomic>
#include <set>

#include "config/dhcp_options.h"
#include "config/shared_guests.h"
#include "config/specs.h"
#include "config/text.h"
#include "config/undeclared_group.h"

namespace vrouter::config {
namespace {

using Field = Refusal::Field;
using Refusals = std::vector<Refusal>;

constexpr std::size_t kMaxNamed = 8;  // in one message
constexpr std::uint16_t kDnsPort = 53;
constexpr std::uint16_t kDhcpPort = 67;

std::string networks_text(const Config& config) {
  std::string text;
  std::size_t count = 0;
  for (const auto& [name, network] : config.networks) {
    if (count++ == kMaxNamed) return text + ", ...";
    if (!text.empty()) text += ", ";
    text += name + ' ' + network.prefix.to_string();
  }
  return text;
}

template <typename Contains>
const Network* network_where(const Config& config, Contains contains_it) {
  const auto found =
      std::ranges::find_if(config.networks, [&](const auto& entry) { return contains_it(entry.second); });
  return found == config.networks.end() ? nullptr : &found->second;
}

const Network* named_network(const Config& config, Guest& guest, Refusals& refusals) {
  guest.network = lower_case(guest.network);
  const auto found = config.networks.find(guest.network);
  if (found != config.networks.end()) return &found->second;
  refusals.push_back({.field = Field::network,
                      .reason = "there is no network " + quoted(guest.network),
                      .remedy = "name one of: " + networks_text(config)});
  return nullptr;
}

// The network the guest names, or else the one its address is in, or else `default`, or else the only one.
const Network* choose_network(const Config& config, Guest& guest, Refusals& refusals) {
  if (!guest.network.empty()) return named_network(config, guest, refusals);
  const Network* network = nullptr;
  if (guest.address) {
    network = network_where(config, [&](const Network& n) { return contains(n.prefix, *guest.address); });
    if (network == nullptr) {
      refusals.push_back({.field = Field::address,
                          .reason = guest.address->to_string() + " is in no network",
                          .remedy = "take an address of one of: " + networks_text(config)});
      return nullptr;
    }
  } else if (guest.address6) {
    network =
        network_where(config, [&](const Network& n) { return n.prefix6 && contains(*n.prefix6, *guest.address6); });
  }
  if (network == nullptr) network = network_where(config, [](const Network& n) { return n.name == "default"; });
  if (network == nullptr && config.networks.size() == 1) network = &config.networks.begin()->second;
  if (network == nullptr) {
    refusals.push_back({.field = Field::network,
                        .reason = "nothing says which network the guest is in",
                        .remedy = "give it a network or an address of one of: " + networks_text(config)});
    return nullptr;
  }
  guest.network = network->name;
  return network;
}

// A host name made of a TAP's name, which may hold what a host name may not.
std::string name_from_tap(const std::string& tap) {
  auto name = lower_case(tap);
  for (char& c : name) {
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9')) c = '-';
  }
  const auto first = name.find_first_not_of('-');
  if (first == std::string::npos) return "guest";
  return name.substr(first, name.find_last_not_of('-') + 1 - first);
}

void fit_mac(const Guest& guest, Refusals& refusals) {
  if (!guest.mac || (!guest.mac->is_group() && !guest.mac->is_zero())) return;
  refusals.push_back(
      {.field = Field::mac,
       .reason = guest.mac->to_string() + (guest.mac->is_zero() ? " is no station's address" : " is a group address"),
       .remedy = "give the address of the guest's own network card, such as 52:54:00:12:34:56"});
}

void fit_groups(const Config& config, const Guest& guest, Refusals& refusals) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < guest.groups.size(); ++i) {
    if (const auto name = parse_group_name(guest.groups[i]); !name) {
      const auto split = name.error().find("; ");
      refusals.push_back({.field = Field::groups,
                          .index = i,
                          .reason = name.error().substr(0, split),
                          .remedy = name.error().substr(split + 2)});
    } else if (!seen.insert(guest.groups[i]).second) {
      refusals.push_back({.field = Field::groups,
                          .index = i,
                          .reason = "group " + quoted(guest.groups[i]) + " is named twice",
                          .remedy = "name it once"});
    } else if (auto why = undeclared_group(config.policy.groups, guest.groups[i])) {
      refusals.push_back({.field = Field::undeclared_group,
                          .index = i,
                          .reason = std::move(why->first),
                          .remedy = std::move(why->second)});
    }
  }
}

bool includes(const Publish& publish, std::uint16_t port) {
  return publish.first <= port && port <= publish.last;
}

bool is_gateway(const Config& config, const address& host) {
  return network_where(config, [&](const Network& n) {
           return host.is_v4() ? n.gateway == host.to_v4() : n.gateway6 && *n.gateway6 == host.to_v6();
         }) != nullptr;
}

bool in_a_network(const Config& config, const address& host) {
  return network_where(config, [&](const Network& n) {
           return host.is_v4() ? contains(n.prefix, host.to_v4()) : n.prefix6 && contains(*n.prefix6, host.to_v6());
         }) != nullptr;
}

// What is wrong with a port whatever the other guests have: reason and remedy.
std::optional<std::pair<std::string, std::string>> unpublishable(const Config& config, const Guest& guest,
                                                                 const Publish& publish) {
  const auto text = publish.to_string();
  if (publish.first == 0 || publish.last < publish.first || publish.guest_first == 0 ||
      publish.last - publish.first > 65535 - publish.guest_first) {
    return std::pair{text + " is no range of ports", std::string{"give ports of 1 to 65535, the lower one first"}};
  }
  if (publish.host && publish.host->is_v6() && !guest.address6) {
    return std::pair{text + " is on an IPv6 address, and the guest has none",
                     std::string{"give the guest an IPv6 address, or publish on an IPv4 address"}};
  }
  if (publish.on_loopback() && publish.host->is_v6()) {
    return std::pair{text + " is on ::1, which the kernel lets no packet leave the host with",
                     std::string{"publish on 127.0.0.1"}};
  }
  const bool gateway = publish.host && is_gateway(config, *publish.host);
  if (publish.host && !gateway && in_a_network(config, *publish.host)) {
    return std::pair{publish.host->to_string() + " is a guest's address, not the host's",
                     std::string{"publish on an address of the host's own, or leave it out for all of them"}};
  }
  if (publish.host && !gateway) return std::nullopt;
  const bool dns = publish.protocol != Protocol::sctp && includes(publish, kDnsPort);
  const bool dhcp = publish.protocol == Protocol::udp && includes(publish, kDhcpPort);
  if (!dns && !dhcp) return std::nullopt;
  auto elsewhere = publish;
  elsewhere.host = address_v4{0xc0000201};  // 192.0.2.1, of RFC 5737
  return std::pair{
      text + " takes port " + (dns ? "53, where vrouter itself answers DNS" : "67, where vrouter itself answers DHCP"),
      "publish it on an address of the host's uplink, such as " + elsewhere.to_string()};
}

// Of all tables, so that a copy that was changed is never taken for another.
std::uint64_t next_revision() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

}  // namespace

std::string GuestTable::who(const std::string& tap) const {
  const auto& guest = by_tap_.at(tap);
  const auto text = "guest " + guest.name + " on " + tap;
  return guest.declared_at.file.empty() ? text : text + " (" + guest.declared_at.to_string() + ')';
}

Place GuestTable::place_of(const std::string& tap) const {
  return by_tap_.at(tap).declared_at;
}

void GuestTable::fit_tap(const Config& config, const Guest& guest, Refusals& refusals) const {
  if (const auto tap = parse_interface_name(guest.tap); !tap) {
    const auto split = tap.error().find("; ");
    refusals.push_back(
        {.field = Field::tap, .reason = tap.error().substr(0, split), .remedy = tap.error().substr(split + 2)});
  } else if (guest.tap == "lo" || std::ranges::find(config.host.uplinks, guest.tap) != config.host.uplinks.end()) {
    refusals.push_back(
        {.field = Field::tap,
         .reason = guest.tap + " is " + (guest.tap == "lo" ? "the loopback" : "an uplink") + " of the host",
         .remedy = "name the guest's own TAP"});
  } else if (const auto named = tap_by_name_.find(guest.tap);
             named != tap_by_name_.end() && named->second != guest.tap && !guest.name.empty()) {
    // (Without a name of its own it would be called after its TAP, and fit_name() says that.)
    refusals.push_back({.field = Field::tap,
                        .reason = guest.tap + " is the name of " + who(named->second),
                        .remedy = "call the TAP otherwise, or give that guest another name",
                        .other = place_of(named->second)});
  }
}

void GuestTable::fit_name(Guest& guest, Refusals& refusals) const {
  if (guest.name.empty()) guest.name = name_from_tap(guest.tap);
  if (auto name = parse_guest_name(guest.name); name) {
    guest.name = *name;
  } else {
    const auto split = name.error().find("; ");
    refusals.push_back(
        {.field = Field::name, .reason = name.error().substr(0, split), .remedy = name.error().substr(split + 2)});
    return;
  }
  // Commands know a guest by both.
  if (guest.name != guest.tap && by_tap_.contains(guest.name)) {
    refusals.push_back({.field = Field::name,
                        .reason = guest.name + " is the TAP of " + who(guest.name),
                        .remedy = "give the guest another name",
                        .other = place_of(guest.name)});
    return;
  }
  const auto taken = tap_by_name_.find(guest.name);
  if (taken == tap_by_name_.end()) return;
  refusals.push_back({.field = Field::name,
                      .reason = "the name " + guest.name + " is taken by " + who(taken->second),
                      .remedy = "give the guest another name",
                      .other = place_of(taken->second)});
}

void GuestTable::fit_publish(const Config& config, const Guest& guest, Refusals& refusals) const {
  if (guest.shared && !guest.publish.empty()) {
    refusals.push_back({.field = Field::publish,
                        .reason = "nothing can be published of an interface that several clients share",
                        .remedy = "declare the client that serves it as a guest of its own"});
    return;
  }
  PortTable own;
  for (std::size_t i = 0; i < guest.publish.size(); ++i) {
    const auto& publish = guest.publish[i];
    if (auto why = unpublishable(config, guest, publish)) {
      refusals.push_back({.field = Field::publish, .index = i, .reason = why->first, .remedy = why->second});
    } else if (own.holder(publish, {}) != nullptr) {
      refusals.push_back({.field = Field::publish,
                          .index = i,
                          .reason = publish.to_string() + " takes a port that this guest publishes already",
                          .remedy = "publish each host port once"});
    } else if (const auto* tap = ports_.holder(publish, guest.tap)) {
      refusals.push_back({.field = Field::publish,
                          .index = i,
                          .reason = publish.to_string() + " takes a port held by " + who(*tap),
                          .remedy = "publish another host port, or on another host address",
                          .other = place_of(*tap)});
    } else if (const auto floating = publish.host ? tap_by_floating_.find(*publish.host) : tap_by_floating_.end();
               floating != tap_by_floating_.end()) {
      refusals.push_back({.field = Field::publish,
                          .index = i,
                          .reason = publish.host->to_string() + " is the floating address of " + who(floating->second),
                          .remedy = "publish on another host address",
                          .other = place_of(floating->second)});
    } else {
      own.insert(guest.tap, publish);
    }
  }
}

Fitted GuestTable::fit(const Config& config, Guest guest) const {
  Fitted result{.guest = std::move(guest), .refusals = {}};
  auto& [fitted, refusals] = result;
  if (by_tap_.contains(fitted.tap)) {
    // Whatever else it has in common with that guest follows from this.
    refusals.push_back({.field = Field::tap,
                        .reason = "there is already " + who(fitted.tap),
                        .remedy = "name another TAP, or remove that guest first",
                        .other = place_of(fitted.tap)});
    return result;
  }
  fit_tap(config, fitted, refusals);
  fit_name(fitted, refusals);
  if (auto reserved = unfit_name(config, fitted)) refusals.push_back(*std::move(reserved));
  fit_mac(fitted, refusals);
  fit_groups(config, fitted, refusals);
  if (!fitted.owner.empty() && !fitted.create_tap) {
    refusals.push_back({.field = Field::guest,
                        .reason = "only a TAP that vrouter makes can be given to user " + quoted(fitted.owner),
                        .remedy = "ask for the TAP to be created, or leave the user out"});
  }
  const auto* network = choose_network(config, fitted, refusals);
  if (network != nullptr) {
    if (auto why = unfit_dhcp(*network, fitted.dhcp))
      refusals.push_back({.field = Field::guest, .reason = std::move(why->first), .remedy = std::move(why->second)});
  }
  if (fitted.shared) {
    refuse_addresses(fitted, refusals);
    if (network != nullptr) fit_shared(*network, fitted, refusals);
    fit_publish(config, fitted, refusals);
    return result;
  }
  if (network != nullptr) {
    fit_address(*network, fitted, refusals);
    fit_address6(*network, fitted, refusals);
    fit_snat(config, *network, fitted, refusals);
  }
  fit_floating(config, fitted, refusals);
  fit_prefixes(config, fitted, refusals);
  fit_allowed(config, fitted, refusals);
  fit_publish(config, fitted, refusals);
  return result;
}

std::expected<Guest, std::string> GuestTable::complete(const Config& config, Guest guest) const {
  auto fitted = fit(config, std::move(guest));
  if (!fitted.refusals.empty()) return std::unexpected(fitted.refusals.front().to_string());
  return std::move(fitted.guest);
}

std::expected<Guest, std::string> GuestTable::with_publish(const Config& config, const std::string& tap,
                                                           std::vector<Publish> publish) const {
  const auto found = by_tap_.find(tap);
  if (found == by_tap_.end()) return std::unexpected("there is no guest on " + quoted(tap) + "; add it first");
  auto guest = found->second;
  guest.publish = std::move(publish);
  Refusals refusals;
  fit_publish(config, guest, refusals);
  if (!refusals.empty()) return std::unexpected(refusals.front().to_string());
  return guest;
}

std::expected<Guest, std::string> GuestTable::with_groups(const Config& config, const std::string& tap,
                                                          std::vector<std::string> groups) const {
  const auto found = by_tap_.find(tap);
  if (found == by_tap_.end()) return std::unexpected("there is no guest on " + quoted(tap) + "; add it first");
  auto guest = found->second;
  guest.groups = std::move(groups);
  Refusals refusals;
  fit_groups(config, guest, refusals);
  if (!refusals.empty()) return std::unexpected(refusals.front().to_string());
  return guest;
}

void GuestTable::insert(Guest guest) {
  erase(guest.tap);
  revision_ = next_revision();
  const auto& tap = guest.tap;
  tap_by_name_[guest.name] = tap;
  if (guest.address) {
    tap_by_address_[*guest.address] = tap;
    used_.insert(*guest.address);
  }
  if (guest.address6) tap_by_address6_[*guest.address6] = tap;
  insert_more(guest);
  for (const auto& publish : guest.publish) ports_.insert(tap, publish);
  auto key = guest.tap;
  by_tap_.emplace(std::move(key), std::move(guest));
}

std::optional<Guest> GuestTable::erase(const std::string& tap) {
  auto node = by_tap_.extract(tap);
  if (node.empty()) return std::nullopt;
  revision_ = next_revision();
  auto guest = std::move(node.mapped());
  tap_by_name_.erase(guest.name);
  if (guest.address) {
    tap_by_address_.erase(*guest.address);
    used_.erase(*guest.address);
  }
  if (guest.address6) tap_by_address6_.erase(*guest.address6);
  erase_more(guest);
  for (const auto& publish : guest.publish) ports_.erase(guest.tap, publish);
  return guest;
}

const Guest* GuestTable::by_tap(const std::string& tap) const {
  const auto found = by_tap_.find(tap);
  return found == by_tap_.end() ? nullptr : &found->second;
}

const Guest* GuestTable::find(const std::string& tap_name_or_address) const {
  if (const auto* guest = by_tap(tap_name_or_address)) return guest;
  if (const auto name = tap_by_name_.find(lower_case(tap_name_or_address)); name != tap_by_name_.end()) {
    return by_tap(name->second);
  }
  const auto parsed = parse_address(tap_name_or_address);
  if (!parsed) return nullptr;
  if (parsed->is_v4()) {
    const auto found = tap_by_address_.find(parsed->to_v4());
    return found == tap_by_address_.end() ? nullptr : by_tap(found->second);
  }
  const auto found = tap_by_address6_.find(parsed->to_v6());
  return found == tap_by_address6_.end() ? nullptr : by_tap(found->second);
}

GuestTable declared_guests(const Config& config) {
  GuestTable table;
  for (const auto& guest : config.guests) table.insert(guest);
  return table;
}

Problems check_against(const Config& config, const GuestTable& added) {
  Problems problems;
  auto table = declared_guests(config);
  for (const auto& [tap, guest] : added.all()) {
    if (!guest.declared_at.file.empty()) continue;
    auto [fitted, refusals] = table.fit(config, guest);
    if (refusals.empty()) table.insert(std::move(fitted));
    for (auto& refusal : refusals) {
      auto where = refusal.other.file.empty() ? Place{.file = config.file} : std::move(refusal.other);
      problems.push_back({.where = std::move(where),
                          .message = "guest " + guest.name + ", added by command on " + tap + ", no longer fits: " +
                                     refusal.reason + "; change this, or first run: vrouter remove-guest " + tap});
    }
  }
  return problems;
}

}  // namespace vrouter::config
