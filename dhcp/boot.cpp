// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/boot.h"

#include "base/wire_reader.h"

namespace vrouter::dhcp {
namespace {

// RFC 3004 puts a length before each class; iPXE and most others send the bare text.
bool says_ipxe(const Request& request) noexcept {
  constexpr std::string_view kIpxe = "iPXE";
  if (request.user_class.text() == kIpxe) return true;
  WireReader classes{request.user_class.span()};
  while (!classes.empty()) {
    const auto one = classes.take(classes.u8());
    if (classes.failed()) return false;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
    if (std::string_view{reinterpret_cast<const char*>(one.data()), one.size()} == kIpxe) return true;
  }
  return false;
}

// The client names its architectures best first (RFC 4578, 2.1).
std::string_view file_for(const Request& request, const config::NetworkBoot& boot) noexcept {
  WireReader architectures{request.architectures.span()};
  while (!architectures.empty()) {
    if (const auto it = boot.files.find(architectures.u16()); it != boot.files.end()) return it->second;
  }
  return boot.file;
}

bool says(const Request& request, std::string_view vendor) noexcept {
  return request.vendor_class.text().starts_with(vendor);
}

}  // namespace

bool is_boot_rom(const Request& request) noexcept {
  // U-Boot has a class of its own for each board, but names what only firmware has.
  const bool names_hardware = request.network_interface && !request.architectures.empty();
  return says(request, "PXEClient") || says(request, "HTTPClient") || says_ipxe(request) || names_hardware;
}

BootAnswer choose_boot(const Request& request, const config::NetworkBoot& boot) noexcept {
  const bool asks = request.parameters.test(option::kTftpServer) || request.parameters.test(option::kBootFile);
  const bool rom = is_boot_rom(request);
  if (boot.empty() || !(rom || asks)) return {};
  const bool ipxe = says_ipxe(request);
  const auto file = ipxe && !boot.ipxe.empty() ? std::string_view{boot.ipxe} : file_for(request, boot);
  if (file.empty()) return {};
  if (ipxe) return {BootForm::rom, file};
  if (says(request, "HTTPClient")) {
    // An answer with that class and no URL is an error to UEFI; without the class it is one that can't boot.
    return file.find("://") != std::string_view::npos ? BootAnswer{BootForm::http, file} : BootAnswer{};
  }
  if (says(request, "PXEClient")) return {BootForm::pxe, file};
  return {rom ? BootForm::rom : BootForm::fields, file};
}

}  // namespace vrouter::dhcp
