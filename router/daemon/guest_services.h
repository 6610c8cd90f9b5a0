// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP and DNS as the router feeds them: each in a process of its own, or both in this one; what is told and heard is
// the same. They fail apart: a port that somebody else holds, or a process that dies, costs that one service, is tried
// again, and is told by problems().
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/model.h"
#include "dhcp/server.h"
#include "dns/listeners.h"
#include "dns/resolv_conf.h"
#include "dns/server.h"
#include "router/daemon/guest_tables.h"
#include "router/processes/dhcp_remote.h"
#include "router/processes/dns_remote.h"
#include "router/processes/spawner.h"

namespace vrouter::router {

class GuestServices {
 public:
  struct Handlers {
    dhcp::Server::Handlers dhcp;
    // The servers that DNS may ask from now on; called before it is told of new ones, and after it left old ones.
    std::function<void(std::vector<config::DnsServer>)> admit;
    dns::Server::AskToAdmit let_in;  // what a guest is about to be told by rules to domains
  };
  // Without a spawner, both run in this process. Nothing is opened before configure().
  GuestServices(boost::asio::io_context& io, std::filesystem::path resolv_conf, Spawner* spawner, Handlers handlers);

  // Zones and upstreams from the configuration; guests follow by put(). Forgets the guests told before. `ipv6`: the
  // networks whose IPv6 gateway is on this host. `lists`: read of that configuration.
  void configure(const config::Config& config, const std::set<std::string>& ipv6, const DnsLists& lists);
  void put(const config::Guest& guest, const config::Network& network, const std::optional<TapIdentity>& tap,
           config::ClientDhcp told) {
    tables_.put(guest, network, tap, std::move(told));
  }
  void remove(const config::Guest& guest) { tables_.remove(guest); }
  // Leases of ranges, gathered likewise.
  [[nodiscard]] GuestTables& tables() noexcept { return tables_; }
  [[nodiscard]] const GuestTables& tables() const noexcept { return tables_; }
  void committed(const std::vector<dhcp::CommitResult>& results) {
    if (dhcp_) dhcp_->committed(results);
  }
  void heard(const dhcp::Probe& probe, const MacAddress& by) {
    if (dhcp_) dhcp_->heard(probe, by);
  }
  // Sends what put() and remove() gathered since configure() as one snapshot, then each change as a delta.
  void flush();
  // Serves nobody, listens nowhere and has no process.
  void silence();
  void on_gone(const ChildGone& gone);

  [[nodiscard]] std::vector<std::string> problems() const;
  [[nodiscard]] dhcp::Statistics dhcp_statistics() const;
  [[nodiscard]] dns::Statistics dns_statistics() const;
  [[nodiscard]] std::string upstreams_from() const;
  [[nodiscard]] std::vector<std::string> dns_addresses() const;  // where guests ask
  // What DNS knows of the name; of all where it is empty.
  void forget_names(const std::string& name) {
    if (dns_) dns_->forget(name);
  }
  void set_domains(const dns::Domains& domains) {
    domains_ = domains;
    if (dns_) dns_->set_domains(domains);
  }
  void admitted(const dns::AdmissionReply& reply) {
    if (dns_) dns_->admitted(reply);
  }
  void forget_admitted(unsigned ifindex) {
    if (dns_) dns_->forget_admitted(ifindex);
  }
  // Whom DNS asks under this configuration, forward zones' servers too.
  [[nodiscard]] std::vector<config::DnsServer> upstream_servers(const config::Dns& dns) const;

  struct Process {
    Service service = Service::dhcp;
    int pid = 0;  // 0: there is none now
    std::uint64_t restarts = 0;
  };
  [[nodiscard]] std::vector<Process> processes() const;  // empty where both run in this one

 private:
  // What the children are told and held against.
  struct Bindings final : BindingTable {
    explicit Bindings(const GuestTables& all) : tables{all} {}
    [[nodiscard]] const dhcp::Binding* by_ifindex(unsigned ifindex) const override {
      return tables.by_ifindex(ifindex);
    }
    [[nodiscard]] dhcp::Update snapshot() const override { return tables.bindings(); }
    const GuestTables& tables;
  };
  struct Hosts final : NameTable {
    explicit Hosts(const GuestTables& all) : tables{all} {}
    [[nodiscard]] dns::Update snapshot() const override { return tables.hosts(); }
    const GuestTables& tables;
  };

  void open_dhcp();
  [[nodiscard]] std::expected<std::unique_ptr<dhcp::Server>, KernelError> make_dhcp();
  void open_dns();
  void open_watcher();
  [[nodiscard]] dns::Upstreams upstreams_of(const config::Dns& dns) const;
  void set_upstreams();
  [[nodiscard]] std::string read_authorities();

  boost::asio::io_context& io_;
  std::filesystem::path resolv_conf_;
  Spawner* spawner_;
  Handlers handlers_;
  GuestTables tables_;
  Bindings told_bindings_{tables_};
  Hosts told_hosts_{tables_};

  std::unique_ptr<dhcp::Server> dhcp_;  // none while its port can't be had
  RemoteDhcp* remote_dhcp_ = nullptr;   // dhcp_, where it is a process
  std::string dhcp_problem_;
  boost::asio::steady_timer retry_;
  std::unique_ptr<dns::Server> dns_;
  RemoteDns* remote_dns_ = nullptr;  // dns_, where it is a process
  std::unique_ptr<dns::Listeners> listeners_;
  std::unique_ptr<dns::ResolvConfWatcher> watcher_;
  std::string watcher_problem_;
  std::string authorities_problem_;
  config::Dns dns_config_;
  dns::Domains domains_;
  dns::Upstreams upstreams_;  // as told
  bool silent_ = true;
};

}  // namespace vrouter::router
