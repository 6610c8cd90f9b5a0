// SPDX-License-Identifier: GPL-2.0-or-later
// Clients that mean no good, or know no better. Each test ends with an honest one being served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "fake_service.h"
#include "router/control/client.h"

namespace vrouter::router::control {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr auto kTimeout = 20s;  // only ever waited out by a test that fails

class Raw {
 public:
  explicit Raw(const std::filesystem::path& socket) : fd_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error{std::strerror(errno)};
    }
  }
  // Whether all of it was taken.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // All that comes until the server closes.
  std::string read_to_end() {
    std::string all;
    std::array<char, 4096> bytes;
    for (;;) {
      const auto size = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
      if (size <= 0) return all;
      all.append(bytes.data(), static_cast<std::size_t>(size));
    }
  }
  std::string read_message() {
    std::string message;
    char byte = 0;
    while (::recv(fd_.get(), &byte, 1, 0) == 1 && byte != '\0') message += byte;
    return message;
  }
  void finish_sending() { ::shutdown(fd_.get(), SHUT_WR); }

 private:
  UniqueFd fd_;
};

void expect_served(const RunningServer& server) {
  auto client = Client::connect(server.socket, kTimeout);
  ASSERT_TRUE(client) << client.error().message;
  const auto status = client->status();
  EXPECT_TRUE(status) << status.error().message;
}

constexpr std::string_view kStatusCall{"{\"method\":\"io.vrouter.GetStatus\"}\0", 34};

TEST(HostileClient, AMessageBeyondTheBoundIsCutOff) {
  RunningServer server;
  Raw client{server.socket};
  client.send(std::string(kMaxMessage + 100'000, 'x'));
  EXPECT_EQ(client.read_to_end(), "");
  server.wait_for_clients(0);
  EXPECT_THAT(server.on_loop([&] { return server.log; }), Contains(HasSubstr("longer than 1048576 bytes")));
  expect_served(server);
}

TEST(HostileClient, AMessageAtTheBoundIsRead) {
  RunningServer server;
  Raw client{server.socket};
  std::string call = R"({"method":"io.vrouter.ShowGuest","parameters":{"guest":""}})";
  call.insert(call.size() - 3, std::string(kMaxMessage - call.size(), 'x'));
  ASSERT_EQ(call.size(), kMaxMessage);
  call.push_back('\0');
  EXPECT_TRUE(client.send(call));
  EXPECT_THAT(client.read_message(), HasSubstr("io.vrouter.NotFound"));
}

TEST(HostileClient, WhatIsNoCallEndsTheConnection) {
  for (const auto* text : {"GET / HTTP/1.1\r\n\r\n", "[]", "{}", "\xff\xff"}) {
    RunningServer server;
    Raw client{server.socket};
    client.send(std::string{text} + '\0');
    EXPECT_EQ(client.read_to_end(), "") << text;
    server.wait_for_clients(0);
    EXPECT_THAT(server.on_loop([&] { return server.log; }), Contains(HasSubstr("closing a client")));
    expect_served(server);
  }
}

TEST(HostileClient, HalfAMessageLosesItsPlaceInTime) {
  RunningServer server{[](ServerOptions& options) { options.stalled_client = 20ms; }};
  Raw client{server.socket};
  client.send("{\"method\":");
  EXPECT_EQ(client.read_to_end(), "");
  server.wait_for_clients(0);
  EXPECT_THAT(server.on_loop([&] { return server.log; }), Contains(HasSubstr("stopped in the middle")));
  expect_served(server);
}

TEST(HostileClient, AByteAtATimeIsStalledToo) {
  RunningServer server{[](ServerOptions& options) { options.stalled_client = 100ms; }};
  Raw client{server.socket};
  while (client.send("x")) std::this_thread::sleep_for(5ms);
  server.wait_for_clients(0);
  expect_served(server);
}

TEST(HostileClient, SilenceBetweenCallsIsNoStall) {
  RunningServer server{[](ServerOptions& options) { options.stalled_client = 20ms; }};
  Raw client{server.socket};
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.send(kStatusCall));
    EXPECT_THAT(client.read_message(), HasSubstr("degraded"));
    std::this_thread::sleep_for(60ms);
  }
}

TEST(HostileClient, OneThatReadsNothingLosesItsPlaceAndStallsNobody) {
  RunningServer server{[](ServerOptions& options) { options.stalled_client = 50ms; }};
  server.on_loop([&] { server.service.ruleset_text = std::string(8U << 20U, 'r'); });
  Raw client{server.socket};
  ASSERT_TRUE(client.send(std::string_view{"{\"method\":\"io.vrouter.GetRuleset\"}\0", 35}));
  server.wait_for_clients(1);
  expect_served(server);
  server.wait_for_clients(0);
  EXPECT_LT(client.read_to_end().size(), 8U << 20U);
}

TEST(HostileClient, CallsSentAtOnceAreAnsweredInOrder) {
  RunningServer server;
  Raw client{server.socket};
  std::string calls;
  for (int i = 0; i < 500; ++i) {
    calls += R"({"method":"io.vrouter.ShowGuest","parameters":{"guest":"g)" + std::to_string(i) + "\"}}" + '\0';
  }
  ASSERT_TRUE(client.send(calls));
  for (int i = 0; i < 500; ++i) ASSERT_THAT(client.read_message(), HasSubstr("guest g" + std::to_string(i) + ";"));
}

TEST(HostileClient, OneThatLeavesBeforeItsAnswerHarmsNobody) {
  RunningServer server;
  for (int i = 0; i < 50; ++i) {
    Raw client{server.socket};
    ASSERT_TRUE(client.send(kStatusCall));
  }
  expect_served(server);
  server.wait_for_clients(0);
}

TEST(HostileClient, BeyondTheBoundTheOneThatWasIdleForLongestLosesItsPlace) {
  RunningServer server;
  std::vector<std::unique_ptr<Raw>> clients;
  for (std::size_t i = 0; i < kMaxClients; ++i) {
    clients.push_back(std::make_unique<Raw>(server.socket));
    ASSERT_TRUE(clients.back()->send(kStatusCall));
    ASSERT_THAT(clients.back()->read_message(), HasSubstr("degraded"));
  }
  EXPECT_EQ(server.clients(), kMaxClients);
  ASSERT_TRUE(clients.front()->send(kStatusCall));  // it is heard of again, so the second is the one
  EXPECT_THAT(clients.front()->read_message(), HasSubstr("degraded"));
  expect_served(server);
  EXPECT_EQ(clients[1]->read_to_end(), "");
  EXPECT_THAT(server.on_loop([&] { return server.log; }), Contains(HasSubstr("idle for longest")));
  ASSERT_TRUE(clients.front()->send(kStatusCall));
  EXPECT_THAT(clients.front()->read_message(), HasSubstr("degraded"));
  clients.clear();
  server.wait_for_clients(0);
}

TEST(HostileClient, WhereAllHaveACallUnderWayQuestionsAreStillAnswered) {
  RunningServer server{[](ServerOptions& options) { options.max_clients = 8; }};
  server.on_loop([&] { server.service.teardown_after = 300s; });
  std::vector<std::unique_ptr<Raw>> clients;
  for (std::size_t i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Raw>(server.socket));
    ASSERT_TRUE(clients.back()->send(std::string_view{"{\"method\":\"io.vrouter.Teardown\"}\0", 33}));
  }
  server.wait_for_clients(8);
  expect_served(server);
  auto client = Client::connect(server.socket, kTimeout);
  ASSERT_TRUE(client);
  const auto refused = client->reload();
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("8 commands are under way already"));
  for (std::size_t i = 0; i < 2 * kReservedClients; ++i) clients.push_back(std::make_unique<Raw>(server.socket));
  expect_served(server);
  server.abandon();
}

TEST(HostileClient, AnswersThatNobodyReadsAreBounded) {
  RunningServer server{[](ServerOptions& options) { options.max_unread = 20U << 20U; }};
  server.on_loop([&] { server.service.ruleset_text = std::string(8U << 20U, 'r'); });
  std::vector<std::unique_ptr<Raw>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<Raw>(server.socket));
    ASSERT_TRUE(clients.back()->send(std::string_view{"{\"method\":\"io.vrouter.GetRuleset\"}\0", 35}));
  }
  // All but two lose their place, and that is told of as many as the log has room for.
  while (server.on_loop([&] { return server.log.size(); }) < kMaxComplaints) std::this_thread::yield();
  server.wait_for_clients(2);
  EXPECT_THAT(server.on_loop([&] { return server.log; }), Contains(HasSubstr("didn't read its answer")));
  expect_served(server);
}

TEST(HostileClient, TheLogIsNoPlaceToFill) {
  RunningServer server;
  for (int i = 0; i < 200; ++i) {
    Raw client{server.socket};
    client.send(std::string_view{"[]\0", 3});
    EXPECT_EQ(client.read_to_end(), "");
  }
  expect_served(server);
  EXPECT_LE(server.on_loop([&] { return server.log.size(); }), 2 * kMaxComplaints + 2);
}

TEST(HostileClient, ThousandsOfConnectionsInARowLeaveNothing) {
  RunningServer server;
  for (int i = 0; i < 3000; ++i) {
    Raw client{server.socket};
    if (i % 3 == 0) client.send("{\"half\":");
    if (i % 3 == 1) client.finish_sending();
  }
  server.wait_for_clients(0);
  expect_served(server);
}

TEST(HostileClient, ThousandsAtOnceAreBounded) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  RunningServer server;
  std::vector<std::unique_ptr<Raw>> clients;
  const std::size_t wanted = std::min<std::size_t>(3000, limit.rlim_max / 3);
  for (std::size_t i = 0; i < wanted; ++i) {
    clients.push_back(std::make_unique<Raw>(server.socket));
    EXPECT_LE(i % 100 == 0 ? server.clients() : 0, 2 * kMaxClients);
  }
  server.wait_for_clients(kMaxClients);
  clients.clear();
  server.wait_for_clients(0);
  expect_served(server);
}

}  // namespace
}  // namespace vrouter::router::control
