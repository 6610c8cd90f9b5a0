// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/admission_book.h"

#include <algorithm>
#include <chrono>
#include <span>

#include "dns/rebinding.h"
#include "firewall/domains.h"

namespace vrouter::router {

namespace {

constexpr std::chrono::seconds kSweepEvery{1};  // going through all of them takes milliseconds

}  // namespace

std::uint32_t admission_time(std::uint32_t ttl) noexcept {
  return std::clamp(ttl, kLeastAdmission, kLongestAdmission) + kAdmissionGrace;
}

bool may_be_admitted(const address& a) {
  if (a.is_unspecified() || a.is_multicast() || dns::leads_inside(a, {})) return false;
  if (a.is_v4()) return a.to_v4().to_uint() >> 28 != 0xf;  // RFC 1112 section 4
  const auto b = a.to_v6().to_bytes();
  const bool six_to_four = b[0] == 0x20 && b[1] == 0x02;                             // RFC 3056: any IPv4 address in it
  const bool teredo = b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x00 && b[3] == 0x00;  // RFC 4380: the same
  return !six_to_four && !teredo && a.to_v6().scope_id() == 0;
}

bool AdmissionBook::has_room(BootTime now) {
  if (size_ < kMaxAdmittedInAll) return true;
  if (now - swept_ < kSweepEvery) return false;
  swept_ = now;
  for (auto& [tap, guest] : guests_) {
    for (auto& [domain, addresses] : guest.domains) {
      size_ -= std::erase_if(addresses, [now](const auto& entry) { return entry.second <= now; });
    }
  }
  return size_ < kMaxAdmittedInAll;
}

void AdmissionBook::make_room(const Entry& entry, BootTime now, firewall::Transaction& into) {
  const auto guest = guests_.find(entry.tap);
  if (guest == guests_.end()) return;
  if (guest->second.name != entry.guest) return expel(entry.tap, into);
  const auto domain = guest->second.domains.find(entry.domain);
  if (domain == guest->second.domains.end() || domain->second.contains(entry.its)) return;
  auto& addresses = domain->second;
  if (addresses.size() < kMaxAdmittedByDomain) return;
  std::vector<std::pair<BootTime, address>> ends;
  ends.reserve(addresses.size());
  for (const auto& [its, until] : addresses) ends.emplace_back(until, its);
  const auto go = std::min(ends.size(), ends.size() - kMaxAdmittedByDomain + kGivesWay);
  std::ranges::nth_element(ends, ends.begin() + static_cast<std::ptrdiff_t>(go) - 1);
  for (const auto& [until, its] : std::span{ends}.first(go)) {
    if (until > now) into.expel.push_back(firewall::domain_element(entry.domain, entry.tap, its));
    addresses.erase(its);
  }
  size_ -= go;
}

void AdmissionBook::put(Entry entry) {
  auto& guest = guests_[entry.tap];
  guest.name = std::move(entry.guest);
  auto& addresses = guest.domains[entry.domain];
  if (addresses.insert_or_assign(entry.its, entry.until).second) ++size_;
}

BootTime AdmissionBook::until(const Entry& entry) const {
  const auto guest = guests_.find(entry.tap);
  if (guest == guests_.end() || guest->second.name != entry.guest) return {};
  const auto domain = guest->second.domains.find(entry.domain);
  if (domain == guest->second.domains.end()) return {};
  const auto found = domain->second.find(entry.its);
  return found == domain->second.end() ? BootTime{} : found->second;
}

void AdmissionBook::drop(const std::string& tap) {
  const auto guest = guests_.find(tap);
  if (guest == guests_.end()) return;
  for (const auto& [domain, addresses] : guest->second.domains) size_ -= addresses.size();
  guests_.erase(guest);
}

void AdmissionBook::expel(const std::string& tap, firewall::Transaction& into) {
  const auto guest = guests_.find(tap);
  if (guest == guests_.end()) return;
  for (const auto& [domain, addresses] : guest->second.domains) {
    for (const auto& [its, until] : addresses) into.expel.push_back(firewall::domain_element(domain, tap, its));
  }
  drop(tap);
}

std::vector<std::pair<std::string, std::string>> AdmissionBook::guests() const {
  std::vector<std::pair<std::string, std::string>> all;
  all.reserve(guests_.size());
  for (const auto& [tap, guest] : guests_) all.emplace_back(tap, guest.name);
  return all;
}

void AdmissionBook::keep(const std::vector<std::string>& domains) {
  for (auto& [tap, guest] : guests_) {
    std::erase_if(guest.domains, [&](const auto& entry) {
      if (std::ranges::binary_search(domains, entry.first)) return false;
      size_ -= entry.second.size();
      return true;
    });
  }
}

std::vector<firewall::Admitted> AdmissionBook::living(BootTime now) const {
  std::vector<firewall::Admitted> living;
  for (const auto& [tap, guest] : guests_) {
    for (const auto& [domain, addresses] : guest.domains) {
      for (const auto& [its, until] : addresses) {
        const auto left = std::chrono::duration_cast<std::chrono::seconds>(until - now).count();
        if (left > 0) living.push_back({firewall::domain_element(domain, tap, its), static_cast<std::uint32_t>(left)});
      }
    }
  }
  return living;
}

std::vector<firewall::Element> AdmissionBook::all() const {
  std::vector<firewall::Element> all;
  for (const auto& [tap, guest] : guests_) {
    for (const auto& [domain, addresses] : guest.domains) {
      for (const auto& [its, until] : addresses) all.push_back(firewall::domain_element(domain, tap, its));
    }
  }
  return all;
}

}  // namespace vrouter::router
