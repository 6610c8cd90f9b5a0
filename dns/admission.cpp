// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/admission.h"

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "dns/names.h"

namespace vrouter::dns {

namespace {

constexpr std::size_t kMaxPending = 8192;          // answers held; more than the daemon takes within the deadline
constexpr std::size_t kMaxKnownPerGuest = 4096;    // names with an address each; a guest that has more is asked anew
constexpr std::size_t kMaxKnownGuests = 20'000;    // more than a host has: TAPs that went are among them
constexpr std::size_t kMaxKnownInAll = 262'144;    // some 25 MB
constexpr std::uint16_t kHintV4 = 4, kHintV6 = 6;  // SvcParamKeys, RFC 9460 section 14.3.2

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
};
using Texts = std::unordered_set<std::string, TextHash, std::equal_to<>>;

std::string_view text_of(std::span<const std::uint8_t> bytes) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct Key {
  std::size_t name = 0;  // its hash
  address its;
  bool operator==(const Key&) const = default;
};
struct KeyHash {
  std::size_t operator()(const Key& key) const noexcept { return key.name ^ std::hash<address>{}(key.its); }
};
std::size_t hash_of(const Name& name) {
  return std::hash<std::string_view>{}(text_of(name.wire()));
}

void add(const address& one, std::uint32_t ttl, Told& told) {
  told.ttl = std::max(told.ttl, ttl);
  if (std::ranges::find(told.addresses, one) == told.addresses.end()) told.addresses.push_back(one);
}

address_v6 take_v6(WireReader& r) {
  address_v6::bytes_type bytes{};
  const auto taken = r.take(bytes.size());
  if (taken.size() == bytes.size()) std::ranges::copy(taken, bytes.begin());
  return address_v6{bytes};
}

// The target's name comes uncompressed (RFC 9460 section 2.2).
void add_hints(const Record& record, Told& told) {
  WireReader r{record.rdata};
  r.skip(2);
  for (unsigned length = r.u8(); length != 0 && !r.failed(); length = r.u8()) r.skip(length);
  while (!r.empty() && !r.failed()) {
    const auto key = r.u16();
    WireReader value{r.take(r.u16())};
    while ((key == kHintV4 || key == kHintV6) && !value.empty()) {
      const address hint = key == kHintV4 ? address{address_v4{value.u32()}} : address{take_v6(value)};
      if (value.failed()) return;
      add(hint, record.ttl, told);
    }
  }
}

void add_addresses(const Record& record, Told& told) {
  if (record.klass != kClassIn) return;
  WireReader r{record.rdata};
  if (record.type == type::a && record.rdata.size() == 4) add(address_v4{r.u32()}, record.ttl, told);
  if (record.type == type::aaaa && record.rdata.size() == 16) add(take_v6(r), record.ttl, told);
  if (record.type == type::svcb || record.type == type::https) add_hints(record, told);
}

// At the first record of the answer section, whose length it returns; nothing: no message with one question.
std::optional<unsigned> to_answers(std::span<const std::uint8_t> message, WireReader& r, unsigned& authority) {
  r.skip(4);
  const unsigned questions = r.u16(), answers = r.u16();
  authority = r.u16();
  r.skip(2);
  if (questions != 1 || !Name::decode(message, r)) return std::nullopt;
  r.skip(4);
  return r.failed() ? std::nullopt : std::optional{answers};
}

}  // namespace

Told told_by(std::span<const std::uint8_t> message) {
  Told told;
  WireReader r{message};
  unsigned authority = 0;
  for (auto left = to_answers(message, r, authority).value_or(0); left > 0; --left) {
    const auto record = decode_record(message, r);
    if (!record) break;
    add_addresses(*record, told);
  }
  return told;
}

Bytes without_additional(std::span<const std::uint8_t> message) {
  WireReader r{message};
  unsigned authority = 0;
  const auto answers = to_answers(message, r, authority);
  for (auto left = answers.value_or(0) + authority; left > 0; --left) {
    if (!decode_record(message, r)) break;
  }
  const auto end = message.size() - r.rest().size();
  Bytes kept(message.begin(), message.begin() + static_cast<std::ptrdiff_t>(answers ? end : message.size()));
  constexpr std::size_t kAdditionalCount = 10;
  if (answers) kept[kAdditionalCount] = kept[kAdditionalCount + 1] = 0;
  return kept;
}

struct Admission::State : std::enable_shared_from_this<State> {
  struct Pending {
    unsigned guest = 0;
    std::size_t name = 0;
    std::vector<address> addresses;
    Done done;
  };
  using Known = std::unordered_map<Key, BootTime, KeyHash>;  // until when it is let in

  State(boost::asio::io_context& io, Ask to_ask) : ask{std::move(to_ask)}, timer{io} {}

  Ask ask;
  Texts exact, below;                         // on the wire, in lower case; `below` without the label above
  std::unordered_set<unsigned> unconcerned;   // guests that no such rule speaks of
  std::unordered_map<unsigned, Known> known;  // by guest
  std::size_t known_in_all = 0;
  std::unordered_map<std::uint64_t, Pending> pending;  // by number
  std::deque<std::pair<BootTime, std::uint64_t>> deadlines;
  std::uint64_t number = 0;
  boost::asio::basic_waitable_timer<BootClock> timer;
  bool waiting = false;
  std::uint64_t admitted = 0, refused = 0, failed = 0;

  void forget_all() {
    unconcerned.clear();
    known.clear();
    known_in_all = 0;
  }

  void forget(unsigned guest) {
    const auto its = known.find(guest);
    if (its == known.end()) return;
    known_in_all -= its->second.size();
    known.erase(its);
  }

  [[nodiscard]] bool is_in(unsigned guest, std::size_t name, const Told& told, BootTime now) const {
    const auto its = known.find(guest);
    if (its == known.end()) return false;
    const auto until = now + std::chrono::seconds{told.ttl};
    return std::ranges::all_of(told.addresses, [&](const address& one) {
      const auto found = its->second.find(Key{name, one});
      return found != its->second.end() && found->second >= until;
    });
  }

  // What is forgotten is asked for again, no more.
  void remember(const Pending& held, BootTime until) {
    const auto more = held.addresses.size();
    if (const auto its = known.find(held.guest); its != known.end() && its->second.size() + more > kMaxKnownPerGuest)
      forget(held.guest);
    if (known_in_all + more > kMaxKnownInAll || known.size() > kMaxKnownGuests) {
      known.clear();
      known_in_all = 0;
    }
    auto& its = known[held.guest];
    for (const auto& one : held.addresses)
      known_in_all += its.insert_or_assign(Key{held.name, one}, until).second ? 1 : 0;
  }

  void watch() {
    if (waiting || deadlines.empty()) return;
    waiting = true;
    timer.expires_at(deadlines.front().first);
    timer.async_wait([weak = weak_from_this()](const boost::system::error_code&) {
      if (const auto self = weak.lock()) self->give_up(BootClock::now());
    });
  }

  void give_up(BootTime now) {
    waiting = false;
    while (!deadlines.empty() && (deadlines.front().first <= now || !pending.contains(deadlines.front().second))) {
      const auto late = pending.extract(std::exchange(deadlines.front().second, 0));
      deadlines.pop_front();
      if (late.empty()) continue;
      ++failed;
      late.mapped().done(false);
    }
    watch();
  }
};

Admission::Admission(boost::asio::io_context& io, Ask ask) : state_{std::make_shared<State>(io, std::move(ask))} {}

Admission::~Admission() {
  state_->pending.clear();
}

void Admission::set(const Domains& domains) {
  auto& s = *state_;
  s.forget_all();
  s.exact.clear();
  s.below.clear();
  for (const auto& domain : domains.names) {
    const bool all_below = domain.starts_with("*.");
    const auto name = Name::from_text(all_below ? std::string_view{domain}.substr(2) : std::string_view{domain});
    if (name) (all_below ? s.below : s.exact).emplace(text_of(name->lower().wire()));
  }
}

void Admission::forget(unsigned guest) {
  state_->unconcerned.erase(guest);
  state_->forget(guest);
}

bool Admission::concerns(unsigned guest, std::span<const std::uint8_t> name) const noexcept {
  const auto& s = *state_;
  if ((s.exact.empty() && s.below.empty()) || guest == kLoopbackIfindex || name.size() > Name::kMaxSize) return false;
  if (s.unconcerned.contains(guest)) return false;
  std::array<std::uint8_t, Name::kMaxSize> lower{};
  std::ranges::transform(name, lower.begin(), ascii_lower);
  const auto whole = std::span<const std::uint8_t>{lower}.first(name.size());
  if (s.exact.contains(text_of(whole))) return true;
  for (auto rest = whole; rest.size() > 1 && rest.size() > rest[0] + std::size_t{1};) {
    rest = rest.subspan(rest[0] + std::size_t{1});
    if (s.below.contains(text_of(rest))) return true;
  }
  return false;
}

void Admission::let_in(unsigned guest, const Name& name, std::span<const std::uint8_t> message, BootTime now,
                       Done done) {
  auto& s = *state_;
  auto told = told_by(message);
  const auto hash = hash_of(name.lower());
  if (told.addresses.empty() || s.is_in(guest, hash, told, now)) return done(true);
  if (s.pending.size() >= kMaxPending || !s.ask) {
    ++s.failed;
    return done(false);
  }
  AdmissionRequest request{.number = ++s.number,
                           .ifindex = guest,
                           .name = name.lower().to_text(),
                           .addresses = std::move(told.addresses),
                           .ttl = told.ttl};
  request.addresses.resize(std::min(request.addresses.size(), kMaxAdmitted));
  s.pending.emplace(request.number, State::Pending{guest, hash, request.addresses, std::move(done)});
  s.deadlines.emplace_back(now + kAdmissionDeadline, request.number);
  s.watch();
  s.ask(request);
}

void Admission::answered(const AdmissionReply& reply, BootTime now) {
  auto& s = *state_;
  const auto node = s.pending.extract(reply.number);
  if (node.empty()) return;  // too late
  const auto& held = node.mapped();
  switch (reply.outcome) {
    case AdmissionReply::Outcome::failed:
      ++s.failed;
      return held.done(false);
    case AdmissionReply::Outcome::unconcerned:
      if (s.unconcerned.size() > kMaxKnownGuests) s.unconcerned.clear();
      s.unconcerned.insert(held.guest);
      return held.done(true);
    case AdmissionReply::Outcome::admitted:
      s.admitted += reply.admitted;
      s.refused += reply.refused;
      s.remember(held, now + std::chrono::seconds{reply.seconds});
      return held.done(true);
  }
}

void Admission::add_to(Statistics& all) const {
  all.admitted += state_->admitted;
  all.refused_admission += state_->refused;
  all.failed_admission += state_->failed;
}

}  // namespace vrouter::dns
