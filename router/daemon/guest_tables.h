// SPDX-License-Identifier: GPL-2.0-or-later
// What dhcp and dns have been told, and what they are to be told next: a service that starts anew is given all of it,
// and what it reports is held against it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/copy_on_write.h"
#include "config/model.h"
#include "dhcp/tables.h"
#include "dns/tables.h"
#include "router/daemon/dns_lists.h"
#include "router/daemon/replicas.h"

namespace vrouter::router {

class GuestTables {
 public:
  // Forgets everybody: what follows, up to the next take(), goes out as one snapshot.
  void begin(std::vector<dns::Zone> zones, std::vector<dns::StaticRecord> records = {}, ListsTold lists = {});
  // A guest as it is now: with its TAP it is served, without it only its name is known.
  // `told`: what DHCP tells it, config::merged_dhcp().
  void put(const config::Guest& guest, const config::Network& network, const std::optional<TapIdentity>& tap,
           config::ClientDhcp told);
  void remove(const config::Guest& guest);

  // Who has an address by lease, as the DNS is to know it; unless somebody else has that name. A guest takes a name
  // from whoever has it by lease.
  void put_lessee(const address_v4& address, dns::Host host);
  [[nodiscard]] const ListsTold& lists() const noexcept { return lists_; }
  void remove_lessee(const address_v4& address);
  [[nodiscard]] std::string name_of_lessee(const address_v4& address) const;  // empty: none
  [[nodiscard]] bool is_named(const address_v4& lessee, const std::string& name) const {
    const auto known = lessee_names_.find(lessee.to_uint());
    return known != lessee_names_.end() && known->second == name;
  }
  // The ranges are gathered as guests are: those that go, and those that come or change.
  void put_pool(dhcp::Pool pool);
  void remove_pool(const std::string& network);
  void put_leases(std::vector<dhcp::Lease> leases);
  // Every lease there is, for a service that starts anew.
  void read_leases_by(std::function<std::vector<dhcp::Lease>()> all) { all_leases_ = std::move(all); }

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
  void put_host(const std::string& key, dns::Host host);
  void remove_host(const std::string& key);

  std::vector<dns::Zone> zones_;
  std::vector<dns::StaticRecord> records_;
  ListsTold lists_;
  std::map<std::string, dhcp::Binding> bindings_;                     // by TAP
  Sharer<dhcp::Settings> settings_;                                   // of the bindings
  std::unordered_map<unsigned, std::string> ifindexes_;               // of the bindings
  std::map<std::string, dns::Host> hosts_;                            // by TAP, or by lessee_key()
  std::map<std::pair<std::string, std::string>, std::string> named_;  // network and name: whose key that is
  std::unordered_map<std::uint32_t, std::string> lessee_names_;       // by address; without those that have none
  std::map<std::string, dhcp::Pool> pools_;                           // by network
  std::function<std::vector<dhcp::Lease>()> all_leases_;
  bool snapshot_due_ = true;
  dhcp::Update bindings_due_;
  dns::Update hosts_due_;
};

}  // namespace vrouter::router
