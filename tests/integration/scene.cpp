// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/integration/scene.h"

#include <gtest/gtest.h>

namespace vrouter::lab {

Scene::Scene(DaemonOptions options, bool start) {
  wire();
  if (options.resolv_conf.empty()) options.resolv_conf = std::string{"nameserver "} + kWorld + "\n";
  daemon = std::make_unique<Daemon>(host, std::move(options));
  if (start) daemon->start();
}

Scene::~Scene() {
  if (daemon && daemon->running()) EXPECT_EQ(daemon->stop(), 0) << daemon->log();
}

void Scene::wire() {
  connect({host, "eth0", std::string{kHost} + "/24"}, {world, "eth0", std::string{kWorld} + "/24"});
  host.must(std::string{"ip route add default via "} + kWorld);
  web = std::make_unique<HttpServer>(world, kWorld, 80,
                                     std::map<std::string, std::string>{{"/", "hello from the world\n"}});
  names = std::make_unique<DnsServer>(world, kWorld,
                                      std::multimap<std::string, std::string>{{"www.world.example A", kWorld}});
}

std::unique_ptr<HttpServer> web_server(const Namespace& where, std::uint16_t port, const std::string& text) {
  return std::make_unique<HttpServer>(where, "0.0.0.0", port, std::map<std::string, std::string>{{"/", text + "\n"}});
}

std::string fetch(const Namespace& where, const std::string& url) {
  auto page = where.run({"curl", "-sS", "--max-time", "2", url}, 10s);
  if (!page.ok()) return {};
  while (!page.out.empty() && page.out.back() == '\n') page.out.pop_back();
  return page.out;
}

void get_lease(TapGuest& guest) {
  guest.inside().must("dhclient -1 -v -lf /tmp/leases -pf /tmp/dhclient.pid eth0 2>&1", 40s);
}

}  // namespace vrouter::lab
