// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load_boot.h"

#include <algorithm>
#include <vector>

#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kBootKeys{
    KeySpec{"server", Type::string, "\"192.0.2.4\""},
    KeySpec{"file", Type::string, "\"pxelinux.0\""},
    KeySpec{"bios", Type::string, "\"pxelinux.0\""},
    KeySpec{"efi_ia32", Type::string, "\"bootia32.efi\""},
    KeySpec{"efi_x64", Type::string, "\"bootx64.efi\""},
    KeySpec{"efi_arm64", Type::string, "\"bootaa64.efi\""},
    KeySpec{"http_x64", Type::string, "\"http://boot.example/bootx64.efi\""},
    KeySpec{"http_arm64", Type::string, "\"http://boot.example/bootaa64.efi\""},
    KeySpec{"ipxe", Type::string, "\"http://boot.example/boot.ipxe\""},
};

struct Architecture {
  const char* key;
  std::vector<std::uint16_t> numbers;
  Parsed<std::string> (*parse)(std::string_view);
};

constexpr std::size_t kMaxFile = 127;  // BOOTP's field for it, less the NUL (RFC 2131 2): boot ROMs look there
constexpr std::size_t kMaxUrl = 255;

bool is_printable(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Parsed<std::string> parse_file(std::string_view text) {
  if (is_printable(text) && text.size() <= kMaxFile) return std::string{text};
  return std::unexpected(quoted(text) + " can't name a boot file; write 1 to 127 printable characters without blanks");
}

// A script by HTTP, or a file of the TFTP server.
Parsed<std::string> parse_script(std::string_view text) {
  return text.contains("://") ? parse_url(text) : parse_file(text);
}

// RFC 4578 2.1 and IANA's registry of processor architecture types. What calls itself 7 is an x64 as well as 9: its
// name there is EFI BC, yet so do firmwares name themselves.
const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all{
      {"bios", {0}, parse_file},       {"efi_ia32", {6}, parse_file}, {"efi_x64", {7, 9}, parse_file},
      {"efi_arm64", {11}, parse_file}, {"http_x64", {16}, parse_url}, {"http_arm64", {19}, parse_url},
  };
  return all;
}

}  // namespace

Parsed<std::string> parse_url(std::string_view text) {
  const auto scheme = lower_case(text.substr(0, text.find("://")));
  const bool http = (scheme == "http" || scheme == "https") && text.size() > scheme.size() + 3;
  if (http && is_printable(text) && text.size() <= kMaxUrl) return std::string{text};
  return std::unexpected(quoted(text) +
                         " is no address of a page; write at most 255 characters such as http://boot.example/menu");
}

NetworkBoot load_boot(Diagnosis& diagnosis, const Node& table) {
  const auto before = diagnosis.count();
  const TableReader reader{diagnosis, table, "dhcp.boot", kBootKeys};
  NetworkBoot boot;
  if (address_v4 server; reader.read("server", parse_address4, server)) {
    boot.server = server;
    if (no_address_of_a_host(server)) {
      reader.complain(reader.at("server"), server.to_string() + " is no server's address; name one server");
    }
  }
  reader.read("file", parse_file, boot.file);
  reader.read("ipxe", parse_script, boot.ipxe);
  for (const auto& [key, numbers, parse] : architectures()) {
    std::string file;
    if (!reader.read(key, parse, file)) continue;
    for (const auto number : numbers) boot.files[number] = file;
  }
  if (boot.empty() && diagnosis.count() == before)
    reader.complain(table.at, "boot names no file; write one, such as bios = \"pxelinux.0\"");
  return boot;
}

}  // namespace vrouter::config
