// SPDX-License-Identifier: GPL-2.0-or-later
// Comparators and text for Asio's prefixes, which have neither order nor a hash of their own.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <utility>

namespace vrouter {

using boost::asio::ip::address;
using boost::asio::ip::address_v4;
using boost::asio::ip::address_v6;
using boost::asio::ip::network_v4;
using boost::asio::ip::network_v6;

namespace config {

// By network address, then by length: a containing prefix sorts before what it contains.
struct NetworkLess {
  bool operator()(const network_v4& a, const network_v4& b) const noexcept {
    return std::pair{a.network().to_uint(), a.prefix_length()} < std::pair{b.network().to_uint(), b.prefix_length()};
  }
  bool operator()(const network_v6& a, const network_v6& b) const noexcept {
    return std::pair{a.network().to_bytes(), a.prefix_length()} < std::pair{b.network().to_bytes(), b.prefix_length()};
  }
};

[[nodiscard]] bool contains(const network_v4& prefix, const address_v4& host) noexcept;
[[nodiscard]] bool contains(const network_v6& prefix, const address_v6& host) noexcept;
[[nodiscard]] bool overlap(const network_v4& a, const network_v4& b) noexcept;
[[nodiscard]] bool overlap(const network_v6& a, const network_v6& b) noexcept;

// The first address after the prefix's own: what a gateway is where none was given.
[[nodiscard]] address_v4 first_host(const network_v4& prefix) noexcept;
[[nodiscard]] address_v6 first_host(const network_v6& prefix) noexcept;

}  // namespace config
}  // namespace vrouter
