// SPDX-License-Identifier: GPL-2.0-or-later
// Reload after reload under traffic, and change after change of a guest's groups: what is denied never passes, and what
// is allowed is never lost. VROUTER_WINDOW_SECONDS gives them more time than a test of many has.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <thread>

#include "tests/integration/conversation.h"
#include "tests/integration/scene.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

constexpr int kRounds = 1000;
constexpr int kLeastRounds = 10;  // on a machine that is so busy that the time doesn't suffice for more
constexpr auto kLimit = 25s;
constexpr std::uint16_t kAllowed = 6000, kDenied = 6001;
constexpr auto kPause = 4ms;      // between connections: ten to a reload, and no queue of the lab's own runs over
constexpr int kBuffer = 1 << 23;  // bytes, lest a busy machine be taken for a loss

constexpr const char* kBase = R"([groups.web]
[groups.db]
ingress = "deny"
[groups.more]
ingress = "deny"
[[rules]]
name  = "web tells db"
from  = "group:web"
to    = "group:db"
allow = ["udp/6000", "tcp/5432"]
)";

std::string unrelated(int round) {
  return std::string{"[[rules]]\nname = \"unrelated\"\nfrom = \"group:web\"\nto = \"group:db\"\n"} +
         (round % 2 == 0 ? "allow" : "reject") + " = \"udp/" + std::to_string(7000 + round % 3) + "\"\n";
}

// Counts what arrives at a UDP port.
class Ear {
 public:
  Ear(const Namespace& where, std::uint16_t port) {
    where.enter([&] { socket_ = bind_udp("0.0.0.0", port); });
    if (::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kBuffer, sizeof kBuffer) < 0) throw_errno("SO_RCVBUF");
    thread_ = std::jthread{[this](const std::stop_token& stop) { listen(stop); }};
  }
  [[nodiscard]] int heard() const { return heard_; }

 private:
  void listen(const std::stop_token& stop) {
    std::array<char, 16> buffer{};
    pollfd ready{socket_.get(), POLLIN, 0};
    while (!stop.stop_requested()) {
      if (::poll(&ready, 1, 50) > 0 && ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) ++heard_;
    }
  }
  UniqueFd socket_;
  std::atomic<int> heard_ = 0;
  std::jthread thread_;
};

// Begins one connection after the other to both ports: each datagram is the first of its own.
class Caller {
 public:
  Caller(const Namespace& where, const char* to)
      : where_{where}, to_{to}, thread_{[this](const std::stop_token& stop) { call(stop); }} {}
  void stop() {
    thread_.request_stop();
    thread_.join();
  }
  [[nodiscard]] int sent(std::uint16_t port) const { return port == kAllowed ? allowed_ : denied_; }

 private:
  void call(const std::stop_token& stop) {
    where_.join_this_thread();
    while (!stop.stop_requested()) {
      if (send(kAllowed)) ++allowed_;
      if (send(kDenied)) ++denied_;
      std::this_thread::sleep_for(kPause);
    }
  }
  [[nodiscard]] bool send(std::uint16_t port) const {
    const UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    ::inet_pton(AF_INET, to_, &at.sin_addr);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket calls' own idiom
    return ::sendto(fd.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 1;
  }
  const Namespace& where_;
  const char* to_;
  std::atomic<int> allowed_ = 0, denied_ = 0;
  std::jthread thread_;
};

Milliseconds limit() {
  const char* seconds = std::getenv("VROUTER_WINDOW_SECONDS");
  return seconds == nullptr ? Milliseconds{kLimit} : std::chrono::seconds{std::stoi(seconds)};
}

struct PolicyWindow : ::testing::Test {
  PolicyWindow() {
    scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2", "--name", "web1", "--group", "web"});
    scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3", "--name", "db1", "--group", "db"});
    web.set_static("10.0.5.2/32", "10.0.5.1");
    db.set_static("10.0.5.3/32", "10.0.5.1");
  }

  // Does it again and again, while both ports are called all the time and a connection is under way.
  template <typename Round>
  void survives(Round round) {
    auto under_way = Conversation{{web.inside(), "10.0.5.3", 5432, db.inside()}};
    ASSERT_TRUE(under_way.begun() && under_way.goes_on());
    const Ear allowed{db.inside(), kAllowed};
    const Ear denied{db.inside(), kDenied};
    Caller caller{web.inside(), "10.0.5.3"};
    const auto end = std::chrono::steady_clock::now() + limit();
    int done = 0;
    while (done < kRounds && std::chrono::steady_clock::now() < end) {
      round(++done);
      ASSERT_TRUE(under_way.goes_on()) << "round " << done;
    }
    caller.stop();
    EXPECT_GE(done, kLeastRounds);
    EXPECT_GT(caller.sent(kAllowed), done) << "traffic must be denser than rounds";
    EXPECT_TRUE(wait_until([&] { return allowed.heard() >= caller.sent(kAllowed); }, 2s));
    EXPECT_EQ(allowed.heard(), caller.sent(kAllowed));
    EXPECT_GT(caller.sent(kDenied), done);
    EXPECT_EQ(denied.heard(), 0);
    RecordProperty("rounds", done);
    RecordProperty("connections", caller.sent(kAllowed));
  }

  Scene scene{{.policies = {{"10-base.toml", kBase}, {"20-unrelated.toml", unrelated(0)}}}};
  TapGuest web{scene.host, "tap0"};
  TapGuest db{scene.host, "tap1"};
};

TEST_F(PolicyWindow, NoReloadOpensOrClosesAGap) {
  survives([&](int number) {
    scene.daemon->set_policy("20-unrelated.toml", unrelated(number));
    scene.daemon->vrouter({"reload"});
  });
}

// In each of these groups the same is allowed and the same denied, and each change moves both guests to other chains.
TEST_F(PolicyWindow, NoChangeOfGroupsOpensOrClosesAGap) {
  survives([&](int number) {
    for (const auto* guest : {"web", "db"}) {
      Arguments words{"change-guest", std::string{guest} + "1", "--group", guest};
      if (number % 2 == 1) words.insert(words.end(), {"--group", "more"});
      scene.daemon->vrouter(words);
    }
  });
}

}  // namespace
}  // namespace vrouter::lab
