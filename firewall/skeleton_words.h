// SPDX-License-Identifier: GPL-2.0-or-later
// What the tables' rules have in common. Not for other rooms.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>

#include "firewall/words.h"

namespace vrouter::firewall::words {

inline constexpr std::int32_t kRaw = -300, kMangle = -150, kDstNat = -100, kFilter = 0, kSrcNat = 100;  // NF_IP_PRI_*
inline constexpr std::uint32_t kEstablished = 1U << 1,
                               kUntracked = 1U << 6;  // NF_CT_STATE_BIT, NF_CT_STATE_UNTRACKED_BIT
inline constexpr const char* kNotAdopted = "TAP of a guest that vrouter has not adopted: closed";
inline const Verdict kAccept = accept(), kDrop = drop(), kReturn = back();

inline Bytes ip4(const char* text) {
  return bytes_of(boost::asio::ip::make_address_v4(text));
}

}  // namespace vrouter::firewall::words
