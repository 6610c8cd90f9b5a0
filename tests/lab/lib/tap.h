// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/mac_address.h"
#include "base/unique_fd.h"
#include "tests/lab/lib/frames.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::lab {

// QEMU's default, the same for every guest that sets none.
inline constexpr MacAddress kQemuMac{{0x52, 0x54, 0x00, 0x12, 0x34, 0x56}};

// Opens (and, if there is none, makes) the TAP `name` in `where` the way QEMU does: IFF_TAP, IFF_NO_PI, IFF_VNET_HDR,
// checksum and segmentation offloads. It isn't set up: that is the router's work. Unless it is persistent, the TAP goes
// with its descriptor.
[[nodiscard]] UniqueFd open_tap(const Namespace& where, const std::string& name);
// The same in the namespace of the calling thread.
[[nodiscard]] UniqueFd open_tap_here(const std::string& name);

// The guest's side of a TAP, frame by frame: no guest kernel between, so anything can be sent.
class RawTap {
 public:
  RawTap(const Namespace& host, std::string name) : name_{std::move(name)}, fd_{open_tap(host, name_)} {}

  void send(std::span<const std::uint8_t> frame) const;
  // The next frame within `limit`, or the next that `wanted` accepts (others are thrown away).
  [[nodiscard]] std::optional<Seen> receive(Milliseconds limit,
                                            const std::function<bool(const Seen&)>& wanted = {}) const;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;
  UniqueFd fd_;
};

// A simulated guest: a namespace whose eth0 is wired to the host's TAP, with the TAP's descriptor held as QEMU
// holds it. Real clients (dhclient, ping, curl, iperf3) run inside; frames of any kind can be slipped in besides.
class TapGuest {
 public:
  TapGuest(const Namespace& host, std::string tap, MacAddress mac = kQemuMac);
  TapGuest(const TapGuest&) = delete;
  TapGuest& operator=(const TapGuest&) = delete;
  ~TapGuest();

  [[nodiscard]] Namespace& inside() { return inside_; }
  [[nodiscard]] const std::string& tap() const { return tap_; }
  [[nodiscard]] const MacAddress& mac() const { return mac_; }

  // Sends a frame of any kind as if the guest had.
  void inject(std::span<const std::uint8_t> frame);
  // Closes the TAP's descriptor, as a killed QEMU does; the TAP goes, eth0 loses its carrier.
  void unplug();
  // Opens it again: a new interface of the same name, with another MAC, so the guest forgets its neighbours, as one
  // that its QEMU took along would have.
  void plug();

  // eth0 by hand: address with prefix ("10.0.5.2/24"), then a default route by `gateway` (onlink where needed).
  void set_static(const std::string& address, const std::string& gateway, const std::string& resolver = "");

 private:
  void pump();
  bool close_host_side();           // false when it was closed already
  void set_carrier(bool on) const;  // of the guest's eth0

  const Namespace& host_;
  std::string tap_;
  MacAddress mac_;
  Namespace inside_;
  UniqueFd guest_side_;
  std::mutex host_side_mutex_;  // inject() writes while the pump reads
  UniqueFd host_side_;
  UniqueFd stop_event_;
  std::thread pump_;
};

}  // namespace vrouter::lab
