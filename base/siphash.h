// SPDX-License-Identifier: GPL-2.0-or-later
// SipHash-c-d (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a hash whose collisions nobody finds
// who doesn't know the key, for tables whose keys others choose.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>

namespace vrouter {

static_assert(std::endian::native == std::endian::little, "words are read as they lie");

using SipKey = std::array<std::uint64_t, 2>;

template <unsigned kCompress, unsigned kFinalize>
[[nodiscard]] std::uint64_t siphash(const SipKey& key, std::span<const std::uint8_t> bytes) noexcept {
  std::uint64_t v0 = key[0] ^ 0x736f6d6570736575, v1 = key[1] ^ 0x646f72616e646f6d;
  std::uint64_t v2 = key[0] ^ 0x6c7967656e657261, v3 = key[1] ^ 0x7465646279746573;
  const auto rounds = [&](unsigned count) {
    for (unsigned i = 0; i < count; ++i) {
      v0 += v1;
      v2 += v3;
      v1 = std::rotl(v1, 13) ^ v0;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 = std::rotl(v0, 32);
      v2 += v1;
      v0 += v3;
      v1 = std::rotl(v1, 17) ^ v2;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 = std::rotl(v2, 32);
    }
  };
  const auto absorb = [&](std::uint64_t word) {
    v3 ^= word;
    rounds(kCompress);
    v0 ^= word;
  };
  const auto word_of = [](std::span<const std::uint8_t> part) {
    std::uint64_t word = 0;
    std::memcpy(&word, part.data(), part.size());
    return word;
  };
  auto rest = bytes;
  for (; rest.size() >= sizeof(std::uint64_t); rest = rest.subspan(sizeof(std::uint64_t)))
    absorb(word_of(rest.first(sizeof(std::uint64_t))));
  absorb(std::uint64_t{bytes.size()} << 56 | (rest.empty() ? 0 : word_of(rest)));
  v2 ^= 0xff;
  rounds(kFinalize);
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace vrouter
