// SPDX-License-Identifier: GPL-2.0-or-later
// Who has which address of which network's range: the daemon's own truth, which the DHCP service's claims are held
// against. Pure.
//
// A lease on its way to the disk holds its address already (hold()); it counts once the disk has it (keep()), and what
// was before it comes back where that fails (give_up()). So no two clients are ever on their way to one address. Nor is
// the end of a lease that is over written past one that is on its way: what the disk has last is what counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dhcp/tables.h"

namespace vrouter::router {

class LeaseBook {
 public:
  // What the networks say. Leases of networks that have no pool any more, or outside of theirs, are handed back.
  [[nodiscard]] std::vector<dhcp::Lease> use(std::vector<dhcp::Pool> pools);
  [[nodiscard]] std::vector<dhcp::Pool> pools() const;
  [[nodiscard]] const dhcp::Pool* pool_of(const std::string& network) const;
  // The links of a network as they are now, and what their clients are told.
  void set_links(const std::string& network, std::vector<unsigned> links, std::vector<dhcp::Tailored> tailored);

  // As the disk has it, at a start. False: no pool has room for it.
  bool load(dhcp::Lease lease);

  // Why that can't be, in words for the log; nothing: it may be written. Clocks of two processes may differ by `slack`.
  [[nodiscard]] std::optional<std::string> refusal(const dhcp::Lease& lease, BootTime now) const;
  // Once refusal() has none.
  void hold(const dhcp::Lease& lease);
  // Those that end with it are handed back, ended: another lease of the same client.
  struct Kept {
    // The networks, or the links, changed while it was on its way: it doesn't count, and the disk is to have `before`.
    bool homeless = false;
    bool overruled = false;             // it was ended while on its way, so it doesn't count: the disk has the end too
    std::optional<dhcp::Lease> before;  // of that address
    std::vector<dhcp::Lease> ended;
  };
  [[nodiscard]] Kept keep(const dhcp::Lease& lease, BootTime now);
  void give_up(const dhcp::Lease& lease);

  // Ends a lease, or an address's rest; nothing: it is neither bound nor does it rest, or it is over already and on its
  // way to another client.
  [[nodiscard]] std::optional<dhcp::Lease> release(const address_v4& address, BootTime now);
  // Ends those whose time is over, and gives back what has rested long enough: as they are from now on. An address on
  // its way to somebody waits until that is settled.
  [[nodiscard]] std::vector<dhcp::Lease> expire(BootTime now);
  // When to look next: no later than the next end, but earlier where that lease was renewed since.
  [[nodiscard]] std::optional<BootTime> next_expiry() const;

  [[nodiscard]] bool is_held(const address_v4& address) const {
    return held_.contains(address.to_uint());
  }  // on its way
  [[nodiscard]] const dhcp::Lease* find(const address_v4& address) const;
  // By address; good until one is put or taken out.
  [[nodiscard]] std::vector<const dhcp::Lease*> all() const;
  // Of the addresses that anybody may get: neither excluded nor reserved.
  struct Use {
    std::uint64_t size = 0, bound = 0, resting = 0;
  };
  [[nodiscard]] Use use_of(const std::string& network) const;
  // Whether a client may get it: it is in the range and not excluded, or reserved.
  [[nodiscard]] bool gives(const std::string& network, const address_v4& address) const;
  // A link that has another number now: its leases, as they are from now on.
  [[nodiscard]] std::vector<dhcp::Lease> move(unsigned from, unsigned to);
  // Whom the address is kept for, if this is that client.
  [[nodiscard]] const config::Reservation* reservation_of(const dhcp::Lease& lease) const;

 private:
  struct Network {
    dhcp::Pool pool;
    std::map<address_v4, std::size_t> reserved;  // which of the pool's reservations
    Use use;
  };
  struct Known {
    dhcp::Lease lease;
    // Where `ends_` has it: at its end or before, so that a renewal moves nothing there.
    std::optional<BootTime> due;
  };
  struct Held {
    dhcp::Client client;
    unsigned ifindex = 0;
    unsigned times = 0;      // on their way at once
    unsigned overruled = 0;  // the first of them, which arrive first
  };
  bool settle(const dhcp::Lease& lease);
  [[nodiscard]] static const config::Reservation* reserved(const Network& network, const address_v4& address);
  [[nodiscard]] static bool is_given(const Network& network, const address_v4& address);
  [[nodiscard]] static bool is_for_anybody(const Network& network, const address_v4& address);
  [[nodiscard]] std::optional<std::string> misplaced(const Network& network, const dhcp::Lease& lease) const;
  [[nodiscard]] std::optional<std::string> untimely(const Network& network, const dhcp::Lease& lease,
                                                    BootTime now) const;
  [[nodiscard]] std::optional<std::string> taken(const Network& network, const dhcp::Lease& lease, BootTime now) const;
  std::optional<dhcp::Lease> put(dhcp::Lease lease);  // what it takes the place of
  void leave(const dhcp::Lease& lease);               // where put() has put it
  void bind(const dhcp::Lease& lease);
  void note_end(Known& known);
  void count(const dhcp::Lease& lease, std::int64_t by);

  std::map<std::string, Network> networks_;
  std::unordered_map<std::uint32_t, Known> leases_;  // by address
  std::unordered_map<std::uint32_t, Held> held_;
  // One address for each client of a network on each of its links: clones on two bridges are two clients.
  std::map<std::tuple<std::string, unsigned, dhcp::Client>, address_v4, std::less<>> bound_;
  std::set<std::pair<BootTime, std::uint32_t>> ends_;  // of what is bound or rests
};

}  // namespace vrouter::router
