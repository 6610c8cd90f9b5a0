// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's side against a child that is played here, order by order.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <limits>

#include "router/processes/dhcp_remote.h"
#include "tests/unit/dhcp/pools.h"

namespace vrouter::router {
namespace {

using namespace dhcp::testing;  // NOLINT(google-build-using-namespace)
using namespace dhcp_verbs;     // NOLINT(google-build-using-namespace)
using dhcp::LeaseState;
using std::chrono::seconds;

class Table : public BindingTable {
 public:
  [[nodiscard]] const dhcp::Binding* by_ifindex(unsigned ifindex) const override {
    const auto found = bindings.find(ifindex);
    return found == bindings.end() ? nullptr : &found->second;
  }
  [[nodiscard]] dhcp::Update snapshot() const override {
    dhcp::Update update{.snapshot = true, .upserts = {}, .removed_ifindexes = {}};
    for (const auto& [ifindex, b] : bindings) update.upserts.push_back(b);
    update.pools = pools;
    update.leases = leases;
    return update;
  }
  std::map<unsigned, dhcp::Binding> bindings;
  std::vector<dhcp::Pool> pools;
  std::vector<dhcp::Lease> leases;
};

// The line and the child's replica behind it: what it takes in, it has read.
class Line : public Supervisor {
 public:
  explicit Line(Handlers handlers) : handlers{std::move(handlers)} {}
  bool send(Message message) override {
    if (room == 0) return false;
    --room;
    const auto order = decode_order(message.bytes);
    EXPECT_TRUE(order) << order.error();
    if (order) orders.push_back(*order);
    if (message.fd) descriptors.push_back(std::move(message.fd));
    return true;
  }
  [[nodiscard]] pid_t pid() const override { return 4711; }
  [[nodiscard]] std::string problem() const override { return {}; }
  [[nodiscard]] std::uint64_t restarts() const override { return 0; }
  void on_gone(const ChildGone& /*gone*/) override {}

  Handlers handlers;
  std::size_t room = 0;  // none: there is no child
  std::vector<Order> orders;
  std::vector<UniqueFd> descriptors;
};

dhcp::Binding numbered(unsigned ifindex) {
  auto b = binding();
  b.ifindex = ifindex;
  b.guest = b.host_name = "web" + std::to_string(ifindex);
  b.tap = "tap" + std::to_string(ifindex);
  b.address = address_v4{0x0a000500 + ifindex};
  return b;
}

class RemoteDhcpTest : public ::testing::Test {
 protected:
  RemoteDhcpTest()
      : remote_{UniqueFd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)}, table_,
                dhcp::Server::Handlers{.event = [this](const dhcp::LeaseEvent& event) { events_.push_back(event); },
                                       .commit =
                                           [this](std::vector<dhcp::Commit> commits) {
                                             for (auto& one : commits) commits_.push_back(std::move(one));
                                           },
                                       .probe = [this](const dhcp::Probe& probe) { probes_.push_back(probe); }},
                [this](Supervisor::Handlers handlers) {
                  auto line = std::make_unique<Line>(std::move(handlers));
                  line_ = line.get();
                  return line;
                },
                [this] { return now_; }} {
    for (unsigned i = 1; i <= 3; ++i) table_.bindings[i] = numbered(i);
  }

  static constexpr std::size_t kPlenty = 1'000'000;
  void start(std::size_t room = kPlenty) {
    line_->room = room;
    line_->handlers.started();
  }
  void put(unsigned ifindex, const dhcp::Binding& b) {
    table_.bindings[ifindex] = b;
    remote_.apply({.snapshot = false, .upserts = {b}, .removed_ifindexes = {}});
  }
  void remove(unsigned ifindex) {
    table_.bindings.erase(ifindex);
    remote_.apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {ifindex}});
  }
  std::vector<Order> taken() { return std::exchange(line_->orders, {}); }
  [[nodiscard]] std::vector<Order> whole_table() const {
    std::vector<Order> orders{Begin{}};
    for (const auto& [ifindex, b] : table_.bindings) orders.emplace_back(Bind{b});
    orders.emplace_back(End{});
    return orders;
  }
  // A claim of a child that has read as many orders.
  [[nodiscard]] Lease lease(unsigned ifindex, std::uint64_t orders) const {
    return {.orders = orders,
            .state = LeaseState::bound,
            .ifindex = ifindex,
            .address = address_v4{0x0a000500 + ifindex},
            .client = kGuestMac,
            .client_id = {},
            .host_name = "vm",
            .expires = now_ + seconds{3600}};
  }
  [[nodiscard]] dhcp::Commit commit(std::uint64_t id, unsigned client = 1) const {
    return {id, dhcp::testing::lease("10.9.0.10", client, now_ + seconds{3600})};
  }
  // The numbers under which the daemon knows them.
  std::vector<std::uint64_t> passed_on() {
    std::vector<std::uint64_t> ids;
    for (const auto& one : std::exchange(commits_, {})) ids.push_back(one.id);
    return ids;
  }
  std::expected<void, std::string> report(const Report& report) { return line_->handlers.message(encode(report)); }

  Table table_;
  std::vector<dhcp::LeaseEvent> events_;
  std::vector<dhcp::Commit> commits_;
  std::vector<dhcp::Probe> probes_;
  BootTime now_{seconds{1000}};
  Line* line_ = nullptr;
  RemoteDhcp remote_;
};

constexpr std::uint64_t kOrdersOfAStart = 6;  // Socket, Begin, three bindings, End

TEST_F(RemoteDhcpTest, ANewChildIsGivenTheSocketAndTheTable) {
  start();
  const auto orders = taken();
  ASSERT_EQ(orders.size(), kOrdersOfAStart);
  EXPECT_EQ(orders.front(), Order{Socket{}});
  EXPECT_EQ(std::vector(orders.begin() + 1, orders.end()), whole_table());
  ASSERT_EQ(line_->descriptors.size(), 1u);
  EXPECT_NE(::fcntl(line_->descriptors[0].get(), F_GETFD), -1);
  start();  // after it died: all of it again, on the same socket
  EXPECT_EQ(taken(), orders);
  EXPECT_EQ(line_->descriptors.size(), 2u);
}

TEST_F(RemoteDhcpTest, ChangesAreToldOneByOne) {
  start();
  taken();
  put(4, numbered(4));
  remove(2);
  EXPECT_EQ(taken(), (std::vector<Order>{Bind{numbered(4)}, Unbind{2}}));
  // A TAP made anew: the old one goes first.
  table_.bindings.erase(3);
  table_.bindings[5] = numbered(5);
  remote_.apply({.snapshot = false, .upserts = {numbered(5)}, .removed_ifindexes = {3}});
  EXPECT_EQ(taken(), (std::vector<Order>{Unbind{3}, Bind{numbered(5)}}));
  remote_.apply(table_.snapshot());
  EXPECT_EQ(taken(), whole_table());
}

TEST_F(RemoteDhcpTest, ChangesWithoutAChildCostNothingAndAreInTheNextTable) {
  put(4, numbered(4));
  start();
  taken();
  line_->room = 0;  // it died
  put(5, numbered(5));
  remove(1);
  start();
  auto orders = taken();
  orders.erase(orders.begin());
  EXPECT_EQ(orders, whole_table());
}

TEST_F(RemoteDhcpTest, AfterARefusedChangeTheTableIsToldAnewOnce) {
  start();
  taken();
  line_->room = 0;  // too far behind
  put(4, numbered(4));
  line_->room = kPlenty;
  put(5, numbered(5));
  EXPECT_TRUE(taken().empty());  // on its own this would be half of the truth
  line_->handlers.drained();
  EXPECT_EQ(taken(), whole_table());
  line_->handlers.drained();
  EXPECT_TRUE(taken().empty());
}

TEST_F(RemoteDhcpTest, ATableLargerThanTheLineGoesInParts) {
  for (unsigned i = 1; i <= 100; ++i) table_.bindings[i] = numbered(i);
  start(10);
  int parts = 1;
  for (; line_->orders.size() < 103 && parts < 100; ++parts) {
    line_->room = 10;
    line_->handlers.drained();
  }
  EXPECT_EQ(parts, 11);
  auto orders = taken();
  orders.erase(orders.begin());
  EXPECT_EQ(orders, whole_table());
}

TEST_F(RemoteDhcpTest, ATableOvertakenOnItsWayIsFollowedByANewerOne) {
  start(3);  // Socket, Begin, the first binding
  const auto before = whole_table();
  remove(1);
  put(9, numbered(9));
  line_->room = kPlenty;
  line_->handlers.drained();
  auto orders = taken();
  orders.erase(orders.begin());
  auto expected = before;
  for (const auto& order : whole_table()) expected.push_back(order);
  EXPECT_EQ(orders, expected);
  put(4, numbered(4));
  EXPECT_EQ(taken(), (std::vector<Order>{Bind{numbered(4)}}));
}

TEST_F(RemoteDhcpTest, ASocketThatWasRefusedComesWithTheNextChildOnly) {
  start(0);
  line_->room = kPlenty;
  start();
  EXPECT_EQ(taken().size(), kOrdersOfAStart);
}

TEST_F(RemoteDhcpTest, AnHonestLeaseIsPassedOn) {
  start();
  ASSERT_TRUE(report(lease(2, kOrdersOfAStart)));
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].guest, "web2");
  EXPECT_EQ(events_[0].tap, "tap2");
}

TEST_F(RemoteDhcpTest, ALieEndsTheChild) {
  start();
  EXPECT_FALSE(report(lease(4, kOrdersOfAStart)));
  auto others = lease(2, kOrdersOfAStart);
  others.address = ip("10.0.5.3");
  EXPECT_FALSE(report(others));
  EXPECT_FALSE(report(lease(2, kOrdersOfAStart + 1)));  // read what nobody sent
  EXPECT_FALSE(line_->handlers.message(std::array<std::uint8_t, 1>{99}));
  EXPECT_FALSE(line_->handlers.message(encode(Order{Unbind{1}})));
  EXPECT_TRUE(events_.empty());
}

TEST_F(RemoteDhcpTest, ALeaseThatCrossedAChangeIsDroppedAndNoLie) {
  start();
  remove(2);
  EXPECT_TRUE(report(lease(2, kOrdersOfAStart)));
  EXPECT_TRUE(events_.empty());
  EXPECT_EQ(remote_.dropped().overtaken, 1u);
  EXPECT_FALSE(report(lease(2, kOrdersOfAStart + 1)));  // it has read of the removal
  // While the change itself couldn't be told, nobody can be blamed.
  line_->room = 0;
  remove(3);
  EXPECT_TRUE(report(lease(3, kOrdersOfAStart + 1)));
  EXPECT_EQ(remote_.dropped().overtaken, 2u);
}

TEST_F(RemoteDhcpTest, AClaimBeforeAllOfATableWasSentIsNoLie) {
  start();
  line_->room = 0;
  put(4, numbered(4));
  table_.bindings[2].address = ip("10.0.5.77");
  line_->room = 1;
  line_->handlers.drained();  // Begin only: the child still serves what it had
  EXPECT_TRUE(report(lease(2, kOrdersOfAStart + 1)));
  EXPECT_TRUE(events_.empty());
}

TEST_F(RemoteDhcpTest, EachInterfaceHasItsAllowance) {
  start();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(report(lease(1, kOrdersOfAStart)));
  EXPECT_EQ(events_.size(), kLeaseBurst);
  EXPECT_EQ(remote_.dropped().too_many, 1000 - kLeaseBurst);
  ASSERT_TRUE(report(lease(2, kOrdersOfAStart)));
  EXPECT_EQ(events_.size(), kLeaseBurst + 1);
  now_ += seconds{3};
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(report(lease(1, kOrdersOfAStart)));
  EXPECT_EQ(events_.size(), kLeaseBurst + 1 + 3 * kLeasesPerSecond);
  // Neither a new child nor a new table that the child can bring about gives more.
  start();
  ASSERT_TRUE(report(lease(1, kOrdersOfAStart)));
  EXPECT_EQ(events_.size(), kLeaseBurst + 1 + 3 * kLeasesPerSecond);
  remove(1);  // another guest's from here on
  put(1, numbered(1));
  ASSERT_TRUE(report(lease(1, kOrdersOfAStart + 2)));
  EXPECT_EQ(events_.size(), kLeaseBurst + 2 + 3 * kLeasesPerSecond);
}

TEST_F(RemoteDhcpTest, StatisticsAreOfAllChildren) {
  start();
  dhcp::Statistics s;
  s.received = 5;
  s.nak = 1;
  ASSERT_TRUE(report(s));
  EXPECT_EQ(remote_.statistics(), s);
  s.received = 7;
  ASSERT_TRUE(report(s));
  start();
  EXPECT_EQ(remote_.statistics(), s);
  ASSERT_TRUE(report(s));
  EXPECT_EQ(remote_.statistics().received, 14u);
  EXPECT_EQ(remote_.statistics().nak, 2u);
}

TEST_F(RemoteDhcpTest, StatisticsOfNetworksAreOfAllMessagesAndChildren) {
  start();
  const auto counted = [](std::uint64_t discover) {
    dhcp::NetworkCounts counts;
    counts.discover = discover;
    return counts;
  };
  dhcp::Statistics s;
  s.networks = {{"a", counted(1)}, {"b", counted(2)}};
  ASSERT_TRUE(report(s));
  s.networks = {{"b", counted(3)}};  // only what changed
  ASSERT_TRUE(report(s));
  using Networks = std::map<std::string, dhcp::NetworkCounts>;
  EXPECT_EQ(remote_.statistics().networks, (Networks{{"a", counted(1)}, {"b", counted(3)}}));
  start();
  s.networks = {{"b", counted(1)}, {"c", counted(5)}};
  ASSERT_TRUE(report(s));
  EXPECT_EQ(remote_.statistics().networks, (Networks{{"a", counted(1)}, {"b", counted(4)}, {"c", counted(5)}}));
}

TEST_F(RemoteDhcpTest, NoChildNamesMoreNetworksThanThereCanBeNorDoMany) {
  std::size_t named = 0;
  const auto name_more = [&] {
    dhcp::Statistics s;
    for (std::size_t i = 0; i < kMaxNetworks; ++i) s.networks[std::to_string(named++)] = {};
    return report(s);
  };
  start();
  while (named + kMaxNetworks <= kMostNetworks) ASSERT_TRUE(name_more());
  EXPECT_FALSE(name_more());
  for (int child = 0; child < 2; ++child) {
    start();
    for (std::size_t i = 0; i + kMaxNetworks <= kMostNetworks; i += kMaxNetworks) ASSERT_TRUE(name_more());
  }
  EXPECT_LE(remote_.statistics().networks.size(), 2 * kMostNetworks);
}

TEST_F(RemoteDhcpTest, PoolsAndTheirLeasesArePartOfTheTable) {
  table_.pools = {dhcp::testing::pool()};
  for (unsigned i = 0; i < 250; ++i) table_.leases.push_back(dhcp::testing::lease("10.9.0.10", i, now_));
  start();
  const auto orders = taken();
  ASSERT_EQ(orders.size(), kOrdersOfAStart + 1 + 3);
  EXPECT_EQ(orders[5], (Order{PutPool{dhcp::testing::pool(), 0}}));
  dhcp::Update change;
  change.leases = {dhcp::testing::lease("10.9.0.10", 1, now_)};
  change.removed_pools = {"old"};
  remote_.apply(change);
  EXPECT_EQ(taken(), (std::vector<Order>{DropPool{"old"}, PutLeases{change.leases}}));
}

TEST_F(RemoteDhcpTest, CommitsArePassedOnAndTheirResultsToldWhateverTheirOrder) {
  start();
  taken();
  ASSERT_TRUE(report(Commits{{commit(1), commit(2), commit(7)}}));  // the line didn't take those between
  ASSERT_EQ(commits_.size(), 3U);
  EXPECT_EQ(commits_[0], commit(1));
  EXPECT_EQ(passed_on(), (std::vector<std::uint64_t>{1, 2, 7}));
  remote_.committed({{7, true}, {1, false}});
  remote_.committed({{2, true}});
  EXPECT_EQ(taken(), (std::vector<Order>{Committed{{{7, true}, {1, false}}}, Committed{{{2, true}}}}));
  remote_.committed({});
  EXPECT_TRUE(taken().empty());
  std::vector<dhcp::CommitResult> many;
  for (std::uint64_t id = 8; id < 8 + 250; ++id) many.push_back({id, true});
  remote_.committed(many);
  const auto orders = taken();
  ASSERT_EQ(orders.size(), 3U);
  EXPECT_EQ(std::get<Committed>(orders[0]).results.size(), kMaxLeases);
  EXPECT_EQ(std::get<Committed>(orders[2]).results.size(), 50U);
}

TEST_F(RemoteDhcpTest, CommitsAreNumberedOnFromChildToChildAndTheDeadHearNothing) {
  start();
  ASSERT_TRUE(report(Commits{{commit(1), commit(9)}}));
  EXPECT_EQ(passed_on(), (std::vector<std::uint64_t>{1, 9}));
  start();
  taken();
  remote_.committed({{1, true}});
  EXPECT_TRUE(taken().empty());
  ASSERT_TRUE(report(Commits{{commit(1), commit(2)}}));  // its own
  EXPECT_EQ(passed_on(), (std::vector<std::uint64_t>{10, 11}));
  remote_.committed({{9, true}, {10, true}, {11, false}});
  EXPECT_EQ(taken(), (std::vector<Order>{Committed{{{1, true}, {2, false}}}}));
  start();
  start();  // one that made none
  ASSERT_TRUE(report(Commits{{commit(1)}}));
  EXPECT_EQ(passed_on(), std::vector<std::uint64_t>{12});
}

TEST_F(RemoteDhcpTest, CommitsThatNoHonestChildMakesEndIt) {
  start();
  ASSERT_TRUE(report(Commits{{commit(5)}}));
  EXPECT_FALSE(report(Commits{{commit(5)}}));
  EXPECT_FALSE(report(Commits{{commit(4)}}));
  EXPECT_FALSE(report(Commits{{commit(0)}}));
  EXPECT_FALSE(report(Commits{{commit(5 + kMostSkipped + 1)}}));
  EXPECT_FALSE(report(Commits{{commit(std::numeric_limits<std::uint64_t>::max())}}));
  auto nonsense = commit(6);
  nonsense.lease.state = LeaseState::offered;
  EXPECT_FALSE(report(Commits{{nonsense}}));
  EXPECT_EQ(passed_on(), std::vector<std::uint64_t>{5});
  ASSERT_TRUE(report(Commits{{commit(5 + kMostSkipped)}}));
}

TEST_F(RemoteDhcpTest, WhatIsMoreThanTheDiskCanBeBehindIsRefusedAtOnce) {
  start();
  taken();
  std::uint64_t id = 1;
  const auto commit_some = [&] {
    Commits message;
    for (std::size_t i = 0; i < kMaxLeases; ++i) message.commits.push_back(commit(id++));
    return report(message);
  };
  while (id <= kMostCommits - kMaxLeases) ASSERT_TRUE(commit_some());
  EXPECT_TRUE(taken().empty());
  ASSERT_TRUE(commit_some());
  EXPECT_EQ(commits_.size(), kMostCommits);
  const auto refused = taken();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(std::get<Committed>(refused[0]).results.size(), id - 1 - kMostCommits);
  EXPECT_EQ(std::get<Committed>(refused[0]).results[0], (dhcp::CommitResult{kMostCommits + 1, false}));
  // Whose turn has come makes room for as many.
  commits_.clear();
  remote_.committed({{1, true}, {2, true}});
  ASSERT_TRUE(commit_some());
  EXPECT_EQ(commits_.size(), 2U);
  // With another child nothing is under way.
  start();
  id = 1;
  commits_.clear();
  ASSERT_TRUE(commit_some());
  EXPECT_EQ(commits_.size(), kMaxLeases);
}

TEST_F(RemoteDhcpTest, QuestionsArePassedOnAsFarAsTheirAllowanceGoesAndAnswersBack) {
  start();
  taken();
  const dhcp::Probe probe{dhcp::testing::kBridge, ip("10.9.0.10")};
  ASSERT_TRUE(report(Ask{probe}));
  EXPECT_EQ(probes_, std::vector{probe});
  remote_.heard(probe, kOtherMac);
  EXPECT_EQ(taken(), (std::vector<Order>{Heard{probe, kOtherMac}}));
  for (unsigned i = 0; i < 2 * kProbeBurst; ++i) ASSERT_TRUE(report(Ask{probe}));
  EXPECT_EQ(probes_.size(), kProbeBurst);
  EXPECT_EQ(remote_.dropped().too_many, kProbeBurst + 1);
  now_ += seconds{1};
  for (unsigned i = 0; i < kProbeBurst; ++i) ASSERT_TRUE(report(Ask{probe}));
  EXPECT_EQ(probes_.size(), kProbeBurst + kProbesPerSecond);
}

}  // namespace
}  // namespace vrouter::router
