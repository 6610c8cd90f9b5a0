// SPDX-License-Identifier: GPL-2.0-or-later
// What guests are called in the world, and this host answers for: while the rules lead it to them, and no longer. Else
// its own sockets would be what the world talks to, and UDP that began so would go on.
#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <iterator>
#include <map>
#include <string>

#include "router/daemon/log.h"
#include "router/daemon/router.h"

namespace vrouter::router {

namespace asio = boost::asio;

namespace {

bool has_outside_addresses(const DesiredHost& host, const config::Guest& guest) {
  const auto there = [&host](const address& one) { return host.addresses.contains(one); };
  return std::ranges::all_of(guest.floating.all(), there) && std::ranges::all_of(guest.snat.all(), there);
}

}  // namespace

// Not of guests whose rules aren't in (yet, or any more).
std::set<address> Router::outside_addresses() const {
  std::set<address> all;
  const auto add = [&all](const config::Addresses& some) {
    for (const auto& one : some.all()) all.insert(one);
  };
  for (const auto& [name, network] : config_.networks) add(network.snat);
  for (const auto& [tap, guest] : guests_.all()) {
    if (!desired_.guests.contains(tap)) continue;
    add(guest.floating);
    add(guest.snat);
  }
  return all;
}

Attempt<> Router::check_neighbours(const config::Addresses& floating, const config::Addresses& snat,
                                   const std::string& whose) const {
  auto outside = floating.all();
  std::ranges::copy(snat.all(), std::back_inserter(outside));
  if (outside.empty()) return {};
  std::map<address, std::string> needed;
  for (const auto& server : services_.upstream_servers(config_.dns)) {
    needed.emplace(server.at, "a DNS server that this host asks");
  }
  for (const auto family : {InternetFamily::ipv4, InternetFamily::ipv6}) {
    for (const auto& uplink : resolve_uplinks(family)) {
      const auto* link = plane_.observed().link(uplink);
      if (link == nullptr) continue;
      for (const auto& route : plane_.observed().routes_on(link->index)) {
        if (route.gateway) needed.emplace(*route.gateway, "this host's way out on " + uplink);
      }
    }
  }
  for (const auto& its : outside) {
    if (const auto found = needed.find(its); found != needed.end()) {
      return std::unexpected(its.to_string() + " is " + found->second + ", so it can't be " + whose +
                             "'s in the world; give it another address of the uplink's network");
    }
  }
  return {};
}

// What was answered for before and isn't desired any more: to be done before the rules that lead it to guests go.
Attempt<> Router::stop_answering(const std::set<address>& before) {
  std::set<address> gone;
  std::ranges::set_difference(before, desired_.host.addresses, std::inserter(gone, gone.end()));
  const auto plan = withdraw(gone, plane_.observed(), plane_.originals());
  if (plan.forget.empty()) return {};
  if (const auto applied = plane_.apply(plan.operations); applied.error) {
    static_cast<void>(plane_.apply(applied.undo));
    return std::unexpected(applied.error->to_string());
  }
  forget(plane_.originals(), plan);
  state::Change forgotten;
  forgotten.remove_originals = plan.forget;
  commit_later(forgotten);
  return {};
}

// Of others' addresses nothing is said: theirs may be on their way to the host.
Attempt<> Router::stop_answering_for(const config::Guest& guest) {
  const auto answered_for = desired_.host.addresses;
  const auto others = outside_addresses();
  for (const auto* its : {&guest.floating, &guest.snat}) {
    for (const auto& one : its->all()) {
      if (!others.contains(one)) desired_.host.addresses.erase(one);
    }
  }
  return stop_answering(answered_for);
}

// Of a guest whose rules are in.
asio::awaitable<Attempt<>> Router::answer_for(config::Guest guest) {
  if (guest.floating.empty() && guest.snat.empty()) co_return Attempt<>{};
  if (!has_outside_addresses(desired_.host, guest)) {
    if (auto right = co_await make_host_right(); !right) co_return right;
  }
  if (!guest.floating.empty()) {
    conntrack_->flush(guest.floating.all(), [](const Result<void>& flushed) {
      if (!flushed) log_warning(flushed.error().to_string());
    });
  }
  co_return Attempt<>{};
}

}  // namespace vrouter::router
