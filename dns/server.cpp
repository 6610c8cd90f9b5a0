// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/server.h"

#include <sys/socket.h>

#include <algorithm>
#include <map>
#include <utility>

#include "dns/cached_source.h"
#include "dns/forwarder.h"
#include "dns/listen.h"
#include "dns/rebinding.h"

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
      : io_{io}, forwarder_{io, table_}, source_{io, guard_, cache_}, handler_{names_, table_, source_, counts_} {}

  void configure(const Settings& settings) override {
    if (std::exchange(settings_, settings) == settings) return;
    cache_.set_limit(settings.cache_size);
    start_over();  // it may hold what is refused from now on, and the other way round
    guard();
  }

  void forget(const std::string& name) override {
    if (name.empty()) return start_over();
    source_.start_over();
    if (const auto parsed = Name::from_text(name)) cache_.erase(parsed->lower().wire());
  }

  void apply(const Update& update) override {
    names_.apply(update);
    if (!update.snapshot) return;
    if (zones_ != update.zones) start_over();  // what was somebody else's name may be ours now
    zones_ = update.zones;
    guard();
    own_ = listen_addresses(update.zones);
    std::erase_if(places_, [&](const auto& place) { return std::ranges::find(own_, place.first.first) == own_.end(); });
    table_.set(upstreams_, own_);
  }

  void set_upstreams(Upstreams upstreams) override {
    // Other servers may be another network's: a VPN came up. None at all are no reason to forget what is known.
    const bool others = !upstreams.servers.empty() && upstreams.servers != upstreams_.servers;
    if (others || upstreams.forward != upstreams_.forward) cache_.clear();
    source_.start_over();
    upstreams_ = std::move(upstreams);
    table_.set(upstreams_, own_);
  }

  void listen(const address& local, Transport transport, UniqueFd bound) override {
    auto& place = places_[{local, transport}];
    const auto socket = identity(bound);
    if (place.listener && socket != 0 && place.socket == socket) return;
    place.socket = socket;
    place.listener = transport == Transport::udp ? serve_udp(io_, std::move(bound), handler_, quick_, batch_)
                                                 : serve_tcp(io_, std::move(bound), local, handler_, clients_);
  }

  [[nodiscard]] Statistics statistics() const override {
    Statistics all = counts_;
    handler_.gate().add_to(all);
    all.answered_from_cache += quick_.answered();
    all.answered_stale = source_.stale();
    const auto cache = cache_.statistics();
    all.cache = {.entries = cache.entries, .bytes = cache.bytes, .limit = cache.limit};
    all.cache_evicted = cache.evicted;
    all.refused_rebinding = guard_.refused();
    all.mismatched_replies = forwarder_.mismatched_replies();
    all.upstreams = table_.status();
    return all;
  }

 private:
  void start_over() {
    cache_.clear();
    source_.start_over();
  }

  // Guests' networks are inside, whatever addresses they have.
  void guard() {
    RebindPolicy policy{.protect = settings_.rebind_protection};
    for (const auto& domain : settings_.rebind_allow) {
      if (const auto name = Name::from_text(domain)) policy.allowed.push_back(name->lower());
    }
    for (const auto& zone : zones_) {
      policy.inside4.insert(policy.inside4.end(), zone.prefixes4.begin(), zone.prefixes4.end());
      policy.inside6.insert(policy.inside6.end(), zone.prefixes6.begin(), zone.prefixes6.end());
    }
    guard_.set(std::move(policy));
  }

  struct Place {
    std::uint64_t socket = 0;
    std::unique_ptr<Listener> listener;
  };

  boost::asio::io_context& io_;
  Names names_;
  std::vector<Zone> zones_;
  std::vector<address> own_;  // of the zones
  Upstreams upstreams_;
  UpstreamTable table_;
  Statistics counts_;
  Forwarder forwarder_;
  RebindGuard guard_{forwarder_, table_};
  Settings settings_;
  Cache cache_;
  CachedSource source_;
  QueryHandler handler_;
  QuickAnswers quick_{cache_};
  std::shared_ptr<UdpBatch> batch_ = make_udp_batch();
  std::shared_ptr<TcpClients> clients_ = make_tcp_clients();
  std::map<std::pair<address, Transport>, Place> places_;
};

}  // namespace

std::unique_ptr<Server> Server::create(boost::asio::io_context& io) {
  return std::make_unique<DnsServer>(io);
}

}  // namespace vrouter::dns
