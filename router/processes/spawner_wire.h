// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon and its spawner say to each other: two lines, so that an answer is never mistaken for news. Requests
// are answered in order, one at a time; news comes when it comes. Fixed sizes, of one build on one machine.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>

#include "router/processes/spawner.h"

namespace vrouter::router {

enum class Verb : std::uint32_t {
  make_socket,  // domain, type
  launch,       // with the child's end of its channel
  kill          // child
};

struct Request {
  Verb verb = Verb::make_socket;
  std::uint32_t service = 0;
  std::int32_t domain = 0;
  std::int32_t type = 0;
  std::int32_t child = 0;
};

// The first answer comes unasked: the spawner has given up what it doesn't need and serves.
struct Answer {
  std::int32_t error = 0;  // errno
  std::int32_t child = 0;
  std::array<char, 400> what{};  // of an error, in words; ends with a NUL
};

struct News {
  std::uint32_t service = 0;
  std::int32_t child = 0;
  std::int32_t status = 0;
};

template <class T>
[[nodiscard]] std::span<std::uint8_t> bytes_of(T& value) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): plain structs of integers
  return {reinterpret_cast<std::uint8_t*>(&value), sizeof value};
}

// Exit statuses of a child that has not come so far as to run its job, told apart from the job's own (0 to 63).
inline constexpr int kCageRefused = 120;  // it said on stderr why
inline constexpr int kJobThrew = 121;     // likewise
inline constexpr int kParentGone = 122;

}  // namespace vrouter::router
