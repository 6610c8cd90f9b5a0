// SPDX-License-Identifier: GPL-2.0-or-later
// Commands about one guest. Each is all or nothing: checked, written to disk, applied, and taken back where that fails.
#include <pwd.h>

#include <algorithm>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>

#include "firewall/prove.h"
#include "router/daemon/conntrack_limit.h"
#include "router/daemon/log.h"
#include "router/daemon/published.h"
#include "router/daemon/router.h"
#include "router/reconcile/listened.h"
#include "router/reconcile/originals.h"

namespace vrouter::router {

namespace asio = boost::asio;
using control::Failure;
using control::FailureKind;
using control::GuestView;

namespace {

// As many TAPs as a host can reasonably have: each costs the daemon some 3 KB, and the answer that lists them all is
// about 60 MB by then.
constexpr std::size_t kMaxGuests = 65536;
std::unexpected<Failure> refused(std::string message) {
  return std::unexpected(Failure{FailureKind::refused, std::move(message), {}});
}

std::unexpected<Failure> not_found(const std::string& which) {
  return std::unexpected(
      Failure{FailureKind::not_found, "no guest is called " + which + "; `vrouter guests` lists them", {}});
}

std::string by(const control::Peer& peer) {
  return " (uid " + std::to_string(peer.uid) + ")";
}

std::string declared_in(const config::Guest& guest, const std::string& what) {
  return "guest " + guest.name + " is declared in " + guest.declared_at.to_string() + "; " + what +
         " there, then run `vrouter reload`";
}

bool serves_ipv6(const DesiredHost& host, const std::string& network) {
  return std::ranges::any_of(host.networks,
                             [&](const DesiredNetwork& one) { return one.name == network && one.prefix6; });
}

bool has_prefixes(const config::Guest& guest) {
  return !guest.prefixes4.empty() || !guest.prefixes6.empty();
}

std::vector<address> addresses_of(const config::Guest& guest) {
  std::vector<address> all = guest.floating.all();
  if (guest.address) all.emplace_back(*guest.address);
  if (guest.address6) all.emplace_back(*guest.address6);
  return all;
}

asio::awaitable<void> wait_for_flush(ConntrackFlusher& flusher, address address) {
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [&flusher, address](auto handler) {
        flusher.when_flushed(address, [shared = std::make_shared<decltype(handler)>(std::move(handler))](
                                          const Result<void>&) { std::move (*shared)(); });
      },
      asio::use_awaitable);
}

}  // namespace

Attempt<> Router::refuse_if_stopped() const {
  if (stopped_) return std::unexpected("vrouter was torn down on this host; run `vrouter reload` to start it again");
  if (!rules_in_) {
    return std::unexpected(
        "vrouter's rules are not in force yet; `vrouter status` says why, and what stands there is "
        "tried again until it works");
  }
  return {};
}

// What is wrong with the interface as a guest's: adopting the host's own would cut the host off.
Attempt<> Router::check_link(const config::Guest& guest) const {
  auto host = desired_host(config_, resolve_uplinks());
  host.uplinks6 = resolve_uplinks(InternetFamily::ipv6);
  if (auto why = unfit(host, guest.tap, plane_.observed(), guest.shared)) {
    return std::unexpected(std::move(*why));
  }
  if (guest.address6) {
    if (auto why = without_ipv6(plane_.observed())) return std::unexpected(std::move(*why));
  }
  if (auto fit = check_addresses(guest); !fit) return fit;
  if (auto fit = check_neighbours(guest.floating, guest.snat, "guest " + guest.name); !fit) return fit;
  const auto* link = plane_.observed().link(guest.tap);
  if (link == nullptr) return {};
  for (const auto& own : plane_.observed().addresses_on(link->index)) {
    if (own.noprefixroute && link->group == kGuestGroup) continue;         // the gateway's, put there by us
    if (own.local.is_v6() && own.local.to_v6().is_link_local()) continue;  // the kernel gives every link one
    return std::unexpected(guest.tap + " has the host's address " + own.local.to_string() +
                           "; name the TAP that the guest's VMM opens, or take the address off it");
  }
  return {};
}

std::vector<std::string> Router::hidden_sockets(const std::vector<config::Guest>& guests) {
  const auto publishes = [](const config::Guest& guest) { return !guest.publish.empty(); };
  if (std::ranges::none_of(guests, publishes)) return {};
  const auto listeners = plane_.listeners();
  if (!listeners) {
    log_warning(listeners.error().to_string());
    return {};
  }
  std::vector<std::string> all;
  for (const auto& guest : guests) {
    for (auto& one : listened_on(guest, *listeners)) all.push_back("guest " + guest.name + ": " + std::move(one));
  }
  return all;
}

control::Answer<GuestView> Router::add_guest(config::Guest wanted, control::Peer peer) {
  auto pass = co_await gate_.enter(wanted.tap);
  if (auto running = refuse_if_stopped(); !running) co_return refused(running.error());
  if (guests_.size() >= kMaxGuests) {
    co_return refused(std::to_string(kMaxGuests) +
                      " guests are on this host already, which is the bound; remove some with `vrouter remove-guest`");
  }
  if (auto fits = check_size(wanted.publish); !fits) co_return refused(fits.error());
  auto completed = guests_.complete(config_, std::move(wanted));
  if (!completed) co_return refused(completed.error());
  auto guest = std::move(*completed);
  if (!guest.owner.empty() && ::getpwnam(guest.owner.c_str()) == nullptr) {
    co_return refused("no user " + guest.owner + " on this host; name one who may open " + guest.tap);
  }
  events_->drain();
  // One of ours that could not be removed when its guest was is as good as a new one.
  if (guest.create_tap && plane_.observed().link(guest.tap) != nullptr &&
      !plane_.originals().contains(tap_key(guest.tap))) {
    co_return refused(guest.tap + " exists already; leave out --create-tap to use it as it is, or `ip link del " +
                      guest.tap + "` first");
  }
  if (auto fit = check_link(guest); !fit) co_return refused(fit.error());
  if (const auto hidden = hidden_sockets({guest}); !hidden.empty()) co_return refused(hidden.front());
  if (const auto& network = network_of(guest); guest.address6 && !serves_ipv6(desired_.host, network.name)) {
    auto collision = collides6(network, plane_.observed(), config_.host.route_protocol, plane_.originals());
    if (collision) co_return refused(std::move(*collision));
  }
  if (auto fits = fits_what_was_before(guest); !fits) co_return refused(fits.error());
  guests_.insert(guest);  // the name, the address and the ports are taken from here on
  if (auto added = co_await bring_in(guest); !added) {
    guests_.erase(guest.tap);
    look_at_host_after(guest);
    co_return refused("guest " + guest.name + " was not added: " + added.error());
  }
  log_info("added guest " + guest.name + " on " + guest.tap + " with " +
           guest.address.value_or(address_v4{}).to_string() + by(peer));
  if (conntrack_step(guests_.size()) > conntrack_step_) spawn([this] { return fit_conntrack(); });
  auto shown = view(guest);
  const auto obstacles = foreign_obstacles(guest.tap);
  shown.warnings.insert(shown.warnings.end(), obstacles.begin(), obstacles.end());
  const auto absent = absent_hosts(guest, plane_.observed());
  shown.warnings.insert(shown.warnings.end(), absent.begin(), absent.end());
  const auto broken = broken_expectations(guest);
  shown.warnings.insert(shown.warnings.end(), broken.begin(), broken.end());
  co_return shown;
}

asio::awaitable<Attempt<>> Router::bring_in(config::Guest guest) {
  if (!rules_problem_.empty()) co_return std::unexpected(rules_problem_);
  // A connection of the address's last holder must not become the new one's.
  for (const auto& address : addresses_of(guest)) {
    if (conntrack_->pending(address)) co_await wait_for_flush(*conntrack_, address);
  }
  // The first of its network with an IPv6 address: its route needs the gateway. And what is to be routed to it
  // leads to nobody else even before.
  const bool needs_gateway = guest.address6 && !serves_ipv6(desired_.host, guest.network);
  if (needs_gateway || has_prefixes(guest)) {
    if (auto right = co_await make_host_right(); !right) co_return right;
  }
  const auto desired = desire(guest);
  if (plane_.observed().link(guest.tap) != nullptr) plane_.observe_guest(desired);
  auto plan = create_guest_tap(desired, plane_.observed());
  plan.append(diff_guest(desired_.host, desired, plane_.observed(), plane_.originals()));
  auto change = unrecorded(plan);
  change.put_guests.push_back(guest);
  if (auto noted = co_await note(std::move(change)); !noted) co_return noted;
  record(plane_.originals(), plan);

  auto done = co_await carry_out([this, desired] { return create_guest_tap(desired, plane_.observed()); });
  if (done) {
    if (auto changed = enter(guest); !changed) {
      done = std::unexpected(changed.error().to_string());
    } else {
      desired_.guests.insert_or_assign(guest.tap, desired);
      done = co_await carry_out(
          [this, desired] { return diff_guest(desired_.host, desired, plane_.observed(), plane_.originals()); });
    }
  }
  if (done && !done->empty()) done = std::unexpected(done->front());
  if (done) {
    if (auto answering = co_await answer_for(guest); !answering) done = std::unexpected(answering.error());
  }
  if (done) {
    if (guest.shared) bring_back_lessees(guest.tap);
    serve(guest);
    // What others had under way to its prefix, say, leads to it from now on.
    std::vector<std::string> unended;
    if (guest.has_more_addresses()) co_await end_denied({}, unended);
    for (const auto& warning : unended) log_warning(warning);
    co_return Attempt<>{};
  }
  auto undone = co_await take_out(guest, Leave::as_found);
  state::Change forgotten;
  forgotten.remove_guests.push_back(guest.tap);
  auto forgot = co_await note(std::move(forgotten));
  std::string error = done.error();
  if (!undone) error += "; and it could not be taken back: " + undone.error();
  if (!forgot) error += "; and it is still in the database: " + forgot.error();
  co_return std::unexpected(std::move(error));
}

asio::awaitable<Attempt<>> Router::take_out(config::Guest guest, Leave leave) {
  desired_.guests.erase(guest.tap);
  // Closed by its group, then by @taps; and down before the last element goes, since a TAP that is up without rules
  // would let its guest reach the host.
  auto released = co_await carry_out([this, tap = guest.tap, leave] {
    return release_link(config_.host.route_protocol, tap, plane_.observed(), plane_.originals(), leave);
  });
  // Where the link can't be closed, the elements stay: they keep it shut.
  if (!released) co_return std::unexpected(released.error());
  // The kernel tells nobody of a group that changes on a link that is down: without looking, the link would count as
  // adopted, and the news of its going down would have it released again.
  if (events_) events_->drain();
  if (plane_.observed().link(guest.tap) != nullptr) static_cast<void>(plane_.look_at(desire(guest)));
  // While the rules still lead there.
  if (auto silent = stop_answering_for(guest); !silent) co_return silent;
  auto elements = elements_of(guest);
  if (guest.shared) std::ranges::move(leave_lessees(guest.tap), std::back_inserter(elements));
  if (auto changed = plane_.change(elements, {}); !changed) {
    co_return std::unexpected(changed.error().to_string());
  }
  expel(guest.tap);
  services_.remove(guest);
  if (guest.shared) offer_pool(guest.network);
  services_.flush();
  failures_.erase(guest.tap);
  guest_problems_.erase(guest.tap);
  leases_.erase(guest.tap);
  leases_heard_.erase(guest.tap);
  leases_due_.erase(guest.tap);
  failed_.links.erase(guest.tap);
  conntrack_->flush(addresses_of(guest), [](const Result<void>& flushed) {
    if (!flushed) log_warning(flushed.error().to_string());
  });
  forget_more(guest);
  if (!guest.allowed_addresses.empty()) spawn([this] { return cut_what_slipped_in(); });
  co_return Attempt<>{};
}

asio::awaitable<Attempt<config::Guest>> Router::remove(std::string tap) {
  const auto* found = guests_.by_tap(tap);
  if (found == nullptr) co_return std::unexpected("the guest is gone already");
  const config::Guest guest = *found;
  // Of the disk, since taking it out forgets them.
  Originals originals;
  for (const auto& key : {link_key(tap), tap_key(tap)}) {
    if (const auto known = plane_.originals().find(key); known != plane_.originals().end()) originals.insert(*known);
  }
  state::Change change;
  change.remove_guests.push_back(guest.tap);
  if (auto noted = co_await note(std::move(change)); !noted) co_return std::unexpected(noted.error());
  if (auto out = co_await take_out(guest, Leave::down); !out) {
    std::string error = "guest " + guest.name + " was not removed: " + out.error();
    if (auto back = co_await bring_back(guest, originals); !back) error += "; and " + back.error();
    co_return std::unexpected(std::move(error));
  }
  follow_shared(guest.tap);
  guests_.erase(guest.tap);
  look_at_host_after(guest);
  start_repair();
  states_told_.erase(guest.tap);
  // One that was heard of while the disk was waited for may be written after the guest went from it.
  state::Change forgotten;
  forgotten.remove_leases.push_back(guest.tap);
  commit_later(forgotten);
  co_return guest;
}

// A guest that could not be taken out is one as before, on disk as in the kernel.
asio::awaitable<Attempt<>> Router::bring_back(config::Guest guest, Originals originals) {
  const auto desired = desire(guest);
  desired_.guests.insert_or_assign(guest.tap, desired);
  state::Change change;
  change.put_guests.push_back(guest);
  if (const auto lease = leases_.find(guest.tap); lease != leases_.end()) change.put_leases.push_back(lease->second);
  for (const auto& [key, value] : originals) {
    change.remove_originals.push_back(key);
    change.put_originals.insert_or_assign(key, value);
    plane_.originals().insert_or_assign(key, value);
  }
  auto noted = co_await note(std::move(change));
  auto done = co_await carry_out([this, desired] { return create_guest_tap(desired, plane_.observed()); });
  if (done) {
    done = co_await carry_out(
        [this, desired] { return diff_guest(desired_.host, desired, plane_.observed(), plane_.originals()); });
  }
  if (done) {
    if (auto answering = co_await answer_for(guest); !answering) done = std::unexpected(answering.error());
  }
  if (!done) {
    fail_link(guest.tap, done.error());
    retry_later();
  }
  serve(guest);
  if (!noted) co_return std::unexpected("it is gone from the database, so that a restart forgets it: " + noted.error());
  if (!done) co_return std::unexpected("bringing it back is tried again: " + done.error());
  co_return Attempt<>{};
}

control::Answer<GuestView> Router::remove_guest(std::string which, control::Peer peer) {
  const auto* found = guests_.find(which);
  if (found == nullptr) co_return not_found(which);
  const auto tap = found->tap;
  auto pass = co_await gate_.enter(tap);
  if (auto running = refuse_if_stopped(); !running) co_return refused(running.error());
  found = guests_.by_tap(tap);
  if (found == nullptr) co_return not_found(which);
  if (!found->declared_at.file.empty()) co_return refused(declared_in(*found, "take it out"));
  auto shown = view(*found);
  if (auto removed = co_await remove(tap); !removed) co_return refused(removed.error());
  log_info("removed guest " + shown.guest.name + " on " + tap + by(peer));
  co_return shown;
}

control::Answer<GuestView> Router::publish(std::string which, config::Publish port, control::Peer peer) {
  return change_ports(std::move(which), port, true, peer);
}

control::Answer<GuestView> Router::unpublish(std::string which, config::Publish port, control::Peer peer) {
  return change_ports(std::move(which), port, false, peer);
}

// A port on loopback takes a switch of the TAP's, and gives it back.
asio::awaitable<Attempt<>> Router::fit_link_to(config::Guest guest) {
  const auto known = desired_.guests.find(guest.tap);
  const auto desired = desire(guest);
  if (known == desired_.guests.end() || known->second == desired) co_return Attempt<>{};
  known->second = desired;
  auto done = co_await carry_out(
      [this, desired] { return diff_guest(desired_.host, desired, plane_.observed(), plane_.originals()); });
  if (done) co_return Attempt<>{};
  fail_link(guest.tap, done.error());
  retry_later();
  co_return std::unexpected(done.error());
}

control::Answer<GuestView> Router::change_ports(std::string which, config::Publish port, bool add, control::Peer peer) {
  const auto* found = guests_.find(which);
  if (found == nullptr) co_return not_found(which);
  const auto tap = found->tap;
  auto pass = std::optional{co_await gate_.enter(tap)};
  if (auto running = refuse_if_stopped(); !running) co_return refused(running.error());
  found = guests_.by_tap(tap);
  if (found == nullptr) co_return not_found(which);
  if (!found->declared_at.file.empty())
    co_return refused(declared_in(*found, add ? "add the port" : "take the port out"));
  const config::Guest before = *found;
  auto ports = before.publish;
  if (add) {
    ports.push_back(port);
  } else if (std::erase(ports, port) == 0) {
    co_return std::unexpected(Failure{FailureKind::not_found,
                                      "guest " + before.name + " doesn't publish " + port.to_string() +
                                          "; `vrouter show " + before.name + "` lists what it does",
                                      {}});
  }
  if (auto fits = check_size(ports); add && !fits) co_return refused(fits.error());
  auto after = guests_.with_publish(config_, tap, std::move(ports));
  if (!after) co_return refused(after.error());
  if (auto wanted = *after; add) {
    wanted.publish = {port};
    if (const auto hidden = hidden_sockets({wanted}); !hidden.empty()) co_return refused(hidden.front());
  }
  if (auto fits = fits_what_was_before(*after); add && !fits) co_return refused(fits.error());
  if (auto changed = co_await change_elements(before, *after); !changed) co_return refused(changed.error());
  if (auto fitted = co_await fit_link_to(*after); !fitted) log_warning(fitted.error());
  log_info("guest " + before.name + (add ? " publishes " : " no longer publishes ") + port.to_string() + by(peer));
  auto shown = view(*after);
  const auto absent = absent_hosts(*after, plane_.observed());
  shown.warnings.insert(shown.warnings.end(), absent.begin(), absent.end());
  const auto broken = broken_expectations(*after);
  shown.warnings.insert(shown.warnings.end(), broken.begin(), broken.end());
  pass.reset();
  if (!add) co_await end_denied(closed_ports(before, *after), shown.warnings);
  co_return shown;
}

control::Answer<GuestView> Router::change_guest(std::string which, std::vector<std::string> groups,
                                                control::Peer peer) {
  const auto* found = guests_.find(which);
  if (found == nullptr) co_return not_found(which);
  const auto tap = found->tap;
  auto pass = std::optional{co_await gate_.enter(tap)};
  if (auto running = refuse_if_stopped(); !running) co_return refused(running.error());
  found = guests_.by_tap(tap);
  if (found == nullptr) co_return not_found(which);
  if (!found->declared_at.file.empty()) co_return refused(declared_in(*found, "change its groups"));
  const config::Guest before = *found;
  auto after = guests_.with_groups(config_, tap, std::move(groups));
  if (!after) co_return refused(after.error());
  if (auto fits = fits_what_was_before(*after); !fits) co_return refused(fits.error());
  if (after->groups == before.groups) co_return view(before);
  if (auto changed = co_await change_elements(before, *after); !changed) co_return refused(changed.error());
  if (!config_.dhcp_groups.empty() || !config_.dns.groups.empty()) {
    name_lessees_behind(tap);
    serve(*after);
  }
  if (const auto* link = plane_.observed().link(tap)) services_.forget_admitted(link->index);
  std::string now;
  for (const auto& group : after->groups) now += (now.empty() ? "" : ", ") + group;
  log_info("guest " + before.name + " is in " + (now.empty() ? "no group" : "group " + now) + by(peer));
  auto shown = view(*after);
  const auto broken = broken_expectations(*after);
  shown.warnings.insert(shown.warnings.end(), broken.begin(), broken.end());
  pass.reset();
  co_await end_denied({}, shown.warnings);
  co_return shown;
}

asio::awaitable<Attempt<>> Router::change_elements(config::Guest before, config::Guest after) {
  guests_.insert(after);
  state::Change change;
  change.put_guests.push_back(after);
  if (auto noted = co_await note(std::move(change)); !noted) {
    guests_.insert(before);
    co_return noted;
  }
  auto changed = change_profile(before, after);
  if (changed) co_return changed;
  guests_.insert(before);
  state::Change back;
  back.put_guests.push_back(before);
  if (auto undone = co_await note(std::move(back)); !undone)
    changed.error() += "; and the database still says so: " + undone.error();
  co_return changed;
}

// One transaction: of elements alone, where there is a guest like it already.
Attempt<> Router::change_profile(const config::Guest& before, const config::Guest& after) {
  // Of a TAP that is kept out nothing is in, but for the profile that its elements will name.
  if (keeps_out(after.tap)) {
    if (!profiles_.lacks(after, network_of(after))) return {};
    const auto known = profiles_;
    profiles_.add(after, network_of(after));
    auto made = plane_.restructure(skeleton(), {}, {});
    plane_.release_former();
    if (made) return {};
    profiles_ = known;
    return std::unexpected(told(made.error()));
  }
  const auto elements_before = elements_of(before);
  if (!profiles_.lacks(after, network_of(after))) {
    auto changed = plane_.change(elements_before, elements_of(after));
    if (!changed) return std::unexpected(told(changed.error()));
    return {};
  }
  const auto profiles_before = profiles_;
  profiles_.add(after, network_of(after));
  auto changed = plane_.restructure(skeleton(), elements_before, elements_of(after));
  plane_.release_former();
  if (changed) return {};
  auto error = told(changed.error());
  profiles_ = profiles_before;
  return std::unexpected(std::move(error));
}

}  // namespace vrouter::router
