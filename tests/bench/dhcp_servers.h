// SPDX-License-Identifier: GPL-2.0-or-later
// The DHCP servers that are compared: each on a host of its own, with the same range of a /16 for what comes through
// one relay, and with its state on the same disk.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/bench/disk.h"
#include "tests/bench/perfdhcp.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::bench {

//     10.9.0.2 relay eth0 192.0.2.2 --- 192.0.2.1 eth0 server
class DhcpBed {
 public:
  explicit DhcpBed(std::string name);
  DhcpBed(const DhcpBed&) = delete;
  DhcpBed& operator=(const DhcpBed&) = delete;
  virtual ~DhcpBed() = default;

  static constexpr const char* kServer = "192.0.2.1";
  static constexpr const char* kUplink = "192.0.2.2";
  static constexpr const char* kRelay = "10.9.0.2";
  static constexpr const char* kPrefix = "10.9.0.0/16";
  static constexpr const char* kFirst = "10.9.1.0";
  static constexpr const char* kLast = "10.9.254.255";
  static constexpr const char* kGateway = "10.9.0.1";

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const StateDisk& disk() const { return disk_; }
  [[nodiscard]] Exchanges ask(const PerfdhcpRun& run) const { return run_perfdhcp(relay_, kRelay, kServer, run); }
  // What all its processes computed until now.
  [[nodiscard]] virtual double cpu_seconds() const = 0;
  // What it said; for when it doesn't answer.
  [[nodiscard]] virtual std::string log() const { return {}; }

 protected:
  static constexpr const char* kState = "/run/lab/state";
  lab::Namespace server_, relay_;

 private:
  std::string name_;
  StateDisk disk_;
};

enum class Sync : bool { off, on };
[[nodiscard]] std::unique_ptr<DhcpBed> vrouter_dhcp(Sync sync);
// Its one thread, or as many of them for packets. Throws LabError where there is no Kea on this machine.
[[nodiscard]] std::unique_ptr<DhcpBed> kea_dhcp(int threads);
[[nodiscard]] std::unique_ptr<DhcpBed> dnsmasq_dhcp();
[[nodiscard]] std::unique_ptr<DhcpBed> bare_dhcp();

// perfdhcp, Kea and dnsmasq as they call themselves.
[[nodiscard]] std::string versions_of_peers();
[[nodiscard]] bool have_perfdhcp();
[[nodiscard]] bool have_kea();

}  // namespace vrouter::bench
