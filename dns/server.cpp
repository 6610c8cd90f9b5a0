// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/server.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "dns/admission.h"
#include "dns/cached_source.h"
#include "dns/forwarder.h"
#include "dns/listen.h"
#include "dns/loop_probe.h"
#include "dns/rebinding.h"
#include "dns/workers.h"

namespace vrouter::dns {

namespace {

// The same for every descriptor of a socket, and no other's: socket(7). 0: the kernel doesn't say.
std::uint64_t identity(const UniqueFd& socket) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

// The server's own thread answers what came to its sockets without a detour.
class Directly final : public LongWay {
 public:
  explicit Directly(QueryHandler& handler) : handler_{handler} {}
  void answer(std::span<const std::uint8_t> message, const Client& client, BootTime now, Respond respond) override {
    handler_.answer(message, client, Transport::udp, now, std::move(respond));
  }

 private:
  QueryHandler& handler_;
};

class DnsServer final : public Server {
 public:
  DnsServer(boost::asio::io_context& io, AskToAdmit ask)
      : io_{io},
        forwarder_{io, table_},
        source_{io, guard_, cache_},
        admission_{io, std::move(ask)},
        handler_{names_, table_, source_, counts_, &admission_} {
    handler_.watch_for_own([this](const Name& name) { return loops_.heard(name); });
  }
  ~DnsServer() override {
    const Workers::Pause pause{workers_};
    places_.clear();
  }
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  void configure(const Settings& settings) override {
    const auto before = std::exchange(settings_, settings);
    if (before == settings) return;
    {
      const Workers::Pause pause{workers_};
      cache_.set_limit(settings.cache_size);
      start_over();  // it may hold what is refused from now on, and the other way round
      guard();
      // Sockets come as many to an address as there are workers.
      if (before.workers != settings.workers)
        std::erase_if(places_, [](const auto& place) { return place.first.transport == Transport::udp; });
    }
    if (before.workers == settings.workers || workers_.set_count(settings.workers - 1)) return;
    fmt::print(stderr, "vrouterd: dns: the system gives no {} threads to answer with; there are {}\n", settings.workers,
               workers_.count() + 1);
  }

  void forget(const std::string& name) override {
    if (name.empty()) return start_over();
    source_.start_over();
    if (const auto parsed = Name::from_text(name)) cache_.erase(parsed->lower().wire());
  }

  void set_domains(const Domains& domains) override {
    const Workers::Pause pause{workers_};
    if (std::exchange(domains_, domains) != domains) admission_.set(domains);
  }
  void admitted(const AdmissionReply& reply) override {
    const Workers::Pause pause{workers_};
    admission_.answered(reply, BootClock::now());
  }
  void forget_admitted(unsigned ifindex) override {
    const Workers::Pause pause{workers_};
    admission_.forget(ifindex);
  }

  void apply(const Update& update) override {
    const Workers::Pause pause{workers_};
    names_.apply(update);
    if (!update.snapshot) return;
    // What was somebody else's name may be ours now.
    if (zones_ != update.zones || records_ != update.records) start_over();
    zones_ = update.zones;
    records_ = update.records;
    guard();
    own_ = listen_addresses(update.zones);
    std::erase_if(places_, [&](const auto& place) { return std::ranges::find(own_, place.first.local) == own_.end(); });
    table_.set(upstreams_, own_);
  }

  void set_upstreams(Upstreams upstreams) override {
    // Other servers may be another network's: a VPN came up. None at all are no reason to forget what is known.
    const bool others = !upstreams.servers.empty() && upstreams.servers != upstreams_.servers;
    if (others || upstreams.forward != upstreams_.forward) cache_.clear();
    source_.start_over();
    upstreams_ = std::move(upstreams);
    table_.set(upstreams_, own_);
    forwarder_.trust(std::exchange(upstreams_.authorities, {}));
    std::vector<config::DnsServer> all;
    for (const auto& status : table_.status()) all.push_back(status.server);
    loops_.set(std::move(all));
  }

  void listen(const Place& place, UniqueFd bound) override {
    const Workers::Pause pause{workers_};
    auto& served = places_[place];
    const auto socket = identity(bound);
    if (served.listener && socket != 0 && served.socket == socket) return;
    served.socket = socket;
    served.listener.reset();
    served.listener = serve(place, std::move(bound));
  }

  [[nodiscard]] Statistics statistics() const override {
    Statistics all = counts_;
    handler_.gate().add_to(all);
    all.answered_from_cache += quick_.answered();
    workers_.add_to(all);
    all.answered_stale = source_.stale();
    const auto cache = cache_.statistics();
    all.cache = {.entries = cache.entries, .bytes = cache.bytes, .limit = cache.limit};
    all.cache_evicted = cache.evicted;
    all.refused_rebinding = guard_.refused();
    admission_.add_to(all);
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

  std::unique_ptr<Listener> serve(const Place& place, UniqueFd bound) {
    if (place.transport == Transport::tcp) return serve_tcp(io_, std::move(bound), place.local, handler_, clients_);
    // Where there are fewer threads than were wanted, each takes more than its own.
    const auto worker = place.worker % (workers_.count() + 1);
    return worker == 0 ? serve_udp(io_, std::move(bound), desk_) : workers_.serve(worker - 1, std::move(bound));
  }

  struct Served {
    std::uint64_t socket = 0;
    std::unique_ptr<Listener> listener;
  };

  boost::asio::io_context& io_;
  Names names_;
  std::vector<Zone> zones_;
  std::vector<StaticRecord> records_;
  std::vector<address> own_;  // of the zones
  Upstreams upstreams_;
  UpstreamTable table_;
  Statistics counts_;
  Forwarder forwarder_;
  RebindGuard guard_{forwarder_, table_};
  Settings settings_;
  Cache cache_;
  CachedSource source_;
  Domains domains_;
  Admission admission_;
  QueryHandler handler_;
  QuickAnswers quick_{cache_, &admission_, &names_.lists()};
  Directly directly_{handler_};
  UdpDesk desk_{handler_.gate(), quick_, directly_, nullptr};
  Workers workers_{io_, names_, cache_, admission_, handler_};
  LoopProbe loops_{io_,
                   {.ask = [this](const auto& server, const auto& key) { forwarder_.try_server(server, key); },
                    .found = [this](const auto& server, bool does) { table_.leads_back(server, does); }}};
  std::shared_ptr<TcpClients> clients_ = make_tcp_clients();
  std::map<Place, Served> places_;
};

}  // namespace

std::unique_ptr<Server> Server::create(boost::asio::io_context& io, AskToAdmit ask) {
  return std::make_unique<DnsServer>(io, std::move(ask));
}

}  // namespace vrouter::dns
