// SPDX-License-Identifier: GPL-2.0-or-later
// How many connections the kernel must be able to track for the guests: past net.netfilter.nf_conntrack_max it drops
// every new one, of the host's own too ("nf_conntrack: table full, dropping packet").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace vrouter::router {

// A guest that fetches packages or crawls holds some hundred connections, and each lingers 120 s after its end.
inline constexpr std::uint64_t kConnectionsPerGuest = 1024;
// What the host itself may hold: the kernel's default of a machine with 1 GiB.
inline constexpr std::uint64_t kConnectionsOfHost = 65536;
// Guests are counted in steps, so that adding one seldom changes anything.
inline constexpr std::size_t kGuestsPerStep = 256;
// struct nf_conn with its extensions, rounded up; and no more of the memory than this for all of them.
inline constexpr std::uint64_t kBytesPerConnection = 512;
inline constexpr std::uint64_t kShareOfMemory = 8;

// Guests rounded up to the next step, which is never 0.
[[nodiscard]] std::size_t conntrack_step(std::size_t guests) noexcept;
// Entries for that many guests on a machine with that much memory (bytes). The hash table keeps its buckets: four
// entries a bucket cost a look-up little, and resizing would walk them all.
[[nodiscard]] std::uint64_t conntrack_max_for(std::size_t guests, std::uint64_t memory) noexcept;
// Whether the kernel's number, as /proc/sys gives it, is enough for them on this machine.
[[nodiscard]] bool conntrack_suffices(const std::string& present, std::size_t guests) noexcept;
[[nodiscard]] std::uint64_t physical_memory() noexcept;

}  // namespace vrouter::router
