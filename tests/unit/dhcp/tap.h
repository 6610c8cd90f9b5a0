// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "tests/lab/lib/frames.h"
#include "tests/unit/dhcp/lab.h"
#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp::testing {

// A guest behind a TAP of the calling thread's namespace, held as a hypervisor holds it: frames in, frames out.
class Tap {
 public:
  explicit Tap(const std::string& name) : fd_{::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)} {
    ifreq request{};
    std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    EXPECT_EQ(::ioctl(fd_.get(), TUNSETIFF, &request), 0);
    EXPECT_EQ(run("ip link set " + name + " mtu 9000 up").status, 0);
    binding_ = testing::binding();
    binding_.tap = binding_.guest = name;
    binding_.ifindex = ::if_nametoindex(name.c_str());
  }
  [[nodiscard]] Binding& binding() { return binding_; }

  // A guest's broadcast: sent as 0.0.0.0 to 255.255.255.255.
  void send(const Bytes& payload) const { send_frame(framed(payload)); }
  static Bytes framed(const Bytes& payload, const lab::Ip& addresses = {.from = "0.0.0.0", .to = "255.255.255.255"}) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
    const std::string_view text{reinterpret_cast<const char*>(payload.data()), payload.size()};
    return lab::udp({.to = kBroadcastMac, .from = kGuestMac}, addresses, 68, 67, text);
  }
  void send_frame(const Bytes& frame) const {
    EXPECT_EQ(::write(fd_.get(), frame.data(), frame.size()), static_cast<ssize_t>(frame.size()));
  }
  // The next DHCP frame for the guest; empty after `limit`.
  [[nodiscard]] Bytes receive(int limit_ms = 5000) const {
    return receive([](const Bytes& f) { return f.size() > 42 && f[12] == 8 && f[13] == 0 && f[37] == 68; }, limit_ms);
  }
  // Answers the next question for the binding's address as the guest would, and returns it.
  [[nodiscard]] std::optional<lab::Seen> answer_arp() const {
    const auto asked = lab::dissect(receive([](const Bytes& f) { return f[12] == 8 && f[13] == 6 && f[21] == 1; }));
    if (!asked) return std::nullopt;
    send_frame(lab::arp({.to = asked->ethernet.from, .from = kGuestMac}, {.operation = 2,
                                                                          .sender_mac = kGuestMac,
                                                                          .sender = binding_.address.to_string(),
                                                                          .target_mac = asked->ethernet.from,
                                                                          .target = asked->from}));
    return asked;
  }

 private:
  [[nodiscard]] Bytes receive(const std::function<bool(const Bytes&)>& wanted, int limit_ms = 5000) const {
    for (;;) {
      pollfd waiting{fd_.get(), POLLIN, 0};
      if (::poll(&waiting, 1, limit_ms) != 1) return {};
      Bytes frame(9100);
      const auto n = ::read(fd_.get(), frame.data(), frame.size());
      frame.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
      if (frame.size() >= 42 && wanted(frame)) return frame;
    }
  }

  UniqueFd fd_;
  Binding binding_;
};

// The DHCP message in a frame; what is no sound frame of UDP gives an ill-formed one.
inline ReplyView reply_in(std::span<const std::uint8_t> frame) {
  const auto seen = lab::dissect(frame);
  return seen ? read_reply(seen->payload) : ReplyView{};
}

}  // namespace vrouter::dhcp::testing
