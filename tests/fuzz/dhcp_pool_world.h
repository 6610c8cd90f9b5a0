// SPDX-License-Identifier: GPL-2.0-or-later
// A daemon, a range and its clients, told in bytes. The daemon is honest: it grants nobody what another holds. It
// answers commits late, in any order, or never, and says things of its own. What it knows judges what the service
// sends: no ACK before its lease is written, none for what another holds, none outside what the client may have.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/wire_reader.h"
#include "dhcp/responder.h"
#include "tests/unit/dhcp/pools.h"

namespace vrouter::dhcp::testing {

inline void require(bool condition) {
  if (!condition) __builtin_trap();
}

class PoolWorld {
 public:
  PoolWorld(Responder& responder, const BootTime& now) : responder_{responder}, now_{now} {}

  void step(std::uint8_t choice, WireReader& in) {
    switch (choice % 16) {
      case 0:
        change_pool(in.u8());
        break;
      case 1:
        in.u8() % 4 == 0 ? remove_pool() : snapshot();
        break;
      case 2:
      case 3:
      case 4:
        answer_commit(in.u8(), in.u8());
        break;
      case 5:
        say(in.u8(), in.u8(), in.u8());
        break;
      case 6:
        hear(in.u8(), in.u8(), in.u8());
        break;
      default:
        message(in);
        break;
    }
    collect();
  }
  // After time has passed.
  void finish() {
    responder_.finish_probes(now_, [&](const Outgoing& o, std::span<const std::uint8_t> b) {
      const auto reply = read_reply(b);
      require(reply.well_formed && reply.type() == 2);
      judge_offer(reply, o.ifindex);
    });
    collect();
  }
  // A snapshot without pools.
  void forget() {
    pool_.reset();
    truth_.clear();
    unsure_.clear();
    outstanding_.clear();
    offers_.clear();
  }
  [[nodiscard]] std::vector<Pool> pools() const { return pool_ ? std::vector{*pool_} : std::vector<Pool>{}; }

 private:
  static constexpr unsigned kUpstream = 9;
  static constexpr std::uint32_t kFirst = 0x0a09000a;  // 10.9.0.10

  static address_v4 address(std::uint8_t n) { return address_v4{kFirst - 1 + n % 12}; }
  static Bytes id_of(unsigned client) {
    return client % 3 == 0 ? Bytes{} : Bytes{1, static_cast<std::uint8_t>(client % 2)};
  }
  [[nodiscard]] Client client(unsigned n) const {
    return {mac(n), pool_ && pool_->identity == config::Identity::mac ? Bytes{} : id_of(n)};
  }

  void change_pool(std::uint8_t look) {
    auto p = pool();
    p.settings.lease_time = std::chrono::seconds{60 + (look & 3) * 1000};
    if ((look & 4) != 0) p.excluded = {{ip("10.9.0.12"), ip("10.9.0.13")}};
    if ((look & 8) != 0) p.range.last = ip("10.9.0.14");
    if ((look & 16) != 0) p.probe = std::chrono::milliseconds{500};
    if ((look & 32) != 0) p.identity = config::Identity::mac;
    if ((look & 64) != 0) p.links = {kBridge};
    if ((look & 128) != 0) {
      config::Reservation by_mac, by_id;
      by_mac.mac = mac(1);
      by_mac.address = ip("10.9.0.11");
      by_id.client_id = id_of(2);
      by_id.address = ip("10.9.0.30");
      p.reservations = {by_mac, by_id};
    }
    if (!pool_ || *pool_ != p) {
      offers_.clear();
      if (pool_ && pool_->identity != p.identity) remove_pool();  // its clients would be others
    }
    pool_ = p;
    responder_.apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {}, .pools = {p}});
  }
  void remove_pool() {
    forget();
    responder_.apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {}, .removed_pools = {"office"}});
  }
  // Of the same pool and what the daemon knows; bindings are told by the other story, which has none left then.
  void snapshot() {
    if (!pool_) return;
    for (const auto& [id, commit] : outstanding_) unsure_.insert(commit.lease.address);
    std::vector<Lease> leases;
    for (const auto& [a, lease] : truth_) leases.push_back(lease);
    std::vector<address_v4> gone;
    for (std::uint8_t n = 0; n < 12; ++n) {
      if (!truth_.contains(address(n))) gone.push_back(address(n));
    }
    responder_.apply({.snapshot = false,
                      .upserts = {},
                      .removed_ifindexes = {},
                      .pools = pools(),
                      .leases = std::move(leases),
                      .removed_leases = std::move(gone)});
  }

  void answer_commit(std::uint8_t which, std::uint8_t how) {
    if (outstanding_.empty()) return;
    const auto it = std::next(outstanding_.begin(), which % static_cast<std::ptrdiff_t>(outstanding_.size()));
    const auto commit = it->second;
    const auto& lease = commit.lease;
    for (auto older = outstanding_.begin(); older != it; ++older) {
      if (older->second.lease.address == lease.address) unsure_.insert(lease.address);
    }
    outstanding_.erase(it);
    if (how % 8 == 7) {  // lost
      unsure_.insert(lease.address);
      return;
    }
    const auto* known = held(lease.address);
    const bool taken = known != nullptr && lease.state == LeaseState::bound && !same_holder(*known, lease);
    const bool done = !taken && how % 4 != 0;
    if (done) truth_[lease.address] = lease;
    int sent = 0;
    responder_.committed({std::vector{CommitResult{commit.id, done}}}, now_,
                         [&](const Outgoing& o, std::span<const std::uint8_t> b) {
                           require(done && ++sent == 1 && lease.state == LeaseState::bound && lease.expires > now_);
                           const auto reply = read_reply(b);
                           require(reply.well_formed && reply.type() == 5 && reply.has(51));
                           require(reply.yiaddr == lease.address && o.ifindex == lease.ifindex);
                           require(std::ranges::equal(lease.client.hardware.bytes, std::span{reply.chaddr}.first(6)));
                           require(!voided_.contains(commit.id));
                         });
  }

  // A word of the daemon's own: an administrator's release, an end, a lease that it knows better of.
  void say(std::uint8_t about, std::uint8_t who, std::uint8_t what) {
    if (!pool_) return;
    const auto a = address(about);
    const auto old = truth_.find(a);
    Lease lease{"office", a, who % 2 == 0 ? kBridge : 0, client(who % 6), {}, LeaseState::bound, now_};
    Update update;
    switch (what % 4) {
      case 0:
        update.removed_leases = {a};
        truth_.erase(a);
        break;
      case 1:
        if (old == truth_.end() || held(a) == nullptr) return;
        lease = old->second;
        lease.state = LeaseState::released;
        lease.expires = now_;
        break;
      case 2:
        lease.expires = now_ + std::chrono::seconds{10 * what};
        break;
      case 3:
        lease.state = LeaseState::declined;
        lease.expires = now_ + std::chrono::seconds{10 * what};
        break;
    }
    if (update.removed_leases.empty()) {
      truth_[a] = lease;
      update.leases = {lease};
    }
    unsure_.erase(a);
    for (const auto& [id, commit] : outstanding_) {
      if (commit.lease.address != a) continue;
      unsure_.insert(a);
      // What it says of somebody else, or of nobody, is no word of what was known before.
      const bool other_news = what % 4 == 3 || (what % 4 == 2 && lease.client != commit.lease.client);
      if (other_news && !(before_.contains(id) && before_.at(id) == lease)) voided_.insert(id);
    }
    responder_.apply(update);
  }

  void hear(std::uint8_t about, std::uint8_t link, std::uint8_t by) {
    if (!pool_) return;
    responder_.heard({link % 2 == 0 ? kBridge : kOtherBridge, address(about)}, mac(by % 8), now_);
    for (const auto& commit : responder_.take_commits()) {
      require(commit.lease.state == LeaseState::declined && commit.lease.address == address(about));
      const auto* known = held(commit.lease.address);
      require(known == nullptr || unsure_.contains(commit.lease.address) || is_given_back(commit.lease.address));
      std::erase_if(offers_, [&](const auto& o) { return o.second.first == commit.lease.address; });
      note(commit);
    }
  }

  void message(WireReader& in) {
    asker_ = in.u8() % 6;
    const auto place = in.u8();
    const auto shape = in.u8();
    static constexpr std::array<std::uint8_t, 8> kTypes{1, 1, 3, 3, 3, 7, 4, 8};
    const auto type = kTypes[in.u8() % 8];
    RequestBytes request{type};
    request.chaddr = mac(asker_);
    request.xid = shape & 1;
    const auto about = address(in.u8());
    if (const auto id = id_of(asker_); !id.empty()) request.add(61, id);
    if ((shape & 2) != 0) request.add(50, octets(about));
    if ((shape & 4) != 0) request.ciaddr = about;
    if ((shape & 8) != 0) request.add(54, octets(ip((shape & 16) != 0 ? "10.9.0.1" : "10.9.0.99")));
    if ((shape & 32) != 0) request.add(80, {});
    link_ = place % 4 == 0 ? kOtherBridge : place % 4 == 1 ? 0 : kBridge;
    address_v4 source;
    if (link_ == 0 && (place & 4) != 0) {  // past its relay
      source = about;
    } else if (link_ == 0) {
      request.giaddr = source = ip("192.0.2.7");
    } else if ((place & 8) != 0) {
      request.giaddr = ip("192.0.2.7");
    }
    std::array<std::uint8_t, kMaxReply> buffer{};
    const auto bytes = request.bytes();
    const auto sent = responder_.handle({link_ == 0 ? kUpstream : link_, source, bytes, false, 67, {}}, now_, buffer);
    if ((shape & 8) != 0 && (shape & 16) == 0) offers_.erase({asker_, link_});
    if (!sent) {
      // It may wait for what it named, and then nothing else is kept for it.
      const auto its = offers_.find({asker_, link_});
      if (type == 3 && its != offers_.end() && its->second.first != about) offers_.erase(its);
      return;
    }
    require(pool_.has_value() && (link_ == 0 || request.giaddr.is_unspecified()));
    require(link_ != kOtherBridge || pool_->links.size() == 2);
    require(sent->ifindex == link_ || sent->ifindex == 0);
    const auto reply = read_reply(std::span{buffer}.first(sent->size));
    require(reply.well_formed && reply.op == 2 && reply.at(54) == octets(ip("10.9.0.1")));
    require(std::ranges::equal(mac(asker_).bytes, std::span{reply.chaddr}.first(6)));
    switch (reply.type()) {
      case 2:
        judge_offer(reply, link_);
        break;
      case 5:
        require(!reply.has(51) && reply.yiaddr.is_unspecified());  // to INFORM; a lease has to wait
        break;
      case 6:
        require(reply.yiaddr.is_unspecified() && !reply.has(51));
        break;
      default:
        require(false);
    }
  }

  void judge_offer(const ReplyView& reply, unsigned link) {
    const unsigned who = reply.chaddr[5];
    const auto a = reply.yiaddr;
    const std::pair place{who, link};
    require(may_have(who, a));
    if (!unsure_.contains(a) && !is_given_back(a) && !is_proposed_to(a, client(who), link))
      require(free_for(a, client(who), link));
    for (const auto& [other, offer] : offers_) {
      require(other == place || offer.first != a || offer.second + kFirmOffer <= now_);
    }
    std::erase_if(offers_, [&](const auto& o) { return o.first == place || o.second.first == a; });
    offers_[place] = {a, now_};
  }

  // What the last step proposed.
  void collect() {
    for (const auto& commit : responder_.take_commits()) {
      const auto& lease = commit.lease;
      require(pool_.has_value() && lease.network == "office");
      const unsigned who = lease.client.hardware.bytes[5];
      if (lease.state == LeaseState::bound) {
        require(may_have(who, lease.address) && lease.client == client(who));
        require(lease.expires > now_ && lease.expires <= now_ + pool_->settings.lease_time);
        if (!unsure_.contains(lease.address) && !is_given_back(lease.address) &&
            !is_proposed_to(lease.address, lease.client, lease.ifindex))
          require(free_for(lease.address, lease.client, lease.ifindex));
        offers_.erase({who, lease.ifindex});  // nobody is kept two addresses
      } else {
        require(lease.state == LeaseState::released || lease.state == LeaseState::declined);
        const auto* known = held(lease.address);
        if (!unsure_.contains(lease.address) && !is_given_back(lease.address) &&
            !is_proposed_to(lease.address, lease.client, lease.ifindex) && known != nullptr)
          require(same_holder(*known, lease));
      }
      std::erase_if(offers_, [&](const auto& o) { return o.second.first == lease.address; });
      note(commit);
    }
  }
  void note(const Commit& commit) {
    require(commit.id > last_id_);
    last_id_ = commit.id;
    if (const auto it = truth_.find(commit.lease.address); it != truth_.end()) before_[commit.id] = it->second;
    outstanding_[commit.id] = commit;
  }

  [[nodiscard]] bool may_have(unsigned who, const address_v4& a) const {
    for (const auto& r : pool_->reservations) {
      const bool its_own = r.mac ? *r.mac == mac(who) : r.client_id == id_of(who) && mac(who) != mac(1);
      if (r.address == a) return its_own;
    }
    return pool_->range.contains(a) &&
           std::ranges::none_of(pool_->excluded, [&](const auto& range) { return range.contains(a); });
  }
  // By a RELEASE that is on its way to the disk, or by a shorter lease that ended on its way. What is asked for
  // meanwhile is written after it, or refused with it.
  [[nodiscard]] bool is_given_back(const address_v4& a) const {
    return std::ranges::any_of(outstanding_, [&](const auto& entry) {
      const auto& lease = entry.second.lease;
      return lease.address == a && (lease.state == LeaseState::released || lease.expires <= now_);
    });
  }
  // On its way to the disk already, for the same client at the same place: that one's commit is refused if it may not
  // be.
  [[nodiscard]] bool is_proposed_to(const address_v4& a, const Client& who, unsigned link) const {
    return std::ranges::any_of(outstanding_, [&](const auto& entry) {
      const auto& lease = entry.second.lease;
      return lease.address == a && lease.state == LeaseState::bound && lease.client == who && lease.ifindex == link;
    });
  }
  static bool same_holder(const Lease& a, const Lease& b) { return a.client == b.client && a.ifindex == b.ifindex; }
  [[nodiscard]] const Lease* held(const address_v4& a) const {
    const auto it = truth_.find(a);
    const bool holds = it != truth_.end() && it->second.state == LeaseState::bound && it->second.expires > now_;
    return holds ? &it->second : nullptr;
  }
  [[nodiscard]] bool free_for(const address_v4& a, const Client& who, unsigned link) const {
    const auto it = truth_.find(a);
    if (it == truth_.end() || it->second.expires <= now_) return true;
    const auto& lease = it->second;
    if (lease.state == LeaseState::declined) return false;
    if (lease.state != LeaseState::bound) return true;
    // A link that is no longer the pool's holds nothing for itself.
    const bool there = lease.ifindex == 0 || std::ranges::find(pool_->links, lease.ifindex) != pool_->links.end();
    return lease.client == who && (lease.ifindex == link || !there);
  }

  Responder& responder_;
  const BootTime& now_;
  std::optional<Pool> pool_;
  std::map<address_v4, Lease> truth_;  // as the daemon has written it
  std::set<address_v4> unsure_;        // of which the service may know something else, until the daemon speaks
  std::map<std::uint64_t, Commit> outstanding_;
  std::map<std::uint64_t, Lease> before_;
  std::set<std::uint64_t> voided_;
  std::map<std::pair<unsigned, unsigned>, std::pair<address_v4, BootTime>> offers_;  // by client and link
  std::uint64_t last_id_ = 0;
  unsigned asker_ = 0, link_ = 0;
};

}  // namespace vrouter::dhcp::testing
