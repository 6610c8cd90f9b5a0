// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/random.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace vrouter::dns {

void fill_random(std::span<std::uint8_t> out) {
  // Short reads can't happen below 256 bytes, and no error once the pool is ready: getrandom(2).
  if (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size()))
    throw std::system_error(errno, std::generic_category(), "getrandom");
}

std::uint16_t RandomIds::next() {
  if (used_ == drawn_.size()) {
    fill_random(drawn_);
    used_ = 0;
  }
  const auto id = static_cast<std::uint16_t>(drawn_[used_] << 8 | drawn_[used_ + 1]);
  used_ += 2;
  return id;
}

std::uint16_t random_id() {
  std::array<std::uint8_t, 2> id{};
  fill_random(id);
  return static_cast<std::uint16_t>(id[0] << 8 | id[1]);
}

}  // namespace vrouter::dns
