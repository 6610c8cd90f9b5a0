// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/kills/ledger.h"

#include <fmt/format.h>

namespace vrouter::kills {
namespace {

constexpr std::chrono::seconds kRounding{1};

std::string text_of(const Who& who) {
  std::string text = who.mac.to_string();
  if (who.client_id.empty()) return text;
  text += " with client identifier ";
  for (const auto byte : who.client_id) text += fmt::format("{:02x}", byte);
  return text;
}

double seconds_from(Time from, Time to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

std::string dotted(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255, address & 255);
}

const Claim* Ledger::of(const Who& who, Time at) const {
  const auto known = by_client_.find(who);
  if (known == by_client_.end()) return nullptr;
  const auto& claim = claims_.at(known->second);
  return claim.until > at ? &claim : nullptr;
}

void Ledger::drop(const Who& who) {
  const auto known = by_client_.find(who);
  if (known == by_client_.end()) return;
  claims_.erase(known->second);
  by_client_.erase(known);
}

void Ledger::acknowledged(const Who& who, std::uint32_t address, Time asked, Time heard, std::chrono::seconds length) {
  if (const auto other = claims_.find(address); other != claims_.end() && other->second.who != who) {
    if (other->second.until > heard) {
      failures_.push_back(fmt::format("DOUBLED: {} was given to {}, and {} has it for another {:.3f} s",
                                      dotted(address), text_of(who), text_of(other->second.who),
                                      seconds_from(heard, other->second.until)));
    }
    drop(Who{other->second.who});
  }
  const auto* own = of(who, heard);
  if (own != nullptr && own->address != address) {
    failures_.push_back(fmt::format("LOST: {} was given {}, and its lease of {} lasts another {:.3f} s", text_of(who),
                                    dotted(address), dotted(own->address), seconds_from(heard, own->until)));
  }
  const bool renews = own != nullptr && own->address == address;
  const auto number = renews ? own->number : next_++;
  if (renews) ++renewed_;
  drop(who);
  claims_[address] = {.who = who, .address = address, .until = asked + length, .number = number};
  by_client_[who] = address;
}

void Ledger::offered(const Who& who, std::uint32_t address, Time heard) {
  const auto* own = of(who, heard);
  if (own == nullptr || own->address == address) return;
  failures_.push_back(fmt::format("LOST: {} is offered {}, and its lease of {} lasts another {:.3f} s", text_of(who),
                                  dotted(address), dotted(own->address), seconds_from(heard, own->until)));
}

void Ledger::refused(const Who& who, std::uint32_t address, Time heard) {
  const auto* own = of(who, heard);
  if (own == nullptr || own->address != address) return;
  failures_.push_back(fmt::format("LOST: {} is refused {}, and its lease lasts another {:.3f} s", text_of(who),
                                  dotted(address), seconds_from(heard, own->until)));
}

void Ledger::released(const Who& who) {
  drop(who);
}

std::vector<Claim> Ledger::lasting(Time at) const {
  std::vector<Claim> all;
  for (const auto& [address, claim] : claims_) {
    if (claim.until > at) all.push_back(claim);
  }
  return all;
}

std::size_t Ledger::compare(const std::vector<Claim>& before, const std::map<std::uint32_t, Listed>& listed, Time now) {
  std::size_t compared = 0;
  for (const auto& claim : before) {
    const auto still = claims_.find(claim.address);
    if (still == claims_.end() || still->second.number != claim.number || claim.until <= now) continue;
    ++compared;
    const auto found = listed.find(claim.address);
    if (found == listed.end() || !found->second.bound) {
      failures_.push_back(fmt::format("LOST: the daemon knows no lease of {}, which {} has for another {:.3f} s",
                                      dotted(claim.address), text_of(claim.who), seconds_from(now, claim.until)));
    } else if (found->second.who != claim.who) {
      failures_.push_back(fmt::format("DOUBLED: the daemon says that {} has {}, and {} has it for another {:.3f} s",
                                      text_of(found->second.who), dotted(claim.address), text_of(claim.who),
                                      seconds_from(now, claim.until)));
    } else if (now + found->second.left + kRounding < claim.until) {
      failures_.push_back(fmt::format(
          "LOST: the daemon ends the lease of {} in {} s, and {} has it for another {:.3f} s", dotted(claim.address),
          found->second.left.count(), text_of(claim.who), seconds_from(now, claim.until)));
    }
  }
  return compared;
}

}  // namespace vrouter::kills
