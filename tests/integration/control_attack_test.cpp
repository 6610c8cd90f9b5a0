// SPDX-License-Identifier: GPL-2.0-or-later
// A control socket under attack by its own group's members, of a daemon that works: whatever they do, another's
// `vrouter status` is answered, and neither memory nor descriptors grow.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

#include "router/processes/cage_filter.h"
#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

// Of the server's, and room for what else a daemon does.
constexpr std::size_t kMostClients = 256 + 16;
// A sanitizer's: what it keeps of freed memory, and its shadow.
constexpr std::size_t kQuarantine = router::kSanitized ? 384U << 20U : 0;
constexpr std::size_t kMemoryOfClients = (128U << 20U) + kQuarantine;

class Client {
 public:
  explicit Client(const Scene& scene) : fd_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto path = scene.host.path(scene.daemon->socket_path()).string();
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw_errno("connect");
  }
  // How many bytes were taken before the server closed, or before it stopped reading.
  std::size_t send(std::string_view bytes, int flags = 0) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const auto n = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | flags);
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    return sent;
  }
  void call(const std::string& method) { send("{\"method\":\"io.vrouter." + method + "\"}" + '\0'); }
  bool closed_by_server() {
    char byte = 0;
    return ::recv(fd_.get(), &byte, 1, 0) <= 0;
  }

 private:
  UniqueFd fd_;
};

std::size_t descriptors(const Daemon& daemon) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator{"/proc/" + std::to_string(daemon.pid()) + "/fd"}, {}));
}

std::size_t memory(const Daemon& daemon) {
  std::ifstream file{"/proc/" + std::to_string(daemon.pid()) + "/status"};
  for (std::string word; file >> word;) {
    std::size_t kilobytes = 0;
    if (word == "VmRSS:" && file >> kilobytes) return kilobytes << 10U;
  }
  return 0;
}

class UnderAttack : public testing::Test {
 protected:
  void SetUp() override {
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
    descriptors_before = descriptors(*scene.daemon);
    memory_before = memory(*scene.daemon);
  }
  void TearDown() override {
    clients.clear();
    EXPECT_TRUE(wait_until([&] { return descriptors(*scene.daemon) <= descriptors_before + 2; }))
        << descriptors(*scene.daemon) << " descriptors, " << descriptors_before << " before";
    EXPECT_TRUE(scene.daemon->running());
  }

  void add_clients(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) clients.push_back(std::make_unique<Client>(scene));
  }

  void expect_others_are_served() {
    std::vector<Milliseconds> times;
    for (int i = 0; i < 9; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      const auto status = scene.daemon->cli({"status"});
      EXPECT_EQ(status.status, 0) << status.to_string();
      times.push_back(std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin));
    }
    std::ranges::sort(times);
    EXPECT_LT(times[times.size() / 2], 1s);
    EXPECT_LE(descriptors(*scene.daemon), descriptors_before + 2 * kMostClients);
    EXPECT_LE(memory(*scene.daemon), memory_before + kMemoryOfClients);
  }

  Scene scene;
  std::vector<std::unique_ptr<Client>> clients;
  std::size_t descriptors_before = 0;
  std::size_t memory_before = 0;
};

TEST_F(UnderAttack, ByThousandsOfSilentClients) {
  add_clients(4000);
  expect_others_are_served();
}

TEST_F(UnderAttack, ByClientsThatSendByteByByte) {
  add_clients(1000);
  for (int round = 0; round < 5; ++round) {
    for (auto& client : clients) client->send("{", MSG_DONTWAIT);
    expect_others_are_served();
  }
}

TEST_F(UnderAttack, ByMessagesOfAGigabyte) {
  add_clients(8);
  const std::string piece(1U << 20U, 'x');
  for (auto& client : clients) {
    std::size_t sent = 0;
    for (int i = 0; i < 1024; ++i) {
      const auto taken = client->send(piece);
      sent += taken;
      if (taken < piece.size()) break;
    }
    EXPECT_LT(sent, 8U << 20U) << "it is cut off where the bound is";
    EXPECT_TRUE(client->closed_by_server());
  }
  expect_others_are_served();
}

TEST_F(UnderAttack, ByFullBuffersThatAreNeverCalls) {
  add_clients(300);
  const std::string almost((1U << 20U) - 1000, 'x');
  for (auto& client : clients) client->send(almost, MSG_DONTWAIT);
  for (int i = 0; i < 20; ++i) {
    for (auto& client : clients) client->send(almost.substr(0, 100'000), MSG_DONTWAIT);
  }
  EXPECT_EQ(scene.daemon->cli({"status"}).status, 0);
  // 256 of them may hold a message each: that is the bound, beside what the allocator keeps.
  EXPECT_LE(memory(*scene.daemon), memory_before + (600U << 20U));
}

TEST_F(UnderAttack, ByCallsWhoseAnswersNobodyReads) {
  add_clients(200);
  for (int round = 0; round < 50; ++round) {
    for (auto& client : clients) {
      const std::string call = std::string{R"({"method":"io.vrouter.GetRuleset"})"} + '\0';
      client->send(call, MSG_DONTWAIT);
    }
  }
  expect_others_are_served();
}

TEST_F(UnderAttack, ByWhatIsNoCall) {
  const std::string deep(900'000, '[');
  std::string wide = R"({"method":"io.vrouter.AddGuest","parameters":{"tap":"tap1","publish":[)";
  for (int i = 0; i < 40'000; ++i)
    wide += "\"10." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ".1:1-65535\",";
  wide += "\"1\"]}}";
  for (const auto& text : {deep, wide, std::string{"[]"}, std::string(1000, '\xff'), std::string{R"({"method":7})"}}) {
    add_clients(4);
    for (auto& client : clients) client->send(text + '\0', MSG_DONTWAIT);
  }
  expect_others_are_served();
  const auto listed = scene.daemon->vrouter({"guests"});
  EXPECT_EQ(listed.find("tap1"), listed.npos);
}

TEST_F(UnderAttack, ByThoseWhoLeaveInTheMiddle) {
  for (int i = 0; i < 500; ++i) {
    Client client{scene};
    client.call(i % 2 == 0 ? "GetStatus" : "Reload");
  }
  expect_others_are_served();
}

}  // namespace
}  // namespace vrouter::lab
