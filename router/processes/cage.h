// SPDX-License-Identifier: GPL-2.0-or-later
// How a child gives up everything it doesn't need, in named stages whose order matters (each uses what a later one
// takes away).
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>

#include "base/kernel_error.h"
#include "router/processes/spawner.h"

namespace vrouter::router {

// What a service's filter lets through beyond memory, time, epoll, its channel and its exit.
struct Allowed {
  bool datagrams = false;  // recvmmsg, sendmmsg and kin on sockets that it has
  bool connections =
      false;  // accept4 on sockets it has; socket(AF_INET*), connect: upstreams, which the firewall limits
};
[[nodiscard]] Allowed allowed(Service service) noexcept;

// In the child, after fork(2), with one thread. On success there is no way back: another user, an empty root, no
// capability in any set, no_new_privs, not dumpable, no core, no file to write, a bounded number of descriptors, none
// open but 0-2 and `channel`; Landlock where the kernel has it (else passed over); seccomp last. Calls outside the
// filter fail with EPERM; those that nobody makes by accident (execve, ptrace, mount, bpf, setuid, ...) kill.
[[nodiscard]] std::expected<void, KernelError> enter_cage(Service service, const User& user,
                                                          const std::filesystem::path& root, int channel);

}  // namespace vrouter::router
