// SPDX-License-Identifier: GPL-2.0-or-later
// One packet of a SOCK_SEQPACKET line with at most one descriptor (unix(7), SCM_RIGHTS), for both lines that we have:
// channel.h and spawner.h. No loop, no memory of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <utility>

#include "base/kernel_error.h"
#include "base/unique_fd.h"

namespace vrouter::router {

enum class Descriptors : std::uint8_t { none, one };

struct Packet {
  std::size_t size = 0;  // 0: the peer's end is closed, or the packet was empty
  UniqueFd fd;
  bool cut = false;  // it held more bytes or descriptors than may come; those are gone
};

// Errors are errno, EINTR never. With Descriptors::none the kernel drops what descriptors come: none enters our table.
[[nodiscard]] std::expected<Packet, int> receive_packet(int line, std::span<std::uint8_t> into, Descriptors allowed);
[[nodiscard]] std::expected<void, int> send_packet(int line, std::span<const std::uint8_t> bytes, int fd = -1);

// Both ends close-on-exec; `flags` as socketpair(2) takes them: SOCK_NONBLOCK.
[[nodiscard]] std::expected<std::pair<UniqueFd, UniqueFd>, KernelError> open_line(const char* what, int flags);

}  // namespace vrouter::router
