// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/packets.h"

#include <arpa/inet.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "base/wire_reader.h"
#include "tests/lab/lib/error.h"

namespace vrouter::torture {
namespace {

constexpr std::size_t kDhcpFixed = 236;  // op to file (RFC 2131, figure 1)
constexpr std::uint32_t kDhcpCookie = 0x63825363;
constexpr std::uint8_t kOptionType = 53, kOptionEnd = 255;

void put(std::string& bytes, std::size_t at, std::uint32_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) bytes.at(at + i) = static_cast<char>(value >> (8 * (width - 1 - i)));
}

WireReader reader_of(std::string_view payload) {
  return WireReader{std::span{reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()}};
}

}  // namespace

std::string write_note(const Note& note) {
  return "torture " + std::string(1, static_cast<char>(note.purpose)) + " " + std::to_string(note.guest) + " " +
         std::to_string(note.sequence);
}

std::optional<Note> read_note(std::string_view payload) {
  char purpose = 0;
  Note note;
  const std::string text{payload.substr(0, 64)};
  if (std::sscanf(text.c_str(), "torture %c %d %u", &purpose, &note.guest, &note.sequence) != 3) return std::nullopt;
  note.purpose = static_cast<Purpose>(purpose);
  return note;
}

std::string dns_question(std::uint16_t id, const std::string& name) {
  std::string bytes(12, '\0');
  put(bytes, 0, id, 2);
  put(bytes, 2, 0x0100, 2);  // recursion desired
  put(bytes, 4, 1, 2);
  for (std::size_t from = 0; from < name.size();) {
    const auto dot = std::min(name.find('.', from), name.size());
    bytes += static_cast<char>(dot - from);
    bytes += name.substr(from, dot - from);
    from = dot + 1;
  }
  return bytes + std::string{"\0\0\1\0\1", 5};  // the root, A, IN
}

std::optional<DnsAnswer> read_dns_answer(std::string_view payload) {
  auto reader = reader_of(payload);
  DnsAnswer answer;
  answer.id = reader.u16();
  const auto flags = reader.u16();
  if (reader.failed() || (flags & 0x8000) == 0) return std::nullopt;
  answer.rcode = flags & 0xf;
  return answer;
}

std::string dhcp_renewal(std::uint32_t transaction, const MacAddress& mac, const std::string& address) {
  std::string bytes(kDhcpFixed + 4, '\0');
  bytes[0] = 1;  // BOOTREQUEST, Ethernet
  bytes[1] = 1;
  bytes[2] = 6;
  put(bytes, 4, transaction, 4);
  in_addr ciaddr{};
  if (::inet_pton(AF_INET, address.c_str(), &ciaddr) != 1) throw lab::LabError{"no address: " + address};
  std::memcpy(&bytes[12], &ciaddr, sizeof ciaddr);
  std::memcpy(&bytes[28], mac.bytes.data(), mac.bytes.size());
  put(bytes, kDhcpFixed, kDhcpCookie, 4);
  bytes += std::string{"\x35\1\3", 3};          // DHCPREQUEST
  bytes += std::string{"\x37\4\1\3\6\x0f", 6};  // mask, router, resolver, domain
  bytes += static_cast<char>(kOptionEnd);
  bytes.resize(300);  // BOOTP's least size (RFC 1542 2.1)
  return bytes;
}

std::optional<DhcpAnswer> read_dhcp_answer(std::string_view payload) {
  auto reader = reader_of(payload);
  if (reader.u8() != 2) return std::nullopt;
  reader.skip(3);
  DhcpAnswer answer;
  answer.transaction = reader.u32();
  reader.skip(8);
  const auto yiaddr = reader.take(4);
  reader.skip(kDhcpFixed - 20);
  if (reader.u32() != kDhcpCookie || reader.failed()) return std::nullopt;
  std::array<char, INET_ADDRSTRLEN> text{};
  answer.address = ::inet_ntop(AF_INET, yiaddr.data(), text.data(), text.size());
  while (!reader.failed() && !reader.empty()) {
    const auto code = reader.u8();
    if (code == 0) continue;
    if (code == kOptionEnd) break;
    const auto value = reader.take(reader.u8());
    if (code == kOptionType && !value.empty()) answer.type = value.front();
  }
  return answer;
}

}  // namespace vrouter::torture
