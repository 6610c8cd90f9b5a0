// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's side of the DNS process, and a child that is a replica of what it was told.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <map>
#include <set>

#include "dns/listeners.h"
#include "dns/shared_list.h"
#include "router/processes/dns_authorities.h"
#include "router/processes/dns_remote.h"

namespace vrouter::router::remote_testing {

namespace verbs = dns_verbs;
using boost::asio::ip::make_address;
using dns::Place;

inline std::uint64_t identity(const UniqueFd& fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  EXPECT_EQ(::getsockopt(fd.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
  return cookie;
}

// What a child knows after the orders that it got.
struct Replica {
  std::vector<dns::Zone> zones;
  std::map<std::pair<std::string, std::string>, dns::Host> hosts;
  dns::Upstreams upstreams;
  std::uint64_t version = 0;
  std::map<Place, std::uint64_t> sockets;  // by identity
  dns::Settings settings;
  std::vector<std::string> forgotten;
  dns::Domains domains;
  std::vector<dns::AdmissionReply> admitted;
  std::vector<unsigned> anew;

  std::vector<std::shared_ptr<dns::SharedList>> lists;
  std::vector<dns::ListGroup> list_groups;
  std::optional<dns::Update> begun;
  std::vector<config::ForwardZone> forward;
  std::string authorities;

  void take(Message message) {
    const auto order = verbs::decode_order(message.bytes);
    ASSERT_TRUE(order) << order.error();
    std::visit([&](const auto& o) { carry_out(o, message.fd); }, *order);
  }
  void carry_out(const verbs::Record& o, const UniqueFd&) {
    ASSERT_TRUE(begun);
    begun->records.push_back(o.record);
  }
  void carry_out(const verbs::Listen& o, const UniqueFd& fd) {
    ASSERT_TRUE(fd);
    sockets[o.place] = identity(fd);
  }
  void carry_out(const verbs::Begin&, const UniqueFd&) {
    begun.emplace();
    forward.clear();
    authorities.clear();
  }
  void carry_out(const verbs::Zone& o, const UniqueFd&) {
    ASSERT_TRUE(begun);
    begun->zones.push_back(o.zone);
  }
  void carry_out(const verbs::List& o, const UniqueFd& fd) {
    ASSERT_TRUE(begun);
    ASSERT_EQ(o.number, begun->lists.size());
    auto taken = dns::SharedList::take(UniqueFd{::dup(fd.get())}, o.size);
    ASSERT_TRUE(taken) << taken.error();
    begun->lists.push_back(*std::move(taken));
  }
  void carry_out(const verbs::ListGroup& o, const UniqueFd&) {
    ASSERT_TRUE(begun);
    begun->list_groups.push_back(o.group);
  }
  void carry_out(const verbs::Host& o, const UniqueFd&) {
    if (begun) {
      begun->upserts.push_back(o.host);
    } else {
      hosts[{o.host.network, o.host.name}] = o.host;
    }
  }
  void carry_out(const verbs::Unhost& o, const UniqueFd&) {
    ASSERT_FALSE(begun);
    hosts.erase({o.network, o.name});
  }
  void carry_out(const verbs::End&, const UniqueFd&) {
    ASSERT_TRUE(begun);
    zones = begun->zones;
    lists = begun->lists;
    list_groups = begun->list_groups;
    hosts.clear();
    for (const auto& host : begun->upserts) hosts[{host.network, host.name}] = host;
    begun.reset();
    const auto held = dns::listen_addresses(zones);
    std::erase_if(sockets, [&](const auto& s) { return std::ranges::find(held, s.first.local) == held.end(); });
  }
  void carry_out(const verbs::Forward& o, const UniqueFd&) { forward.push_back(o.zone); }
  void carry_out(const verbs::Upstreams& o, const UniqueFd&) {
    upstreams = {
        .servers = o.servers, .forward = std::exchange(forward, {}), .authorities = std::exchange(authorities, {})};
    version = o.version;
  }
  void carry_out(const verbs::Settings& o, const UniqueFd&) {
    if (settings.workers != o.settings.workers)
      std::erase_if(sockets, [](const auto& s) { return s.first.transport == dns::Transport::udp; });
    settings = o.settings;
  }
  void carry_out(const verbs::Trust&, const UniqueFd& fd) {
    const auto read = read_authorities(fd);
    ASSERT_TRUE(read) << read.error();
    authorities = *read;
  }
  void carry_out(const verbs::Forget& o, const UniqueFd&) { forgotten.push_back(o.name); }
  void carry_out(const verbs::Domains& o, const UniqueFd&) { domains = o.domains; }
  void carry_out(const verbs::Admitted& o, const UniqueFd&) { admitted.push_back(o.reply); }
  void carry_out(const verbs::ForgetAdmitted& o, const UniqueFd&) { anew.push_back(o.ifindex); }
};

// A line that holds `room` messages until the child reads.
class FakeSupervisor final : public Supervisor {
 public:
  explicit FakeSupervisor(Handlers handlers) : handlers_{std::move(handlers)} {}

  void start() {
    child.emplace();
    queue_.clear();
    refused_ = false;
    handlers_.started();
  }
  void die() {
    child.reset();
    queue_.clear();
  }
  void read() {
    while (child && !queue_.empty()) {
      for (auto& message : std::exchange(queue_, {})) child->take(std::move(message));
      if (std::exchange(refused_, false)) handlers_.drained();
    }
  }
  std::string say(const verbs::Report& report) { return say(verbs::encode(report)); }
  std::string say(std::span<const std::uint8_t> bytes) {
    const auto done = handlers_.message(bytes);
    return done ? "" : done.error();
  }

  bool send(Message message) override {
    if (!child) return false;
    if (queue_.size() >= room) {
      refused_ = true;
      return false;
    }
    ++sent;
    queue_.push_back(std::move(message));
    return true;
  }
  [[nodiscard]] pid_t pid() const override { return child ? 1 : 0; }
  [[nodiscard]] std::string problem() const override { return {}; }
  [[nodiscard]] std::uint64_t restarts() const override { return 0; }
  void on_gone(const ChildGone&) override {}

  std::optional<Replica> child;
  std::size_t room = 1000, sent = 0;

 private:
  Handlers handlers_;
  std::vector<Message> queue_;
  bool refused_ = false;
};

inline const address kGateway = make_address("10.0.5.1"), kOther = make_address("10.0.6.1");
inline const address kQuad9 = make_address("9.9.9.9"), kInside = make_address("192.0.2.54");

struct Table final : NameTable {
  std::vector<dns::Zone> zones;
  std::map<std::pair<std::string, std::string>, dns::Host> hosts;
  std::vector<std::shared_ptr<dns::SharedList>> lists;
  std::vector<dns::ListGroup> list_groups;
  [[nodiscard]] dns::Update snapshot() const override {
    dns::Update update{.snapshot = true,
                       .zones = zones,
                       .upserts = {},
                       .removed = {},
                       .records = {},
                       .lists = lists,
                       .list_groups = list_groups};
    for (const auto& [key, host] : hosts) update.upserts.push_back(host);
    return update;
  }
};

class DnsRemote : public ::testing::Test {
 protected:
  DnsRemote()
      : remote_{table_,
                [this](Supervisor::Handlers handlers) {
                  auto made = std::make_unique<FakeSupervisor>(std::move(handlers));
                  line_ = made.get();
                  return made;
                },
                [this](const dns::AdmissionRequest& request) { asked_.push_back(request); }} {}

  void set_zones(const std::vector<address>& listen) {
    table_.zones.clear();
    for (const auto& local : listen) {
      table_.zones.push_back(
          {.network = local.to_string(), .domain = "x", .prefixes4 = {}, .prefixes6 = {}, .listen = {local}});
    }
    std::erase_if(sockets_, [&](const auto& s) { return std::ranges::find(listen, s.first.local) == listen.end(); });
    remote_.apply(table_.snapshot());
  }
  void put(const std::string& name, unsigned ifindex) {
    const dns::Host host{.network = "default", .name = name, .ifindex = ifindex, .addresses = {kGateway}};
    table_.hosts[{"default", name}] = host;
    remote_.apply({.snapshot = false, .zones = {}, .upserts = {host}, .removed = {}});
  }
  void remove(const std::string& name) {
    const auto host = table_.hosts.extract({"default", name});
    if (!host.empty()) remote_.apply({.snapshot = false, .zones = {}, .upserts = {}, .removed = {host.mapped()}});
  }
  void listen(const address& local, dns::Transport transport) {
    auto socket = dns::make_socket(AF_INET, transport == dns::Transport::udp ? SOCK_DGRAM : SOCK_STREAM);
    ASSERT_TRUE(socket);
    sockets_[{local, transport}] = identity(*socket);
    remote_.listen({local, transport}, std::move(*socket));
  }
  void set_upstreams(dns::Upstreams upstreams) {
    upstreams_ = upstreams;
    remote_.set_upstreams(std::move(upstreams));
  }
  void expect_in_step() {
    line_->read();
    ASSERT_TRUE(line_->child);
    EXPECT_EQ(line_->child->zones, table_.zones);
    EXPECT_EQ(line_->child->hosts, table_.hosts);
    EXPECT_EQ(line_->child->upstreams, upstreams_);
    EXPECT_EQ(line_->child->domains, domains_);
    EXPECT_EQ(line_->child->sockets, sockets_);
    EXPECT_FALSE(line_->child->begun);
  }

  Table table_;
  std::map<Place, std::uint64_t> sockets_;  // as the child should have them
  dns::Upstreams upstreams_;
  dns::Domains domains_;
  std::vector<dns::AdmissionRequest> asked_;
  FakeSupervisor* line_ = nullptr;
  RemoteDns remote_;
};

}  // namespace vrouter::router::remote_testing
