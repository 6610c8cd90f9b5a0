// SPDX-License-Identifier: GPL-2.0-or-later
// The examples of docs/policy.md, each with a daemon and guests of its own: they load without a warning, and what their
// expectations say is what becomes of real packets.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <vector>

#include "config/load.h"
#include "tests/integration/scene.h"
#include "tests/lab/lib/error.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

constexpr const char* kStranger = "192.0.2.90";  // somebody of the world whom no example names
constexpr const char* kGateway = "10.0.5.1";

struct Example {
  std::string title;
  std::string config;
  std::map<std::string, std::string> policies;
};

// gtest prints it where a test is named.
void PrintTo(const Example& example, std::ostream* out) {
  *out << example.title;
}

// Headings below "## By example", and the fenced blocks of each: "```toml FILE".
std::vector<Example> examples_of(const std::string& page) {
  std::ifstream stream{page};
  std::vector<Example> examples;
  std::string* block = nullptr;
  bool inside = false;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("## ")) inside = line == "## By example";
    if (!inside) continue;
    if (line.starts_with("### ")) examples.push_back({line.substr(4), {}, {}});
    if (line.starts_with("```")) {
      const auto file = line.substr(std::min(line.size(), std::string{"```toml "}.size()));
      block = nullptr;
      if (file == "vrouter.toml") block = &examples.back().config;
      if (file.starts_with("policy.d/")) block = &examples.back().policies[file.substr(file.find('/') + 1)];
    } else if (block != nullptr) {
      *block += line + "\n";
    }
  }
  return examples;
}

struct PolicyExample : ::testing::TestWithParam<Example> {
  PolicyExample() {
    for (const auto& [name, text] : GetParam().policies) texts.push_back({name, text});
    auto loaded = config::parse_config(GetParam().config, "vrouter.toml", texts);
    if (!loaded) throw LabError{loaded.error().front().to_string()};
    config = std::move(*loaded);
    scene.world.must(std::string{"ip address add "} + kStranger + "/24 dev eth0; ip route add 10.0.5.0/24 via " +
                     Scene::kHost);
    for (const auto& guest : config.guests) {
      auto& plugged = guests[guest.name] = std::make_unique<TapGuest>(scene.host, guest.tap);
      plugged->set_static(guest.address->to_string() + "/32", kGateway);
    }
    scene.daemon->vrouter({"guests"});
  }

  // One end of an expectation, as it is in the lab.
  struct End {
    const Namespace* where = nullptr;
    std::string address;
    const config::Guest* guest = nullptr;
  };
  std::vector<End> ends(const config::Peer& peer) {
    using enum config::Peer::Kind;
    std::vector<End> found;
    if (peer.kind == host) return {{&scene.host, kGateway}};
    if (peer.kind == world) return {{&scene.world, kStranger}};
    if (peer.kind == set) {
      const auto address = config.policy.sets.at(peer.name).v4.at(0).address().to_string();
      static_cast<void>(scene.world.sh("ip address add " + address + "/32 dev eth0"));  // may be there already
      return {{&scene.world, address}};
    }
    for (const auto& guest : config.guests) {
      const bool meant = peer.kind == group ? std::ranges::count(guest.groups, peer.name) > 0 : guest.name == peer.name;
      if (meant) found.push_back({&guests.at(guest.name)->inside(), guest.address->to_string(), &guest});
    }
    return found;
  }
  std::string fate(const End& from, const End& to, const config::Service& packet) const;

  std::vector<config::PolicyText> texts;
  config::Config config;
  Scene scene{{.config = GetParam().config, .policies = GetParam().policies}};
  std::map<std::string, std::unique_ptr<TapGuest>> guests;
};

sockaddr_in endpoint(const std::string& address, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &at.sin_addr) != 1) throw LabError{"not an IPv4 address: " + address};
  return at;
}

// What becomes of a SYN: "allow", "deny" (silence) or "reject".
std::string call(const std::string& own, const std::string& to, std::uint16_t port) {
  const UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const timeval limit{1, 200'000};  // the SYN is sent again after one second
  const auto from = endpoint(own, 0), at = endpoint(to, port);
  // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): the socket calls' own idiom
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) < 0)
    throw_errno("a socket of " + own);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) return "allow";
  // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
  return errno == EINPROGRESS || errno == ETIMEDOUT ? "deny" : "reject";
}

// The world calls a published port by the host's address, everybody else the guest itself.
std::string PolicyExample::fate(const End& from, const End& to, const config::Service& packet) const {
  if (!packet.ports) {
    const auto pinged = from.where->sh("ping -c 1 -W 1 " + to.address);
    if (pinged.ok()) return "allow";
    return pinged.out.find("filtered") != std::string::npos ? "reject" : "deny";
  }
  const auto port = packet.ports->first;
  UniqueFd listener;
  to.where->enter([&] { listener = listen_tcp("0.0.0.0", port); });
  std::string address = to.address;
  std::uint16_t dialled = port;
  for (const auto& publish : to.guest != nullptr ? to.guest->publish : std::vector<config::Publish>{}) {
    if (from.guest != nullptr || from.where == &scene.host || publish.guest_first != port) continue;
    address = Scene::kHost;
    dialled = publish.first;
  }
  std::string fate;
  const auto own = from.where == &scene.host ? std::string{"0.0.0.0"} : from.address;
  from.where->enter([&] { fate = call(own, address, dialled); });
  return fate;
}

TEST_P(PolicyExample, IsWhatBecomesOfRealPackets) {
  for (const auto& warning : config.warnings) ADD_FAILURE() << warning.to_string();
  EXPECT_GE(config.policy.expects.size(), 2U);
  const auto checked =
      scene.daemon->cli({"check", "--config", scene.daemon->config_path(), "--policy-dir", scene.daemon->policy_dir()});
  EXPECT_TRUE(checked.ok()) << checked.to_string();
  for (const auto& expect : config.policy.expects) {
    const auto senders = ends(expect.from), receivers = ends(expect.to);
    ASSERT_FALSE(senders.empty() || receivers.empty()) << expect.declared_at.to_string();
    for (const auto& from : senders) {
      for (const auto& to : receivers) {
        if (from.guest != nullptr && from.guest == to.guest) continue;
        EXPECT_EQ(fate(from, to, expect.packet), name(expect.verdict))
            << expect.declared_at.to_string() << ": " << expect.packet.to_string() << " from " << from.address << " to "
            << to.address;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OfTheDocumentation, PolicyExample,
                         ::testing::ValuesIn(examples_of(VROUTER_SOURCE_DIR "/docs/policy.md")), [](const auto& info) {
                           std::string title;
                           for (const char letter : info.param.title) {
                             if (std::isalnum(static_cast<unsigned char>(letter)) != 0) title += letter;
                           }
                           return title;
                         });

TEST(PolicyExamples, AreThere) {
  EXPECT_GE(examples_of(VROUTER_SOURCE_DIR "/docs/policy.md").size(), 6U);
}

}  // namespace
}  // namespace vrouter::lab
