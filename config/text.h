// SPDX-License-Identifier: GPL-2.0-or-later
// Words for error messages.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vrouter::config {

// What somebody wrote, in quotes: printable ASCII only and cut to a length that fits a line, for it goes to
// terminals, to the journal and into JSON.
[[nodiscard]] std::string quoted(std::string_view text);

// "a, b or c"
[[nodiscard]] std::string one_of(std::span<const std::string_view> words);

// The known word that `text` is a slip of, if there is one near enough.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view text, std::span<const std::string_view> words);

[[nodiscard]] std::string lower_case(std::string_view text);

}  // namespace vrouter::config
