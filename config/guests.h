// SPDX-License-Identifier: GPL-2.0-or-later
// Which guests may live beside one another: the same rules for files and for add-guest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/address_runs.h"
#include "config/model.h"
#include "config/port_table.h"

namespace vrouter::config {

// Why a guest can't be: which of its fields, what is wrong with it, and what to write instead.
struct Refusal {
  // `undeclared_group` is of `groups` too; apart, since policy files may be read after the guests.
  enum class Field {
    guest,
    name,
    tap,
    network,
    address,
    address6,
    mac,
    groups,
    undeclared_group,
    publish,
    floating,
    snat,
    prefixes,
    allowed
  };
  Field field = Field::guest;
  // Which of `groups`, `publish` or `allowed`; of `floating` and `snat` 0 is the IPv4 address; of `prefixes` those of
  // IPv6 count on.
  std::size_t index = 0;
  std::string reason{};  // "10.0.5.2 is taken by guest web1 on tap0 (vrouter.toml:12:11)"
  std::string remedy{};  // "take another address"
  Place other{};         // the declared guest or network it collides with; file empty: none, or added by command

  [[nodiscard]] std::string to_string() const { return reason + "; " + remedy; }
};

// A guest as it would be, and everything that speaks against it. Without refusals it may be inserted.
struct Fitted {
  Guest guest;
  std::vector<Refusal> refusals;
};

// All guests, declared and added, indexed by what must be unique. Every look-up is O(log n); publishing on every
// host address costs O(log n) for each host address that something is published on, and a host has few.
class GuestTable {
 public:
  // Fills in what the guest leaves open (name, network, address from the pool) and checks it against the
  // networks and the guests already there. The error is one sentence with the remedy; nothing is changed.
  // The result always has a name, a network and, unless it is shared, an IPv4 address. A guest that has them (one from
  // the database) is only checked.
  [[nodiscard]] std::expected<Guest, std::string> complete(const Config& config, Guest guest) const;
  // The same with every refusal, for the loader.
  [[nodiscard]] Fitted fit(const Config& config, Guest guest) const;

  // The guest must come from complete() or with_publish() of this very table. Takes the place of a guest with
  // the same TAP.
  void insert(Guest guest);
  std::optional<Guest> erase(const std::string& tap);
  // The guest with its ports replaced, to be inserted; the error names the port and who holds it.
  [[nodiscard]] std::expected<Guest, std::string> with_publish(const Config& config, const std::string& tap,
                                                               std::vector<Publish> publish) const;

  // The same with its groups.
  [[nodiscard]] std::expected<Guest, std::string> with_groups(const Config& config, const std::string& tap,
                                                              std::vector<std::string> groups) const;

  [[nodiscard]] const Guest* by_tap(const std::string& tap) const;
  // By TAP, name (in any case) or address of either family, in that order.
  [[nodiscard]] const Guest* find(const std::string& tap_name_or_address) const;
  // Of all guests that may have this address besides their own.
  [[nodiscard]] std::set<std::string> allowed(const address& its) const;
  [[nodiscard]] const std::map<std::string, Guest>& all() const noexcept { return by_tap_; }
  [[nodiscard]] std::size_t size() const noexcept { return by_tap_.size(); }
  // Another one after each change; two tables of one revision hold the same.
  [[nodiscard]] std::uint64_t revision() const noexcept { return revision_; }

 private:
  using Refusals = std::vector<Refusal>;

  [[nodiscard]] std::string who(const std::string& tap) const;
  [[nodiscard]] Place place_of(const std::string& tap) const;
  void fit_tap(const Config& config, const Guest& guest, Refusals& refusals) const;
  void fit_name(Guest& guest, Refusals& refusals) const;
  void fit_address(const Network& network, Guest& guest, Refusals& refusals) const;
  void fit_address6(const Network& network, const Guest& guest, Refusals& refusals) const;
  void fit_publish(const Config& config, const Guest& guest, Refusals& refusals) const;
  // guest_addresses.cpp
  void fit_snat(const Config& config, const Network& network, const Guest& guest, Refusals& refusals) const;
  void fit_floating(const Config& config, const Guest& guest, Refusals& refusals) const;
  void fit_prefixes(const Config& config, const Guest& guest, Refusals& refusals) const;
  void fit_allowed(const Config& config, const Guest& guest, Refusals& refusals) const;
  void insert_more(const Guest& guest);
  void erase_more(const Guest& guest);
  // What an address is already, besides a guest's own: "the floating address of guest web1 on tap0".
  enum class Claim { floating, prefix, allowed, snat };
  struct Claimed {
    address its;
    std::string what;
    Place by;
  };
  // The first of an address, but for the claims of a kind that may share it with others.
  [[nodiscard]] std::optional<Claimed> claimed(const Config& config, const address& its,
                                               std::optional<Claim> shared = std::nullopt) const;
  // The first that lies in a prefix. Those of prefixes aren't among them.
  template <typename Prefix>
  [[nodiscard]] std::optional<Claimed> claimed_in(const Config& config, const Prefix& prefix) const;
  template <typename Prefix, typename Map>
  [[nodiscard]] std::optional<Refusal> unfit_prefix(const Config& config, const Guest& guest, const Prefix& prefix,
                                                    const Map& taken, const Map& own) const;
  [[nodiscard]] const std::string* behind(const address& its) const;  // whose prefix it is in
  [[nodiscard]] std::optional<address_v4> free_address(const Network& network) const;
  [[nodiscard]] std::string or_free(const Network& network) const;

  std::uint64_t revision_ = 0;
  std::map<std::string, Guest> by_tap_;
  std::map<std::string, std::string> tap_by_name_;
  std::map<address_v4, std::string> tap_by_address_;
  std::map<address_v6, std::string> tap_by_address6_;
  std::map<address, std::string> tap_by_floating_;
  std::map<network_v4, std::string, NetworkLess> tap_by_prefix4_;
  std::map<network_v6, std::string, NetworkLess> tap_by_prefix6_;
  std::map<address, std::set<std::string>> taps_by_allowed_;
  std::map<address, std::set<std::string>> taps_by_snat_;
  AddressRuns used_;
  PortTable ports_;
};

// The declared guests of a loaded file, which fit one another.
[[nodiscard]] GuestTable declared_guests(const Config& config);

// What keeps the guests added by command from living under these files: each must still have its network, its
// address inside, and nothing declared in its place. A reload with problems here is to be refused. Declared guests
// in `added` are passed over, so the daemon's whole table may be given.
[[nodiscard]] Problems check_against(const Config& config, const GuestTable& added);

}  // namespace vrouter::config
