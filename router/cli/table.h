// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vrouter::router::cli {

enum class Tone { plain, bold, good, waiting, bad };

struct Cell {
  std::string text;  // empty is shown as "-"
  Tone tone = Tone::plain;
};

// Left-aligned columns, two spaces apart, no blanks at a line's end. Colour is on only where `colour` says so.
[[nodiscard]] std::string render_table(const std::vector<std::string>& header,
                                       const std::vector<std::vector<Cell>>& rows, bool colour);
// "label  value" lines under one another; an entry with an empty label goes on with the one before.
[[nodiscard]] std::string render_facts(const std::vector<std::pair<std::string, Cell>>& facts, bool colour);

// What comes from elsewhere, so that it can't steer the terminal; empty is "-".
[[nodiscard]] std::string printable(std::string_view text);

// Colour is for people: a terminal, and no NO_COLOR in the environment (https://no-color.org).
[[nodiscard]] bool wants_colour(int fd);

}  // namespace vrouter::router::cli
