// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

namespace vrouter::lab {

using namespace std::chrono_literals;
using Milliseconds = std::chrono::milliseconds;

// What the lab itself could not do. A test lets it through: GoogleTest fails the case with the text.
class LabError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws LabError{what + the text of errno}.
[[noreturn]] void throw_errno(const std::string& what);

// Asks every few milliseconds until `done` holds or `limit` has passed; returns what it said last.
[[nodiscard]] bool wait_until(const std::function<bool()>& done, Milliseconds limit = 10s);

}  // namespace vrouter::lab
