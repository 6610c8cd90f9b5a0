// SPDX-License-Identifier: GPL-2.0-or-later
// Limits of guests, with floods of real packets.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "tests/integration/conversation.h"
#include "tests/integration/scene.h"

namespace vrouter::lab {
namespace {

constexpr const char* kFlooder = "10.0.5.2";
constexpr const char* kFlooder6 = "fd76:7274:5::2";
constexpr const char* kCalm = "10.0.5.3";
constexpr const char* kGateway = "10.0.5.1";
constexpr std::uint16_t kPort = 7000;
constexpr auto kFlood = 2s;

sockaddr_in place(const std::string& address, std::uint16_t port) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &place.sin_addr);
  return place;
}

const sockaddr* plain(const sockaddr_in& place) {
  return reinterpret_cast<const sockaddr*>(&place);  // NOLINT(*-reinterpret-cast): the sockets' own way
}

UniqueFd udp_socket(const Namespace& where) {
  UniqueFd socket;
  where.enter([&socket] { socket.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); });
  return socket;
}

// What arrives at a UDP port, kept in its buffer until it is counted.
class Sink {
 public:
  explicit Sink(const Namespace& where) : socket_{udp_socket(where)} {
    constexpr int kRoom = 64 << 20;
    const auto own = place("0.0.0.0", kPort);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom);
    EXPECT_EQ(::bind(socket_.get(), plain(own), sizeof own), 0);
  }
  // Datagrams since the last time, after the last of them had time to arrive.
  int count() {
    std::this_thread::sleep_for(200ms);
    std::vector<char> datagram(2048);
    int count = 0;
    while (::recv(socket_.get(), datagram.data(), datagram.size(), MSG_DONTWAIT) > 0) ++count;
    return count;
  }

 private:
  UniqueFd socket_;
};

// As many datagrams as go out in that time, of one connection.
void flood(const Namespace& from, const std::string& to, std::size_t size,
           std::chrono::milliseconds duration = kFlood) {
  const auto socket = udp_socket(from);
  const auto there = place(to, kPort);
  const std::vector<char> datagram(size, 'x');
  const auto end = std::chrono::steady_clock::now() + duration;
  while (std::chrono::steady_clock::now() < end) {
    ::sendto(socket.get(), datagram.data(), datagram.size(), 0, plain(there), sizeof there);
  }
}

// One datagram each from that many ports: as many connections.
void begin_connections(const Namespace& from, const std::string& to, int count, std::uint16_t port = kPort) {
  const auto there = place(to, port);
  for (int i = 0; i < count; ++i) {
    const auto socket = udp_socket(from);
    ::sendto(socket.get(), "x", 1, 0, plain(there), sizeof there);
  }
}

// In whole seconds, rounded up: what a limit lets pass meanwhile depends on how busy the machine is.
template <typename Work>
int seconds_of(Work work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return static_cast<int>(std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - start).count());
}

std::string config(const std::string& limits) {
  return "[[guests]]\nname = \"flooder\"\ntap = \"tap0\"\naddress = \"10.0.5.2\"\naddress6 = \"fd76:7274:5::2\"\n"
         "publish = [\"7000/udp\"]\nlimits = { " +
         limits + " }\n[[guests]]\nname = \"calm\"\ntap = \"tap1\"\naddress = \"10.0.5.3\"\n";
}

struct LimitsOfGuests : ::testing::Test {
  LimitsOfGuests() {
    flooder.set_static(std::string{kFlooder} + "/32", kGateway, kGateway);
    calm.set_static(std::string{kCalm} + "/32", kGateway, kGateway);
    flooder.inside().must(std::string{"ip address add "} + kFlooder6 +
                          "/128 dev eth0 nodad && ip -6 route replace default via fe80::1 dev eth0");
  }

  void limit(const std::string& limits) {
    scene.daemon->set_config(config(limits));
    scene.daemon->vrouter({"reload"});
  }
  int tracked(const std::string& source) {
    return std::stoi(scene.host.must("conntrack -L -s " + source + " 2>/dev/null | wc -l"));
  }
  static int answers(Namespace& from, const std::string& to) {
    const auto told = from.sh("ping -q -i 0.002 -c 400 -W 1 " + to + " | grep -o '[0-9]* received'");
    return std::stoi(told.out);
  }

  Scene scene{{.config = config("new_connections = 0")}};
  TapGuest flooder{scene.host, "tap0"};
  TapGuest calm{scene.host, "tap1"};
  Sink world{scene.world};
};

TEST_F(LimitsOfGuests, PacketsThatItSends) {
  flood(flooder.inside(), Scene::kWorld, 64);
  EXPECT_GT(world.count(), 1200) << "without a limit";
  limit("egress = { packets = 400 }");
  flood(flooder.inside(), Scene::kWorld, 64);
  const auto arrived = world.count();
  EXPECT_GE(arrived, 700);
  EXPECT_LE(arrived, 2 * 400 + 40 + 100) << "two seconds and the burst";
  std::this_thread::sleep_for(200ms);  // for the burst
  for (int i = 0; i < 100; ++i) {
    begin_connections(flooder.inside(), Scene::kWorld, 1);
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(world.count(), 100) << "below the limit nothing is lost";
  flood(calm.inside(), Scene::kWorld, 64);
  EXPECT_GT(world.count(), 1200) << "another guest has none";
}

TEST_F(LimitsOfGuests, PacketsOfBothFamiliesTogether) {
  limit("egress = { packets = 40 }");
  std::this_thread::sleep_for(1s);
  int four = 0, six = 0;
  const auto seconds = seconds_of([&] {
    four = answers(flooder.inside(), kGateway);
    six = answers(flooder.inside(), "fd76:7274:5::1");
  });
  EXPECT_GE(four, 32) << "the burst";
  EXPECT_GE(six, 1);
  EXPECT_LE(four + six, 32 + 40 * seconds) << "of 800";
  limit("egress = { packets = 0 }");
  EXPECT_GE(answers(flooder.inside(), "fd76:7274:5::1"), 390);
}

TEST_F(LimitsOfGuests, BitsThatItSends) {
  limit("egress = { bits = \"4M\" }");
  flood(flooder.inside(), Scene::kWorld, 972);  // 1,000 bytes with their headers
  const auto arrived = world.count();
  EXPECT_GE(arrived, 2 * 500);
  EXPECT_LE(arrived, 3 * 500 + 66 + 150) << "two seconds, the kernel's second and the burst";
}

TEST_F(LimitsOfGuests, PacketsAndBitsThatItReceives) {
  Sink guest{flooder.inside()};
  flood(scene.world, Scene::kHost, 64);
  EXPECT_GT(guest.count(), 1200) << "without a limit";
  limit("ingress = { packets = 400 }");
  flood(scene.world, Scene::kHost, 64);
  auto arrived = guest.count();
  EXPECT_GE(arrived, 700);
  EXPECT_LE(arrived, 2 * 400 + 40 + 100);
  limit("ingress = { bits = \"4M\" }");
  flood(scene.world, Scene::kHost, 972);
  arrived = guest.count();
  EXPECT_GE(arrived, 2 * 500);
  EXPECT_LE(arrived, 3 * 500 + 66 + 150);
}

// A flood from outside fills the guest's bucket, not its way to its own host.
TEST_F(LimitsOfGuests, OfWhatItReceivesDontHoldBackTheHostsAnswers) {
  limit("ingress = { packets = 10 }");
  std::thread outside{[this] { flood(scene.world, Scene::kHost, 64, 3s); }};
  const auto answered = answers(flooder.inside(), kGateway);
  outside.join();
  EXPECT_GE(answered, 390);
}

TEST_F(LimitsOfGuests, NewConnectionsASecond) {
  limit("new_connections = 20");
  Conversation before{{flooder.inside(), Scene::kWorld, 8000, scene.world}};
  ASSERT_TRUE(before.begun());
  const auto seconds = seconds_of([this] { begin_connections(flooder.inside(), Scene::kWorld, 3000); });
  // What is on its way when the last is sent takes a little longer.
  const auto most = 40 + 20 * (seconds + 1);
  const auto arrived = world.count();
  EXPECT_GE(arrived, 30);
  EXPECT_LE(arrived, most) << "of 3,000";
  EXPECT_LE(tracked(kFlooder), most);
  EXPECT_TRUE(before.goes_on()) << "what is under way begins nothing";
  begin_connections(calm.inside(), Scene::kWorld, 900);
  EXPECT_EQ(world.count(), 900) << "another guest has the default's burst";
}

// So that it can't fill the host's table, be it with questions to the host itself.
TEST_F(LimitsOfGuests, NewConnectionsToTheHostCountToo) {
  limit("new_connections = 20");
  const auto seconds = seconds_of([this] { begin_connections(flooder.inside(), kGateway, 3000, 53); });
  EXPECT_LE(tracked(kFlooder), 40 + 20 * (seconds + 1)) << "of 3,000";
  EXPECT_EQ(calm.inside().must("dig +short +time=2 +tries=1 @10.0.5.1 www.world.example"), "192.0.2.80\n");
  EXPECT_EQ(fetch(calm.inside(), "http://192.0.2.80/"), "hello from the world");
}

// Syslog, NetFlow and RTP are never answered: conntrack calls all of such a flow new.
TEST_F(LimitsOfGuests, OneConnectionThatNobodyAnswersIsOne) {
  limit("new_connections = 5");
  flood(flooder.inside(), Scene::kWorld, 64);
  EXPECT_GT(world.count(), 1200);
}

// A guest has as many link-local addresses as it likes.
TEST_F(LimitsOfGuests, LinkLocalSourcesFillNothing) {
  limit("new_connections = 5");
  const auto entries = [this] { return std::stoi(scene.host.must("cat /proc/sys/net/netfilter/nf_conntrack_count")); };
  const auto before = entries();
  constexpr int kTries = 500;
  int sent = 0;
  flooder.inside().enter([&sent] {
    for (int i = 0; i < kTries; ++i) {
      const UniqueFd socket{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
      constexpr int kOn = 1;
      ::setsockopt(socket.get(), SOL_IPV6, IPV6_FREEBIND, &kOn, sizeof kOn);
      sockaddr_in6 own{}, servers{};
      own.sin6_family = servers.sin6_family = AF_INET6;
      own.sin6_port = htons(546);
      servers.sin6_port = htons(547);
      own.sin6_scope_id = servers.sin6_scope_id = ::if_nametoindex("eth0");
      ::inet_pton(AF_INET6, ("fe80::1:" + std::to_string(i)).c_str(), &own.sin6_addr);
      ::inet_pton(AF_INET6, "ff02::1", &servers.sin6_addr);
      // NOLINTBEGIN(*-reinterpret-cast): the sockets' own way
      if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) < 0) continue;
      if (::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&servers), sizeof servers) == 1) ++sent;
      // NOLINTEND(*-reinterpret-cast)
    }
  });
  EXPECT_EQ(sent, kTries) << "the check below would prove nothing";
  EXPECT_LT(entries(), before + 50);
}

TEST_F(LimitsOfGuests, ConnectionsAtATime) {
  // Some few more: two that begin at once are both let in, and what ended meanwhile is found out a little later.
  constexpr int kMost = 80;
  limit("new_connections = 0, connections = 64");
  begin_connections(flooder.inside(), Scene::kWorld, 1500);
  EXPECT_LE(world.count(), kMost);
  EXPECT_GE(tracked(kFlooder), 60);
  EXPECT_LE(tracked(kFlooder), kMost);
  // Its questions to this host count too, so that nothing is left to fill the host's table with.
  begin_connections(flooder.inside(), kGateway, 500, 53);
  EXPECT_LE(tracked(kFlooder), kMost);
  EXPECT_EQ(fetch(flooder.inside(), "http://192.0.2.80/"), "") << "no more for itself";
  EXPECT_EQ(fetch(calm.inside(), "http://192.0.2.80/"), "hello from the world");
  EXPECT_EQ(calm.inside().must("dig +short +time=2 +tries=1 @10.0.5.1 www.world.example"), "192.0.2.80\n");
  // The kernel forgets who has none: the limit must hold all the same for whoever begins again.
  scene.host.must("conntrack -F");
  std::this_thread::sleep_for(2500ms);
  EXPECT_EQ(fetch(flooder.inside(), "http://192.0.2.80/"), "hello from the world") << "when they have ended";
  begin_connections(flooder.inside(), Scene::kWorld, 500);
  EXPECT_LE(tracked(kFlooder), kMost);
  limit("new_connections = 0, connections = 128");
  begin_connections(flooder.inside(), Scene::kWorld, 500);
  EXPECT_GT(tracked(kFlooder), 100) << "another number";
  limit("new_connections = 0, connections = 0");
  begin_connections(flooder.inside(), Scene::kWorld, 500);
  EXPECT_GT(tracked(kFlooder), 400) << "and none";
}

TEST_F(LimitsOfGuests, ChangeWithoutCuttingWhatIsUnderWay) {
  limit("egress = { packets = 5000 }, new_connections = 100");
  Conversation kept{{flooder.inside(), Scene::kWorld, 8000, scene.world}};
  ASSERT_TRUE(kept.begun());
  limit("egress = { packets = 4000, bits = \"50M\" }, new_connections = 200");
  EXPECT_TRUE(kept.goes_on());
  const auto rules = scene.host.must("nft list table inet vrouter");
  EXPECT_NE(rules.find("\"tap0\" limit rate over 4000/second"), std::string::npos) << rules;
  EXPECT_NE(rules.find("\"tap0\" limit rate over 200/second"), std::string::npos) << rules;
  EXPECT_EQ(rules.find("limit rate over 5000/second"), std::string::npos) << rules;
  limit("new_connections = 0");
  EXPECT_TRUE(kept.goes_on());
  EXPECT_EQ(scene.host.must("nft list table inet vrouter").find("\"tap0\" limit rate"), std::string::npos);
  EXPECT_EQ(scene.daemon->vrouter({"status"}).find("degraded"), std::string::npos);
}

TEST_F(LimitsOfGuests, OfAGuestAddedByCommandOutliveARestartAndGoWithIt) {
  scene.daemon->vrouter({"add-guest", "tap2", "10.0.5.4", "--name", "third", "--limit", "ingress.bits=100M", "--limit",
                         "new_connections=700"});
  const auto listed = [this] { return scene.host.must("nft list table inet vrouter"); };
  constexpr auto kElement = "\"tap2\" limit rate over 12500000 bytes/second";
  EXPECT_NE(listed().find(kElement), std::string::npos);
  EXPECT_EQ(scene.daemon->stop(), 0);
  scene.daemon->start();
  EXPECT_NE(listed().find(kElement), std::string::npos);
  const auto shown = scene.daemon->vrouter({"show", "third"});
  EXPECT_NE(shown.find("ingress.bits 100M, new_connections 700"), std::string::npos) << shown;
  EXPECT_NE(scene.daemon->vrouter({"show", "calm"}).find("new_connections 500"), std::string::npos);
  const auto json = scene.daemon->vrouter({"--json", "show", "third"});
  EXPECT_NE(json.find(R"("limits":{"ingress":{"bits":100000000},"new_connections":700,"connections":16384})"),
            std::string::npos)
      << json;
  scene.daemon->vrouter({"remove-guest", "third"});
  EXPECT_EQ(listed().find("\"tap2\""), std::string::npos);
}

}  // namespace
}  // namespace vrouter::lab
