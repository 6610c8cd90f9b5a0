// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/dns_servers.h"

#include <fmt/format.h>
#include <sched.h>

#include <iterator>

#include "tests/bench/cpu.h"
#include "tests/bench/dns_echo.h"
#include "tests/lab/lib/daemon.h"
#include "tests/lab/lib/paths.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kUnbound = "unbound/usr/sbin/unbound";

lab::Arguments pin_to(int cpu) {
  if (cpu < 0) return {};
  return {"taskset", "-c", std::to_string(cpu)};
}

class Vrouter final : public DnsBed {
 public:
  Vrouter(const Place& place, int workers) : DnsBed{fmt::format("vrouter{}", workers), place} {
    lab::DaemonOptions options;
    options.config =
        fmt::format("{}\n[dns]\nupstreams = [\"{}\"]\nworkers = {}\n", lab::kCrowdNetwork, upstream_, workers);
    options.wrapper = pinned();
    options.print_log = false;
    daemon_ = std::make_unique<lab::Daemon>(server_, options);
    daemon_->start();
    auto client = lab::connect_to(server_, *daemon_);
    for (int i = 0; i < guests(); ++i) {
      auto guest = lab::guest_of(i);
      if (place.crowd) guest.mac = DnsCrowd::mac_of(i);  // the others' neighbours are told to the kernel as well
      static_cast<void>(lab::must(client.add_guest(guest)));
    }
    const auto ready = [&] { return lab::must(client.status()).guests_ready == static_cast<std::uint64_t>(guests()); };
    if (!lab::wait_until(ready, 30s)) throw lab::LabError{"not every guest became ready\n" + daemon_->log()};
  }
  [[nodiscard]] double cpu_seconds() const override {
    return exact_cpu_seconds(lab::processes_of(server_, lab::built_program("vrouterd")));
  }
  [[nodiscard]] std::string log() const override { return daemon_->log() + daemon_->cli({"status"}).to_string(); }

 private:
  std::unique_ptr<lab::Daemon> daemon_;
};

// A server that is one process.
class Foreign : public DnsBed {
 public:
  Foreign(std::string name, const Place& place) : DnsBed{std::move(name), place} { route_by_hand(); }
  [[nodiscard]] double cpu_seconds() const override { return exact_cpu_seconds({process_.pid()}); }
  [[nodiscard]] std::string log() const override { return process_.output(); }

 protected:
  void start(const lab::Arguments& program) {
    auto command = pinned();
    command.insert(command.end(), program.begin(), program.end());
    process_ = server_.spawn(command);
  }

 private:
  lab::Process process_;
};

// One thread, no validation, room for every name and every question under way: what makes it faster, it has.
constexpr auto kUnboundConfig = R"(server:
  interface: {gateway}
  access-control: 10.8.0.0/16 allow
  num-threads: 1
  module-config: "iterator"
  chroot: ""
  username: ""
  directory: "/run"
  pidfile: ""
  use-syslog: no
  do-ip6: no
  minimal-responses: yes
  msg-cache-size: 128m
  rrset-cache-size: 256m
  outgoing-range: 8192
  num-queries-per-thread: 4096
  so-rcvbuf: 4m
  so-sndbuf: 4m
  edns-buffer-size: 1232
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {upstream}
)";

class Unbound final : public Foreign {
 public:
  explicit Unbound(const Place& place) : Foreign{"unbound", place} {
    const auto program = lab::unpacked_program(kUnbound);
    if (program.empty()) throw lab::LabError{"there is no unbound on this machine: ./dev deps"};
    const auto config = "/run/unbound.conf";
    server_.write_file(config,
                       fmt::format(kUnboundConfig, fmt::arg("gateway", kGateway), fmt::arg("upstream", upstream_)));
    start({program, "-d", "-c", config});
  }
};

// Its default of 150 questions under way would be all that is measured of it. The cache holds what is asked again, and
// no more: its time to find a place in a full one grows with its size.
class Dnsmasq final : public Foreign {
 public:
  explicit Dnsmasq(const Place& place) : Foreign{"dnsmasq", place} {
    start({"dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file", "--user=root", "--log-facility=-",
           "--no-resolv", "--no-hosts", "--bind-interfaces", fmt::format("--listen-address={}", kGateway),
           "--server=" + upstream_, "--cache-size=20000", "--dns-forward-max=4096"});
  }
};

class Echo final : public DnsBed {
 public:
  explicit Echo(const Place& place) : DnsBed{"echo loop", place} {
    route_by_hand();
    echo_ = std::make_unique<DnsEcho>(server_, kGateway, cpus_.server);
  }
  [[nodiscard]] double cpu_seconds() const override { return echo_->cpu_seconds(); }

 private:
  std::unique_ptr<DnsEcho> echo_;
};

std::string first_line(const lab::Finished& finished) {
  const auto& text = finished.out.empty() ? finished.err : finished.out;
  return text.substr(0, text.find('\n'));
}

}  // namespace

Cpus cpus_to_pin() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) < 0) lab::throw_errno("sched_getaffinity");
  if (CPU_COUNT(&allowed) < 2) return {};
  Cpus found;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) continue;
    if (found.others < 0) found.others = cpu;
    found.server = cpu;
  }
  return found;
}

DnsUpstream::DnsUpstream(int names, const Cpus& cpus) {
  std::string zone =
      "$ORIGIN bench.example.\n$TTL 86400\n@ SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\nns A 203.0.113.1\n"
      "*.miss A 203.0.113.9\n";
  for (int i = 0; i < names; ++i)
    fmt::format_to(std::back_inserter(zone), "h{} A 203.0.{}.{}\n", i, 113 + (i >> 16), i & 0xff);
  nsd_ = std::make_unique<lab::Nsd>(where_, "bench.example", zone, pin_to(cpus.others));
}

DnsBed::DnsBed(std::string name, const Place& place)
    : server_{"server"},
      upstream_{fmt::format("198.18.{}.2", place.number)},
      cpus_{place.cpus},
      count_{place.guests},
      name_{std::move(name)} {
  lab::expect_a_crowd(server_);
  if (place.crowd) crowd_ = std::make_unique<DnsCrowd>(server_, count_, kGateway);
  for (int i = 0; i < count_ && !place.crowd; ++i) {
    auto& guest = *guests_.emplace_back(std::make_unique<lab::Namespace>(fmt::format("guest{}", i)));
    lab::connect({server_, lab::tap_of(i), ""}, {guest, "eth0", lab::address_of(i) + "/32"});
    guest.must(fmt::format("ip route add default via {} dev eth0 onlink", kGateway));
  }
  lab::connect({server_, "eth0", fmt::format("198.18.{}.1/24", place.number)},
               {place.upstream.where(), fmt::format("eth{}", place.number), upstream_ + "/24"});
  server_.must("ip route add default via " + upstream_);
}

void DnsBed::route_by_hand() {
  server_.must(fmt::format("ip addr add {}/32 dev lo", kGateway));
  std::string routes;
  for (int i = 0; i < guests(); ++i)
    routes += fmt::format("route add {}/32 dev {} src {}\n", lab::address_of(i), lab::tap_of(i), kGateway);
  if (crowd_) routes += crowd_->neighbours();
  server_.write_file("/run/routes", routes);
  server_.must("ip -batch /run/routes");
}

lab::Arguments DnsBed::pinned() const {
  return pin_to(cpus_.server);
}

Lookups DnsBed::ask(const std::vector<std::string>& questions, DnsperfRun run) const {
  std::vector<const lab::Namespace*> where;
  for (const auto& guest : guests_) where.push_back(guest.get());
  run.server = kGateway;
  run.cpu = cpus_.others;
  return run_dnsperf(where, questions, run);
}

Lookups DnsBed::ask_as_crowd(const std::vector<std::string>& names, int seconds, int rate) const {
  return crowd_->ask(names, seconds, rate, cpus_.others);
}

std::unique_ptr<DnsBed> vrouter_dns(const DnsBed::Place& place) {
  return std::make_unique<Vrouter>(place, 1);
}

std::unique_ptr<DnsBed> vrouter_dns_two_workers(const DnsBed::Place& place) {
  return std::make_unique<Vrouter>(place, 2);
}

std::unique_ptr<DnsBed> unbound_dns(const DnsBed::Place& place) {
  return std::make_unique<Unbound>(place);
}

std::unique_ptr<DnsBed> dnsmasq_dns(const DnsBed::Place& place) {
  return std::make_unique<Dnsmasq>(place);
}

std::unique_ptr<DnsBed> echo_dns(const DnsBed::Place& place) {
  return std::make_unique<Echo>(place);
}

bool have_dnsperf() {
  return lab::Namespace{"here"}.sh("command -v dnsperf").ok();
}

bool have_unbound() {
  return !lab::unpacked_program(kUnbound).empty();
}

std::string versions_of_dns_peers() {
  const lab::Namespace here{"here"};
  const auto unbound =
      have_unbound() ? first_line(here.run({lab::unpacked_program(kUnbound), "-V"})) : "no unbound here";
  return "unbound: " + unbound + ", " + first_line(here.run({"dnsmasq", "--version"})) + ", " +
         first_line(here.run({lab::unpacked_program("nsd/usr/sbin/nsd"), "-v"}));
}

}  // namespace vrouter::bench
