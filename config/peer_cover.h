// SPDX-License-Identifier: GPL-2.0-or-later
// Which peers are part of which others, whatever guests are added by command later. But for prefixes and allowed
// addresses, which those may have anywhere: only the declared guests' are thought of, or no address would be the
// world's.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "config/more_addresses.h"

namespace vrouter::config {

class PeerCover {
 public:
  enum class Family { v4, v6 };

  explicit PeerCover(const Config& config);  // which must outlive this; of peers that its rules name

  // Whether every address of the family that `inner` can mean is one that `outer` means. False where it depends on what
  // is added by command.
  [[nodiscard]] bool covers(const Peer& outer, const Peer& inner, Family family) const;
  // Whether a packet of the family can be meant at all.
  [[nodiscard]] bool has(const Peer& peer, Family family) const;
  // The addresses of a set or of a net, in one prefix or more.
  [[nodiscard]] std::vector<network_v4> prefixes4(const Peer& peer) const;
  [[nodiscard]] std::vector<network_v6> prefixes6(const Peer& peer) const;

 private:
  template <typename Prefix>
  [[nodiscard]] bool addresses_cover(const std::vector<Prefix>& outer, const Peer& inner) const;
  [[nodiscard]] bool network_covers(const Network& outer, const Peer& inner, Family family) const;
  [[nodiscard]] bool no_guests(const Peer& inner, Family family) const;
  // Whether such a guest of a network other than this has one of the addresses.
  [[nodiscard]] bool met_elsewhere(const Peer& inner, Family family, std::string_view network) const;
  [[nodiscard]] const Guest* guest(std::string_view name) const;

  const Config* config_;
  std::map<std::string_view, const Guest*> guests_;  // that a rule names
  std::map<std::string_view, MoreAddresses> more_;   // of all guests, by network; normalised
};

}  // namespace vrouter::config
