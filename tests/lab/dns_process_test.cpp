// SPDX-License-Identifier: GPL-2.0-or-later
// The DNS forwarder as the product runs it, without the rest of the daemon: caged, its sockets made by the spawner and
// bound here, behind the firewall's rules for its user. The host asks over the loopback; upstreams are there too.
#include <gmock/gmock.h>
#include <sched.h>

#include <csignal>

#include "dns/listeners.h"
#include "firewall/compile.h"
#include "firewall/nft/port.h"
#include "router/processes/dns_job.h"
#include "router/processes/dns_remote.h"
#include "tests/lab/caged_child.h"
#include "tests/unit/dns/certificates.h"
#include "tests/unit/dns/stream_upstream.h"
#include "tests/unit/dns/upstream.h"

namespace vrouter::lab {
namespace {

using boost::asio::ip::make_address;
using dns::Transport;
using dns::testing::ask;
using dns::testing::Bytes;
using dns::testing::count_of;
using dns::testing::FakeUpstream;
using dns::testing::rcode_of;
using Clock = std::chrono::steady_clock;

constexpr unsigned kServFail = 2;
const address kGateway = make_address("10.0.5.1"), kUpstream = make_address("127.0.0.9"),
              kUpstream6 = make_address("fd00::53"), kClosed = make_address("127.0.0.8");
const config::DnsServer kOverTls{kUpstream, 853, config::DnsTransport::tls, "dns.example"};

struct Table final : router::NameTable {
  [[nodiscard]] dns::Update snapshot() const override {
    return {.snapshot = true,
            .zones = {{.network = "default",
                       .domain = "guests.internal",
                       .prefixes4 = {},
                       .prefixes6 = {},
                       .listen = {kGateway}}},
            .upserts = {{.network = "default", .name = "web1", .ifindex = 77, .addresses = {make_address("10.0.5.2")}}},
            .removed = {}};
  }
};

class DnsProcess : public ::testing::Test {
 protected:
  DnsProcess() {
    if (::unshare(CLONE_NEWNET) != 0) throw_errno("unshare");
    if (std::system("ip link set lo up && ip addr add 10.0.5.1/32 dev lo && ip addr add fd00::53/128 dev lo") != 0) {
      throw LabError{"the addresses of the test's namespace can't be set"};
    }
    auto spawner =
        Spawner::fork({{[](UniqueFd) { return 0; }, router::run_dns, {}}, {kDhcpUser, kDnsUser, {}}, root_.path()});
    if (!spawner) throw LabError{spawner.error().to_string()};
    spawner_ = std::move(*spawner);
    spawner_->watch(
        io_, [this](const ChildGone& gone) { remote_->supervisor().on_gone(gone); }, [] { FAIL() << "spawner lost"; });
    load_rules();
    remote_ = router::RemoteDns::open(io_, *spawner_, table_);
    listeners_ = dns::Listeners::create(
        io_, [this](int domain, int type) { return spawner_->make_socket(Service::dns, domain, type); },
        [this](const dns::Place& place, UniqueFd bound) { remote_->listen(place, std::move(bound)); });
    remote_->apply(table_.snapshot());
    listeners_->want({kGateway});
    EXPECT_THAT(listeners_->problems(), ::testing::IsEmpty());
  }

  void load_rules() {
    auto port = firewall::open_nft();
    if (!port) throw LabError{port.error().to_string()};
    firewall::Surroundings surroundings;
    surroundings.users = firewall::ServiceUsers{.dhcp = kDhcpUser.uid, .dns = kDnsUser.uid};
    auto rules = firewall::compile({}, surroundings);
    rules.insert(firewall::upstream_elements({kUpstream, kUpstream6, kOverTls}));
    const auto done = (*port)->apply(firewall::diff(rules, {}));
    if (!done) throw LabError{done.error().to_string()};
    nft_ = std::move(*port);
  }

  bool run_until(const std::function<bool()>& done, Milliseconds limit = 20s) {
    const auto end = Clock::now() + limit;
    while (!done() && Clock::now() < end) {
      io_.restart();
      io_.run_one_for(20ms);
    }
    return done();
  }
  std::optional<Bytes> reply_on(boost::asio::ip::udp::socket& socket) {
    if (!run_until([&] { return socket.available() > 0; })) return std::nullopt;
    Bytes buffer(4096);
    buffer.resize(socket.receive(boost::asio::buffer(buffer)));
    return buffer;
  }
  std::optional<Bytes> exchange(const Bytes& query) {
    boost::asio::ip::udp::socket socket{io_};
    socket.connect({kGateway, 53});
    socket.send(boost::asio::buffer(query));
    return reply_on(socket);
  }
  std::optional<Bytes> exchange_tcp(const Bytes& query) {
    boost::asio::ip::tcp::socket socket{io_};
    socket.connect({kGateway, 53});
    Bytes framed{0, static_cast<std::uint8_t>(query.size())};
    framed.insert(framed.end(), query.begin(), query.end());
    boost::asio::write(socket, boost::asio::buffer(framed));
    if (!run_until([&] { return socket.available() > 14; })) return std::nullopt;
    Bytes buffer(socket.available());
    boost::asio::read(socket, boost::asio::buffer(buffer));
    return Bytes{buffer.begin() + 2, buffer.end()};
  }
  void kill_child() const {
    const pid_t pid = remote_->supervisor().pid();
    ASSERT_GT(pid, 0);
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
  }

  EmptyRoot root_;
  boost::asio::io_context io_;
  Table table_;
  std::unique_ptr<Spawner> spawner_;
  std::unique_ptr<firewall::NftPort> nft_;
  std::unique_ptr<router::RemoteDns> remote_;
  std::unique_ptr<dns::Listeners> listeners_;
};

TEST_F(DnsProcess, AnswersAndForwardsFromItsCage) {
  FakeUpstream upstream{io_, "127.0.0.9", [](const Bytes& q, bool tcp, const auto& reply) {
                          // A name with `t` is to be asked for over TCP.
                          if (q.at(13) == 't' && !tcp) return reply(dns::testing::answer_to(q, 0, 0x8380));
                          reply(dns::testing::answer_to(q));
                        }};
  remote_->set_upstreams({.servers = {kUpstream}, .forward = {}});
  for (const auto* name : {"web1", "www.example", "tcp.example"}) {
    const auto by_udp = exchange(ask(name)), by_tcp = exchange_tcp(ask(name));
    ASSERT_TRUE(by_udp && by_tcp) << name << ": " << remote_->supervisor().problem();
    EXPECT_EQ(count_of(*by_udp, 1), 1U) << name;
    EXPECT_EQ(count_of(*by_tcp, 1), 1U) << name;
  }
  EXPECT_TRUE(run_until([&] { return remote_->statistics().queries_tcp == 3; }));
  EXPECT_EQ(remote_->statistics().queries_udp, 3U);
  ASSERT_EQ(remote_->statistics().upstreams.size(), 1U);
  EXPECT_EQ(remote_->statistics().upstreams.front().answered, 3U);  // "tcp" once over either
  EXPECT_EQ(remote_->statistics().answered_from_cache, 2U);
  EXPECT_EQ(status_line(remote_->supervisor().pid(), "Seccomp"), "2");
}

TEST_F(DnsProcess, AsksUpstreamsByIpv6) {
  FakeUpstream upstream{io_, "fd00::53", dns::testing::good};
  remote_->set_upstreams({.servers = {kUpstream6}, .forward = {}});
  EXPECT_EQ(count_of(exchange(ask("www.example")).value(), 1), 1U);
}

TEST_F(DnsProcess, ReachesNoServerThatTheFirewallDoesNotName) {
  FakeUpstream closed{io_, "127.0.0.8", dns::testing::good}, open{io_, "127.0.0.9", dns::testing::good};
  remote_->set_upstreams({.servers = {kClosed}, .forward = {}});
  EXPECT_EQ(rcode_of(exchange(ask("a.example")).value()), kServFail);
  remote_->set_upstreams({.servers = {kClosed, kUpstream}, .forward = {}});
  EXPECT_EQ(count_of(exchange(ask("b.example")).value(), 1), 1U) << "the next server is asked";
  EXPECT_TRUE(closed.questions.empty());
}

TEST_F(DnsProcess, AsksOverTlsFromItsCageAndSoDoesTheNext) {
  const auto authority = dns::testing::make_identity({}), other = dns::testing::make_identity({});
  const auto context =
      dns::testing::server_context(dns::testing::make_identity({.names = "DNS:dns.example"}, &authority));
  dns::testing::StreamUpstream upstream{
      io_, "127.0.0.9", 853, [](const auto& from, const Bytes& q) { from->send(dns::testing::answer_to(q, 2)); },
      context.get()};
  // As many as Debian's bundle has: it doesn't fit a message.
  std::string bundle;
  for (int i = 0; i < 200; ++i) bundle += other.pem() + std::string(1000, '\n');
  remote_->set_upstreams({.servers = {kOverTls}, .forward = {}, .authorities = bundle});
  EXPECT_EQ(rcode_of(exchange(ask("a.example")).value()), kServFail);
  ASSERT_TRUE(run_until([&] {
    const auto told = remote_->statistics().upstreams;
    return !told.empty() && told.front().trouble == dns::UpstreamTrouble::untrusted;
  }));
  EXPECT_TRUE(upstream.questions.empty());
  remote_->set_upstreams({.servers = {kOverTls}, .forward = {}, .authorities = bundle + authority.pem()});
  EXPECT_EQ(count_of(exchange(ask("b.example")).value(), 1), 2U) << remote_->supervisor().problem();
  EXPECT_TRUE(run_until([&] { return remote_->statistics().upstreams.front().trouble == dns::UpstreamTrouble::none; }));
  kill_child();
  EXPECT_EQ(count_of(exchange(ask("c.example")).value(), 1), 2U) << remote_->supervisor().problem();
  EXPECT_EQ(remote_->supervisor().restarts(), 1U);
  EXPECT_EQ(status_line(remote_->supervisor().pid(), "Seccomp"), "2");
}

TEST_F(DnsProcess, ReachesNoPortThatTheFirewallDoesNotName) {
  FakeUpstream closed{io_, "127.0.0.9", dns::testing::good, 5353}, open{io_, "127.0.0.9", dns::testing::good};
  remote_->set_upstreams({.servers = {{kUpstream, 5353}}, .forward = {}});
  EXPECT_EQ(rcode_of(exchange(ask("a.example")).value()), kServFail);
  remote_->set_upstreams({.servers = {{kUpstream, 5353}, kUpstream}, .forward = {}});
  EXPECT_EQ(count_of(exchange(ask("b.example")).value(), 1), 1U);
  EXPECT_TRUE(closed.questions.empty());
}

TEST_F(DnsProcess, WhatIsAskedWhileItIsReplacedIsAnsweredByTheNext) {
  FakeUpstream upstream{io_, "127.0.0.9", dns::testing::good};
  remote_->set_upstreams({.servers = {kUpstream}, .forward = {}});
  ASSERT_TRUE(exchange(ask("web1")));
  ASSERT_TRUE(run_until([&] { return remote_->statistics().queries_udp == 1; }));
  const pid_t first = remote_->supervisor().pid();
  const auto killed = Clock::now();
  kill_child();
  const auto own = exchange(ask("web1"));
  const auto back = Clock::now() - killed;
  ASSERT_TRUE(own) << remote_->supervisor().problem();
  EXPECT_EQ(count_of(*own, 1), 1U);
  EXPECT_EQ(count_of(exchange_tcp(ask("www.example")).value(), 1), 1U);
  EXPECT_NE(remote_->supervisor().pid(), first);
  EXPECT_EQ(remote_->supervisor().restarts(), 1U);
  const auto ms = std::chrono::duration_cast<Milliseconds>(back).count();
  std::printf("killed, and a question asked then was answered %lld ms later\n", static_cast<long long>(ms));
  EXPECT_LT(ms, 5000) << "200 ms on a machine of one's own; the client's own retransmission comes no sooner";
  EXPECT_TRUE(run_until([&] { return remote_->statistics().queries_udp == 2; })) << "counted on, not anew";
}

TEST_F(DnsProcess, AQuestionToAStoppedChildWaitsForItToo) {
  ASSERT_TRUE(exchange(ask("web1")));
  ASSERT_EQ(::kill(remote_->supervisor().pid(), SIGSTOP), 0);
  boost::asio::ip::udp::socket client{io_};
  client.connect({kGateway, 53});
  client.send(boost::asio::buffer(ask("web1")));
  EXPECT_FALSE(run_until([&] { return client.available() > 0; }, 100ms));
  kill_child();
  EXPECT_TRUE(reply_on(client));
}

}  // namespace
}  // namespace vrouter::lab
