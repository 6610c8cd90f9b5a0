// SPDX-License-Identifier: GPL-2.0-or-later
// The DNS forwarders that are compared: each on a host of its own, with the same guests on the same kind of links and
// the same upstream, each on the same CPU alone, while who asks and the upstream share another.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/bench/dns_crowd.h"
#include "tests/bench/dnsperf.h"
#include "tests/lab/lib/namespace.h"
#include "tests/lab/lib/nsd.h"

namespace vrouter::bench {

// Negative where the machine has only one: then nothing is pinned.
struct Cpus {
  int server = -1, others = -1;
};
[[nodiscard]] Cpus cpus_to_pin();

// h0.bench.example, h1 ... with an address each, and *.miss.bench.example for names that nobody has asked before.
class DnsUpstream {
 public:
  DnsUpstream(int names, const Cpus& cpus);
  [[nodiscard]] lab::Namespace& where() { return where_; }

 private:
  lab::Namespace where_{"upstream"};
  std::unique_ptr<lab::Nsd> nsd_;
};

//     guest 0 eth0 --- t0 server
//     guest 1 eth0 --- t1 server eth0 198.18.NUMBER.1 --- 198.18.NUMBER.2 upstream
//
// Several guests, since one is allowed only so much (dns/budget.h). The links are veth pairs: a TAP would measure
// whoever copies its frames.
class DnsBed {
 public:
  struct Place {
    DnsUpstream& upstream;
    Cpus cpus;
    int number = 0;  // 1 to 254, one each
    int guests = 1;
    bool crowd = false;  // the guests share a namespace: for ask_as_crowd(), and not for ask()
  };
  DnsBed(std::string name, const Place& place);
  DnsBed(const DnsBed&) = delete;
  DnsBed& operator=(const DnsBed&) = delete;
  virtual ~DnsBed() = default;

  static constexpr const char* kGateway = "10.8.0.1";  // whom all ask

  [[nodiscard]] const std::string& name() const { return name_; }
  // `questions`: of each guest. The server and the CPU are filled in here.
  [[nodiscard]] Lookups ask(const std::vector<std::string>& questions, DnsperfRun run) const;
  // A's of these, over and over, one at a time by each guest; `rate` of all together, 0 for as many as are answered.
  [[nodiscard]] Lookups ask_as_crowd(const std::vector<std::string>& names, int seconds, int rate) const;
  // What all its processes computed until now.
  [[nodiscard]] virtual double cpu_seconds() const = 0;
  // What it said; for when it doesn't answer.
  [[nodiscard]] virtual std::string log() const { return {}; }

 protected:
  [[nodiscard]] lab::Arguments pinned() const;  // to be put before the server's command
  void route_by_hand();                         // the gateway's address and the guests' routes
  [[nodiscard]] int guests() const { return count_; }

  lab::Namespace server_;
  std::string upstream_;  // its address
  Cpus cpus_;

 private:
  int count_;
  std::vector<std::unique_ptr<lab::Namespace>> guests_;
  std::unique_ptr<DnsCrowd> crowd_;  // in place of them
  std::string name_;
};

[[nodiscard]] std::unique_ptr<DnsBed> vrouter_dns(const DnsBed::Place& place);
[[nodiscard]] std::unique_ptr<DnsBed> vrouter_dns_two_workers(const DnsBed::Place& place);
[[nodiscard]] std::unique_ptr<DnsBed> unbound_dns(const DnsBed::Place& place);
[[nodiscard]] std::unique_ptr<DnsBed> dnsmasq_dns(const DnsBed::Place& place);
[[nodiscard]] std::unique_ptr<DnsBed> echo_dns(const DnsBed::Place& place);

[[nodiscard]] bool have_dnsperf();
[[nodiscard]] bool have_unbound();
// As they call themselves.
[[nodiscard]] std::string versions_of_dns_peers();

}  // namespace vrouter::bench
