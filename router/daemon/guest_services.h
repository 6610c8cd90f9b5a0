// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP and DNS as the router feeds them: it keeps what each was told and pushes only what changed. They fail apart: a
// port that somebody else holds costs that one service, is tried again every second, and is told by problems().
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/model.h"
#include "dhcp/server.h"
#include "dns/listeners.h"
#include "dns/resolv_conf.h"
#include "dns/server.h"
#include "router/daemon/replicas.h"

namespace vrouter::router {

class GuestServices {
 public:
  GuestServices(boost::asio::io_context& io, std::filesystem::path resolv_conf, dhcp::Server::EventSink leases);

  // Zones and upstreams from the configuration; guests follow by put(). Forgets the guests told before.
  void configure(const config::Config& config);
  // A guest as it is now: with its TAP it is served, without it only its name is known.
  void put(const config::Guest& guest, const config::Network& network, const std::optional<TapIdentity>& tap);
  void remove(const config::Guest& guest);
  // Sends what put() and remove() gathered since configure() as one snapshot, then each change as a delta.
  void flush();
  // Serves nobody and listens nowhere.
  void silence();

  [[nodiscard]] std::vector<std::string> problems() const;
  [[nodiscard]] dhcp::Statistics dhcp_statistics() const;
  [[nodiscard]] dns::Statistics dns_statistics() const;
  [[nodiscard]] std::string upstreams_from() const;

 private:
  void open_dhcp();
  void open_watcher();
  void set_upstreams();
  [[nodiscard]] dhcp::Update all_bindings() const;

  boost::asio::io_context& io_;
  std::filesystem::path resolv_conf_;
  dhcp::Server::EventSink leases_;
  std::unique_ptr<dhcp::Server> dhcp_;  // none while its port can't be had
  std::string dhcp_problem_;
  boost::asio::steady_timer retry_;
  std::unique_ptr<dns::Server> dns_;
  std::unique_ptr<dns::Listeners> dns_listeners_;
  std::unique_ptr<dns::ResolvConfWatcher> watcher_;
  std::string watcher_problem_;

  config::Dns dns_config_;
  dns::Upstreams upstreams_;  // as told
  std::vector<dns::Zone> zones_;
  std::map<std::string, dhcp::Binding> bindings_;  // by TAP, as told
  std::map<std::string, dns::Host> hosts_;         // by TAP, as told
  bool snapshot_due_ = true;
  bool silent_ = false;
  dhcp::Update bindings_due_;
  dns::Update hosts_due_;
};

}  // namespace vrouter::router
