// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/integration/repair_scene.h"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <thread>

namespace vrouter::lab {

RepairScene::RepairScene(const std::string& config) : scene{{.config = config}} {
  scene.daemon->vrouter({"add-guest", "tap0", "10.0.5.2"});
  scene.daemon->vrouter({"add-guest", "tap1", "10.0.5.3"});
  guest.set_static("10.0.5.2/24", "10.0.5.1");
  other.set_static("10.0.5.3/24", "10.0.5.1");
  scene.host.enter([this] {
    net = std::move(router::open_kernel().value());
    nft = std::move(firewall::open_nft().value());
  });
  for (auto* one : {&guest, &other}) {
    if (!wait_until([&] { return reaches(*one, Scene::kWorld); }))
      throw LabError{"a guest doesn't reach the world: nothing below would prove anything"};
  }
}

std::chrono::microseconds RepairScene::mends(const std::function<void()>& change, const std::function<bool()>& right) {
  // Not at once: the kernel still rehashes a set that was filled a moment ago, and a dump of it meanwhile misses some.
  EXPECT_TRUE(wait_until(right)) << "it was wrong before anything was broken";
  change();
  const auto begin = std::chrono::steady_clock::now();
  for (;;) {
    const bool is_right = right();
    const auto taken = std::chrono::steady_clock::now() - begin;
    if (is_right) return std::chrono::duration_cast<std::chrono::microseconds>(taken);
    if (taken > 5s) {
      ADD_FAILURE() << "not mended within 5 s; log:\n" << scene.daemon->log();
      return 5s;
    }
    std::this_thread::sleep_for(std::chrono::microseconds{200});
  }
}

void RepairScene::expect_mended(const std::string& what, const std::function<void()>& change,
                                const std::function<bool()>& right, Milliseconds limit) {
  std::vector<std::chrono::microseconds> rounds;
  for (int i = 0; i < 5; ++i) {
    if (i > 0) std::this_thread::sleep_for(150ms);
    rounds.push_back(mends(change, right));
  }
  std::ranges::sort(rounds);
  std::cout << "repair of " << what << ": median " << static_cast<double>(rounds[2].count()) / 1000 << " ms, slowest "
            << static_cast<double>(rounds[4].count()) / 1000 << " ms\n";
  EXPECT_LT(rounds[2], limit) << what;
}

std::uint64_t RepairScene::repairs(const std::string& kind) const {
  const auto status = boost::json::parse(scene.daemon->vrouter({"--json", "status"}));
  return status.at_pointer("/status/repairs/" + kind).to_number<std::uint64_t>();
}

std::size_t RepairScene::lines(const std::string& text) const {
  const auto log = scene.daemon->log();
  std::size_t count = 0;
  for (auto at = log.find(text); at != log.npos; at = log.find(text, at + 1)) ++count;
  return count;
}

bool RepairScene::reaches(TapGuest& from, const std::string& address) const {
  return from.inside().sh("ping -c 1 -W 1 " + address + " || ping -c 1 -W 1 " + address).ok();
}

router::Link RepairScene::link(const std::string& name) const {
  return net->link(name).value_or(router::Link{});
}

bool RepairScene::routed(const std::string& tap, const char* address) const {
  const auto index = link(tap).index;
  const auto routes = net->routes().value();
  return std::ranges::any_of(routes, [&](const router::Route& route) {
    return route.destination.network().to_string() == address && route.ifindex == index && route.protocol == 118;
  });
}

firewall::Observed RepairScene::rules() const {
  return nft->observe().value_or(firewall::Observed{});
}

Stream::Stream(TapGuest& from, const std::string& to)
    : ping_{from.inside().spawn({"ping", "-i", "0.02", "-W", "1", "-q", to})} {}

int Stream::lost() {
  ping_.signal(SIGINT);
  static_cast<void>(ping_.wait(5s));
  const auto text = ping_.output();
  int sent = 0;
  int received = 0;
  const auto at = text.find("statistics ---\n");
  if (at == text.npos ||
      std::sscanf(text.c_str() + at, "statistics ---\n%d packets transmitted, %d", &sent, &received) != 2)
    throw LabError{"ping said: " + text};
  return std::max(0, sent - received - 1);  // the last one may be on its way still when ping is told to end
}

}  // namespace vrouter::lab
