// SPDX-License-Identifier: GPL-2.0-or-later
// The firewall's tables when others change them.
//
// What comes back is what the kernel last accepted from us, not what is desired: so a repair waits neither for the gate
// nor for the disk, and a command that is half done finds the rules as it left them.
#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <functional>

#include "router/daemon/conntrack_limit.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"
#include "router/daemon/stragglers.h"

namespace vrouter::router {

namespace {

constexpr std::chrono::seconds kRulesAgainSlowest{30};

Prefix whole(const address& one) {
  return one.is_v4() ? Prefix{network_v4{one.to_v4(), 32}} : Prefix{network_v6{one.to_v6(), 128}};
}

void forget(ConntrackFlusher& flusher, Translated wanted) {
  flusher.flush_untranslated(std::move(wanted), [](const Result<void>& flushed) {
    if (!flushed) log_warning(flushed.error().to_string());
  });
}

boost::asio::awaitable<void> again_later(boost::asio::io_context& io, std::function<void()> walk) {
  boost::asio::steady_timer later{io, kStragglers};
  co_await later.async_wait(boost::asio::use_awaitable);
  walk();
}

}  // namespace

void Router::on_rules_event(const firewall::NftEvent& event) {
  if (stopped_) return;
  const auto* change = std::get_if<firewall::ForeignChange>(&event);
  if (change == nullptr || change->other_chains) look_at_others_soon();
  if (change != nullptr && !change->of_ours()) return;
  if (change != nullptr) {
    rules_look_.sets.insert(change->sets.begin(), change->sets.end());
    // Whoever began it is named; a tool that goes on meanwhile is mostly the same one.
    if (rules_look_.after.empty()) rules_look_.after = change->who() + " " + change->what();
  } else {
    rules_look_.all = true;
  }
  mend_rules_after(rules_pace_.wait(BootClock::now()));
}

void Router::mend_rules_after(BootClock::duration rest) {
  if (rules_waiting_) return;
  rules_waiting_ = true;
  rules_timer_.expires_after(rest);
  rules_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    rules_waiting_ = false;
    mend_rules();
  });
}

void Router::mend_rules() {
  if (stopped_ || (!rules_in_ && rules_problem_.empty())) return;
  const auto began = BootClock::now();
  const auto look = std::exchange(rules_look_, {});
  const auto mended = plane_.restore_rules(look.all || !rules_problem_.empty() ? nullptr : &look.sets);
  const auto ended = BootClock::now();
  if (!mended) {
    cut_guests_off(mended.error().to_string());
    return;
  }
  rules_are_in();
  if (!mended->add_tables.empty() || !mended->add_sets.empty()) admit_again();
  if (!mended->empty()) {
    mends_.mended_rules(*mended, look.after, ended);
    forget_untranslated();
  }
  // Also where nothing is to be mended: they may have been away and back.
  spawn([this] { return cut_what_slipped_in(); });
  rules_pace_.slow_down(std::max<BootClock::duration>(kRulesEvery, kRulesRest * (ended - began)));
  rules_pace_.use(ended);
}

// What DHCP's and DNS's processes may send, the rules alone say. A start that could not put them in may still find
// those of the daemon before it, and then its guests are served.
void Router::begin_services() {
  services_wait_ = false;
  if (users_ && !rules_in_) {
    const auto left = plane_.nft().observe_sets({});
    services_wait_ = !left || std::ranges::none_of(left->tables, [](const auto& table) {
      return table.first == firewall::Family::inet && table.second.chains.contains("service_out");
    });
  }
  if (services_wait_) return;
  services_.configure(config_, networks_with_ipv6(), lists_);
  for (const auto& [name, network] : config_.networks) {
    if (network.dhcp.range) offer_pool(name);
  }
  for (const auto* lease : book_.all()) {
    if (lease->state == dhcp::LeaseState::bound) name_lessee(*lease);
  }
  for (const auto& [tap, guest] : guests_.all()) offer(guest);
  services_.flush();
}

// An adopted TAP whose rules are not there is open to all that its guest sends. Out of the group and down it passes
// nothing, and is adopted like any other once the rules are in.
void Router::cut_guests_off(const std::string& why) {
  rules_in_ = false;
  auto problem =
      "vrouter's firewall rules were changed and can't be put back, so all guests are cut off until they "
      "can: " +
      why;
  if (problem != rules_problem_) log_error(problem);
  rules_problem_ = std::move(problem);
  events_->drain();
  const auto adopted = plane_.observed().adopted();
  for (const auto index : adopted) {
    const auto* link = plane_.observed().link(index);
    if (!link->up) continue;
    ChangeLink cut{index, link->name, {}, {}};
    cut.after.group = 0;
    cut.after.up = false;
    const auto applied = plane_.apply(std::vector<Operation>{std::move(cut)});
    if (applied.error) log_error(applied.error->to_string());
  }
  if (users_) {
    services_.silence();
    services_wait_ = true;
  } else {
    for (const auto& [tap, guest] : guests_.all()) offer(guest);
    services_.flush();
  }
  mend_rules_after(rules_again_);
  rules_again_ = std::min(rules_again_ * 2, kRulesAgainSlowest);
}

// Each walk asks anew what is translated: guests come meanwhile.
void Router::forget_untranslated() {
  const auto translated = [this] {
    Translated wanted;
    const auto ipv6 = networks_with_ipv6();
    for (const auto& [name, network] : config_.networks) {
      std::vector<Prefix> prefixes{network.prefix};
      if (ipv6.contains(name) && network.prefix6) prefixes.emplace_back(*network.prefix6);
      for (const auto& prefix : prefixes) {
        wanted.guests.push_back(prefix);
        if (network.mode == config::Mode::nat) wanted.inner.push_back(prefix);
      }
    }
    // What guests want of this host's own addresses is translated as little as what they want of each other.
    for (const auto& [index, addresses] : plane_.observed().addresses()) {
      for (const auto& own : addresses) {
        wanted.guests.push_back(whole(own.local));
      }
    }
    for (const auto& [tap, guest] : guests_.all()) {
      std::vector<Prefix> prefixes(guest.prefixes4.begin(), guest.prefixes4.end());
      prefixes.insert(prefixes.end(), guest.prefixes6.begin(), guest.prefixes6.end());
      for (const auto& prefix : prefixes) {
        wanted.guests.push_back(prefix);
        if (network_of(guest).mode == config::Mode::nat) wanted.inner.push_back(prefix);
      }
      for (const auto& allowed : guest.allowed_addresses) wanted.guests.push_back(whole(allowed));
      for (const auto& port : guest.publish) {
        if (port.protocol != config::Protocol::udp) continue;
        for (int number = port.first; number <= port.last; ++number) {
          wanted.published.insert(static_cast<std::uint16_t>(number));
        }
      }
    }
    return wanted;
  };
  const auto walk = [this, translated] {
    if (!stopped_) forget(*conntrack_, translated());
  };
  spawn([this, walk] { return again_later(io_, walk); });
  walk();
}

void Router::rules_are_in() {
  rules_in_ = true;
  rules_again_ = std::chrono::seconds{1};
  if (services_wait_) begin_services();
  if (conntrack_step(guests_.size()) > conntrack_step_) spawn([this] { return fit_conntrack(); });
  if (std::exchange(rules_problem_, {}).empty()) return;
  log_info("the firewall's rules are back; guests are let in again");
  due_.all = true;
  start_repair();
}

}  // namespace vrouter::router
