// SPDX-License-Identifier: GPL-2.0-or-later
// Who asks, as far as a packet says, and the same as a key of hash tables.
#pragma once

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <cstring>

namespace vrouter::dns {

using boost::asio::ip::address;

// Where a question came from: the interface it came in by, and the address it claims.
struct Client {
  unsigned ifindex = 0;
  address source;
};

// Without the address's scope, which says by which interface: that is in it already.
class ClientKey {
 public:
  explicit ClientKey(const Client& client) : ifindex_{client.ifindex}, v6_{client.source.is_v6()} {
    if (v6_) {
      bytes_ = client.source.to_v6().to_bytes();
    } else {
      std::ranges::copy(client.source.to_v4().to_bytes(), bytes_.begin());
    }
  }
  bool operator==(const ClientKey&) const = default;

  // Found by name by Boost's containers. Keys are what the router told, so nobody can choose them to collide.
  friend std::size_t hash_value(const ClientKey& key) noexcept {
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), key.bytes_.data(), sizeof words);
    constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
    return ((words[0] * kOdd) ^ words[1] ^ key.ifindex_) * kOdd;
  }

 private:
  unsigned ifindex_;
  bool v6_;
  std::array<std::uint8_t, 16> bytes_{};
};

}  // namespace vrouter::dns
