// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <utility>

#include "dns/forwarder.h"
#include "dns/listen.h"

namespace vrouter::dns {

namespace {

// The same for every descriptor of a socket, and no other's: socket(7). 0: the kernel doesn't say.
std::uint64_t identity(const UniqueFd& socket) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

class DnsServer final : public Server {
 public:
  explicit DnsServer(boost::asio::io_context& io)
      : io_{io}, forwarder_{io, table_}, handler_{names_, table_, forwarder_, counts_} {}

  void apply(const Update& update) override {
    names_.apply(update);
    if (!update.snapshot) return;
    own_ = listen_addresses(update.zones);
    std::erase_if(places_, [&](const auto& place) { return std::ranges::find(own_, place.first.first) == own_.end(); });
    table_.set(upstreams_, own_);
  }

  void set_upstreams(Upstreams upstreams) override {
    upstreams_ = std::move(upstreams);
    table_.set(upstreams_, own_);
  }

  void listen(const address& local, Transport transport, UniqueFd bound) override {
    auto& place = places_[{local, transport}];
    const auto socket = identity(bound);
    if (place.listener && socket != 0 && place.socket == socket) return;
    place.socket = socket;
    place.listener = transport == Transport::udp ? serve_udp(io_, std::move(bound), handler_, batch_)
                                                 : serve_tcp(io_, std::move(bound), local, handler_, clients_);
  }

  [[nodiscard]] Statistics statistics() const override {
    Statistics all = counts_;
    all.mismatched_replies = forwarder_.mismatched_replies();
    all.upstreams = table_.status();
    return all;
  }

 private:
  struct Place {
    std::uint64_t socket = 0;
    std::unique_ptr<Listener> listener;
  };

  boost::asio::io_context& io_;
  Names names_;
  std::vector<address> own_;  // of the zones
  Upstreams upstreams_;
  UpstreamTable table_;
  Statistics counts_;
  Forwarder forwarder_;
  QueryHandler handler_;
  std::shared_ptr<UdpBatch> batch_ = make_udp_batch();
  std::shared_ptr<TcpClients> clients_ = make_tcp_clients();
  std::map<std::pair<address, Transport>, Place> places_;
};

}  // namespace

std::unique_ptr<Server> Server::create(boost::asio::io_context& io) {
  return std::make_unique<DnsServer>(io);
}

}  // namespace vrouter::dns
