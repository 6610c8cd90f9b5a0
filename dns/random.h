// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <span>

namespace vrouter::dns {

// From the kernel: what a forger would have to guess.
void fill_random(std::span<std::uint8_t> out);  // at most 256 bytes
[[nodiscard]] std::uint16_t random_id();

}  // namespace vrouter::dns
