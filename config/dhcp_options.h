// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP options as bytes: which ones may be said, and how names and routes go on the wire.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/specs.h"

namespace vrouter::config {

inline constexpr std::uint8_t kTftpServerOption = 66, kBootFileOption = 67;
inline constexpr std::uint8_t kRoutesOption = 121, kMicrosoftRoutesOption = 249;
inline constexpr std::size_t kMaxOptionBytes = 255;  // its length is one byte (RFC 2132 2)

// Why an option is the server's own, and what to do instead: what the operator would say would be a lie or be lost.
// Empty: it may be said.
[[nodiscard]] std::string_view why_not_said(std::uint8_t code) noexcept;

[[nodiscard]] Parsed<std::vector<std::uint8_t>> parse_hex(std::string_view text);  // "0104c0000201"

// Each as RFC 1035 3.1 has it, without compression (RFC 3397 lets it be left out).
void append_domain(std::string_view domain, std::vector<std::uint8_t>& bytes);

// An entry of option 121. Until it is completed, the router may be kTheGateway: the network's.
struct DhcpRoute {
  network_v4 to;
  address_v4 via;
  bool operator==(const DhcpRoute&) const = default;
};
inline const address_v4 kTheGateway = address_v4::broadcast();  // which nobody can route by

[[nodiscard]] std::vector<std::uint8_t> encode_routes(std::span<const DhcpRoute> routes);
[[nodiscard]] std::optional<std::vector<DhcpRoute>> decode_routes(std::span<const std::uint8_t> bytes);
// What a client needs beside the routes that were written: it ignores option 3 where there are any (RFC 3442), so the
// default route by the gateway, unless another one is written; and under Addressing::routed, before all others, each
// router's own /32 on the link. Complete ones stay as they are, and so does what is no list of routes.
[[nodiscard]] std::vector<std::uint8_t> complete_routes(const Network& network, std::vector<std::uint8_t> bytes);
// Why clients of the network can't use a router, and what to write instead.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> unfit_router(const Network& network,
                                                                              const address_v4& via);

// What speaks against what a guest says for itself, wherever it said so: reason and remedy.
[[nodiscard]] std::optional<std::pair<std::string, std::string>> unfit_dhcp(const Network& network,
                                                                            const ClientDhcp& dhcp);
inline constexpr std::int64_t kLeastMask = 8, kMostMask = 32;

// Sets an option, in the order of the codes.
void set_option(std::vector<RawDhcpOption>& options, RawDhcpOption option);

}  // namespace vrouter::config
