// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <map>

#include "dns/forwarder.h"
#include "dns/listen.h"

namespace vrouter::dns {

namespace {

constexpr std::chrono::seconds kRetry{1};

class DnsServer final : public Server {
 public:
  explicit DnsServer(boost::asio::io_context& io)
      : io_{io}, forwarder_{io, table_}, handler_{names_, table_, forwarder_, counts_}, retry_{io} {}

  void apply(const Update& update) override {
    names_.apply(update);
    if (!update.snapshot) return;
    const auto wanted = names_.listen_addresses();
    std::erase_if(places_, [&](const auto& place) { return std::ranges::find(wanted, place.first) == wanted.end(); });
    for (const auto& local : wanted) places_.try_emplace(local);
    table_.set(upstreams_, wanted);
    listen();
  }

  void set_upstreams(Upstreams upstreams) override {
    upstreams_ = std::move(upstreams);
    table_.set(upstreams_, names_.listen_addresses());
  }

  [[nodiscard]] std::vector<std::string> problems() const override {
    std::vector<std::string> all;
    for (const auto& [local, place] : places_) {
      if (!place.udp_problem.empty()) all.push_back(place.udp_problem);
      if (!place.tcp_problem.empty()) all.push_back(place.tcp_problem);
    }
    for (const auto& server : table_.refused()) {
      all.push_back(fmt::format(
          "dns: upstream {} is an address of our own and would send questions in a circle: name another server "
          "in dns.upstreams or /etc/resolv.conf",
          server.to_string()));
    }
    if (!table_.has_default()) {
      all.emplace_back(
          "dns: no server to forward to: guests resolve each other's names only; set dns.upstreams, or give the host a "
          "nameserver in /etc/resolv.conf");
    }
    return all;
  }

  [[nodiscard]] Statistics statistics() const override {
    Statistics all = counts_;
    all.mismatched_replies = forwarder_.mismatched_replies();
    all.upstreams = table_.status();
    return all;
  }

 private:
  struct Place {
    std::unique_ptr<Listener> udp, tcp;
    std::string udp_problem, tcp_problem;
  };

  void listen() {
    bool all = true;
    for (auto& [local, place] : places_) {
      if (!place.udp) {
        auto fd = bind_udp(local);
        place.udp_problem = fd ? "" : bind_problem(local, Transport::udp, fd.error());
        if (fd) place.udp = serve_udp(io_, std::move(*fd), handler_, batch_);
      }
      if (!place.tcp) {
        auto fd = bind_tcp(local);
        place.tcp_problem = fd ? "" : bind_problem(local, Transport::tcp, fd.error());
        if (fd) place.tcp = serve_tcp(io_, std::move(*fd), local, handler_, clients_);
      }
      all = all && place.udp && place.tcp;
    }
    retry_.cancel();
    if (all) return;
    retry_.expires_after(kRetry);
    retry_.async_wait([this, alive = std::weak_ptr{alive_}](const boost::system::error_code& cancelled) {
      if (!cancelled && !alive.expired()) listen();
    });
  }

  boost::asio::io_context& io_;
  Names names_;
  Upstreams upstreams_;
  UpstreamTable table_;
  Statistics counts_;
  Forwarder forwarder_;
  QueryHandler handler_;
  std::shared_ptr<UdpBatch> batch_ = make_udp_batch();
  std::shared_ptr<TcpClients> clients_ = make_tcp_clients();
  std::map<address, Place> places_;
  boost::asio::steady_timer retry_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // a handler may be queued when we go
};

}  // namespace

std::unique_ptr<Server> Server::create(boost::asio::io_context& io) {
  return std::make_unique<DnsServer>(io);
}

}  // namespace vrouter::dns
