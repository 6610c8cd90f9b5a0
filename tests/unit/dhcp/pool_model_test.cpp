// SPDX-License-Identifier: GPL-2.0-or-later
// The lease table against a model of it that has no index: lists that are gone through from end to end, by the words of
// pool.h. VROUTER_SEED=N plays another game.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "dhcp/pool.h"
#include "tests/unit/dhcp/pools.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;

constexpr unsigned kOperations = 6000;

unsigned link_of(unsigned client) {
  return client % 2 == 0 ? kBridge : kOtherBridge;
}

struct Held {
  unsigned client = 0;
  LeaseState state = LeaseState::bound;
  BootTime expires;
  [[nodiscard]] bool live(BootTime now) const { return state == LeaseState::bound && expires > now; }
  [[nodiscard]] bool ended(BootTime now) const {
    return expires <= now || state == LeaseState::released || state == LeaseState::expired;
  }
};

struct Kept {
  HoldKind kind = HoldKind::offered;
  unsigned client = 0;
  BootTime since, until;
  std::uint64_t turn = 0;  // the order in which they were offered
};

// Addresses are numbers here.
class Model {
 public:
  explicit Model(const Pool& pool) : pool_{pool} {}

  void change(const Pool& pool) {
    pool_ = pool;
    std::erase_if(holds, [&](const auto& hold) {
      const auto& [address, kept] = hold;
      return kept.kind == HoldKind::avoided ? !in_range(address) : !may_have(kept.client, address);
    });
  }

  [[nodiscard]] bool in_range(std::uint32_t a) const { return pool_.range.contains(address_v4{a}); }
  [[nodiscard]] std::optional<std::uint32_t> reserved_for(unsigned client) const {
    for (const auto& r : pool_.reservations) {
      if (r.mac == mac(client)) return r.address.to_uint();
    }
    return std::nullopt;
  }
  [[nodiscard]] bool anybodys(std::uint32_t a) const {
    const auto is_it = [&](const auto& r) { return r.address.to_uint() == a; };
    const auto has_it = [&](const auto& range) { return range.contains(address_v4{a}); };
    return in_range(a) && std::ranges::none_of(pool_.reservations, is_it) &&
           std::ranges::none_of(pool_.excluded, has_it);
  }
  [[nodiscard]] bool may_have(unsigned client, std::uint32_t a) const {
    return reserved_for(client) == a || anybodys(a);
  }
  [[nodiscard]] const Kept* hold(std::uint32_t a, BootTime now) const {
    const auto it = holds.find(a);
    return it == holds.end() || it->second.until <= now ? nullptr : &it->second;
  }
  [[nodiscard]] const Held* lease(std::uint32_t a) const {
    const auto it = leases.find(a);
    return it == leases.end() ? nullptr : &it->second;
  }
  [[nodiscard]] bool free_for(unsigned client, std::uint32_t a, BootTime now) const {
    if (!may_have(client, a)) return false;
    const auto* kept = hold(a, now);
    if (kept != nullptr && (kept->kind == HoldKind::avoided || kept->client != client)) return false;
    const auto* held = lease(a);
    return held == nullptr || held->ended(now) || (held->live(now) && held->client == client);
  }
  // Of a client the table knows one lease: what it has, or had last.
  [[nodiscard]] std::optional<std::uint32_t> known_of(unsigned client) const {
    const auto it = known.find(client);
    return it == known.end() ? std::nullopt : std::optional{it->second};
  }
  [[nodiscard]] std::optional<std::uint32_t> offered_to(unsigned client, BootTime now) const {
    for (const auto& [a, kept] : holds) {
      if (kept.kind != HoldKind::avoided && kept.client == client && kept.until > now) return a;
    }
    return std::nullopt;
  }

  // What may be chosen: one address, or of those that nobody ever had any; empty: nothing.
  [[nodiscard]] std::set<std::uint32_t> choices(unsigned client, std::optional<std::uint32_t> wanted,
                                                BootTime now) const {
    if (const auto own = own_of(client, now)) return {*own};
    if (wanted && free_for(client, *wanted, now)) return {*wanted};
    std::set<std::uint32_t> never;
    std::optional<std::pair<BootTime, std::uint32_t>> longest;
    for (auto a = pool_.range.first.to_uint(); a <= pool_.range.last.to_uint(); ++a) {
      if (!anybodys(a) || hold(a, now) != nullptr) continue;
      const auto* held = lease(a);
      if (held == nullptr) {
        never.insert(a);
      } else if (held->ended(now) && (!longest || std::pair{held->expires, a} < *longest)) {
        longest = {held->expires, a};
      }
    }
    if (!never.empty()) return never;
    if (longest) return {longest->second};
    if (const auto untaken = untaken_offer(now)) return {*untaken};
    return {};
  }

  [[nodiscard]] Claim claim(unsigned client, std::uint32_t a, BootTime now) const {
    if (!may_have(client, a)) return Claim::refuse;
    const auto* kept = hold(a, now);
    if (kept != nullptr && kept->kind == HoldKind::avoided) return Claim::silent;
    if (!free_for(client, a, now)) return Claim::refuse;
    if (kept != nullptr) return kept->kind == HoldKind::offered ? Claim::grant : Claim::silent;
    const auto reserved = reserved_for(client);
    if (reserved && *reserved != a && free_for(client, *reserved, now)) return Claim::refuse;
    if (reserved == a) return Claim::grant;
    if (const auto* held = lease(a); held != nullptr && held->client != client) return Claim::refuse;
    const auto other = known_of(client);
    const bool has_another = other && *other != a && lease(*other)->live(now) && free_for(client, *other, now);
    return has_another ? Claim::refuse : Claim::grant;
  }

  void keep(unsigned client, std::uint32_t a, HoldKind kind, BootTime now) {
    std::erase_if(holds,
                  [&](const auto& h) { return h.second.kind != HoldKind::avoided && h.second.client == client; });
    holds[a] = {kind, client, now, now + kOfferTime, ++turns_};
  }
  void put(std::uint32_t a, const Held& held) {
    forget(a);
    leases[a] = held;
    if (held.state == LeaseState::declined) return;
    const auto worth = [](const Held& h) { return std::pair(h.state == LeaseState::bound, h.expires); };
    const auto other = known_of(held.client);
    if (!other || worth(leases.at(*other)) <= worth(held)) known[held.client] = a;
  }
  void erase(std::uint32_t a) {
    forget(a);
    leases.erase(a);
  }

  std::map<std::uint32_t, Held> leases;
  std::map<std::uint32_t, Kept> holds;
  std::map<unsigned, std::uint32_t> known;

 private:
  void forget(std::uint32_t a) {
    std::erase_if(known, [&](const auto& k) { return k.second == a; });
  }
  [[nodiscard]] std::optional<std::uint32_t> own_of(unsigned client, BootTime now) const {
    if (const auto reserved = reserved_for(client); reserved && free_for(client, *reserved, now)) return reserved;
    const auto before = known_of(client);
    const bool usable = before && free_for(client, *before, now);
    if (usable && lease(*before)->live(now)) return before;
    if (const auto offered = offered_to(client, now); offered && free_for(client, *offered, now)) return offered;
    return usable ? before : std::nullopt;
  }
  [[nodiscard]] std::optional<std::uint32_t> untaken_offer(BootTime now) const {
    std::map<std::uint64_t, std::uint32_t> by_turn;
    for (const auto& [a, kept] : holds) {
      if (kept.kind == HoldKind::offered && kept.until > now) by_turn.emplace(kept.turn, a);
    }
    for (const auto& [turn, a] : by_turn) {
      if (holds.at(a).since + kFirmOffer > now) return std::nullopt;
      if (anybodys(a) && (lease(a) == nullptr || lease(a)->ended(now))) return a;
    }
    return std::nullopt;
  }

  Pool pool_;
  std::uint64_t turns_ = 0;
};

// Both at once, and that they agree.
class Game {
 public:
  Game(const Pool& pool, unsigned seed)
      : pool_{pool},
        table_{pool},
        model_{pool},
        random_{seed},
        clients_{2 * (pool.range.last.to_uint() - pool.range.first.to_uint() + 1)} {}

  void play() {
    for (unsigned i = 0; i < kOperations && !::testing::Test::HasFailure(); ++i) {
      step();
      agree();
      if (::testing::Test::HasFailure()) ADD_FAILURE() << "in operation " << i;
    }
    // It was a game of all that can happen.
    EXPECT_GT(chosen_, kOperations / 10);
    EXPECT_GT(granted_, kOperations / 20);
    EXPECT_GT(refused_, 0u);
    EXPECT_GT(none_left_, 0u);
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  // One of the range, or just outside.
  std::uint32_t any_address() {
    const auto first = pool_.range.first.to_uint(), last = pool_.range.last.to_uint();
    return below(20) == 0 ? first - 1 + below(2) * (last - first + 2) : first + below(last - first + 1);
  }
  static Asker asker(unsigned client) { return {{mac(client), {}}, {}, link_of(client)}; }

  void step() {
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return discover(below(clients_));
      case 5:
      case 6:
      case 7:
        return request_offered();
      case 8:
        return request(below(clients_), any_address());
      case 9:
        return end(below(clients_), LeaseState::released);
      case 10:
        return below(4) == 0 ? end(below(clients_), LeaseState::declined) : renew(below(clients_));
      case 11:
        return below(4) == 0 ? avoid(any_address()) : renew(below(clients_));
      case 12:
        return below(4) == 0 ? forget(any_address()) : expire();
      case 13:
        return below(8) == 0 ? change() : pass();
      default:
        return pass();
    }
  }

  void pass() { now_ += std::chrono::milliseconds{below(24) == 0 ? below(200'000) : below(1000)}; }

  void discover(unsigned client) {
    const auto wanted = below(3) == 0 ? std::optional{any_address()} : std::nullopt;
    const auto expected = model_.choices(client, wanted, now_);
    const auto address = table_.choose(asker(client), wanted ? std::optional{address_v4{*wanted}} : std::nullopt, now_);
    if (!address) {
      ++none_left_;
      EXPECT_TRUE(expected.empty()) << client << " is to have " << address_v4{*expected.begin()};
      return;
    }
    ++chosen_;
    ASSERT_TRUE(expected.contains(address->to_uint())) << client << " was given " << *address;
    // An offer that nobody took is no longer.
    if (const auto* kept = model_.hold(address->to_uint(), now_); kept != nullptr && kept->client != client)
      model_.holds.erase(address->to_uint());
    const auto kind = below(8) == 0 ? HoldKind::probing : HoldKind::offered;
    table_.hold(asker(client), *address, kind, now_);
    model_.keep(client, address->to_uint(), kind, now_);
  }
  void request_offered() {
    std::vector<std::pair<unsigned, std::uint32_t>> offered;
    for (const auto& [address, kept] : model_.holds) {
      if (kept.kind != HoldKind::avoided) offered.emplace_back(kept.client, address);
    }
    if (offered.empty()) return;
    const auto [client, address] = offered[below(static_cast<unsigned>(offered.size()))];
    request(client, address);
  }
  void request(unsigned client, std::uint32_t address) {
    const auto claim = table_.claim(asker(client), address_v4{address}, now_);
    ASSERT_EQ(claim, model_.claim(client, address, now_)) << client << " asks for " << address_v4{address};
    if (claim != Claim::grant) {
      ++refused_;
      return;
    }
    ++granted_;
    const auto* held = model_.lease(address);
    ASSERT_TRUE(held == nullptr || held->client == client || held->ended(now_)) << "twice: " << address_v4{address};
    write(address, {client, LeaseState::bound, now_ + seconds{30 + below(1200)}}, true);
  }
  void renew(unsigned client) {
    const auto address = model_.known_of(client);
    if (address && model_.lease(*address)->live(now_)) request(client, *address);
  }
  void end(unsigned client, LeaseState state) {
    const auto address = model_.known_of(client);
    if (!address || !model_.lease(*address)->live(now_)) return;
    write(*address, {client, state, state == LeaseState::declined ? now_ + seconds{100} : now_}, false);
  }
  // The daemon says so of one that ended.
  void expire() {
    for (const auto& [address, held] : model_.leases) {
      if (held.state != LeaseState::bound || held.live(now_)) continue;
      auto expired = held;
      expired.state = LeaseState::expired;
      return write(address, expired, false);
    }
  }
  void write(std::uint32_t address, const Held& held, bool taken) {
    Lease lease{.network = "office",
                .address = address_v4{address},
                .ifindex = link_of(held.client),
                .client = {mac(held.client), {}},
                .host_name = {},
                .state = held.state,
                .expires = held.expires};
    taken ? table_.take(record_of(lease)) : table_.put(record_of(lease));
    model_.put(address, held);
    if (taken) model_.holds.erase(address);
  }
  void avoid(std::uint32_t address) {
    table_.avoid(address_v4{address}, now_);
    model_.holds[address] = {HoldKind::avoided, 0, now_, now_ + kAvoidTime, 0};
  }
  void forget(std::uint32_t address) {
    table_.erase(address_v4{address});
    model_.erase(address);
  }
  // Some addresses in the middle are nobody's for a while.
  void change() {
    const auto middle = pool_.range.first.to_uint() + 3;
    pool_.excluded.clear();
    if (below(2) == 0) pool_.excluded = {{address_v4{middle}, address_v4{middle + 2}}};
    table_.change(pool_);
    model_.change(pool_);
  }

  void agree() {
    EXPECT_EQ(table_.size(), model_.leases.size());
    for (auto a = pool_.range.first.to_uint() - 1; a <= pool_.range.last.to_uint() + 1; ++a) agree_on(a);
    for (unsigned client = 0; client < clients_; ++client) {
      const auto* record = table_.find(asker(client), now_);
      const auto known = model_.known_of(client);
      ASSERT_EQ(record != nullptr, known.has_value()) << "of client " << client;
      if (known) ASSERT_EQ(address_v4{record->address}, address_v4{*known}) << "of client " << client;
    }
  }
  void agree_on(std::uint32_t a) {
    const auto* record = table_.find(address_v4{a});
    const auto* held = model_.lease(a);
    ASSERT_EQ(record != nullptr, held != nullptr) << address_v4{a};
    if (held != nullptr) {
      EXPECT_EQ(record->hardware, mac(held->client)) << address_v4{a};
      EXPECT_EQ(record->state, held->state) << address_v4{a};
      EXPECT_EQ(record->expires, held->expires) << address_v4{a};
    }
    const auto* hold = table_.hold_of(address_v4{a}, now_);
    const auto* kept = model_.hold(a, now_);
    ASSERT_EQ(hold != nullptr, kept != nullptr) << address_v4{a};
    if (kept == nullptr) return;
    EXPECT_EQ(hold->kind, kept->kind) << address_v4{a};
    EXPECT_EQ(hold->until, kept->until) << address_v4{a};
    if (kept->kind != HoldKind::avoided) EXPECT_EQ(hold->client.hardware, mac(kept->client)) << address_v4{a};
  }

  Pool pool_;
  LeaseTable table_;
  Model model_;
  std::mt19937 random_;
  BootTime now_{seconds{10'000}};
  const unsigned clients_;  // twice as many as there are addresses
  unsigned chosen_ = 0, granted_ = 0, refused_ = 0, none_left_ = 0;
};

struct Shape {
  const char* name;
  const char* last;
  bool from_the_end;
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << shape.name; }
};

class LeaseTableModel : public ::testing::TestWithParam<std::tuple<Shape, unsigned>> {};

TEST_P(LeaseTableModel, SaysTheSame) {
  const auto& [shape, number] = GetParam();
  const auto* given = std::getenv("VROUTER_SEED");
  const auto seed = given == nullptr ? number : static_cast<unsigned>(std::strtoul(given, nullptr, 10));
  SCOPED_TRACE("VROUTER_SEED=" + std::to_string(seed));
  auto game_pool = pool();
  game_pool.range = {ip("10.9.0.10"), ip(shape.last)};
  game_pool.from_the_end = shape.from_the_end;
  config::Reservation inside, outside;
  inside.mac = mac(3);
  inside.address = ip("10.9.0.12");
  outside.mac = mac(4);
  outside.address = ip("10.9.0.9");
  game_pool.reservations = {inside, outside};
  Game{game_pool, seed}.play();
}

INSTANTIATE_TEST_SUITE_P(, LeaseTableModel,
                         ::testing::Combine(::testing::Values(Shape{"Ten", "10.9.0.19", false},
                                                              Shape{"Eighty", "10.9.0.89", false},
                                                              Shape{"EightyFromTheEnd", "10.9.0.89", true}),
                                            ::testing::Values(1u, 2u, 3u)),
                         [](const auto& info) {
                           return std::string{std::get<0>(info.param).name} + std::to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace vrouter::dhcp
