// SPDX-License-Identifier: GPL-2.0-or-later
// A real host in a network namespace, made from a Topology: its TAPs are held by the test, which is every guest and the
// world. Packets go through its kernel in bulk, and what became of each is known by the number it carries.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "firewall/journey.h"
#include "firewall/nft/port.h"
#include "tests/unit/firewall/flow_wire.h"

namespace vrouter::firewall::testing {

// What became of a packet, as far as somebody can see it.
struct Fate {
  enum class Kind : std::uint8_t {
    nothing,    // it was never seen again
    delivered,  // to a socket of this host's
    left,       // by `out`, with these addresses and ports
    reset,      // its sender got a TCP reset
    prohibited  // its sender got ICMP's "administratively prohibited"
  };
  Kind kind = Kind::nothing;
  std::string out = {};
  address source = {}, destination = {};
  std::uint16_t source_port = 0, destination_port = 0;  // of TCP, UDP and SCTP

  [[nodiscard]] std::string to_string() const;  // "left by up0: 192.0.2.1 port 5000 -> 198.51.100.7 port 80"
  bool operator==(const Fate&) const = default;
};

class KernelHost {
 public:
  // Moves this process into a new namespace and builds the host there: links in their groups, addresses, routes and
  // neighbours. What goes wrong fails the test. Needs root.
  explicit KernelHost(const Topology& topology);

  // Puts these rules in the place of those there are, and forgets all connections. It costs a few milliseconds where
  // another host costs some hundred: for many policies of the same guests take one host.
  void load(const Ruleset& ruleset);

  // What the first of the next packets sent is numbered.
  [[nodiscard]] std::uint32_t next_number() const noexcept { return next_; }
  // Each comes in by its iifname, or is sent by a socket of its skuid where there is none. Between two loads nothing
  // may be sent twice from the same port.
  [[nodiscard]] std::vector<Fate> send(const std::vector<firewall::Packet>& packets);

 private:
  struct Link {
    UniqueFd tap;
    MacAddress mac;
  };
  void make_link(const std::string& name);
  void configure(const Topology& topology);
  void listen_to(std::uint8_t protocol, bool v4);
  void send_one(const firewall::Packet& packet, std::uint32_t number);
  void send_from_socket(const firewall::Packet& packet, std::uint32_t number);
  void collect(const std::vector<firewall::Packet>& packets, std::uint32_t first, std::vector<Fate>& fates);
  void wait_for_barrier(const std::vector<firewall::Packet>& packets, std::uint32_t first, std::vector<Fate>& fates);

  std::map<std::string, Link> links_;
  std::map<std::pair<std::uint8_t, bool>, UniqueFd> listeners_;  // raw sockets by protocol and family
  std::map<std::pair<uid_t, bool>, UniqueFd> senders_;           // by user and family
  std::unique_ptr<NftPort> port_;
  std::uint32_t next_ = 1;
  std::uint32_t barrier_ = 0;  // the number of the last barrier that came back
};

}  // namespace vrouter::firewall::testing
