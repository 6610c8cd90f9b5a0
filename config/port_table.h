// SPDX-License-Identifier: GPL-2.0-or-later
// Which host ports are published, and for whom, as ranges: a range of 65,535 ports is one entry.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "config/model.h"

namespace vrouter::config {

class PortTable {
 public:
  // The ports must be free (no holder()).
  void insert(const std::string& tap, const Publish& publish);
  void erase(const std::string& tap, const Publish& publish);
  // The TAP that holds one of these ports, other than `except`; null: all are free. A port published on every host
  // address collides with the same port on any one of them, save those of loopback, which it isn't published on.
  // O(log n), times the host addresses that something is published on where `wanted` names none: a host has few.
  [[nodiscard]] const std::string* holder(const Publish& wanted, const std::string& except) const;
  // A TAP that holds a port on that very address; null: nobody does.
  [[nodiscard]] const std::string* holder_on(const address& host) const;

 private:
  // No address means every one; that space sorts first among those of its protocol.
  using Space = std::pair<Protocol, std::optional<address>>;
  struct Held {
    std::uint16_t last = 0;
    std::string tap;
  };
  using Ranges = std::map<std::uint16_t, Held>;  // by first port; the ranges of one space never overlap

  [[nodiscard]] static const std::string* overlapping(const Ranges& ranges, const Publish& wanted,
                                                      const std::string& except);

  std::map<Space, Ranges> spaces_;
};

}  // namespace vrouter::config
