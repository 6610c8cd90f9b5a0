// SPDX-License-Identifier: GPL-2.0-or-later
// Which guests may live beside one another: the same rules for files and for add-guest.
#pragma once

#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "config/model.h"

namespace vrouter::config {

// All guests, declared and added, indexed by what must be unique. Every look-up is O(log n).
class GuestTable {
 public:
  // Fills in what the guest leaves open (name, network, address from the pool) and checks it against the
  // networks and the guests already there. The error is one sentence with the remedy; nothing is changed.
  [[nodiscard]] std::expected<Guest, std::string> complete(const Config& config, Guest guest) const;

  // The guest must come from complete(), or from the database after check().
  void insert(Guest guest);
  std::optional<Guest> erase(const std::string& tap);
  // Replaces the ports of one guest; the error names the port and who holds it.
  [[nodiscard]] std::expected<Guest, std::string> with_publish(const std::string& tap, std::vector<Publish> publish) const;

  [[nodiscard]] const Guest* by_tap(const std::string& tap) const;
  // By TAP, name or address, in that order.
  [[nodiscard]] const Guest* find(const std::string& tap_name_or_address) const;
  [[nodiscard]] const std::map<std::string, Guest>& all() const noexcept { return by_tap_; }
  [[nodiscard]] std::size_t size() const noexcept { return by_tap_.size(); }

 private:
  std::map<std::string, Guest> by_tap_;
  std::map<std::string, std::string> tap_by_name_;
  std::map<address_v4, std::string> tap_by_address_;
  std::map<address_v6, std::string> tap_by_address6_;
  // (protocol, host address or "any", first port) -> last port and TAP: the ranges never overlap.
};

}  // namespace vrouter::config
