// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/list_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace vrouter::dns {

namespace {

// At the first record of the answer section, whose length it returns; nothing: no message with one question.
std::optional<unsigned> to_answers(std::span<const std::uint8_t> message, WireReader& r) {
  r.skip(4);
  const unsigned questions = r.u16(), answers = r.u16();
  r.skip(4);
  if (questions != 1 || !Name::decode(message, r)) return std::nullopt;
  r.skip(4);
  return r.failed() ? std::nullopt : std::optional{answers};
}

// SVCB and HTTPS bring addresses of their target along: nobody need ask for it (RFC 9460, 7.3).
bool is_service(std::uint16_t type) {
  return type == type::svcb || type == type::https;
}
bool is_alias(std::uint16_t type) {
  return type == type::cname || type == type::dname || is_service(type);
}

// Nothing: that is no name.
std::optional<Name> target_of(std::span<const std::uint8_t> message, const Record& record) {
  WireReader r{message};
  r.skip(record.rdata_start + (is_service(record.type) ? 2 : 0));  // their priority
  return Name::decode(message, r);
}

}  // namespace

void ListTable::set(std::vector<std::shared_ptr<SharedList>> lists, const std::vector<ListGroup>& groups) {
  std::vector<std::optional<DomainList>> opened;
  for (const auto& list : lists) {
    const auto one = list->list();
    opened.push_back(one ? std::optional{*one} : std::nullopt);
    if (!one) fmt::print(stderr, "vrouterd: dns: a list can't be used: {}\n", one.error());
  }
  const auto pick = [&](const std::vector<std::uint16_t>& places) {
    std::vector<DomainList> picked;
    for (const auto place : places) {
      if (place < opened.size() && opened[place]) picked.push_back(*opened[place]);
    }
    return picked;
  };
  groups_.clear();
  for (const auto& group : groups) groups_.push_back({.block = pick(group.block), .allow = pick(group.allow)});
  profiles_ = {{}};
  numbers_.clear();
  lists_ = std::move(lists);  // those before were read until now
}

ListTable::Profile ListTable::profile_of(const std::vector<std::uint16_t>& groups) {
  if (groups.empty()) return kNone;
  const auto [known, is_new] = numbers_.try_emplace(groups, static_cast<Profile>(profiles_.size()));
  if (is_new) {
    auto& profile = profiles_.emplace_back(groups);
    std::erase_if(profile, [&](std::uint16_t group) { return group >= groups_.size(); });
  }
  return known->second;
}

bool ListTable::refuses(Profile profile, std::span<const std::uint8_t> lower_name) const noexcept {
  return std::ranges::any_of(profiles_[profile],
                             [&](std::uint16_t group) { return groups_[group].refuses(lower_name); });
}

bool ListTable::refuses_answer(Profile profile, const Name& asked, std::span<const std::uint8_t> message) const {
  if (profile == kNone) return false;
  std::vector<Name> over;  // in lower case
  WireReader r{message};
  const auto answers = to_answers(message, r);
  if (!answers) return true;
  for (auto left = *answers; left > 0; --left) {
    const auto record = decode_record(message, r);
    if (!record) return true;
    if (record->type != type::cname && !is_service(record->type)) continue;
    const auto target = target_of(message, *record);
    if (!target) return true;
    over.push_back(target->lower());
  }
  if (over.empty()) return false;
  const auto low = asked.lower();
  return std::ranges::any_of(profiles_[profile], [&](std::uint16_t place) {
    const auto& group = groups_[place];
    return !group.excepts(low.wire()) &&
           std::ranges::any_of(over, [&](const Name& name) { return group.refuses(name.wire()); });
  });
}

bool has_alias(std::span<const std::uint8_t> message) noexcept {
  WireReader r{message};
  const auto answers = to_answers(message, r);
  if (!answers) return true;
  for (auto left = *answers; left > 0; --left) {
    const auto record = decode_record(message, r);
    if (!record || is_alias(record->type)) return true;
  }
  return false;
}

}  // namespace vrouter::dns
