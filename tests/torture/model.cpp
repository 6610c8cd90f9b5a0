// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/model.h"

#include <fmt/format.h>

#include <algorithm>

namespace vrouter::torture {
namespace {

constexpr std::uint16_t kFirstPort = 20000;
constexpr Span kLongAgo = 20s;
constexpr std::size_t kMaxFailures = 200;  // the first ones tell

Span length(Time from, Time to) {
  return std::chrono::duration_cast<Span>(to - from);
}

}  // namespace

void Timeline::set(Time at, Standing standing) {
  while (changes_.size() > 1 && changes_.back().first >= at) changes_.pop_back();
  changes_.emplace_back(at, standing);
}

Standing Timeline::during(Time from, Time to) const {
  std::optional<Standing> all;
  for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) {
    if (change->first > to) continue;
    if (all && *all != change->second) return Standing::changing;
    all = change->second;
    if (change->first <= from) break;
  }
  return all.value_or(Standing::changing);
}

const char* name(Flow flow) {
  switch (flow) {
    case Flow::world:
      return "to the world";
    case Flow::published:
      return "to its published port";
    case Flow::gateway:
      return "ping of the gateway";
    case Flow::arp:
      return "ARP for the gateway";
    case Flow::dns:
      return "DNS";
    case Flow::dhcp:
      return "DHCP";
  }
  std::abort();
}

Model::Model(int guests) {
  for (int i = 0; i < guests; ++i) {
    GuestModel guest;
    guest.name = fmt::format("g{:02}", i);
    guest.tap = fmt::format("tap{}", i);
    guest.address = fmt::format("10.0.5.{}", 10 + i);
    guest.mac = MacAddress{{0x52, 0x54, 0, 0x77, 0, static_cast<std::uint8_t>(i)}};
    guest.pinned = i % 2 == 0;
    guest.port = static_cast<std::uint16_t>(kFirstPort + i);
    guests_.push_back(std::move(guest));
  }
}

Model::ExcuseId Model::excuse(std::string why, Scope scope, Time from) {
  const std::lock_guard lock{mutex_};
  excuses_.push_back({std::move(why), scope, from - kSlack});
  return excuses_.size() - 1;
}

void Model::close(ExcuseId id, Time until) {
  const std::lock_guard lock{mutex_};
  excuses_.at(id).until = until;
  const auto old = Clock::now() - kLongAgo;
  while (first_open_ < excuses_.size() && excuses_[first_open_].until < old) ++first_open_;
}

void Model::set_member(int guest, Time at, Standing standing) {
  const std::lock_guard lock{mutex_};
  auto& model = guests_.at(static_cast<std::size_t>(guest));
  model.member.set(at, standing);
  if (standing == Standing::out) model.leased.reset();
}

void Model::set_published(int guest, Time at, Standing standing) {
  const std::lock_guard lock{mutex_};
  guests_.at(static_cast<std::size_t>(guest)).published.set(at, standing);
}

Standing Model::member(int guest) const {
  const std::lock_guard lock{mutex_};
  return facts(guest).member.last();
}

Standing Model::published(int guest) const {
  const std::lock_guard lock{mutex_};
  return facts(guest).published.last();
}

bool Model::leased(int guest) const {
  const std::lock_guard lock{mutex_};
  return facts(guest).leased.has_value();
}

void Model::forget_leases_since(Time at) {
  const std::lock_guard lock{mutex_};
  for (auto& guest : guests_) {
    if (guest.leased && *guest.leased >= at) guest.leased.reset();
  }
}

void Model::fail(std::string text, Time at) {
  const std::lock_guard lock{mutex_};
  if (failures_.size() < kMaxFailures) failures_.push_back({at, std::move(text)});
}

std::vector<Failure> Model::failures() const {
  const std::lock_guard lock{mutex_};
  return failures_;
}

const Model::Excuse* Model::excused(int guest, Flow flow, Time sent) const {
  for (std::size_t i = first_open_; i < excuses_.size(); ++i) {
    const auto& excuse = excuses_[i];
    if (sent < excuse.from || sent > excuse.until || excuse.scope.guest.value_or(guest) != guest) continue;
    if (excuse.scope.data || (excuse.scope.dns && flow == Flow::dns) || (excuse.scope.dhcp && flow == Flow::dhcp)) {
      return &excuse;
    }
  }
  return nullptr;
}

bool Model::open(Time sent) const {
  return std::ranges::any_of(
      excuses_.begin() + static_cast<std::ptrdiff_t>(first_open_), excuses_.end(),
      [&](const Excuse& excuse) { return excuse.scope.open && sent >= excuse.from && sent <= excuse.until; });
}

void Model::judge_lost(int guest, Flow flow, Time sent) {
  const std::lock_guard lock{mutex_};
  const auto& model = facts(guest);
  if (model.member.during(sent - kSlack, sent + kSlack) != Standing::in) return;
  if (flow == Flow::published && model.published.during(sent - kSlack, sent + kSlack) != Standing::in) return;
  const auto* excuse = excused(guest, flow, sent);
  auto& outage = outages_.try_emplace({guest, flow}, Outage{sent, sent, {}, 0, {}}).first->second;
  outage.last = sent;
  ++outage.packets;
  if (excuse != nullptr) {
    outage.why = excuse->why;
  } else if (!outage.unexcused) {
    outage.unexcused = sent;
  }
}

void Model::judge_answered(int guest, Flow flow) {
  const std::lock_guard lock{mutex_};
  if (const auto found = outages_.find({guest, flow}); found != outages_.end()) {
    end_outage(guest, flow, found->second);
    outages_.erase(found);
  }
}

void Model::end_outages() {
  const std::lock_guard lock{mutex_};
  for (const auto& [who, outage] : outages_) end_outage(who.first, who.second, outage);
  outages_.clear();
}

void Model::end_outage(int guest, Flow flow, const Outage& outage) {
  const auto lasted = length(outage.first, outage.last);
  if (outage.unexcused && failures_.size() < kMaxFailures) {
    failures_.push_back(
        {*outage.unexcused, fmt::format("{}: {}: no answer to {} packets in {} ms{}", facts(guest).name,
                                        torture::name(flow), outage.packets, lasted.count(),
                                        outage.why.empty() ? "" : ", which is more than allowed after " + outage.why)});
  } else if (!outage.unexcused) {
    auto& toll = tolls_[outage.why];
    ++toll.count;
    toll.longest = std::max(toll.longest, lasted);
  }
}

void Model::judge_arrived(int guest, Time sent, const std::string& what) {
  const std::lock_guard lock{mutex_};
  if (open(sent) || failures_.size() >= kMaxFailures) return;
  failures_.push_back({sent, facts(guest).name + ": " + what});
}

void Model::judge_left(int guest, Time sent) {
  const std::lock_guard lock{mutex_};
  const auto& model = facts(guest);
  if (model.member.during(sent - kSlack, sent + kSlack) != Standing::out) return;
  if (open(sent) || failures_.size() >= kMaxFailures) return;
  failures_.push_back({sent, model.name + " reached the world though it is no guest"});
}

void Model::judge_reached(int guest, Time sent) {
  const std::lock_guard lock{mutex_};
  const auto& model = facts(guest);
  const bool closed = model.member.during(sent - kSlack, sent + kSlack) == Standing::out ||
                      model.published.during(sent - kSlack, sent + kSlack) == Standing::out;
  if (!closed || open(sent) || failures_.size() >= kMaxFailures) return;
  failures_.push_back({sent, model.name + " was reached by a port that isn't published"});
}

void Model::note_lease(int guest) {
  const std::lock_guard lock{mutex_};
  auto& model = guests_.at(static_cast<std::size_t>(guest));
  const auto now = Clock::now();
  // One that is told while the disk is full or slow is written when it can be: the next renewal counts.
  if (!model.leased && model.member.last() == Standing::in && excused(guest, Flow::dhcp, now) == nullptr) {
    model.leased = now;
  }
}

std::string Model::outages() const {
  const std::lock_guard lock{mutex_};
  std::string text = fmt::format("{:<44} {:>8} {:>12}\n", "excused losses, by cause", "flows", "longest/ms");
  for (const auto& [why, toll] : tolls_) {
    text += fmt::format("{:<44} {:>8} {:>12}\n", why, toll.count, toll.longest.count());
  }
  return text;
}

}  // namespace vrouter::torture
