// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's side against a child that is played here, order by order.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "router/processes/dhcp_remote.h"
#include "tests/unit/dhcp/packets.h"

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
    return update;
  }
  std::map<unsigned, dhcp::Binding> bindings;
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
                dhcp::Server::Handlers{.event = [this](const dhcp::LeaseEvent& event) { events_.push_back(event); }},
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
  std::expected<void, std::string> report(const Report& report) { return line_->handlers.message(encode(report)); }

  Table table_;
  std::vector<dhcp::LeaseEvent> events_;
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

}  // namespace
}  // namespace vrouter::router
