// SPDX-License-Identifier: GPL-2.0-or-later
// Theory. Rules judge the first packet of a connection and let the others pass, so a new policy alone ends nothing that
// is under way. Each tracked connection is therefore taken back to its first packet, as it came before any translation,
// and sent through the new rules on paper: what they would refuse is forgotten, and the next packet is a first one.
// What they would let pass is left as it is.
#include "router/daemon/cut.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter/nf_conntrack_common.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <iterator>
#include <utility>

#include "config/dns.h"
#include "config/more_addresses.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"
#include "router/daemon/stragglers.h"

namespace vrouter::router {

namespace asio = boost::asio;

namespace {

class Judge {
 public:
  Judge(std::shared_ptr<const firewall::Ruleset> rules, firewall::Topology topology, std::shared_ptr<Learned> learned)
      : rules_{std::move(rules)}, topology_{std::move(topology)}, learned_{std::move(learned)} {
    if (topology_.uplink.empty()) topology_.uplink = "uplink";  // whoever came before it went still came from there
  }

  bool denies(const Connection& connection) {
    // A helper expected it (FTP's data): rules pass it as related, whatever they say of its ports.
    if ((connection.status & IPS_EXPECTED) != 0 || !concerns_a_guest(connection)) return false;
    if (!evaluator_) evaluator_.emplace(*rules_, firewall::Evaluator::Packets::many);
    auto packet = first_packet(connection, connection.destination, connection.destination_port);
    const auto journey = firewall::travel(*evaluator_, topology_, packet);
    if ((connection.status & IPS_DST_NAT) == 0 || !is_a_guests(connection.target) ||
        journey.arrived.destination == connection.target) {
      return refused(journey) || is_asked_elsewhere(journey, connection);
    }
    // Translated by somebody else's rules, or by a port that is published no more: the translation stays with the
    // connection, and what it leads to is judged.
    packet = first_packet(connection, connection.target, connection.target_port);
    packet.ct_status |= IPS_DST_NAT | IPS_DST_NAT_DONE;
    packet.original_destination = connection.destination;
    return firewall::travel(*evaluator_, topology_, std::move(packet)).refusal() != nullptr;
  }

 private:
  // Questions under way to another resolver, when the gateway is to answer what follows; and to the gateway, in
  // another's name, when that is to answer for itself again.
  [[nodiscard]] bool is_asked_elsewhere(const firewall::Journey& journey, const Connection& connection) const {
    const auto was_redirected = [&] {
      return (connection.status & IPS_DST_NAT) != 0 && connection.target_port == config::DnsServer::kPort &&
             is_a_guests(connection.source) && topology_.host->contains(connection.target);
    };
    return journey.arrived.destination != connection.target && (journey.redirected() || was_redirected());
  }
  bool refused(const firewall::Journey& journey) {
    const auto* refusal = journey.refusal();
    if (refusal == nullptr || learned_ == nullptr || refusal->unless_told.empty()) return refusal != nullptr;
    for (const auto& place : refusal->unless_told) {
      for (const auto& domain : firewall::domains_of(place.rule()))
        learned_->push_back({domain, journey.sent.iifname, journey.arrived.destination});
    }
    return false;
  }
  [[nodiscard]] bool is_a_guests(const address& a) const { return topology_.behind(a) != nullptr; }
  [[nodiscard]] bool concerns_a_guest(const Connection& connection) const {
    return is_a_guests(connection.source) || is_a_guests(connection.destination) || is_a_guests(connection.target);
  }

  [[nodiscard]] firewall::Packet first_packet(const Connection& connection, const address& to,
                                              std::uint16_t port) const {
    const bool icmp = connection.protocol == IPPROTO_ICMP || connection.protocol == IPPROTO_ICMPV6;
    auto packet = firewall::first_packet(topology_, connection.source, to, connection.protocol,
                                         icmp ? connection.icmp_type : port);
    if (!icmp) packet.source_port = connection.source_port;
    return packet;
  }

  std::shared_ptr<const firewall::Ruleset> rules_;
  firewall::Topology topology_;
  std::shared_ptr<Learned> learned_;
  std::optional<firewall::Evaluator> evaluator_;
};

// From the port of this host's to the one behind it.
bool leads(const config::Publish& port, const Connection& connection) {
  return connection.protocol == static_cast<std::uint8_t>(port.protocol) &&
         (!port.host || connection.destination == *port.host) && connection.destination_port >= port.first &&
         connection.destination_port <= port.last &&
         connection.target_port - port.guest_first == connection.destination_port - port.first;
}

// What leads to nobody, or to the world, from now on. Others' may be at work: their connections are judged instead.
config::MoreAddresses lost_with(config::Guest gone, const config::GuestTable& guests) {
  std::erase_if(gone.allowed_addresses, [&](const address& allowed) {
    auto taps = guests.allowed(allowed);
    taps.erase(gone.tap);
    return !taps.empty();
  });
  for (const auto& [tap, guest] : guests.all()) {
    if (tap == gone.tap) continue;
    const auto meets = [](const auto& prefixes) {
      return [&prefixes](const auto& lost) {
        return std::ranges::any_of(prefixes, [&lost](const auto& its) { return config::overlap(its, lost); });
      };
    };
    std::erase_if(gone.prefixes4, meets(guest.prefixes4));
    std::erase_if(gone.prefixes6, meets(guest.prefixes6));
  }
  return config::more_addresses(gone);
}

}  // namespace

std::function<bool(const Connection&)> denied_by(std::shared_ptr<const firewall::Ruleset> rules,
                                                 firewall::Topology topology, std::shared_ptr<Learned> learned) {
  return [judge = std::make_shared<Judge>(std::move(rules), std::move(topology), std::move(learned))](
             const Connection& connection) { return judge->denies(connection); };
}

std::vector<ClosedPort> closed_ports(const config::Guest& before, const config::Guest& after) {
  std::vector<ClosedPort> closed;
  for (const auto& port : before.publish) {
    if (std::ranges::find(after.publish, port) == after.publish.end())
      closed.push_back({before.tap, port, before.address, before.address6});
  }
  return closed;
}

std::vector<ClosedPort> closed_ports(const config::GuestTable& before, const config::GuestTable& after) {
  std::vector<ClosedPort> closed;
  for (const auto& [tap, guest] : before.all()) {
    if (guest.publish.empty()) continue;
    if (const auto* now = after.by_tap(tap)) std::ranges::move(closed_ports(guest, *now), std::back_inserter(closed));
  }
  return closed;
}

bool came_by(const ClosedPort& closed, const Connection& connection) {
  if ((connection.status & IPS_DST_NAT) == 0) return false;
  const bool there = connection.target.is_v4() ? closed.guest && connection.target == address{*closed.guest}
                                               : closed.guest6 && connection.target == address{*closed.guest6};
  const auto floating = closed.floating.all();
  const auto leads_there = [&](const config::Publish& port) { return leads(port, connection); };
  return there && leads_there(closed.port) && std::ranges::none_of(closed.open, leads_there) &&
         std::ranges::find(floating, connection.destination) == floating.end();
}

asio::awaitable<Result<void>> Router::cut_denied(std::vector<ClosedPort> closed, std::function<void()> meanwhile) {
  for (auto& port : closed) {
    const auto* now = guests_.by_tap(port.tap);
    if (now == nullptr) continue;
    port.open = now->publish;
    port.floating = now->floating;
  }
  // What their guests were told when they began, they may.
  const auto learned = learn_ ? std::make_shared<Learned>() : nullptr;
  auto denied = [denied = denied_by(rules_with(admissions_.all()), topology(), learned),
                 closed = std::move(closed)](const Connection& connection) {
    return std::ranges::any_of(closed, [&](const ClosedPort& port) { return came_by(port, connection); }) ||
           denied(connection);
  };
  auto done = co_await asio::async_initiate<const asio::use_awaitable_t<>, void(Result<void>)>(
      [this, &denied, &meanwhile](auto handler) {
        conntrack_->flush_denied(std::move(denied), [shared = std::make_shared<decltype(handler)>(std::move(handler))](
                                                        const Result<void>& flushed) { std::move (*shared)(flushed); });
        if (meanwhile) meanwhile();
      },
      asio::use_awaitable);
  if (learned) learn(*learned);
  learn_ = learn_ && !learned;
  co_return done;
}

asio::awaitable<void> Router::end_denied(std::vector<ClosedPort> closed, std::vector<std::string>& warnings,
                                         std::function<void()> meanwhile) {
  if (const auto cut = co_await cut_denied(closed, std::move(meanwhile)); !cut) {
    warnings.push_back("connections under way that are denied now may go on: " + cut.error().to_string());
  }
  spawn([this, closed = std::move(closed)] { return cut_stragglers(closed); });
}

asio::awaitable<void> Router::cut_what_slipped_in() {
  if (const auto cut = co_await cut_denied(); !cut) log_warning(cut.error().to_string());
  co_await cut_stragglers();
}

void Router::forget_more(const config::Guest& gone) {
  if (gone.has_more_addresses()) spawn([this, gone] { return forget_twice(gone); });
}

asio::awaitable<void> Router::forget_twice(config::Guest gone) {
  const auto forget = [this, &gone] {
    auto more = lost_with(gone, guests_);
    if (more.empty()) return;
    const auto its = [more = std::move(more)](const Connection& connection) {
      return more.holds(connection.source) || more.holds(connection.destination) || more.holds(connection.target);
    };
    conntrack_->flush_denied(its, [](const Result<void>& flushed) {
      if (!flushed) log_warning(flushed.error().to_string());
    });
  };
  forget();
  asio::steady_timer later{io_, kStragglers};
  co_await later.async_wait(asio::use_awaitable);
  forget();
}

// By then the rules may be others, and those count.
asio::awaitable<void> Router::cut_stragglers(std::vector<ClosedPort> closed) {
  asio::steady_timer later{io_, kStragglers};
  co_await later.async_wait(asio::use_awaitable);
  if (stopped_ || !rules_in_) co_return;
  if (const auto cut = co_await cut_denied(std::move(closed)); !cut) log_warning(cut.error().to_string());
}

}  // namespace vrouter::router
