// SPDX-License-Identifier: GPL-2.0-or-later
// Several clients behind one interface of the host: a bridge whose network has a range.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/integration/scene.h"

namespace vrouter::lab {

inline constexpr const char* kLabGateway = "10.9.0.1";

// vrouter.toml: network "lab" (10.9.0.0/24) with what `dhcp` says, and the shared guest br0, named "bridge".
[[nodiscard]] std::string shared_config(const std::string& dhcp, const std::string& guest = "");

// A machine on a port of the bridge; its eth0 has the MAC 02:00:00:00:00:NN.
class LinkClient {
 public:
  LinkClient(const Namespace& host, unsigned number, const std::string& bridge = "br0");

  [[nodiscard]] Namespace& inside() { return inside_; }
  [[nodiscard]] const std::string& mac() const { return mac_; }
  // udhcpc, which keeps asking for some seconds; the address that it was given, "" for none. It doesn't stay.
  std::string lease(const std::string& more = "");
  [[nodiscard]] std::string address() const;  // of eth0; "" for none
  void flush() const;                         // takes its addresses, without a word to anybody
  void set(const std::string& address) const;
  [[nodiscard]] bool reaches(const std::string& where, int tries = 1) const;
  void plug(const Namespace& host, const std::string& bridge = "br0") const;

 private:
  std::string mac_, port_;
  Namespace inside_;
};

struct SharedLink {
  explicit SharedLink(const std::string& dhcp, std::size_t clients, DaemonOptions options = {},
                      const std::string& guest = "");

  LinkClient& client(std::size_t i) { return *clients.at(i); }
  // Of the lease of an address, as `vrouter leases --json` has it; "" where there is none.
  [[nodiscard]] std::string field(const std::string& address, const std::string& name) const;
  [[nodiscard]] std::string state(const std::string& address) const { return field(address, "state"); }
  [[nodiscard]] std::size_t bound() const;
  [[nodiscard]] bool says(const std::string& what) const;  // `vrouter status`, within some seconds
  // Whether anything in force names the address: a rule, a route, a neighbour.
  [[nodiscard]] std::string traces(const std::string& address) const;
  [[nodiscard]] std::size_t logged(const std::string& what) const;
  // As if that much of the time of all leases had passed. Ends the daemon by kill -9 and starts it again.
  void age_leases(std::chrono::seconds by) const;

  static void make_bridge(const Namespace& host);

  Scene scene;
  std::vector<std::unique_ptr<LinkClient>> clients;
};

}  // namespace vrouter::lab
