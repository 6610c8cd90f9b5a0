// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <optional>
#include <string>

#include "tests/lab/lib/tap.h"

namespace vrouter::lab {

// A guest made of frames alone, for where a namespace and real clients for each would be too many or too slow. It asks
// for a lease, a name or an echo, answers ARP for its address meanwhile, and forgets whatever else it is sent.
class FrameGuest {
 public:
  FrameGuest(const Namespace& host, std::string tap, MacAddress mac = kQemuMac)
      : tap_{host, std::move(tap)}, mac_{mac} {}

  // Each asks again every `again` until it is answered or `limit` has passed.
  //
  // DISCOVER to ACK, or REQUEST to ACK where it has a lease already (RFC 2131, 4.3.2: INIT-REBOOT). The address, or ""
  // without an ACK.
  std::string get_lease(Milliseconds limit = 5s, Milliseconds again = 500ms);
  // The first IPv4 address of the name, asked of the lease's resolver.
  [[nodiscard]] std::string look_up(const std::string& name, Milliseconds limit = 5s, Milliseconds again = 500ms);
  [[nodiscard]] bool ping(const std::string& address, Milliseconds limit = 5s, Milliseconds again = 500ms);

  [[nodiscard]] const std::string& address() const { return address_; }
  [[nodiscard]] const std::string& gateway() const { return gateway_; }
  [[nodiscard]] const RawTap& tap() const { return tap_; }

 private:
  // The next frame that is `wanted`; every other is answered if it asks for our MAC, and dropped.
  std::optional<Seen> await(Milliseconds limit, const std::function<bool(const Seen&)>& wanted) const;
  // Sends again and again until `wanted` comes.
  std::optional<Seen> ask(const Bytes& frame, Milliseconds limit, Milliseconds again,
                          const std::function<bool(const Seen&)>& wanted) const;
  bool find_gateway(Milliseconds limit);

  RawTap tap_;
  MacAddress mac_;
  std::optional<MacAddress> gateway_mac_;
  std::string address_, gateway_, resolver_;
  std::uint16_t number_ = 0;  // of the last question
};

}  // namespace vrouter::lab
