// SPDX-License-Identifier: GPL-2.0-or-later
// Leases of ranges as a start finds them, and as the control socket shows them.
#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <iterator>

#include "dhcp/rebuilt.h"
#include "router/daemon/hex.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"

namespace vrouter::router {

using control::Failure;
using control::FailureKind;
using control::LeaseView;
using dhcp::Lease;
using dhcp::LeaseState;

namespace {

// "br0", its client's MAC and its address of an element of `pinned4` (firewall/skeleton.cpp).
struct Pinned {
  std::string link;
  MacAddress mac;
  address_v4 address;
};

std::optional<Pinned> pinned_in(const firewall::Bytes& key) {
  constexpr std::size_t kName = 16, kMacField = 8;
  if (key.size() != kName + kMacField + 4) return std::nullopt;
  Pinned pinned;
  pinned.link = {key.begin(), std::find(key.begin(), key.begin() + kName, 0)};
  std::copy_n(key.begin() + kName, pinned.mac.bytes.size(), pinned.mac.bytes.begin());
  address_v4::bytes_type address{};
  std::copy_n(key.begin() + kName + kMacField, address.size(), address.begin());
  pinned.address = address_v4{address};
  return pinned;
}

}  // namespace

// Before anything is desired: rules, routes and names are made of them too.
void Router::load_leases() {
  leases_were_lost_ = lease_store_ && !lease_store_->aside().empty();
  use_pools();
  follow_links();
  if (!lease_store_) return;
  const auto& links = lease_store_->links();
  std::vector<address_v4> homeless;
  for (auto& lease : lease_store_->take_loaded()) {
    if (lease.ifindex != 0) {
      const auto name = links.find(lease.address);
      const auto link = name == links.end() ? shared_links_.end() : shared_links_.find(name->second);
      // Of a link that isn't there (yet) nobody has the number; it is told by follow_links() when it comes.
      if (link != shared_links_.end()) {
        lease.ifindex = link->second;
      } else if (name != links.end()) {
        lease.ifindex = absent_link(name->second);
      }
    }
    const auto address = lease.address;
    if (!book_.load(std::move(lease))) homeless.push_back(address);
  }
  if (!homeless.empty()) {
    log_warning(std::to_string(homeless.size()) +
                " leases are forgotten, since no network's range has their addresses");
    lease_store_->commit({}, std::move(homeless), io_, [this](const state::Committed& done) { heard_of_leases(done); });
  }
  if (!lease_store_->aside().empty()) rebuild_leases();
  services_.tables().read_leases_by([this] {
    std::vector<Lease> all;
    for (const auto* lease : book_.all()) all.push_back(*lease);
    return all;
  });
  for (const auto& lessee : lessees()) profiles_.add(lessee, network_of(lessee));
  wait_for_lease_end();
}

// What a lost file held, as far as it is certain: whom the rules in force let use an address. They may have it for a
// whole lease more, in which each of them asks again.
void Router::rebuild_leases() {
  const auto rules = plane_.nft().observe();
  std::vector<Lease> rebuilt;
  if (rules) {
    const auto pinned = rules->elements.find({firewall::Family::inet, "pinned4"});
    if (pinned != rules->elements.end()) {
      for (const auto& [key, data] : pinned->second) {
        const auto one = pinned_in(key.first);
        const auto link = one ? shared_links_.find(one->link) : shared_links_.end();
        const auto* guest = link == shared_links_.end() ? nullptr : guests_.by_tap(one->link);
        if (guest == nullptr || !guest->shared || book_.find(one->address) != nullptr) continue;
        const auto* pool = book_.pool_of(guest->network);
        if (pool == nullptr) continue;
        Lease lease{.network = guest->network,
                    .address = one->address,
                    .ifindex = link->second,
                    .client = {one->mac, {dhcp::kUnknownId.begin(), dhcp::kUnknownId.end()}},
                    .host_name = {},
                    .state = LeaseState::bound,
                    .expires = BootClock::now() + pool->settings.lease_time};
        if (pool->identity == config::Identity::mac) lease.client.client_id.clear();
        if (book_.load(lease)) rebuilt.push_back(std::move(lease));
      }
    }
  }
  log_error(lease_damage());
  log_warning("rebuilt leases: " + std::to_string(rebuilt.size()));
  if (!rebuilt.empty())
    lease_store_->commit(std::move(rebuilt), {}, io_, [this](const state::Committed& done) { heard_of_leases(done); });
}

// A number for a link that isn't there, which no interface has; it is exchanged when the link comes.
unsigned Router::absent_link(const std::string& name) {
  constexpr unsigned kFirst = 0x8000'0000;
  return shared_links_.try_emplace(name, kFirst + static_cast<unsigned>(shared_links_.size())).first->second;
}

std::string Router::lease_damage() const {
  return "the file of the leases was damaged and is kept as " + lease_store_->aside().string() +
         "; leases were rebuilt from the rules in force, and whoever had one behind a relay is given it again when it "
         "asks. Where you have a backup, stop vrouterd and put it in its place; else run `vrouter reload` to accept it";
}

std::vector<std::string> Router::lease_problems() const {
  std::vector<std::string> all;
  if (!lease_store_) return all;
  if (!lease_problem_.empty()) {
    all.push_back("leases can't be written, so clients of ranges get no answer: " + lease_problem_);
  } else if (const auto why = lease_store_->problem(); !why.empty() && !book_.pools().empty()) {
    all.push_back(why);
  }
  if (!lease_store_->aside().empty()) all.push_back(lease_damage());
  return all;
}

std::vector<control::RangeView> Router::range_views() const {
  std::vector<control::RangeView> all;
  const auto counts = services_.dhcp_statistics().networks;
  for (const auto& pool : book_.pools()) {
    const auto use = book_.use_of(pool.network);
    const auto counted = counts.find(pool.network);
    all.push_back({.network = pool.network,
                   .range = pool.range.first.to_string() + "-" + pool.range.last.to_string(),
                   .size = use.size,
                   .bound = use.bound,
                   .resting = use.resting,
                   .unanswered = counted == counts.end() ? 0 : counted->second.no_address});
  }
  return all;
}

// What an operator should see to; nothing: it has an address free, or keeps all for reservations.
std::optional<std::string> Router::range_warning(const std::string& network) const {
  const auto use = book_.use_of(network);
  if (use.size == 0 || use.bound + use.resting < use.size) return std::nullopt;
  const auto& range = book_.pool_of(network)->range;
  return "the range " + range.first.to_string() + "-" + range.last.to_string() + " of network " + network +
         " has no address free, so new clients get no answer; make dhcp.range larger, lease_time shorter, or end "
         "leases "
         "with `vrouter leases release`";
}

std::vector<std::string> Router::range_warnings() const {
  std::vector<std::string> all;
  for (const auto& pool : book_.pools()) {
    if (auto warning = range_warning(pool.network)) all.push_back(std::move(*warning));
  }
  return all;
}

LeaseView Router::view_of(const Lease& lease) const {
  const auto* reserved = book_.reservation_of(lease);
  LeaseView shown;
  shown.guest = reserved == nullptr ? std::string{} : reserved->name;
  shown.tap = link_of(lease);
  shown.network = lease.network;
  shown.dynamic = true;
  shown.address = lease.address;
  shown.client = lease.client.hardware;
  if (!std::ranges::equal(lease.client.client_id, dhcp::kUnknownId)) shown.client_id = hex(lease.client.client_id);
  shown.host_name = lease.host_name;
  shown.dns_name = services_.tables().name_of_lessee(lease.address);
  shown.state = lease.state;
  const bool timed = lease.state == LeaseState::bound || lease.state == LeaseState::declined;
  if (lease.expires != BootTime::max()) {
    const auto left = std::chrono::duration_cast<std::chrono::seconds>(lease.expires - BootClock::now());
    shown.expires_in = timed ? std::max(left, std::chrono::seconds{0}) : std::min(left, std::chrono::seconds{0});
  }
  return shown;
}

control::Answer<LeaseView> Router::release_lease(address_v4 which, control::Peer peer) {
  if (auto running = refuse_if_stopped(); !running)
    co_return std::unexpected(Failure{FailureKind::refused, running.error(), {}});
  const auto* lease = book_.find(which);
  if (lease == nullptr || (lease->state != LeaseState::bound && lease->state != LeaseState::declined)) {
    const auto* guest = guests_.find(which.to_string());
    if (guest != nullptr) {
      co_return std::unexpected(Failure{FailureKind::refused,
                                        which.to_string() + " is the own address of guest " + guest->name +
                                            ", which no lease gives and none takes; `vrouter remove-guest " +
                                            guest->name + "` does",
                                        {}});
    }
    co_return std::unexpected(
        Failure{FailureKind::not_found,
                "nobody has " + which.to_string() + " by lease; `vrouter leases` lists who has what",
                {}});
  }
  const auto shown = view_of(*lease);
  auto ended = book_.release(which, BootClock::now());
  if (!ended) {
    co_return std::unexpected(
        Failure{FailureKind::refused,
                "the lease of " + which.to_string() + " is over, and another client is being given it right now",
                {}});
  }
  log_info("lease of " + which.to_string() + " ended by command (uid " + std::to_string(peer.uid) + ")");
  std::vector<Lease> one;
  one.push_back(std::move(*ended));
  end_leases(std::move(one));
  wait_for_lease_end();
  co_return shown;
}

}  // namespace vrouter::router
