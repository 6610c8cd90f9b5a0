// SPDX-License-Identifier: GPL-2.0-or-later
// How a child gives up everything it doesn't need, in named stages whose order matters (each uses what a later one
// takes away).
#pragma once

#include <cstddef>
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
      false;             // accept4 on sockets it has; socket(AF_INET*), connect: upstreams, which the firewall limits
  unsigned threads = 0;  // of its own, beside the first
};
[[nodiscard]] Allowed allowed(Service service) noexcept;

// 4,096 questions that wait (dns/budget.h), some with a second server's or TCP's socket, 512 TCP clients, and two
// sockets per gateway address. dhcp has 64: its channel, its loop, and a handful of sockets that serve all TAPs;
// log 16.
inline constexpr std::size_t kMostDescriptors = 16384;
// Address space. A hundred times what a service takes for 10,000 guests: one that turns hostile doesn't take the host's
// memory. DNS has besides twice all lists that a host may have (dns/list_files.h), mapped, while new ones take the
// place of those before.
inline constexpr std::size_t kMostMemory = std::size_t{1} << 30;
[[nodiscard]] std::size_t most_memory(Service service) noexcept;

// In the child, after fork(2), with one thread. On success there is no way back: another user, an empty root, no
// capability in any set, no_new_privs, not dumpable, no core, no file to write, a bounded number of descriptors, none
// open but 0-2 and `channel`; Landlock where the kernel has it (else passed over); seccomp last. Calls outside the
// filter fail with EPERM; those that nobody makes by accident (execve, ptrace, mount, bpf, setuid, ...) kill.
[[nodiscard]] std::expected<void, KernelError> enter_cage(Service service, const User& user,
                                                          const std::filesystem::path& root, int channel);

// The same without its last stage, the filter: so that tests can show that the other walls stand by themselves.
[[nodiscard]] std::expected<void, KernelError> enter_cage_without_filter(Service service, const User& user,
                                                                         const std::filesystem::path& root,
                                                                         int channel);

}  // namespace vrouter::router
