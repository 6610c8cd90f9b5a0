// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: an address of the range is in one of three places: in a record (somebody has or had it), kept back (offered,
// asked for, avoided), or never used. A record's end is a time, so nothing need happen when it comes: the set ordered
// by it has in front what has been free for longest, once what was renewed since it was put there is put where it
// belongs, which is done when somebody looks there. Trees, not hashes, where a key is a client's own words: nobody can
// choose words that make a tree slow.
//
// A lease belongs to a client and a link. Clones on two bridges send the same hardware address and identifier; were
// the address theirs in common, it would be torn from one to the other with each renewal, and whoever knows a
// neighbour's words could take its address from another bridge.
#include "dhcp/pool.h"

#include <algorithm>
#include <bit>

#include "dhcp/rebuilt.h"

namespace vrouter::dhcp {
namespace {

constexpr std::size_t kWord = 64;

}  // namespace

bool operator==(const ClientView& a, const ClientView& b) noexcept {
  return a.hardware == b.hardware && std::ranges::equal(a.client_id, b.client_id);
}

std::strong_ordering operator<=>(const ClientView& a, const ClientView& b) noexcept {
  if (const auto order = a.hardware <=> b.hardware; order != 0) return order;
  return std::lexicographical_compare_three_way(a.client_id.begin(), a.client_id.end(), b.client_id.begin(),
                                                b.client_id.end());
}

namespace {

bool is_rebuilt(const LeaseRecord& record) noexcept {
  return std::ranges::equal(record.client().client_id, kUnknownId);
}

}  // namespace

LeaseRecord record_of(const Lease& lease) {
  LeaseRecord record;
  record.address = lease.address.to_uint();
  record.ifindex = lease.ifindex;
  record.expires = lease.expires;
  record.hardware = lease.client.hardware;
  record.state = lease.state;
  const auto& id = lease.client.client_id;
  record.id_size = static_cast<std::uint8_t>(std::min<std::size_t>(id.size(), 255));
  record.texts.reserve(record.id_size + lease.host_name.size());
  record.texts.assign(id.begin(), id.begin() + record.id_size);
  record.texts.insert(record.texts.end(), lease.host_name.begin(), lease.host_name.end());
  return record;
}

Lease lease_of(const LeaseRecord& record, std::string_view network) {
  const auto id = record.client().client_id;
  return {.network = std::string{network},
          .address = address_v4{record.address},
          .ifindex = record.ifindex,
          .client = {record.hardware, {id.begin(), id.end()}},
          .host_name = std::string{record.host_name()},
          .state = record.state,
          .expires = record.expires};
}

bool LeaseTable::ByClient::operator()(const LeaseRecord* a, const LeaseRecord* b) const noexcept {
  const auto order = a->client() <=> b->client();
  return order < 0 || (order == 0 && a->address < b->address);
}

LeaseTable::LeaseTable(const Pool& pool) : pool_{pool} {
  index_pool();
  index_free();
}

void LeaseTable::change(const Pool& pool) {
  pool_ = pool;
  index_pool();
  index_free();
  for (auto& [address, record] : records_) {
    unfile(record);
    settle(address);
  }
  std::vector<std::uint32_t> not_anymore;
  for (const auto& [address, hold] : holds_) {
    const Asker asker{{hold.client.hardware, hold.client.client_id}, hold.client.client_id, hold.ifindex};
    if (hold.kind == HoldKind::avoided ? !in_range(address) : !may_have(asker, address)) {
      not_anymore.push_back(address);
    } else {
      settle(address);
    }
  }
  for (const auto address : not_anymore) unhold(address_v4{address});
}

void LeaseTable::index_pool() {
  reserved_.clear();
  reserved_by_mac_.clear();
  reserved_by_id_.clear();
  for (const auto& reservation : pool_.reservations) {
    reserved_.emplace(reservation.address.to_uint(), &reservation);
    if (reservation.mac) reserved_by_mac_.emplace(*reservation.mac, &reservation);
    if (!reservation.client_id.empty()) reserved_by_id_.emplace(reservation.client_id, &reservation);
  }
}

// Every address that is anybody's is free; records and holds take theirs out again by settle().
void LeaseTable::index_free() {
  const auto& range = pool_.range;
  const std::size_t size = range.last < range.first ? 0 : std::size_t{range.last.to_uint()} - range.first.to_uint() + 1;
  never_used_.assign((size + kWord - 1) / kWord, 0);
  for (std::size_t i = 0; i < size; ++i) never_used_[i / kWord] |= std::uint64_t{1} << i % kWord;
  free_count_ = size;
  cursor_ = pool_.from_the_end && size != 0 ? never_used_.size() - 1 : 0;
  for (const auto& excluded : pool_.excluded) {
    const auto first = std::max(excluded.first, range.first).to_uint();
    const auto last = std::min(excluded.last, range.last).to_uint();
    for (std::uint64_t a = first; a <= last; ++a) set_never_used(static_cast<std::uint32_t>(a), false);
  }
  for (const auto& [address, reservation] : reserved_) set_never_used(address, false);
}

ClientView LeaseTable::identity(const MacAddress& hardware, std::span<const std::uint8_t> sent_id) const noexcept {
  return {hardware, pool_.identity == config::Identity::mac ? std::span<const std::uint8_t>{} : sent_id};
}

const config::Reservation* LeaseTable::reservation_of(const Asker& asker) const {
  if (const auto it = reserved_by_mac_.find(asker.client.hardware); it != reserved_by_mac_.end()) return it->second;
  if (reserved_by_id_.empty() || asker.sent_id.empty()) return nullptr;
  const auto it = reserved_by_id_.find({asker.sent_id.begin(), asker.sent_id.end()});
  return it == reserved_by_id_.end() ? nullptr : it->second;
}

bool LeaseTable::in_range(std::uint32_t address) const noexcept {
  return pool_.range.contains(address_v4{address});
}

// Whether it may be given to whoever comes.
bool LeaseTable::anybodys(std::uint32_t address) const {
  if (!in_range(address) || reserved_.contains(address)) return false;
  return std::ranges::none_of(pool_.excluded, [&](const auto& range) { return range.contains(address_v4{address}); });
}

bool LeaseTable::may_have(const Asker& asker, std::uint32_t address) const {
  const auto* own = reservation_of(asker);
  return (own != nullptr && own->address.to_uint() == address) || anybodys(address);
}

bool LeaseTable::kept_from(const Asker& asker, std::uint32_t address, BootTime now) const {
  const auto* hold = hold_of(address_v4{address}, now);
  if (hold == nullptr) return false;
  return hold->kind == HoldKind::avoided || hold->ifindex != asker.ifindex ||
         !(ClientView{hold->client.hardware, hold->client.client_id} == asker.client);
}

// Held on another of the pool's links, thus by somebody else. A link that is gone holds nothing for itself.
bool LeaseTable::elsewhere(const LeaseRecord& record, unsigned ifindex, BootTime now) const {
  if (record.ifindex == ifindex || !record.held(now)) return false;
  return record.ifindex == 0 || std::ranges::binary_search(pool_.links, record.ifindex);
}

bool LeaseTable::free_for(const Asker& asker, std::uint32_t address, BootTime now) const {
  if (!may_have(asker, address) || kept_from(asker, address, now)) return false;
  const auto* record = find(address_v4{address});
  return record == nullptr || record->ended(now) ||
         (record->held(now) && record->client() == asker.client && !elsewhere(*record, asker.ifindex, now));
}

const LeaseRecord* LeaseTable::find(const address_v4& address) const {
  const auto it = records_.find(address.to_uint());
  return it == records_.end() ? nullptr : &it->second;
}

const LeaseRecord* LeaseTable::find(const Asker& asker, BootTime now) const {
  const LeaseRecord* best = nullptr;
  const auto [first, last] = by_client_.equal_range(asker.client);
  for (auto it = first; it != last; ++it) {
    const auto* record = *it;
    if (elsewhere(*record, asker.ifindex, now)) continue;
    if (best == nullptr || std::pair(record->held(now), record->expires) > std::pair(best->held(now), best->expires)) {
      best = record;
    }
  }
  return best;
}

const Hold* LeaseTable::hold_of(const address_v4& address, BootTime now) const {
  const auto it = holds_.find(address.to_uint());
  return it == holds_.end() || it->second.until <= now ? nullptr : &it->second;
}

const Hold* LeaseTable::hold_of(const Asker& asker, BootTime now) const {
  const auto it = held_by_.find(asker);
  return it == held_by_.end() ? nullptr : hold_of(address_v4{it->second}, now);
}

// Reservation, current, offered before, previous.
std::optional<std::uint32_t> LeaseTable::own(const Asker& asker, BootTime now) const {
  if (const auto* reserved = reservation_of(asker)) {
    if (const auto address = reserved->address.to_uint(); free_for(asker, address, now)) return address;
  }
  const auto* record = find(asker, now);
  const bool usable = record != nullptr && free_for(asker, record->address, now);
  if (usable && record->held(now)) return record->address;
  if (const auto it = held_by_.find(asker); it != held_by_.end() && free_for(asker, it->second, now)) return it->second;
  if (usable) return record->address;
  return std::nullopt;
}

std::optional<address_v4> LeaseTable::choose(const Asker& asker, std::optional<address_v4> wanted, BootTime now) {
  lapse(now);
  auto address = own(asker, now);
  if (!address && wanted && free_for(asker, wanted->to_uint(), now)) address = wanted->to_uint();
  if (!address) address = never_used();
  if (!address) address = longest_ended(now);
  if (!address) address = untaken_offer(now);
  if (!address) return std::nullopt;
  return address_v4{*address};
}

// On from where the last one was found, and round: what has just become free again rests longest.
std::optional<std::uint32_t> LeaseTable::never_used() {
  if (free_count_ == 0) return std::nullopt;
  const auto step = pool_.from_the_end ? never_used_.size() - 1 : 1;
  while (never_used_[cursor_] == 0) cursor_ = (cursor_ + step) % never_used_.size();
  const auto word = never_used_[cursor_];
  const int bit = pool_.from_the_end ? static_cast<int>(kWord) - 1 - std::countl_zero(word) : std::countr_zero(word);
  return static_cast<std::uint32_t>(pool_.range.first.to_uint() + cursor_ * kWord + static_cast<unsigned>(bit));
}

std::optional<std::uint32_t> LeaseTable::longest_ended(BootTime now) {
  while (!by_end_.empty()) {
    const auto [filed, address] = *by_end_.begin();
    auto& record = records_.at(address);
    if (record.expires == filed && !holds_.contains(address) && anybodys(address))
      return record.ended(now) ? std::optional{address} : std::nullopt;
    unfile(record);
    settle(address);
  }
  return std::nullopt;
}

std::optional<std::uint32_t> LeaseTable::untaken_offer(BootTime now) {
  for (const auto address : offers_) {
    if (holds_.at(address).since + kFirmOffer > now) return std::nullopt;
    const auto* record = find(address_v4{address});
    if (!anybodys(address) || (record != nullptr && !record->ended(now))) continue;
    unhold(address_v4{address});
    return address;
  }
  return std::nullopt;
}

Claim LeaseTable::claim(const Asker& asker, const address_v4& address, BootTime now) const {
  const auto number = address.to_uint();
  if (!may_have(asker, number)) return Claim::refuse;
  const auto* hold = hold_of(address, now);
  if (hold != nullptr && hold->kind == HoldKind::avoided) return Claim::silent;
  if (!free_for(asker, number, now)) return Claim::refuse;
  if (hold != nullptr) return hold->kind == HoldKind::offered ? Claim::grant : Claim::silent;
  // Not offered lately. Whoever has another address here, or one reserved, is to take that.
  const auto* reserved = reservation_of(asker);
  if (reserved != nullptr && reserved->address != address && free_for(asker, reserved->address.to_uint(), now)) {
    return Claim::refuse;
  }
  const auto* record = find(address);
  if (record != nullptr && !(record->client() == asker.client)) {
    // Another's, that has ended: the asker never had it, or it is lost to the asker; its reservation is its own.
    return reserved != nullptr && reserved->address == address ? Claim::grant : Claim::refuse;
  }
  const auto* current = find(asker, now);
  const bool has_another =
      current != nullptr && current->address != number && current->held(now) && free_for(asker, current->address, now);
  return has_another && (reserved == nullptr || reserved->address != address) ? Claim::refuse : Claim::grant;
}

void LeaseTable::hold(const Asker& asker, const address_v4& address, HoldKind kind, BootTime now) {
  const auto number = address.to_uint();
  auto its = held_by_.find(asker);
  if (its != held_by_.end() && its->second != number) {
    unhold(address_v4{its->second});
    its = held_by_.end();
  }
  // Kept for the same asker again, as each DISCOVER does: only its time begins anew.
  if (its != held_by_.end() && holds_.at(number).kind == kind) {
    auto& hold = holds_.at(number);
    hold.since = now;
    hold.until = now + kOfferTime;
    lapses_.splice(lapses_.end(), lapses_, hold.lapse);
    if (hold.offer) offers_.splice(offers_.end(), offers_, *hold.offer);
    return;
  }
  drop_hold(number);
  Indexed hold;
  hold.kind = kind;
  hold.client = {asker.client.hardware, {asker.client.client_id.begin(), asker.client.client_id.end()}};
  hold.ifindex = asker.ifindex;
  hold.address = address;
  hold.since = now;
  hold.until = now + kOfferTime;
  hold.held_by = held_by_.emplace(Place{hold.client, hold.ifindex}, number).first;
  hold.lapse = lapses_.insert(lapses_.end(), number);
  if (kind == HoldKind::offered) hold.offer = offers_.insert(offers_.end(), number);
  holds_.emplace(number, std::move(hold));
  settle(number);
}

void LeaseTable::avoid(const address_v4& address, BootTime now) {
  const auto number = address.to_uint();
  drop_hold(number);
  Indexed hold;
  hold.kind = HoldKind::avoided;
  hold.address = address;
  hold.since = now;
  hold.until = now + kAvoidTime;
  hold.lapse = avoidances_.insert(avoidances_.end(), number);
  holds_.emplace(number, std::move(hold));
  settle(number);
}

void LeaseTable::unhold(const address_v4& address) {
  drop_hold(address.to_uint());
  settle(address.to_uint());
}

void LeaseTable::drop_hold(std::uint32_t address) {
  const auto it = holds_.find(address);
  if (it == holds_.end()) return;
  const auto& hold = it->second;
  (hold.kind == HoldKind::avoided ? avoidances_ : lapses_).erase(hold.lapse);
  if (hold.offer) offers_.erase(*hold.offer);
  if (hold.held_by) held_by_.erase(*hold.held_by);
  holds_.erase(it);
}

void LeaseTable::lapse(BootTime now) {
  for (auto* kept : {&lapses_, &avoidances_}) {
    while (!kept->empty() && holds_.at(kept->front()).until <= now) unhold(address_v4{kept->front()});
  }
}

// Puts the address where choose() looks for it. What must not be found there by an earlier end is taken out when its
// turn comes.
void LeaseTable::settle(std::uint32_t address) {
  const auto it = records_.find(address);
  const bool given = !holds_.contains(address) && anybodys(address);
  if (it != records_.end() && given) file(it->second);
  if (in_range(address)) set_never_used(address, it == records_.end() && given);
}

void LeaseTable::file(Kept& record) {
  if (record.is_filed && record.filed <= record.expires) return;
  unfile(record);
  record.is_filed = true;
  record.filed = record.expires;
  by_end_.emplace(record.expires, record.address);
}

void LeaseTable::unfile(Kept& record) {
  if (std::exchange(record.is_filed, false)) by_end_.erase({record.filed, record.address});
}

void LeaseTable::set_never_used(std::uint32_t address, bool free) {
  if (!in_range(address)) return;
  const std::size_t index = address - pool_.range.first.to_uint();
  const auto bit = std::uint64_t{1} << index % kWord;
  auto& word = never_used_[index / kWord];
  if (((word & bit) != 0) == free) return;
  word ^= bit;
  free ? ++free_count_ : --free_count_;
}

void LeaseTable::forget(Kept& record) {
  if (std::exchange(record.counts, false)) by_client_.erase(&record);
  if (is_rebuilt(record)) --rebuilt_;
}

// Of a client's leases on one link, and of its ended ones altogether, one counts: a held one, or the latest, or the one
// that has just been proposed. So no client heaps up more than one on each link.
void LeaseTable::index_client(Kept& record) {
  const auto worth = [](const LeaseRecord& r) {
    return std::tuple(r.proposal != 0, r.state == LeaseState::bound, r.expires);
  };
  const auto [first, last] = by_client_.equal_range(record.client());
  for (auto it = first; it != last;) {
    auto& other = **it;
    const bool both_count =
        other.ifindex != record.ifindex && other.state == LeaseState::bound && record.state == LeaseState::bound;
    if (!both_count && worth(other) > worth(record) && record.proposal == 0) return;
    if (both_count) {
      ++it;
      continue;
    }
    other.counts = false;
    it = by_client_.erase(it);
  }
  by_client_.insert(&record);
  record.counts = true;
}

void LeaseTable::adopt(const Asker& asker, const address_v4& named, BootTime now) {
  if (rebuilt_ == 0) return;
  const Asker unknown{{asker.client.hardware, kUnknownId}, {}, asker.ifindex};
  const auto* record = find(named);
  if (record == nullptr || !(record->client() == unknown.client)) {
    record = find(asker, now) == nullptr ? find(unknown, now) : nullptr;
  }
  if (record == nullptr || record->ifindex != asker.ifindex || !record->held(now)) return;
  auto its = *record;
  its.texts.assign(asker.client.client_id.begin(), asker.client.client_id.end());
  its.id_size = static_cast<std::uint8_t>(its.texts.size());
  put(std::move(its));
}

void LeaseTable::put(LeaseRecord record) {
  const auto number = record.address;
  place(std::move(record));
  settle(number);
}

void LeaseTable::take(LeaseRecord record) {
  drop_hold(record.address);
  put(std::move(record));
}

void LeaseTable::place(LeaseRecord record) {
  auto [it, added] = records_.try_emplace(record.address);
  auto& kept = it->second;
  // Of the same client it has its place among that client's leases already.
  const bool stays = kept.counts && kept.client() == record.client() && kept.ifindex == record.ifindex &&
                     kept.state == LeaseState::bound && record.state == LeaseState::bound &&
                     record.expires >= kept.expires;
  if (!added && !stays) forget(kept);
  static_cast<LeaseRecord&>(kept) = std::move(record);
  if (stays) return;
  if (is_rebuilt(kept)) ++rebuilt_;
  // An address that rests, or that rested, is nobody's: its last client has no claim to it.
  if (kept.state != LeaseState::declined) index_client(kept);
}

void LeaseTable::confirm(const address_v4& address) {
  const auto it = records_.find(address.to_uint());
  if (it != records_.end()) it->second.proposal = 0;
}

void LeaseTable::erase(const address_v4& address) {
  const auto it = records_.find(address.to_uint());
  if (it == records_.end()) return;
  forget(it->second);
  unfile(it->second);
  records_.erase(it);
  settle(address.to_uint());
}

std::vector<address_v4> LeaseTable::addresses() const {
  std::vector<address_v4> all;
  all.reserve(records_.size());
  for (const auto& [address, record] : records_) all.emplace_back(address);
  return all;
}

}  // namespace vrouter::dhcp
