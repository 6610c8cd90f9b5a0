// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/nsd.h"

#include <unistd.h>

#include <thread>

#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

constexpr auto kDirectory = "/run/nsd";
constexpr auto kStart = 30s;  // a zone of some 100,000 names is read before it answers

// No database, no control socket, no limit of answers per client (Debian's has one built in): only answers.
std::string config_for(std::string_view origin) {
  const std::string directory = kDirectory;
  return "server:\n  ip-address: 0.0.0.0\n  username: root\n  chroot: \"\"\n  zonesdir: \"" + directory +
         "\"\n  pidfile: \"\"\n  database: \"\"\n  xfrdfile: \"\"\n  xfrdir: \"" + directory +
         "\"\n  zonelistfile: \"" + directory +
         "/zones\"\n  server-count: 1\n  rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\n"
         "remote-control:\n  control-enable: no\nzone:\n  name: " +
         std::string{origin} + "\n  zonefile: zone\n";
}

}  // namespace

std::string unpacked_program(const std::string& path) {
  const auto name = path.substr(path.rfind('/') + 1);
  for (const auto& candidate : {source_directory() + "/.cache/" + path, "/usr/sbin/" + name}) {
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

Nsd::Nsd(const Namespace& where, std::string_view origin, std::string_view zone, const Arguments& wrapper) {
  const auto program = unpacked_program("nsd/usr/sbin/nsd");
  if (program.empty()) throw LabError{"there is no nsd on this machine: ./dev deps"};
  const std::string config = std::string{kDirectory} + "/nsd.conf";
  where.write_file(std::string{kDirectory} + "/zone", zone);
  where.write_file(config, config_for(origin));
  auto command = wrapper;
  command.insert(command.end(), {program, "-d", "-c", config});
  process_ = where.spawn(command);
  const auto deadline = std::chrono::steady_clock::now() + kStart;
  // It binds before it has read the zone, and then says so.
  while (log().find("nsd started") == std::string::npos) {
    if (!process_.running() || std::chrono::steady_clock::now() > deadline)
      throw LabError{"nsd doesn't start: " + log()};
    std::this_thread::sleep_for(10ms);
  }
}

}  // namespace vrouter::lab
