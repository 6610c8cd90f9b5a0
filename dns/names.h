// SPDX-License-Identifier: GPL-2.0-or-later
// The names and reverse names answered here, as the router told them. Pure: tables in, answers out.
//
// A guest sees the names of its own network and nobody else's; the host sees all. A zone here answers every type, so a
// name that exists without the type asked is NODATA and never a question to an upstream, which would deny the name.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dns/client.h"
#include "dns/codec.h"
#include "dns/list_table.h"
#include "dns/records.h"
#include "dns/tables.h"

namespace vrouter::dns {

// Whose eyes a question is answered for.
struct View {
  bool host = false;    // the host itself: every network
  std::string network;  // a guest's
  ListTable::Profile lists = ListTable::kNone;
};

inline constexpr unsigned kLoopbackIfindex =
    1;  // LOOPBACK_IFINDEX of the kernel's net/flow.h, the same in every namespace
inline constexpr std::uint32_t kLocalTtl =
    30;  // guests come and go: a stale address must not outlive a restart by much

class Names {
 public:
  Names() = default;
  Names(const Names&) = delete;  // its parts know each other
  Names& operator=(const Names&) = delete;

  void apply(const Update& update);

  // Nothing: neither a guest with an address of its own on its own interface, nor the host. Such a question is
  // dropped: an answer would go to somebody who never asked.
  [[nodiscard]] std::optional<View> view(const Client& client) const;
  [[nodiscard]] bool serves(const Client& client) const { return lists_of(client).has_value(); }  // there is a view
  // Of whom there is a view: the profile in lists(), good until the next snapshot.
  [[nodiscard]] std::optional<ListTable::Profile> lists_of(const Client& client) const;
  [[nodiscard]] const ListTable& lists() const noexcept { return lists_; }

  // Nothing: not ours to say. What the operator wrote down comes before all else: no guest can take its name. An answer
  // with `next` is to be gone on with, by the same question of that name. `forward_labels` is the length of the
  // operator's forward zone that covers the name (0: none): it wins over a shorter domain of ours, and over the bare
  // names of guests never.
  [[nodiscard]] std::optional<LocalAnswer> answer(const View& view, const Question& question,
                                                  unsigned forward_labels) const;

  // Whether the operator wrote something down of a name below that one, so that it can't be denied.
  [[nodiscard]] bool has_records_below(const Name& name) const { return records_.has_below(name); }
  [[nodiscard]] bool has_interface(unsigned ifindex) const { return on_interface_.contains(ifindex); }
  [[nodiscard]] std::size_t interfaces() const noexcept { return on_interface_.size(); }

 private:
  using HostKey = std::pair<std::string, std::string>;  // network, name in lower case
  struct KnownZone {
    Zone zone;
    std::optional<Name> apex;  // of its domain; empty where the domain is no name
  };

  struct KnownHost : Host {
    ListTable::Profile lists = ListTable::kNone;
  };
  // What is looked up for every question; nothing besides is touched then.
  using Hosts = std::map<HostKey, KnownHost>;
  struct Place {
    const Hosts::value_type* host;
    ListTable::Profile lists;
  };
  void put(const Host& host);
  void drop(const HostKey& key);
  void give_place(const Client& left, const Hosts::value_type& by);  // to the next host that has it
  [[nodiscard]] bool sees(const View& view, const Zone& zone) const {
    return view.host || view.network == zone.network;
  }
  [[nodiscard]] std::optional<std::vector<address>> addresses_of(const KnownZone& zone, const std::string& label) const;
  [[nodiscard]] std::optional<LocalAnswer> bare_name(const View& view, const Question& question) const;
  [[nodiscard]] std::optional<LocalAnswer> in_domain(const View& view, const Question& question,
                                                     unsigned forward_labels) const;
  [[nodiscard]] std::optional<LocalAnswer> reverse(const View& view, const Question& question) const;
  [[nodiscard]] std::optional<LocalAnswer> find(const View& view, const Question& question,
                                                unsigned forward_labels) const;

  [[nodiscard]] std::optional<LocalAnswer> from_guests(const View& view, const Question& question,
                                                       unsigned forward_labels) const;

  Records records_;
  ListTable lists_;
  std::vector<KnownZone> zones_;
  Hosts hosts_;
  std::unordered_map<unsigned, std::size_t> on_interface_;  // how many of them are on each
  // Places in it: keys once more would take as much again.
  std::multimap<address, const Hosts::value_type*> by_address_;
  boost::unordered_flat_map<ClientKey, Place> by_client_;  // of several hosts the first
};

// Names that must not leave this machine or have a fixed answer: RFC 6761 (localhost, test, invalid), 7686 (onion),
// 6762 (local), 9476 (alt), 8375 (home.arpa), internal (reserved by ICANN in 2024), 9462 (resolver.arpa), the reverse
// zones of private and special addresses (RFC 6303, 7793), and ANY (RFC 8482).
[[nodiscard]] std::optional<LocalAnswer> special_answer(const Question& question);

// An address written as a reverse name, or the leading part of one.
struct ReverseName {
  address base;              // the rest is zero
  unsigned prefix_bits = 0;  // how much of it the name gives
  [[nodiscard]] bool is_whole() const { return prefix_bits == (base.is_v4() ? 32U : 128U); }
};
[[nodiscard]] std::optional<ReverseName> parse_reverse(const Name& name);

// Data of records, as names and addresses say it.
[[nodiscard]] LocalRecord address_record(const Name& owner, const address& value);
[[nodiscard]] LocalRecord name_record(const Name& owner, std::uint16_t type, const Name& value);
[[nodiscard]] LocalRecord soa_record(const Name& zone);
[[nodiscard]] LocalAnswer no_such_name(const Name& zone);
[[nodiscard]] LocalAnswer no_such_type(const Name& zone);
[[nodiscard]] LocalAnswer answer_to_any(const Name& name);  // of a name that exists: HINFO, RFC 8482 section 4.2

}  // namespace vrouter::dns
