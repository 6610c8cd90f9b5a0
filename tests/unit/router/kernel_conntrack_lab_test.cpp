// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <gmock/gmock.h>

#include <cerrno>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "lab_netns.h"
#include "router/kernel/conntrack.h"

extern "C" {
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>
}

namespace vrouter::router {
namespace {

using testing::ElementsAre;

class ConntrackLab : public NamespaceTest {
 protected:
  void SetUp() override {
    NamespaceTest::SetUp();
    handle_ = nfct_open(CONNTRACK, 0);
    ASSERT_NE(handle_, nullptr);
    auto opened = ConntrackFlusher::open(io);
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    flusher = std::move(*opened);
  }
  void TearDown() override {
    flusher.reset();
    if (handle_ != nullptr) nfct_close(handle_);
  }

  // A UDP entry; `reply_source` differs from `to` where the destination was translated, `reply_to` from `from` where
  // the source was.
  void add(std::uint16_t port, const char* from, const char* to, const char* reply_source,
           const char* reply_to = nullptr) {
    nf_conntrack* entry = nfct_new();
    nfct_set_attr_u8(entry, ATTR_L3PROTO, AF_INET);
    nfct_set_attr_u32(entry, ATTR_IPV4_SRC, ::inet_addr(from));
    nfct_set_attr_u32(entry, ATTR_IPV4_DST, ::inet_addr(to));
    nfct_set_attr_u8(entry, ATTR_L4PROTO, IPPROTO_UDP);
    nfct_set_attr_u16(entry, ATTR_PORT_SRC, htons(port));
    nfct_set_attr_u16(entry, ATTR_PORT_DST, htons(53));
    nfct_setobjopt(entry, NFCT_SOPT_SETUP_REPLY);
    if (std::string{to} != reply_source) nfct_set_attr_u32(entry, ATTR_DNAT_IPV4, ::inet_addr(reply_source));
    if (reply_to != nullptr) nfct_set_attr_u32(entry, ATTR_SNAT_IPV4, ::inet_addr(reply_to));
    nfct_set_attr_u32(entry, ATTR_TIMEOUT, 600);
    EXPECT_EQ(nfct_query(handle_, NFCT_Q_CREATE, entry), 0) << std::strerror(errno);
    nfct_destroy(entry);
  }
  void add6(std::uint16_t port, const char* from, const char* to, const char* reply_to = nullptr) {
    nf_conntrack* entry = nfct_new();
    const auto set = [entry](nf_conntrack_attr attribute, const char* text) {
      const auto bytes = boost::asio::ip::make_address_v6(text).to_bytes();
      nfct_set_attr(entry, attribute, bytes.data());
    };
    nfct_set_attr_u8(entry, ATTR_L3PROTO, AF_INET6);
    set(ATTR_IPV6_SRC, from);
    set(ATTR_IPV6_DST, to);
    nfct_set_attr_u8(entry, ATTR_L4PROTO, IPPROTO_UDP);
    nfct_set_attr_u16(entry, ATTR_PORT_SRC, htons(port));
    nfct_set_attr_u16(entry, ATTR_PORT_DST, htons(53));
    nfct_setobjopt(entry, NFCT_SOPT_SETUP_REPLY);
    if (reply_to != nullptr) set(ATTR_SNAT_IPV6, reply_to);
    nfct_set_attr_u32(entry, ATTR_TIMEOUT, 600);
    EXPECT_EQ(nfct_query(handle_, NFCT_Q_CREATE, entry), 0) << std::strerror(errno);
    nfct_destroy(entry);
  }
  // Of TCP over IPv6, untranslated.
  void add_tcp6(std::uint16_t port, const char* from, const char* to) {
    nf_conntrack* entry = nfct_new();
    in6_addr source{};
    in6_addr destination{};
    ASSERT_EQ(::inet_pton(AF_INET6, from, &source) + ::inet_pton(AF_INET6, to, &destination), 2);
    nfct_set_attr_u8(entry, ATTR_L3PROTO, AF_INET6);
    nfct_set_attr(entry, ATTR_IPV6_SRC, &source);
    nfct_set_attr(entry, ATTR_IPV6_DST, &destination);
    nfct_set_attr_u8(entry, ATTR_L4PROTO, IPPROTO_TCP);
    nfct_set_attr_u16(entry, ATTR_PORT_SRC, htons(port));
    nfct_set_attr_u16(entry, ATTR_PORT_DST, htons(443));
    nfct_set_attr_u8(entry, ATTR_TCP_STATE, TCP_CONNTRACK_ESTABLISHED);
    nfct_setobjopt(entry, NFCT_SOPT_SETUP_REPLY);
    nfct_set_attr_u32(entry, ATTR_TIMEOUT, 600);
    EXPECT_EQ(nfct_query(handle_, NFCT_Q_CREATE, entry), 0) << std::strerror(errno);
    nfct_destroy(entry);
  }
  [[nodiscard]] std::set<int> ports(std::uint32_t family = AF_INET) {
    std::set<int> found;
    nfct_callback_register(
        handle_, NFCT_T_ALL,
        [](nf_conntrack_msg_type, nf_conntrack* entry, void* data) -> int {
          static_cast<std::set<int>*>(data)->insert(ntohs(nfct_get_attr_u16(entry, ATTR_ORIG_PORT_SRC)));
          return NFCT_CB_CONTINUE;
        },
        &found);
    EXPECT_EQ(nfct_query(handle_, NFCT_Q_DUMP, &family), 0);
    nfct_callback_unregister(handle_);
    return found;
  }

  std::unique_ptr<ConntrackFlusher> flusher;

 private:
  nfct_handle* handle_ = nullptr;
};

TEST_F(ConntrackLab, ForgetsWhatAnAddressStartedWasSentAndPublishes) {
  add(1001, "10.0.5.2", "192.0.2.1", "192.0.2.1");
  add(1002, "10.0.5.1", "10.0.5.2", "10.0.5.2");
  add(1003, "198.51.100.7", "192.0.2.9", "10.0.5.2");
  add(1004, "10.0.5.3", "192.0.2.1", "192.0.2.1");
  add(1005, "198.51.100.7", "192.0.2.9", "10.0.5.3");
  ASSERT_EQ(ports().size(), 5U);
  bool done = false;
  flusher->flush({lab_v4("10.0.5.2")}, [&](Result<void> result) {
    EXPECT_TRUE(result.has_value()) << result.error().to_string();
    done = true;
  });
  EXPECT_TRUE(flusher->pending(lab_v4("10.0.5.2")));
  EXPECT_FALSE(flusher->pending(lab_v4("10.0.5.3")));
  io.run();  // ends by itself once nothing is pending
  EXPECT_TRUE(done);
  EXPECT_FALSE(flusher->pending(lab_v4("10.0.5.2")));
  EXPECT_THAT(ports(), ElementsAre(1004, 1005));
}

TEST_F(ConntrackLab, ForgetsWhatBeganWhileRulesWereMissing) {
  add(1001, "10.0.5.2", "192.0.2.80", "192.0.2.80");
  add(1002, "10.0.5.2", "192.0.2.80", "192.0.2.80", "192.0.2.1");
  add(1003, "10.0.5.2", "10.0.5.3", "10.0.5.3");
  add(1004, "10.0.7.2", "192.0.2.80", "192.0.2.80");  // of a network that is routed
  add(1005, "198.51.100.7", "192.0.2.1", "192.0.2.1");
  add(1006, "198.51.100.7", "192.0.2.1", "10.0.5.2");
  ASSERT_EQ(ports().size(), 6U);
  Translated wanted;
  wanted.inner = {boost::asio::ip::make_network_v4("10.0.5.0/24")};
  wanted.guests = {wanted.inner.front(), boost::asio::ip::make_network_v4("10.0.7.0/24")};
  bool done = false;
  flusher->flush_untranslated(wanted, [&](const Result<void>& result) { done = result.has_value(); });
  io.run();
  EXPECT_TRUE(done);
  EXPECT_THAT(ports(), ElementsAre(1002, 1003, 1004, 1005, 1006));
  io.restart();
  wanted.published = {53};
  flusher->flush_untranslated(wanted, {});
  io.run();
  EXPECT_THAT(ports(), ElementsAre(1002, 1003, 1006)) << "nobody answered 1004 either: it costs nothing";
}

TEST_F(ConntrackLab, ForgetsIpv6AndLeavesTheOtherFamilyAlone) {
  add(1001, "10.0.5.2", "192.0.2.1", "192.0.2.1");
  add6(2001, "fd76:7274:5::2", "2001:db8::80");
  add6(2002, "2001:db8::80", "fd76:7274:5::2");
  add6(2003, "fd76:7274:5::3", "2001:db8::80");
  add6(2004, "fd76:7274:5::3", "2001:db8::80", "2001:db8::1");
  ASSERT_EQ(ports(AF_INET6).size(), 4U);
  const address guest = boost::asio::ip::make_address("fd76:7274:5::2");
  flusher->flush({guest}, [](const Result<void>& result) { EXPECT_TRUE(result.has_value()); });
  EXPECT_TRUE(flusher->pending(guest));
  io.run();
  EXPECT_THAT(ports(AF_INET6), ElementsAre(2003, 2004));
  io.restart();
  Translated wanted;
  wanted.inner = {boost::asio::ip::make_network_v6("fd76:7274:5::/64")};
  wanted.guests = wanted.inner;
  flusher->flush_untranslated(wanted, {});
  io.run();
  EXPECT_THAT(ports(AF_INET6), ElementsAre(2004)) << "2003 left untranslated";
  EXPECT_THAT(ports(), ElementsAre(1001));
}

TEST_F(ConntrackLab, ForgetsWhatIsDeniedAndNothingElse) {
  add(1001, "10.0.5.2", "192.0.2.80", "192.0.2.80", "192.0.2.1");
  add(1002, "198.51.100.7", "192.0.2.1", "10.0.5.2");
  add(1003, "10.0.5.3", "192.0.2.80", "192.0.2.80");
  add_tcp6(1004, "fd76:7274:5::2", "2001:db8::7");
  add_tcp6(1005, "fd76:7274:5::3", "2001:db8::7");
  ASSERT_EQ(ports(AF_UNSPEC).size(), 5U);
  std::map<int, std::string> seen;
  std::set<std::thread::id> asked_on;
  Result<void> result = std::unexpected(KernelError{});
  flusher->flush_denied(
      [&](const Connection& connection) {
        asked_on.insert(std::this_thread::get_id());
        seen[connection.source_port] = connection.source.to_string() + " > " + connection.destination.to_string() +
                                       " > " + connection.target.to_string() + " " +
                                       std::to_string(connection.protocol) + "/" +
                                       std::to_string(connection.destination_port);
        return connection.source_port % 2 == 0;
      },
      [&](Result<void> done) { result = std::move(done); });
  io.run();
  EXPECT_TRUE(result.has_value()) << result.error().to_string();
  EXPECT_THAT(ports(AF_UNSPEC), ElementsAre(1001, 1003, 1005));
  EXPECT_EQ(asked_on.size(), 1U);
  EXPECT_FALSE(asked_on.contains(std::this_thread::get_id())) << "the loop has other things to do";
  EXPECT_EQ(seen[1001], "10.0.5.2 > 192.0.2.80 > 192.0.2.80 17/53");
  EXPECT_EQ(seen[1002], "198.51.100.7 > 192.0.2.1 > 10.0.5.2 17/53") << "as the first packet was";
  EXPECT_EQ(seen[1004], "fd76:7274:5::2 > 2001:db8::7 > 2001:db8::7 6/443");
}

// Two walks in one, whatever families each of them asks for.
TEST_F(ConntrackLab, WalksOnceForAllThatIsAskedMeanwhile) {
  add(1001, "10.0.5.2", "192.0.2.80", "192.0.2.80");
  add_tcp6(1002, "fd76:7274:5::2", "2001:db8::7");
  add_tcp6(1003, "fd76:7274:5::3", "2001:db8::7");
  flusher->flush({lab_v4("10.0.5.2"), lab_v4("0.0.0.0")}, {});
  flusher->flush_denied([](const Connection& connection) { return connection.source_port == 1002; }, {});
  io.run();
  EXPECT_THAT(ports(AF_UNSPEC), ElementsAre(1003));
}

TEST_F(ConntrackLab, WhoeverWaitsIsCalledWhenTheLastFlushOfTheAddressIsDone) {
  std::vector<std::string> order;
  flusher->when_flushed(lab_v4("10.0.5.2"), [&](const Result<void>&) { order.emplace_back("at once"); });
  EXPECT_THAT(order, ElementsAre("at once"));
  flusher->flush({lab_v4("10.0.5.2"), lab_v4("10.0.5.3")}, [](const Result<void>&) {});
  flusher->flush({lab_v4("10.0.5.2")}, [](const Result<void>&) {});
  flusher->when_flushed(lab_v4("10.0.5.2"), [&](const Result<void>&) {
    EXPECT_FALSE(flusher->pending(lab_v4("10.0.5.2")));
    order.emplace_back("later");
  });
  EXPECT_EQ(order.size(), 1U);
  io.run();
  EXPECT_THAT(order, ElementsAre("at once", "later"));
}

TEST_F(ConntrackLab, GoesWithRequestsUnderWay) {
  bool called = false;
  flusher->flush({lab_v4("10.0.5.2")}, [&](const Result<void>&) { called = true; });
  flusher.reset();
  io.run();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace vrouter::router
