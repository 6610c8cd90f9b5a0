// SPDX-License-Identifier: GPL-2.0-or-later
// Booting from the network (PXE 2.1, RFC 4578; UEFI's HTTP boot; iPXE). Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "config/dhcp.h"
#include "dhcp/codec.h"

namespace vrouter::dhcp {

// Firmware rather than an operating system.
[[nodiscard]] bool is_boot_rom(const Request& request) noexcept;

// What a reply says of booting.
enum class BootForm {
  none,
  fields,  // siaddr and `file`, and options 66 and 67 where they are asked for: who asks without being a boot ROM
  rom,     // the same and both options: iPXE and U-Boot
  pxe,     // and that the answer is a PXE one, with no further server to look for
  http,    // a URL in option 67, for UEFI
};
struct BootAnswer {
  BootForm form = BootForm::none;
  std::string_view file;  // of `boot`
};
[[nodiscard]] BootAnswer choose_boot(const Request& request, const config::NetworkBoot& boot) noexcept;

}  // namespace vrouter::dhcp
