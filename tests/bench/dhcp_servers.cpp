// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/dhcp_servers.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>

#include "tests/bench/bare_responder.h"
#include "tests/bench/cpu.h"
#include "tests/lab/lib/daemon.h"
#include "tests/lab/lib/paths.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

constexpr auto kKeaInside = "/run/kea/kea-dhcp4";

// Unpacked by `./dev deps`; or a machine's own.
std::string kea_program() {
  for (const auto& path :
       {lab::source_directory() + "/.cache/kea/usr/sbin/kea-dhcp4", std::string{"/usr/sbin/kea-dhcp4"}}) {
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

class Vrouter final : public DhcpBed {
 public:
  explicit Vrouter(Sync sync) : DhcpBed{sync == Sync::on ? "vrouter" : "vrouter, fsync off"} {
    lab::DaemonOptions options;
    options.config = fmt::format(
        "[networks.lab]\nprefix = \"{}\"\ngateway = \"{}\"\n"
        "[networks.lab.dhcp]\nrange = \"{}-{}\"\nrelays = [\"{}\"]\n",
        kPrefix, kGateway, kFirst, kLast, kRelay);
    if (sync == Sync::off) options.wrapper = {"env", "VROUTER_BENCH_NO_FSYNC=1"};
    options.print_log = false;
    daemon_ = std::make_unique<lab::Daemon>(server_, options);
    daemon_->start();
  }
  [[nodiscard]] double cpu_seconds() const override {
    return bench::cpu_seconds(lab::processes_of(server_, lab::built_program("vrouterd")));
  }
  [[nodiscard]] std::string log() const override { return daemon_->log() + daemon_->cli({"status"}).to_string(); }

 private:
  std::unique_ptr<lab::Daemon> daemon_;
};

// A server that is one process.
class Foreign : public DhcpBed {
 public:
  using DhcpBed::DhcpBed;
  [[nodiscard]] double cpu_seconds() const override { return bench::cpu_seconds({process_.pid()}); }
  [[nodiscard]] std::string log() const override { return process_.output(); }

 protected:
  lab::Process process_;
};

// All answer perfdhcp with the same options (1, 3, 15, 28, 51, 53, 54, 58, 59 and, but for dnsmasq, 61): what it can do
// at most depends on how many it has to read.

// No packet socket, since all comes through a relay, and nothing logged of each lease: both make it faster. The lease
// file is what it is by default: appended to, not fsync'd.
constexpr auto kKeaConfig = R"({{ "Dhcp4": {{
  "interfaces-config": {{ "interfaces": ["eth0"], "dhcp-socket-type": "udp" }},
  "lease-database": {{ "type": "memfile", "persist": true, "name": "{state}/leases.csv" }},
  "valid-lifetime": 3600, "renew-timer": 1800, "rebind-timer": 3150,
  "multi-threading": {{ "enable-multi-threading": {multi}, "thread-pool-size": {threads} }},
  "subnet4": [ {{ "id": 1, "subnet": "{prefix}", "pools": [ {{ "pool": "{first} - {last}" }} ],
    "option-data": [ {{ "name": "routers", "data": "{gateway}" }},
                     {{ "name": "domain-name", "data": "guests.internal" }},
                     {{ "name": "broadcast-address", "data": "10.9.255.255" }} ] }} ],
  "loggers": [ {{ "name": "kea-dhcp4", "severity": "ERROR", "output_options": [ {{ "output": "stdout" }} ] }} ]
}} }}
)";

class Kea final : public Foreign {
 public:
  explicit Kea(int threads) : Foreign{threads > 1 ? fmt::format("Kea, {} threads", threads) : "Kea"} {
    if (!have_kea()) throw lab::LabError{"there is no kea-dhcp4 on this machine: run ./dev deps"};
    const auto config = "/run/kea/kea-dhcp4.conf";
    server_.write_file(config,
                       fmt::format(kKeaConfig, fmt::arg("state", kState), fmt::arg("multi", threads > 1),
                                   fmt::arg("threads", threads), fmt::arg("prefix", kPrefix), fmt::arg("first", kFirst),
                                   fmt::arg("last", kLast), fmt::arg("gateway", kGateway)));
    // A copy: AppArmor's profile of the package goes by the program's path, and knows none of these directories.
    server_.must("cp " + kea_program() + " " + kKeaInside);
    lab::SpawnOptions options;
    options.environment = {{"KEA_PIDFILE_DIR", "/run/kea"}, {"KEA_LOCKFILE_DIR", "none"}};
    process_ = server_.spawn({kKeaInside, "-c", config}, options);
  }
};

class Dnsmasq final : public Foreign {
 public:
  Dnsmasq() : Foreign{"dnsmasq"} {
    process_ = server_.spawn(
        {"dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--user=root", "--log-facility=-",
         "--quiet-dhcp", "--port=0", "--interface=eth0", "--no-ping", "--dhcp-authoritative", "--dhcp-lease-max=65536",
         fmt::format("--dhcp-leasefile={}/leases", kState),
         fmt::format("--dhcp-range={},{},255.255.0.0,1h", kFirst, kLast), fmt::format("--dhcp-option=3,{}", kGateway),
         "--dhcp-option=6", "--domain=guests.internal"});
  }
};

class Bare final : public DhcpBed {
 public:
  Bare() : DhcpBed{"bare responder"}, responder_{server_, kServer} {}
  [[nodiscard]] double cpu_seconds() const override { return responder_.cpu_seconds(); }

 private:
  BareResponder responder_;
};

std::string first_line(const lab::Finished& finished) {
  const auto& text = finished.out.empty() ? finished.err : finished.out;
  return text.substr(0, text.find('\n'));
}

}  // namespace

// The relay has an address of the network that it relays for, as relays do, and another on the link to the server's
// host, which has no route for the network but the default one: vrouter would refuse to start beside another.
DhcpBed::DhcpBed(std::string name)
    : server_{"server"}, relay_{"relay"}, name_{std::move(name)}, disk_{server_, kState} {
  lab::connect({server_, "eth0", std::string{kServer} + "/24"}, {relay_, "eth0", std::string{kUplink} + "/24"});
  relay_.must(fmt::format("ip addr add {}/32 dev eth0", kRelay));
  server_.must(fmt::format("ip route add default via {}", kUplink));
}

std::unique_ptr<DhcpBed> vrouter_dhcp(Sync sync) {
  return std::make_unique<Vrouter>(sync);
}

std::unique_ptr<DhcpBed> kea_dhcp(int threads) {
  return std::make_unique<Kea>(threads);
}

std::unique_ptr<DhcpBed> dnsmasq_dhcp() {
  return std::make_unique<Dnsmasq>();
}

std::unique_ptr<DhcpBed> bare_dhcp() {
  return std::make_unique<Bare>();
}

bool have_kea() {
  return !kea_program().empty();
}

bool have_perfdhcp() {
  return lab::Namespace{"here"}.sh("command -v perfdhcp").ok();
}

std::string versions_of_peers() {
  const lab::Namespace here{"here"};
  const auto kea = have_kea() ? first_line(here.run({kea_program(), "-v"})) : "not here";
  return "Kea " + kea + ", perfdhcp " + first_line(here.run({"perfdhcp", "-v"})) + ", " +
         first_line(here.run({"dnsmasq", "--version"}));
}

}  // namespace vrouter::bench
