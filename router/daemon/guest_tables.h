// SPDX-License-Identifier: GPL-2.0-or-later
// What dhcp and dns have been told, and what they are to be told next: a service that starts anew is given all of it,
// and what it reports is held against it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "config/model.h"
#include "dhcp/tables.h"
#include "dns/tables.h"
#include "router/daemon/replicas.h"

namespace vrouter::router {

class GuestTables {
 public:
  // Forgets everybody: what follows, up to the next take(), goes out as one snapshot.
  void begin(std::vector<dns::Zone> zones);
  // A guest as it is now: with its TAP it is served, without it only its name is known.
  void put(const config::Guest& guest, const config::Network& network, const std::optional<TapIdentity>& tap);
  void remove(const config::Guest& guest);

  struct Due {
    dhcp::Update bindings;
    dns::Update hosts;
  };
  // What put() and remove() gathered since the last take(). A delta may be empty.
  [[nodiscard]] Due take();

  [[nodiscard]] dhcp::Update bindings() const;  // all of them, as a snapshot
  [[nodiscard]] dns::Update hosts() const;
  [[nodiscard]] const dhcp::Binding* by_ifindex(unsigned ifindex) const;
  [[nodiscard]] const std::vector<dns::Zone>& zones() const noexcept { return zones_; }

 private:
  void erase_binding(const std::string& tap);

  std::vector<dns::Zone> zones_;
  std::map<std::string, dhcp::Binding> bindings_;        // by TAP
  std::unordered_map<unsigned, std::string> ifindexes_;  // of the bindings
  std::map<std::string, dns::Host> hosts_;               // by TAP
  bool snapshot_due_ = true;
  dhcp::Update bindings_due_;
  dns::Update hosts_due_;
};

}  // namespace vrouter::router
