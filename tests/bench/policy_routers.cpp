// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/policy_routers.h"

#include <fmt/format.h>

#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

class LinearPolicy final : public Bed {
 public:
  LinearPolicy(const std::string& kind, const Tenants& tenants)
      : Bed{fmt::format("iptables-{}, {} rules", kind, tenants.rules), first_linear_guest(tenants.groups / 2)} {
    route_by_hand();
    host.write_file("/run/rules", linear_rules(tenants));
    host.must("iptables-" + kind + "-restore /run/rules", 120s);
  }
};

class TenantsBed final : public Bed {
 public:
  TenantsBed(const std::string& name, const Tenants& tenants) : Bed{name, tenants.middle()} {
    add_others(tenants.guests);
    lab::DaemonOptions options;
    options.config = lab::kCrowdNetwork;
    options.policies = policy_of(tenants);
    options.print_log = false;
    daemon_ = std::make_unique<lab::Daemon>(host, options);
    daemon_->start();
    auto client = lab::connect_to(host, *daemon_);
    for (int i = 0; i < tenants.guests; ++i) {
      auto guest = tenant_of(tenants, i);
      if (i == number_) guest.limits = {.new_connections = 0, .connections = 0};
      static_cast<void>(lab::must(client.add_guest(guest)));
    }
    const auto all_ready = [&] {
      return lab::must(client.status()).guests_ready == static_cast<std::uint64_t>(tenants.guests);
    };
    if (!lab::wait_until(all_ready, 30s)) throw lab::LabError{"not every guest became ready\n" + daemon_->log()};
  }

 private:
  std::unique_ptr<lab::Daemon> daemon_;
};

}  // namespace

std::unique_ptr<Bed> tenants_bed(const std::string& name, const Tenants& tenants) {
  return std::make_unique<TenantsBed>(name, tenants);
}

std::unique_ptr<Bed> linear_policy_bed(const std::string& kind, const Tenants& tenants) {
  return std::make_unique<LinearPolicy>(kind, tenants);
}

}  // namespace vrouter::bench
