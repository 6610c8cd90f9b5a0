// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/routers.h"

#include <fmt/format.h>

#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

using lab::address_of;
using lab::tap_of;

class Plain : public Bed {
 public:
  explicit Plain(std::string name) : Bed{std::move(name), 0} { route_by_hand(); }
};

class Masquerade final : public Plain {
 public:
  explicit Masquerade(const std::string& name) : Plain{name} {
    host.must(
        "nft 'add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; };"
        "add rule ip nat post oifname \"eth0\" masquerade'");
  }
};

class Linear final : public Bed {
 public:
  Linear(const std::string& kind, int crowd)
      : Bed{fmt::format("iptables-{}, {} guest{}", kind, crowd, crowd == 1 ? "" : "s"), crowd / 2} {
    route_by_hand();
    add_others(crowd);
    std::string raw = "*raw\n", nat = "*nat\n";
    std::string filter = "*filter\n:FORWARD DROP\n-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n";
    for (int i = 0; i < crowd; ++i) {
      const auto tap = tap_of(i), address = address_of(i);
      raw += fmt::format("-A PREROUTING -i {} ! -s {} -j DROP\n", tap, address);
      nat += fmt::format("-A PREROUTING -d {} -p tcp --dport {} -j DNAT --to-destination {}:80\n", kHost, 10000 + i,
                         address);
      filter += fmt::format("-A FORWARD -i {} -s {} -o eth0 -j ACCEPT\n", tap, address);
      filter += fmt::format("-A FORWARD -o {} -d {} -p tcp --dport 80 -j ACCEPT\n", tap, address);
    }
    nat += "-A POSTROUTING -o eth0 -j MASQUERADE\n";
    host.write_file("/run/rules", raw + "COMMIT\n" + nat + "COMMIT\n" + filter + "COMMIT\n");
    host.must("iptables-" + kind + "-restore /run/rules", 120s);
  }
};

class Vrouter final : public Bed {
 public:
  Vrouter(const std::string& name, int crowd) : Bed{name, crowd / 2} {
    add_others(crowd);
    lab::DaemonOptions options;
    options.config = lab::kCrowdNetwork;
    options.print_log = false;
    daemon_ = std::make_unique<lab::Daemon>(host, options);
    daemon_->start();
    auto client = lab::connect_to(host, *daemon_);
    lab::add_guests(client, 0, crowd);
    const auto all_ready = [&] { return lab::must(client.status()).guests_ready == static_cast<std::uint64_t>(crowd); };
    if (!lab::wait_until(all_ready, 30s)) throw lab::LabError{"not every guest became ready\n" + daemon_->log()};
  }

 private:
  std::unique_ptr<lab::Daemon> daemon_;
};

}  // namespace

Bed::Bed(std::string name, int number)
    : guest{"guest"}, host{"host"}, world{"world"}, name_{std::move(name)}, number_{number} {
  lab::expect_a_crowd(host);
  const auto address = address_of(number);
  lab::connect({host, tap_of(number), ""}, {guest, "eth0", address + "/32"});
  lab::connect({host, "eth0", std::string{kHost} + "/24"}, {world, "eth0", std::string{kWorld} + "/24"});
  guest.must(std::string{"ip route add default via "} + kGateway + " dev eth0 onlink");
  host.must(std::string{"ip route add default via "} + kWorld);
  // Only plain forwarding needs the way back; it is there for all.
  world.must("ip route add " + address + "/32 via " + kHost);
}

void Bed::route_by_hand() {
  host.set_sysctl("net/ipv4/ip_forward", "1");
  host.must(std::string{"ip addr add "} + kGateway + "/32 dev lo");
  host.must("ip route add " + address_of(number_) + "/32 dev " + tap_of(number_) + " src " + kGateway);
}

void Bed::add_others(int crowd) {
  others_ = std::make_unique<lab::TapFleet>(host, lab::taps_of(crowd, {number_}));
}

std::unique_ptr<Bed> plain_bed() {
  return std::make_unique<Plain>("plain forwarding");
}

std::unique_ptr<Bed> masquerade_bed(const std::string& name) {
  return std::make_unique<Masquerade>(name);
}

std::unique_ptr<Bed> linear_bed(const std::string& kind, int crowd) {
  return std::make_unique<Linear>(kind, crowd);
}

std::unique_ptr<Bed> vrouter_bed(const std::string& name, int crowd) {
  return std::make_unique<Vrouter>(name, crowd);
}

}  // namespace vrouter::bench
