// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/guest_services.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <utility>

#include "dns/records.h"
#include "dns/upstream_table.h"
#include "router/daemon/log.h"

namespace vrouter::router {

namespace {

std::vector<config::DnsServer> servers_of(const dns::Upstreams& upstreams) {
  auto all = upstreams.servers;
  for (const auto& zone : upstreams.forward) all.insert(all.end(), zone.servers.begin(), zone.servers.end());
  return all;
}

}  // namespace

GuestServices::GuestServices(boost::asio::io_context& io, std::filesystem::path resolv_conf, Spawner* spawner,
                             Handlers handlers)
    : io_{io}, resolv_conf_{std::move(resolv_conf)}, spawner_{spawner}, handlers_{std::move(handlers)}, retry_{io} {
  open_watcher();
}

std::expected<std::unique_ptr<dhcp::Server>, KernelError> GuestServices::make_dhcp() {
  if (spawner_ == nullptr) return dhcp::Server::open(io_, handlers_.dhcp);
  auto remote = RemoteDhcp::open(io_, *spawner_, told_bindings_, handlers_.dhcp);
  if (!remote) return std::unexpected(remote.error());
  remote_dhcp_ = remote->get();
  return std::move(*remote);
}

void GuestServices::open_dhcp() {
  auto server = make_dhcp();
  if (server) {
    dhcp_ = std::move(*server);
    if (!std::exchange(dhcp_problem_, {}).empty()) {
      log_info("DHCP works again");
      dhcp_->apply(tables_.bindings());
    }
    return;
  }
  const auto problem =
      "guests get no DHCP: " + server.error().to_string() +
      "; stop the other DHCP server on this host, or let it bind its own interfaces only (see `ss -ulpn sport = :67`)";
  if (problem != dhcp_problem_) log_error(problem);
  dhcp_problem_ = problem;
  retry_.expires_after(std::chrono::seconds{1});
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !silent_) open_dhcp();
  });
}

void GuestServices::open_dns() {
  dns::MakeSocket make = dns::make_socket;
  if (spawner_ == nullptr) {
    dns_ = dns::Server::create(io_, handlers_.let_in);
  } else {
    auto remote = RemoteDns::open(io_, *spawner_, told_hosts_, handlers_.let_in);
    remote_dns_ = remote.get();
    dns_ = std::move(remote);
    make = [this](int domain, int type) { return spawner_->make_socket(Service::dns, domain, type); };
  }
  listeners_ = dns::Listeners::create(
      io_, std::move(make), [this](const dns::Place& place, UniqueFd bound) { dns_->listen(place, std::move(bound)); });
}

void GuestServices::open_watcher() {
  auto watcher =
      dns::ResolvConfWatcher::open(io_, {.resolv_conf = resolv_conf_}, [this](const std::vector<address>& servers) {
        log_info("resolv.conf changed: " + std::to_string(servers.size()) + " name servers");
        if (!silent_) set_upstreams();
      });
  if (watcher) {
    watcher_ = std::move(*watcher);
    return;
  }
  watcher_problem_ = "the host's resolv.conf can't be followed: " + watcher.error().to_string() +
                     "; name the servers in vrouter.toml: [dns] upstreams = [\"...\"]";
  log_error(watcher_problem_);
}

dns::Upstreams GuestServices::upstreams_of(const config::Dns& dns) const {
  dns::Upstreams upstreams{.servers = dns.upstreams, .forward = dns.forward};
  if (upstreams.servers.empty() && watcher_) {
    const auto& followed = watcher_->servers();
    upstreams.servers.assign(followed.begin(), followed.end());
  }
  return upstreams;
}

std::vector<config::DnsServer> GuestServices::upstream_servers(const config::Dns& dns) const {
  return servers_of(upstreams_of(dns));
}

// Only where there is a server to hold against them. Read here, since the process that uses them has no files.
std::string GuestServices::read_authorities() {
  authorities_problem_.clear();
  const auto over_tls = [](const config::DnsServer& s) { return s.transport == config::DnsTransport::tls; };
  if (std::ranges::none_of(servers_of(upstreams_), over_tls)) return {};
  std::error_code ignored;
  std::ifstream file;
  if (std::filesystem::is_regular_file(dns_config_.tls_ca, ignored)) file.open(dns_config_.tls_ca, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  if (!text.empty() && text.size() <= dns_verbs::kMaxAuthorities) return text;
  authorities_problem_ = "dns: servers over TLS can't be asked: " + dns_config_.tls_ca +
                         (text.empty() ? " holds no certificates that can be read" : " is larger than 4 MiB") +
                         "; install ca-certificates, or name another file in [dns] tls_ca, and then `vrouter reload`";
  log_error(authorities_problem_);
  return {};
}

void GuestServices::set_upstreams() {
  const auto before = std::exchange(upstreams_, upstreams_of(dns_config_));
  upstreams_.authorities = read_authorities();
  const auto wanted = servers_of(upstreams_);
  auto either = servers_of(before);
  either.insert(either.end(), wanted.begin(), wanted.end());
  handlers_.admit(std::move(either));
  dns_->set_upstreams(upstreams_);
  handlers_.admit(wanted);
}

void GuestServices::configure(const config::Config& config, const std::set<std::string>& ipv6, const DnsLists& lists) {
  silent_ = false;
  if (!dns_) open_dns();
  dns_config_ = config.dns;
  dns_->set_domains(domains_);
  dns_->configure({.cache_size = config.dns.cache_size,
                   .rebind_protection = config.dns.rebind_protection,
                   .rebind_allow = config.dns.rebind_allow,
                   .workers = config.dns.workers});
  std::vector<dns::Zone> zones;
  for (const auto& [name, network] : config.networks) zones.push_back(zone_for(network, ipv6.contains(name)));
  tables_.begin(std::move(zones), dns::static_records(config.dns.records), told_lists(config.dns, lists));
  set_upstreams();
  if (!dhcp_ && dhcp_problem_.empty()) open_dhcp();
}

void GuestServices::flush() {
  if (silent_) return;
  const auto due = tables_.take();
  const auto& [bindings, hosts] = due;
  if (dhcp_ && !bindings.empty()) dhcp_->apply(bindings);
  if (hosts.snapshot || !hosts.upserts.empty() || !hosts.removed.empty()) dns_->apply(hosts);
  if (hosts.snapshot) listeners_->want(dns::listen_addresses(tables_.zones()), dns_config_.workers);
}

void GuestServices::silence() {
  tables_.begin({});
  silent_ = true;
  retry_.cancel();
  remote_dhcp_ = nullptr;
  dhcp_.reset();
  dhcp_problem_.clear();
  listeners_.reset();
  remote_dns_ = nullptr;
  dns_.reset();
}

void GuestServices::on_gone(const ChildGone& gone) {
  log_warning(gone.to_string());
  if (gone.service == Service::dhcp && remote_dhcp_ != nullptr) remote_dhcp_->supervisor().on_gone(gone);
  if (gone.service == Service::dns && remote_dns_ != nullptr) remote_dns_->supervisor().on_gone(gone);
}

std::vector<std::string> GuestServices::problems() const {
  std::vector<std::string> problems;
  const auto add = [&problems](std::string problem) {
    if (!problem.empty()) problems.push_back(std::move(problem));
  };
  if (listeners_) problems = listeners_->problems();
  std::ranges::move(dns::upstream_problems(upstreams_, dns::listen_addresses(tables_.zones())),
                    std::back_inserter(problems));
  for (const auto& upstream : dns_statistics().upstreams) {
    if (upstream.trouble == dns::UpstreamTrouble::none) continue;
    problems.push_back("dns: " + upstream.server.to_string() +
                       " can't be asked: " + in_words(upstream.trouble, upstream.server));
  }
  add(authorities_problem_);
  add(dhcp_problem_);
  if (remote_dhcp_ != nullptr) add(remote_dhcp_->supervisor().problem());
  if (remote_dns_ != nullptr) add(remote_dns_->supervisor().problem());
  if (dns_config_.upstreams.empty()) add(watcher_problem_);
  return problems;
}

dhcp::Statistics GuestServices::dhcp_statistics() const {
  return dhcp_ ? dhcp_->statistics() : dhcp::Statistics{};
}
dns::Statistics GuestServices::dns_statistics() const {
  return dns_ ? dns_->statistics() : dns::Statistics{};
}
std::vector<std::string> GuestServices::dns_addresses() const {
  std::vector<std::string> all;
  if (!dns_) return all;
  for (const auto& one : dns::listen_addresses(tables_.zones())) all.push_back(one.to_string());
  return all;
}
std::string GuestServices::upstreams_from() const {
  return dns_config_.upstreams.empty() ? resolv_conf_.string() : "vrouter.toml";
}

std::vector<GuestServices::Process> GuestServices::processes() const {
  std::vector<Process> all;
  const auto add = [&all](Service service, const Supervisor& supervisor) {
    all.push_back({.service = service, .pid = supervisor.pid(), .restarts = supervisor.restarts()});
  };
  if (remote_dhcp_ != nullptr) add(Service::dhcp, remote_dhcp_->supervisor());
  if (remote_dns_ != nullptr) add(Service::dns, remote_dns_->supervisor());
  return all;
}

}  // namespace vrouter::router
