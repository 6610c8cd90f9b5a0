// SPDX-License-Identifier: GPL-2.0-or-later
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "fake_service.h"
#include "router/control/client.h"
#include "router/control/server.h"

namespace vrouter::router::control {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr auto kTimeout = 20s;  // only ever waited out by a test that fails

Client connect(const RunningServer& server) {
  auto client = Client::connect(server.socket, kTimeout);
  if (!client) throw std::runtime_error{client.error().message};
  return std::move(*client);
}

config::Guest guest_on(const std::string& tap) {
  config::Guest guest;
  guest.tap = tap;
  return guest;
}

TEST(ControlServer, CarriesEveryCall) {
  RunningServer server;
  auto client = connect(server);
  auto wanted = guest_on("tap0");
  wanted.name = "web1";
  wanted.address = boost::asio::ip::make_address_v4("10.0.5.2");
  const auto added = client.add_guest(wanted);
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->value.guest.name, "web1");
  EXPECT_THAT(added->json, HasSubstr(R"("address":"10.0.5.2")"));
  EXPECT_EQ(server.service.last_peer.uid, ::getuid());
  EXPECT_EQ(server.service.last_peer.pid, ::getpid());

  const config::Publish port{.host = std::nullopt, .first = 8080, .last = 8080, .guest_first = 80};
  EXPECT_EQ(client.publish("tap0", port)->value.guest.publish, std::vector{port});
  EXPECT_TRUE(client.unpublish("tap0", port)->value.guest.publish.empty());
  EXPECT_EQ(client.unpublish("tap0", port).error().kind, ClientFailure::not_found);
  EXPECT_EQ(client.list_guests()->value.size(), 1U);
  EXPECT_EQ(client.show_guest("tap0")->value, added->value);
  EXPECT_EQ(client.status()->value.health, Health::degraded);
  EXPECT_TRUE(client.list_leases()->value.empty());
  LeaseView lease;
  lease.address = boost::asio::ip::make_address_v4("10.0.5.200");
  lease.dynamic = true;
  server.service.leases = {lease};
  EXPECT_EQ(client.flush_dns("")->value.name, "");
  EXPECT_EQ(client.flush_dns("www.example")->value.name, "www.example");
  EXPECT_THAT(client.flush_dns("w w").error().message, HasSubstr("is no name"));
  EXPECT_EQ(client.release_lease(lease.address)->value, lease);
  EXPECT_EQ(client.release_lease(lease.address).error().kind, ClientFailure::not_found);
  RuleView rule;
  rule.name = "web to db";
  rule.declared_at = {"web.toml", 12, 1};
  rule.action = "allow";
  rule.from = {"group:web"};
  rule.to = {"group:db"};
  rule.services = {"tcp/5432"};
  rule.limit = "10/minute burst 5";
  rule.count = Count{3, 180};
  server.service.rule_views = {rule};
  EXPECT_EQ(client.rules()->value, std::vector{rule});
  EXPECT_EQ(client.ruleset()->value, "table inet vrouter {\n}\n");
  EXPECT_EQ(client.reload()->value.changes, std::vector<std::string>{"guest web1 is new"});
  EXPECT_EQ(client.teardown()->value, std::vector<std::string>{"removed table inet vrouter"});
  EXPECT_EQ(client.remove_guest("tap0")->value.guest.name, "web1");
  const auto gone = client.show_guest("tap0");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().kind, ClientFailure::not_found);
  EXPECT_THAT(gone.error().message, HasSubstr("there is no guest tap0"));
}

// Tells what it was given, and is over.
class ShortFeed final : public Feed {
 public:
  explicit ShortFeed(std::vector<MonitorView> told) : told_{std::move(told)} {}
  boost::asio::awaitable<std::optional<MonitorView>> next() override {
    if (next_ == told_.size()) co_return std::nullopt;
    co_return told_[next_++];
  }
  void close() override { next_ = told_.size(); }

 private:
  std::vector<MonitorView> told_;
  std::size_t next_ = 0;
};

TEST(ControlServer, CarriesAMonitorsMessagesUntilItsEnd) {
  RunningServer server;
  PacketView packet{.time = std::chrono::microseconds{1'700'000'000'123'456},
                    .action = "deny",
                    .rule = "web to db",
                    .file = "web.toml",
                    .line = 12,
                    .in = "tap0",
                    .out = "tap1",
                    .from_guest = "web1",
                    .to_guest = "db1",
                    .source = "10.0.5.2",
                    .destination = "10.0.5.3",
                    .protocol = "tcp",
                    .source_port = 41234,
                    .destination_port = 22,
                    .icmp_type = std::nullopt,
                    .icmp_code = std::nullopt};
  auto ping = packet;
  ping.source_port = ping.destination_port = std::nullopt;
  ping.icmp_type = 8;
  ping.icmp_code = 0;
  LeaseView lease;
  lease.network = "default";
  lease.host_name = "debian";
  const std::vector<MonitorView> sent{{.packet = {}, .lease = {}, .missed = 0, .notice = "nobody logs"},
                                      {.packet = packet, .lease = {}, .missed = 3, .notice = {}},
                                      {.packet = {}, .lease = lease, .lease_time = 7us, .missed = 0, .notice = {}},
                                      {.packet = ping, .lease = {}, .missed = 0, .notice = {}}};
  server.service.open_feed = [&] { return std::make_shared<ShortFeed>(sent); };
  auto client = connect(server);
  std::vector<MonitorView> told;
  const auto ended = client.monitor({}, [&](const MonitorView& view, const std::string&) {
    told.push_back(view);
    return true;
  });
  EXPECT_EQ(told, sent);
  ASSERT_FALSE(ended);
  EXPECT_THAT(ended.error().message, HasSubstr("ended the monitor"));
  auto other = connect(server);
  EXPECT_EQ(other.monitor("nobody", [](const auto&, const auto&) { return true; }).error().kind,
            ClientFailure::not_found);
  EXPECT_THAT(connect(server).call("io.vrouter.Monitor", "{}").error().message, HasSubstr("ExpectedMore"));
}

TEST(ControlServer, TellsTheClientWhatWasRefused) {
  RunningServer server;
  auto client = connect(server);
  ASSERT_TRUE(client.add_guest(guest_on("tap0")));
  const auto again = client.add_guest(guest_on("tap0"));
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ClientFailure::refused);
  EXPECT_EQ(again.error().message, "tap0 is taken already; take another TAP");
  EXPECT_EQ(again.error().json,
            R"({"error":"io.vrouter.Refused","parameters":{"reason":"tap0 is taken already; take another TAP"}})");
}

TEST(ControlServer, CarriesManyGuestsInOneAnswer) {
  RunningServer server;
  server.on_loop([&server] {
    for (int i = 0; i < 10'000; ++i) {
      GuestView view;
      view.guest.tap = "tap" + std::to_string(i);
      view.state = "ready";
      server.service.guests[view.guest.tap] = view;
    }
  });
  const auto guests = connect(server).list_guests();
  ASSERT_TRUE(guests) << guests.error().message;
  EXPECT_EQ(guests->value.size(), 10'000U);
}

TEST(ControlServer, OneClientThatWaitsHoldsUpNoOther) {
  RunningServer server;
  server.on_loop([&server] { server.service.teardown_after = 1h; });
  auto slow = connect(server);
  auto waiting = Client::connect(server.socket, 1ms);
  ASSERT_TRUE(waiting);
  EXPECT_EQ(waiting->teardown().error().kind, ClientFailure::broken);
  EXPECT_TRUE(slow.status());
  // The loop must end although the call hangs: leave nothing that keeps it.
  server.abandon();
}

TEST(ControlServer, WithoutTheGroupOnlyRootMayEnterAndTheLogSaysSo) {
  RunningServer server;
  struct stat info{};
  ASSERT_EQ(::lstat(server.socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  const auto log = server.on_loop([&server] { return server.log; });
  ASSERT_EQ(log.size(), 1U);
  EXPECT_THAT(log[0], HasSubstr("no group no-such-group"));
}

TEST(ControlServer, WithTheGroupItsMembersMayEnter) {
  RunningServer server{[](ServerOptions& options) { options.group = "root"; }};
  struct stat info{};
  ASSERT_EQ(::lstat(server.socket.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0660U);
  EXPECT_EQ(info.st_gid, 0U);
  EXPECT_TRUE(server.on_loop([&server] { return server.log; }).empty());
}

class SocketFileTest : public ::testing::Test {
 protected:
  std::expected<std::unique_ptr<Server>, std::string> open() {
    ServerOptions options;
    options.socket = socket_;
    return Server::open(io_, service_, std::move(options));
  }
  TemporaryDirectory directory_;
  std::filesystem::path socket_ = directory_ / "run" / "vrouter.sock";
  boost::asio::io_context io_;
  FakeService service_;
};

TEST_F(SocketFileTest, IsMadeWithItsDirectoryAndRemoved) {
  auto server = open();
  ASSERT_TRUE(server) << server.error();
  EXPECT_TRUE(std::filesystem::is_socket(socket_));
  server->reset();
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

TEST_F(SocketFileTest, AStaleOneIsReplaced) {
  auto dead = open();
  ASSERT_TRUE(dead);
  // What a killed daemon leaves: the file without a listener.
  std::filesystem::rename(socket_, directory_ / "kept");
  dead->reset();
  std::filesystem::rename(directory_ / "kept", socket_);
  const auto server = open();
  EXPECT_TRUE(server) << server.error();
}

TEST_F(SocketFileTest, OneInUseIsLeftAlone) {
  const auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error(), HasSubstr("another vrouterd listens there"));
  EXPECT_TRUE(Client::connect(socket_, kTimeout));
}

TEST_F(SocketFileTest, AnotherKindOfFileIsLeftAlone) {
  std::filesystem::create_directories(socket_.parent_path());
  std::ofstream{socket_} << "precious";
  const auto server = open();
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error(), HasSubstr("no socket"));
  EXPECT_EQ(std::filesystem::file_size(socket_), 8U);
}

TEST_F(SocketFileTest, ThatOfASuccessorIsNotRemoved) {
  auto old = open();
  ASSERT_TRUE(old);
  std::filesystem::remove(socket_);
  const auto successor = open();
  ASSERT_TRUE(successor);
  old->reset();
  EXPECT_TRUE(std::filesystem::is_socket(socket_));
}

TEST_F(SocketFileTest, ATooLongPathIsSaidToBe) {
  socket_ = directory_ / std::string(120, 'x');
  const auto server = open();
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error(), HasSubstr("--runtime-dir"));
}

TEST(ControlClient, SaysThatThereIsNoDaemon) {
  const TemporaryDirectory directory;
  const auto client = Client::connect(directory / "vrouter.sock", kTimeout);
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().kind, ClientFailure::no_daemon);
  EXPECT_THAT(client.error().message, HasSubstr("systemctl start vrouterd"));
}

}  // namespace
}  // namespace vrouter::router::control
