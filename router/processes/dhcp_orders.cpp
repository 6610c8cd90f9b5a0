// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dhcp_orders.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace vrouter::router {

namespace verbs = dhcp_verbs;

namespace {

// The values in parts of no more than `most`, each made an order of.
template <typename Value, typename Make>
void append_parts(std::vector<Value> values, std::size_t most, std::vector<verbs::Order>& out, Make make) {
  for (auto from = values.begin(); from != values.end();) {
    const auto to = std::next(from, std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(most), values.end() - from));
    out.emplace_back(make(std::vector<Value>{std::make_move_iterator(from), std::make_move_iterator(to)}));
    from = to;
  }
}

}  // namespace

std::vector<verbs::Order> orders_of(dhcp::Update update) {
  std::vector<verbs::Order> orders;
  orders.reserve(update.upserts.size() + update.leases.size() / verbs::kMaxLeases + 8);
  if (update.snapshot) orders.emplace_back(verbs::Begin{});
  for (const auto ifindex : update.removed_ifindexes) orders.emplace_back(verbs::Unbind{ifindex});
  for (auto& network : update.removed_pools) orders.emplace_back(verbs::DropPool{std::move(network)});
  append_parts(std::move(update.removed_leases), verbs::kMaxLeases, orders,
               [](std::vector<address_v4> part) { return verbs::DropLeases{std::move(part)}; });
  for (auto& binding : update.upserts) orders.emplace_back(verbs::Bind{std::move(binding)});
  for (auto& pool : update.pools) {
    auto reservations = std::move(pool.reservations);
    auto tailored = std::move(pool.tailored);
    pool.reservations.clear();
    pool.tailored.clear();
    orders.emplace_back(verbs::PutPool{std::move(pool), static_cast<std::uint32_t>(reservations.size()),
                                       static_cast<std::uint32_t>(tailored.size())});
    append_parts(std::move(reservations), verbs::kMaxReservations, orders,
                 [](std::vector<config::Reservation> part) { return verbs::Reserve{std::move(part)}; });
    for (auto& one : tailored) orders.emplace_back(verbs::Tailor{std::move(one)});
  }
  append_parts(std::move(update.leases), verbs::kMaxLeases, orders,
               [](std::vector<dhcp::Lease> part) { return verbs::PutLeases{std::move(part)}; });
  if (update.snapshot) orders.emplace_back(verbs::End{});
  return orders;
}

UpdateReader::Read UpdateReader::done() {
  if (in_snapshot_ || !whole()) return std::nullopt;
  return std::exchange(update_, {});
}

UpdateReader::Read UpdateReader::only_outside(const char* what) {
  if (!in_snapshot_) return std::nullopt;
  return std::unexpected(std::string{what} + " came within a snapshot");
}

UpdateReader::Read UpdateReader::take(const verbs::Begin&) {
  update_ = {};
  update_.snapshot = true;
  in_snapshot_ = true;
  missing_reservations_ = missing_tailored_ = 0;
  return std::nullopt;
}

UpdateReader::Read UpdateReader::take(verbs::Bind&& bind) {
  bind.binding.settings = settings_.share(std::move(bind.binding.settings));
  update_.upserts.push_back(std::move(bind.binding));
  return done();
}

UpdateReader::Read UpdateReader::take(const verbs::Unbind& unbind) {
  if (auto outside = only_outside("an unbind"); !outside) return outside;
  update_.removed_ifindexes.push_back(unbind.ifindex);
  return done();
}

UpdateReader::Read UpdateReader::take(verbs::PutPool&& pool) {
  if (!whole()) return std::unexpected("a pool came before all that belongs to another");
  missing_reservations_ = pool.reservations;
  missing_tailored_ = pool.tailored;
  update_.pools.push_back(std::move(pool.pool));
  return done();
}

UpdateReader::Read UpdateReader::take(verbs::Reserve&& reserve) {
  if (missing_reservations_ == 0 || reserve.reservations.size() > missing_reservations_)
    return std::unexpected("more reservations came than were announced");
  missing_reservations_ -= static_cast<std::uint32_t>(reserve.reservations.size());
  std::ranges::move(reserve.reservations, std::back_inserter(update_.pools.back().reservations));
  return done();
}

UpdateReader::Read UpdateReader::take(verbs::Tailor&& tailor) {
  if (missing_tailored_ == 0) return std::unexpected("more settings came than were announced");
  --missing_tailored_;
  update_.pools.back().tailored.push_back(std::move(tailor.tailored));
  return done();
}

UpdateReader::Read UpdateReader::take(verbs::DropPool&& drop) {
  if (auto outside = only_outside("a pool's end"); !outside) return outside;
  update_.removed_pools.push_back(std::move(drop.network));
  return done();
}

UpdateReader::Read UpdateReader::take(verbs::PutLeases&& leases) {
  std::ranges::move(leases.leases, std::back_inserter(update_.leases));
  return done();
}

UpdateReader::Read UpdateReader::take(verbs::DropLeases&& leases) {
  if (auto outside = only_outside("an end of leases"); !outside) return outside;
  std::ranges::move(leases.addresses, std::back_inserter(update_.removed_leases));
  return done();
}

UpdateReader::Read UpdateReader::take(const verbs::End&) {
  if (!std::exchange(in_snapshot_, false)) return std::unexpected("a snapshot ended that never began");
  if (!whole()) return std::unexpected("a snapshot ended before all that belongs to its pools had come");
  return std::exchange(update_, {});
}

}  // namespace vrouter::router
