// SPDX-License-Identifier: GPL-2.0-or-later
// What the kernel and the guests report, and what follows from it.
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>

#include "base/clock.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"
#include "router/reconcile/keys.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {

namespace asio = boost::asio;

namespace {

// The host's name at the gate: no interface has a slash in its own.
constexpr auto kHost = "/host";
// Repairs at once, beside each other: thousands of TAPs that come in one moment must not cost the memory of them all.
constexpr int kRepairsAtOnce = 512;
constexpr std::chrono::seconds kRepairAgain{1};
constexpr std::chrono::seconds kRepairSlowest{30};
// A client may ask twenty times a second; an operator reads one line of it, and the disk gets one write.
constexpr std::chrono::seconds kLeaseLogEvery{10};
// A lease is written again when its end has moved by more than this: renewals do that, floods don't.
constexpr std::chrono::seconds kLeaseSlack{60};

}  // namespace

void Router::spawn(std::function<asio::awaitable<void>()> work) {
  // Not in place: the caller may be the reader of the kernel's events, which is still busy with one, and repairs drain
  // them.
  asio::post(io_, [this, work = std::move(work)] {
    asio::co_spawn(io_, work(), [](const std::exception_ptr& thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  });
}

void Router::on_event(const KernelEvent& event) {
  auto affected = plane_.on(event);
  if (const auto* gone = std::get_if<LinkGone>(&event)) {
    // What failed on a link that is gone says nothing of the next one of that name.
    failed_.links.erase(gone->name);
    failed_.ended.erase(gone->name);
    const auto* guest = guests_.by_tap(gone->name);
    if (guest != nullptr && guest->ephemeral) due_.ended.insert(gone->name);  // torn down or not
    if (guest != nullptr && guest->create_tap) affected.links.push_back(gone->name);
  }
  if (stopped_) return;
  if (const auto* heard = std::get_if<NeighbourChanged>(&event)) on_neighbour(heard->neighbour);
  if (const auto* changed = std::get_if<LinkChanged>(&event);
      changed != nullptr && (changed->link.kind == "bridge" || changed->link.master != 0)) {
    look_at_bridges_soon();
  }
  follow(std::move(affected));
}

void Router::follow(Affected affected) {
  for (auto& link : affected.links) {
    follow_shared(link);
    if (!failed_.links.contains(link)) due_.links.insert(std::move(link));
  }
  due_.host = due_.host || ((affected.host || affected.uplinks) && !failed_.host);
  due_.all = due_.all || affected.overflow;
  start_repair();
}

// What has become of one guest that may have an address concerns all that may have it: its route may be theirs now.
void Router::follow_shared(const std::string& tap) {
  const auto* guest = guests_.by_tap(tap);
  if (guest == nullptr) return;
  for (const auto& allowed : guest->allowed_addresses) {
    for (const auto& other : guests_.allowed(allowed)) {
      if (other != tap && !failed_.links.contains(other)) due_.links.insert(other);
    }
  }
}

void Router::start_repair() {
  // While the rules can't be put in, nothing else is done either: their own timer tries again.
  if (repairing_ || stopped_ || due_.empty() || !rules_problem_.empty()) return;
  if (failed_.all && !rules_in_) return;
  const bool only_links = due_.ended.empty() && !due_.host && !due_.all;
  if (only_links && aside_ >= kRepairsAtOnce) return;  // the next one that ends takes them up
  repairing_ = true;
  spawn([this] { return repair(); });
}

void Router::retry_later() {
  if (std::exchange(retry_waiting_, true)) return;
  retry_.expires_after(repair_again_);
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    retry_waiting_ = false;
    repair_again_ = std::min(repair_again_ * 2, kRepairSlowest);
    due_.links.merge(failed_.links);
    due_.ended.merge(failed_.ended);
    due_.host = due_.host || failed_.host;
    due_.all = due_.all || failed_.all;
    failed_ = {};
    start_repair();
  });
}

bool Router::rests(const std::string& name) {
  const auto left = repair_paces_.wait(name, BootClock::now());
  if (left <= BootClock::duration{}) return false;
  if (resting_.empty()) {
    rest_.expires_after(left);
    rest_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      auto rested = std::exchange(resting_, {});
      due_.links.merge(rested.links);
      due_.host = due_.host || rested.host;
      start_repair();
    });
  }
  return true;
}

void Router::mended(const std::string& name, const std::vector<Operation>& operations) {
  const auto now = BootClock::now();
  bool any = false;
  for (const auto& operation : operations) {
    if (name.empty() || !mends(operation)) {
      log_debug(describe(operation));
    } else {
      mends_.mended(name, operation, now);
      any = true;
    }
  }
  if (any) repair_paces_.use(name, now);
}

// Those of different links run beside each other and beside commands: any of them may wait for a disk that hangs, or
// for a command about its TAP that does, and they share an fsync.
void Router::repair_aside(const std::string& name) {
  if (!waiting_.insert(name).second) return;  // one that has not begun sees what is new too
  ++aside_;
  spawn([this, name] { return repair_one(name); });
}

asio::awaitable<void> Router::repair_one(std::string name) {
  const bool host = name == kHost;
  const bool right = host ? co_await repair_host() : co_await repair_link(name);
  if (!right && host) failed_.host = true;
  // Routes that went with the gateway's address are told of before it is: they may have been tried without it.
  if (right && host) due_.links.merge(failed_.links);
  if (!right && !host) failed_.links.insert(name);
  --aside_;
  repair_ended();
  start_repair();
}

void Router::repair_ended() {
  mends_.sum_up(BootClock::now());
  if (!failed_.empty()) {
    if (!stopped_) retry_later();
  } else if (!repairing_ && aside_ == 0) {
    repair_again_ = kRepairAgain;
    retry_waiting_ = false;
    retry_.cancel();
  }
}

asio::awaitable<void> Router::repair() {
  while (!stopped_ && rules_problem_.empty() && !due_.empty()) {
    if (!due_.ended.empty()) {
      for (const auto& tap : std::exchange(due_.ended, {})) {
        ++aside_;
        spawn([this, tap] { return forget_ephemeral(tap); });
      }
    } else if (std::exchange(due_.all, false) || !rules_in_) {
      due_ = {};
      failed_.all = !co_await repair_all();
      if (failed_.all) break;
    } else if (std::exchange(due_.host, false)) {
      if (rests("host")) {
        resting_.host = true;
      } else {
        repair_aside(kHost);
      }
    } else if (aside_ >= kRepairsAtOnce) {
      break;
    } else {
      const auto link = std::move(due_.links.extract(due_.links.begin()).value());
      if (rests(link)) {
        resting_.links.insert(link);
      } else {
        repair_aside(link);
      }
    }
  }
  repairing_ = false;
  repair_ended();
}

asio::awaitable<bool> Router::repair_all() {
  auto pass = co_await gate_.enter_alone();
  if (stopped_) co_return true;
  log_warning("looking at the whole host again");
  std::vector<std::string> there;  // of ephemeral guests, whose TAP may have gone unheard
  for (const auto& [tap, guest] : guests_.all()) {
    if (guest.ephemeral && plane_.observed().link(tap) != nullptr) there.push_back(tap);
  }
  if (auto observed = plane_.observe(); !observed) {
    log_error(observed.error().to_string());
    co_return false;
  }
  for (auto& tap : there) {
    if (plane_.observed().link(tap) == nullptr) due_.ended.insert(std::move(tap));
  }
  auto right = co_await reconcile_all(true);
  if (!right) {
    log_error(right.error());
    host_problems_.push_back(right.error());
  }
  for (const auto& [tap, guest] : guests_.all()) offer(guest);
  services_.flush();
  co_return right.has_value();
}

asio::awaitable<bool> Router::repair_host() {
  auto pass = co_await gate_.enter(kHost);
  waiting_.erase(kHost);
  if (stopped_) co_return true;
  co_return (co_await make_host_right()).has_value();
}

asio::awaitable<Attempt<>> Router::make_host_right() {
  // What IPv6 hangs on is told by no event of its own.
  if (desired_.host.ipv6() || !networks_with_ipv6().empty()) {
    if (events_) events_->drain();
    static_cast<void>(plane_.look_at_links(desired_.host.uplinks6));
  }
  auto host = wanted_host();
  const bool moved = host != desired_.host;
  const bool gateways_moved = host.networks != desired_.host.networks;
  if (host.uplinks != desired_.host.uplinks) {
    std::string names;
    for (const auto& name : host.uplinks) names += " " + name;
    log_info(names.empty() ? "no interface carries a default route any more: guests reach nothing beyond this host"
                           : "uplinks are now:" + names);
  }
  desired_.host = std::move(host);
  // The guard of a new uplink must be in the rules before its forwarding is on: so the originals are noted first.
  const auto host_plan = [this] {
    auto plan = diff_host(desired_, plane_.observed(), plane_.originals());
    if (!holding()) plan.host.append(std::move(plan.stale));
    return std::move(plan.host);
  };
  auto plan = host_plan();
  if (auto change = unrecorded(plan); !change.put_originals.empty()) {
    if (auto noted = co_await note(std::move(change)); !noted) {
      log_error(noted.error());
      co_return std::unexpected(noted.error());
    }
    record(plane_.originals(), plan);
  }
  // Without its guard nothing is made to forward.
  auto done = std::expected<std::vector<std::string>, std::string>{};
  if (auto guarded = put_surroundings(); guarded) {
    done = co_await carry_out(host_plan, moved ? "" : "host");
    // An uplink that is none any more needs no guard.
    if (auto bare = put_surroundings(); done && !bare) done = std::unexpected(bare.error());
  } else {
    done = std::unexpected(guarded.error());
  }
  if (done) {
    host_problems_ = *done;
  } else if (host_problems_ != std::vector{done.error()}) {
    log_error(done.error());
    host_problems_ = {done.error()};
  }
  if (gateways_moved) begin_services();
  if (!done) co_return std::unexpected(done.error());
  co_return Attempt<>{};
}

// What was routed to it isn't any more. The last guest with an IPv6 address takes the host's part of IPv6 along; and
// where all that is no guest's is guarded, its TAP must be.
void Router::look_at_host_after(const config::Guest& gone) {
  const bool outside = !gone.floating.empty() || !gone.snat.empty();
  const bool routed = !gone.prefixes4.empty() || !gone.prefixes6.empty();
  if (!outside && !routed && !gone.address6 && !plane_.originals().contains(sysctl_key(kAllForwarding6))) return;
  due_.host = true;
  start_repair();
}

// A neighbour that was deleted altogether comes back from the guest's lease: a guest that answers no ARP lives by it.
Plan Router::link_plan(const std::string& tap) const {
  auto plan = diff_link(desired_, tap, plane_.observed(), plane_.originals());
  const auto guest = desired_.guests.find(tap);
  const auto lease = leases_.find(tap);
  const auto* link = plane_.observed().link(tap);
  if (guest == desired_.guests.end() || lease == leases_.end() || link == nullptr) return plan;
  const auto& address = guest->second.address;
  if (!address || lease->second.address != *address) return plan;
  if (plane_.observed().neighbour(link->index, *address) == nullptr)
    plan.append(remember_neighbour(guest->second, lease->second.client, plane_.observed()));
  return plan;
}

asio::awaitable<bool> Router::repair_link(std::string link) {
  auto pass = co_await gate_.enter(link);
  waiting_.erase(link);
  if (stopped_) co_return true;
  if (!rules_in_) co_return false;
  const auto desired = desired_.guests.find(link);
  if (desired == desired_.guests.end() && holding()) co_return true;
  if (desired != desired_.guests.end() && plane_.observed().link(link) != nullptr) {
    // No event says that IPv6 was switched off: only that its addresses went.
    events_->drain();
    if (desired->second.address6) static_cast<void>(plane_.look_at(desired->second));
    plane_.observe_guest(desired->second);
  }
  const bool was_ready = adopted_link(link) != nullptr && !failures_.contains(link);
  auto done = co_await carry_out(
      [this, &link] {
        const auto guest = desired_.guests.find(link);
        return guest == desired_.guests.end() ? Plan{} : create_guest_tap(guest->second, plane_.observed());
      },
      link);
  if (const auto in = put_rules(link); done && !in) done = std::unexpected(in.error());
  // Only a link that is there can be looked at: what was made above is, by now.
  if (done) {
    done = co_await carry_out([this, &link] { return link_plan(link); }, was_ready ? link : "");
  }
  const auto failure = failures_.find(link);
  if (!done && (failure == failures_.end() || failure->second != done.error())) log_error(done.error());
  const auto* guest = guests_.by_tap(link);
  if (guest == nullptr || !desired_.guests.contains(link)) co_return done.has_value();
  failures_.erase(link);
  guest_problems_.erase(link);
  if (!done) failures_[link] = done.error();
  if (done && !done->empty()) guest_problems_[link] = *done;
  // An address that several guests may have may have come to this one, with connections that its rules deny.
  if (!guest->allowed_addresses.empty()) spawn([this] { return cut_what_slipped_in(); });
  serve(*guest);
  tell_state(*guest);
  co_return done.has_value();
}

// One line when it changes whether the guest is served.
void Router::tell_state(const config::Guest& guest) {
  const auto shown = view(guest);
  auto& told = states_told_[guest.tap];
  if (told == shown.state) return;
  if (shown.ready) {
    log_info("guest " + guest.name + " is ready on " + guest.tap);
  } else {
    log_warning("guest " + guest.name + ": " + shown.why);
  }
  told = shown.state;
}

asio::awaitable<void> Router::forget_ephemeral(std::string tap) {
  {
    auto pass = co_await gate_.enter(tap);
    const auto* guest = guests_.by_tap(tap);
    if (!stopped_ && guest != nullptr && guest->ephemeral && plane_.observed().link(tap) == nullptr) {
      auto removed = co_await remove(tap);
      if (removed) {
        log_info("guest " + removed->name + " went with its TAP " + tap);
      } else {
        if (auto& told = failures_[tap]; told != removed.error()) {
          log_error("guest on " + tap + ": " + removed.error());
          told = removed.error();
        }
        failed_.ended.insert(tap);  // a disk that is full now has room again one day
      }
    }
  }
  --aside_;
  repair_ended();
  start_repair();
}

void Router::log_lease(const dhcp::LeaseEvent& event) {
  auto& heard = leases_heard_[event.tap];
  if (heard.last && heard.last->state == event.state && heard.last->client == event.client) return;
  const bool declined = event.state == dhcp::LeaseState::declined;
  auto& logged = declined ? heard.decline_logged : heard.logged;
  if (logged != BootTime{} && BootClock::now() - logged < kLeaseLogEvery) return;
  logged = BootClock::now();
  const auto text = "guest " + event.guest + " on " + event.tap + ": " + event.address.to_string() + " " +
                    std::string{dhcp::name(event.state)} + ", client " + event.client.to_string();
  if (declined) {
    log_warning(text + ": it found somebody else using this address on its own link");
  } else {
    log_info(text);
  }
}

void Router::on_lease(const dhcp::LeaseEvent& event) {
  log_lease(event);
  leases_heard_[event.tap].last = event;
  if (event.state != dhcp::LeaseState::bound) {
    if (leases_.erase(event.tap) != 0) write_lease(event.tap);
    return;
  }
  if (const auto desired = desired_.guests.find(event.tap); desired != desired_.guests.end()) {
    const auto learnt = plane_.apply(remember_neighbour(desired->second, event.client, plane_.observed()).operations);
    if (learnt.error) log_warning(learnt.error->to_string());
  }
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(event.expires - BootClock::now());
  state::KnownLease lease{.tap = event.tap,
                          .guest = event.guest,
                          .address = event.address,
                          .client = event.client,
                          .client_id = event.client_id,
                          .host_name = event.host_name,
                          .expires = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()) + left};
  const auto known = leases_.find(event.tap);
  if (known != leases_.end()) {
    auto same = known->second;
    const auto moved = std::chrono::abs(same.expires - lease.expires);
    same.expires = lease.expires;
    if (same == lease && moved < kLeaseSlack) return;
  }
  leases_.insert_or_assign(event.tap, std::move(lease));
  write_lease(event.tap);
}

// Whatever came last is written, at once or when it is time again: a guest's last word must not be the one that is
// lost.
void Router::write_lease(const std::string& tap) {
  const auto now = BootClock::now();
  auto& written = leases_heard_[tap].written;
  const auto left = kLeaseLogEvery - (now - written);
  if (written != BootTime{} && left > BootClock::duration{}) {
    if (leases_due_.empty()) write_leases_after(left);
    leases_due_.insert(tap);
    return;
  }
  written = now;
  state::Change change;
  change.remove_leases.push_back(tap);  // only the name counts: what holds then is written
  commit_later(change);
}

void Router::write_leases_after(BootClock::duration rest) {
  lease_timer_.expires_after(rest);
  lease_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    for (const auto& tap : std::exchange(leases_due_, {})) write_lease(tap);
  });
}

}  // namespace vrouter::router
