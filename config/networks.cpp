// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/networks.h"

#include <algorithm>

namespace vrouter::config {
namespace {

std::uint32_t mask4(unsigned short length) noexcept {
  return length == 0 ? 0 : ~std::uint32_t{0} << (32 - length);
}

bool same_leading_bits(const address_v6& a, const address_v6& b, unsigned short length) noexcept {
  const auto left = a.to_bytes();
  const auto right = b.to_bytes();
  const std::size_t whole = length / 8;
  if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(whole), right.begin())) return false;
  const unsigned rest = length % 8;
  return rest == 0 || ((left[whole] ^ right[whole]) >> (8 - rest)) == 0;
}

}  // namespace

bool contains(const network_v4& prefix, const address_v4& host) noexcept {
  return ((prefix.address().to_uint() ^ host.to_uint()) & mask4(prefix.prefix_length())) == 0;
}

bool contains(const network_v6& prefix, const address_v6& host) noexcept {
  return same_leading_bits(prefix.address(), host, prefix.prefix_length());
}

bool overlap(const network_v4& a, const network_v4& b) noexcept {
  return a.prefix_length() <= b.prefix_length() ? contains(a, b.address()) : contains(b, a.address());
}

bool overlap(const network_v6& a, const network_v6& b) noexcept {
  return a.prefix_length() <= b.prefix_length() ? contains(a, b.address()) : contains(b, a.address());
}

address_v4 first_host(const network_v4& prefix) noexcept {
  return address_v4{prefix.network().to_uint() + 1};
}

address_v6 first_host(const network_v6& prefix) noexcept {
  auto bytes = prefix.network().to_bytes();
  bytes.back() = static_cast<unsigned char>(bytes.back() | 1);
  return address_v6{bytes};
}

}  // namespace vrouter::config
