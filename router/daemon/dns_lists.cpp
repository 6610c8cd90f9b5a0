// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/dns_lists.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/siphash.h"
#include "dns/list_files.h"
#include "dns/random.h"

namespace vrouter::router {

namespace {

// Nobody who writes a list can make it look like the one before.
SipKey secret() {
  static const SipKey key = [] {
    std::array<std::uint8_t, sizeof(SipKey)> bytes{};
    dns::fill_random(bytes);
    return std::bit_cast<SipKey>(bytes);
  }();
  return key;
}

std::expected<DnsLists::One, config::Problem> pack_list(const std::string& name, const config::DnsList& list,
                                                        const DnsLists& before, std::size_t& taken) {
  DnsLists::One one{.name = name, .packed = nullptr};
  const auto read = dns::read_list(name, list, taken);
  if (!read) return std::unexpected(read.error());
  for (const auto& warning : read->warnings) one.warnings.push_back(warning.to_string());
  const auto& reader = read->reader;
  one.fingerprint = reader.fingerprint(secret());
  one.entries = reader.entries();
  one.skipped = reader.not_understood();
  const auto known = std::ranges::find(before.all, name, &DnsLists::One::name);
  if (known != before.all.end() && known->fingerprint == one.fingerprint && known->entries == one.entries) {
    one.packed = known->packed;
    return one;
  }
  auto packed = dns::SharedList::make(reader);
  if (!packed) return std::unexpected(config::Problem{list.at, "list " + name + " can't be used: " + packed.error()});
  one.packed = *std::move(packed);
  return one;
}

}  // namespace

bool DnsLists::same_as(const DnsLists& other) const {
  const auto same = [](const One& a, const One& b) { return a.name == b.name && a.packed == b.packed; };
  return std::ranges::equal(all, other.all, same);
}

std::vector<dns::ListStatus> DnsLists::status() const {
  std::vector<dns::ListStatus> shown;
  for (const auto& one : all) shown.push_back({.name = one.name, .entries = one.entries, .skipped = one.skipped});
  return shown;
}

std::vector<std::string> DnsLists::warnings() const {
  std::vector<std::string> said;
  for (const auto& one : all) said.insert(said.end(), one.warnings.begin(), one.warnings.end());
  return said;
}

std::expected<DnsLists, std::string> read_dns_lists(const config::Dns& dns, const DnsLists& before) {
  DnsLists read;
  std::size_t taken = 0;
  for (const auto& [name, list] : dns.lists) {
    auto one = pack_list(name, list, before, taken);
    if (!one) return std::unexpected(one.error().to_string());
    read.all.push_back(*std::move(one));
  }
  return read;
}

std::vector<std::uint16_t> ListsTold::of(const std::vector<std::string>& names) const {
  std::vector<std::uint16_t> places;
  for (const auto& name : names) {
    if (const auto known = numbers.find(name); known != numbers.end()) places.push_back(known->second);
  }
  std::ranges::sort(places);
  return places;
}

ListsTold told_lists(const config::Dns& dns, const DnsLists& read) {
  ListsTold told;
  for (const auto& one : read.all) told.lists.push_back(one.packed);
  const auto places_of = [&](const std::vector<std::string>& names) {
    std::vector<std::uint16_t> places;
    for (const auto& name : names) {
      const auto found = std::ranges::find(read.all, name, &DnsLists::One::name);
      if (found != read.all.end()) places.push_back(static_cast<std::uint16_t>(found - read.all.begin()));
    }
    return places;
  };
  for (const auto& [name, group] : dns.groups) {
    if (group.block.empty()) continue;
    told.numbers.emplace(name, static_cast<std::uint16_t>(told.groups.size()));
    told.groups.push_back({.block = places_of(group.block), .allow = places_of(group.allow)});
  }
  return told;
}

}  // namespace vrouter::router
