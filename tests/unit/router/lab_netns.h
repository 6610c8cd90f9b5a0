// SPDX-License-Identifier: GPL-2.0-or-later
// A network namespace of the test's own; CTest runs every case in a process of its own, so it goes with the case.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <boost/asio/io_context.hpp>
#include <cstring>
#include <string>

#include "base/unique_fd.h"
#include "router/kernel/events.h"
#include "router/kernel/kernel_port.h"
#include "router/kernel/sysctls.h"

namespace vrouter::router {

class NamespaceTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "needs root";
    auto opened = open_kernel();
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    net = std::move(*opened);
    auto files = open_sysctls();
    ASSERT_TRUE(files.has_value());
    sysctls = std::move(*files);
  }

  // Opens a TAP as a guest's VMM does: it lives as long as the descriptor, unless it was made persistent.
  static UniqueFd open_tap(const std::string& name) {
    UniqueFd fd{::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)};
    ifreq request{};
    std::memcpy(request.ifr_name, name.c_str(), name.size());
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
    if (::ioctl(fd.get(), TUNSETIFF, &request) < 0) fd.reset();
    return fd;
  }
  void set_up(const std::string& name, bool up) {
    const auto link = net->link(name);
    ASSERT_TRUE(link.has_value());
    LinkChange change;
    change.up = up;
    const auto changed = net->change_link(link->index, name, change);
    ASSERT_TRUE(changed.has_value()) << changed.error().to_string();
  }

  boost::asio::io_context io;
  std::unique_ptr<KernelPort> net;
  std::unique_ptr<Sysctls> sysctls;
};

inline address_v4 lab_v4(const char* text) {
  return boost::asio::ip::make_address_v4(text);
}
inline network_v4 lab_net4(const char* text) {
  return boost::asio::ip::make_network_v4(text);
}

}  // namespace vrouter::router
