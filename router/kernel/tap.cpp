// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"

namespace vrouter::router {

Result<void> make_persistent_tap(const std::string& name, std::optional<uid_t> owner) {
  const std::string what = "create TAP " + name;
  if (name.empty() || name.size() >= IFNAMSIZ) return std::unexpected(KernelError{what, EINVAL, ""});
  // TUNSETIFF on an existing TAP would open it, as a guest does.
  if (::if_nametoindex(name.c_str()) != 0) return std::unexpected(KernelError{what, EEXIST, ""});
  const UniqueFd tun{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
  if (!tun) return std::unexpected(KernelError{what + " (open /dev/net/tun)", errno, ""});
  ifreq request{};
  std::memcpy(request.ifr_name, name.c_str(), name.size());
  // As QEMU and Firecracker open it. Whoever opens it later may choose the other flags anew, save IFF_MULTI_QUEUE,
  // which must be the same as at creation (drivers/net/tun.c, tun_set_iff): one queue is what both take by default.
  request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL);
  if (::ioctl(tun.get(), TUNSETIFF, &request) < 0) {
    return std::unexpected(KernelError{what, errno == EBUSY ? EEXIST : errno, ""});
  }
  // Without an owner only root may open it; a TAP that nobody made persistent goes with our descriptor.
  if (owner && ::ioctl(tun.get(), TUNSETOWNER, static_cast<unsigned long>(*owner)) < 0) {
    return std::unexpected(KernelError{what + ": give it to user " + std::to_string(*owner), errno, ""});
  }
  if (::ioctl(tun.get(), TUNSETPERSIST, 1UL) < 0) {
    return std::unexpected(KernelError{what + ": make it persistent", errno, ""});
  }
  return {};
}

}  // namespace vrouter::router
