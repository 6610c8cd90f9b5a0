// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <memory>
#include <string>

#include "tests/lab/lib/daemon.h"
#include "tests/lab/lib/namespace.h"
#include "tests/lab/lib/servers.h"
#include "tests/lab/lib/tap.h"

namespace vrouter::lab {

// What most tests need: a host whose eth0 leads to a world with a web and a name server, and a daemon on it.
//
//     guest --- tap0 --- host 192.0.2.1 eth0 --- eth0 192.0.2.80 world (HTTP :80, DNS :53: www.world.example)
struct Scene {
  explicit Scene(DaemonOptions options = {}, bool start = true);
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;
  // A daemon that still runs must end well: under the sanitizers that is where leaks are told.
  ~Scene();

  static constexpr const char* kHost = "192.0.2.1";
  static constexpr const char* kWorld = "192.0.2.80";

  Namespace host{"host"};
  Namespace world{"world"};
  std::unique_ptr<HttpServer> web;
  std::unique_ptr<DnsServer> names;
  std::unique_ptr<Daemon> daemon;

 private:
  void wire();
};

// A web server inside a guest that answers every path it knows with one line.
[[nodiscard]] std::unique_ptr<HttpServer> web_server(const Namespace& where, std::uint16_t port,
                                                     const std::string& text);
// curl in `where`: the page, or "" when there was none within two seconds.
[[nodiscard]] std::string fetch(const Namespace& where, const std::string& url);
// dhclient on eth0 of the guest, once; throws LabError when it gets no lease.
void get_lease(TapGuest& guest);

}  // namespace vrouter::lab
