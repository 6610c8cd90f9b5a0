// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dns_authorities.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "router/processes/dns_verbs.h"

namespace vrouter::router {

UniqueFd hold_authorities(std::string_view text) {
  UniqueFd held{::memfd_create("authorities", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  while (held && !text.empty()) {
    const auto written = ::write(held.get(), text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return {};
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (!held || ::lseek(held.get(), 0, SEEK_SET) != 0) return {};
  constexpr int kForever = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (::fcntl(held.get(), F_ADD_SEALS, kForever) != 0) return {};
  return held;
}

std::expected<std::string, std::string> read_authorities(const UniqueFd& held) {
  if (!held) {
    return std::unexpected(
        "authorities came without their descriptor: the daemon has none to spare; raise LimitNOFILE=");
  }
  std::string text;
  std::array<char, 16384> buffer{};
  while (true) {
    const auto size = ::read(held.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return std::unexpected("authorities can't be read");
    if (size == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
    if (text.size() > dns_verbs::kMaxAuthorities) return std::unexpected("authorities are more than 4 MiB");
  }
}

}  // namespace vrouter::router
