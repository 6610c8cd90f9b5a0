// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/table.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace vrouter::router::cli {
namespace {

std::string_view escape(Tone tone) {
  switch (tone) {
    case Tone::plain:
      return "";
    case Tone::bold:
      return "\033[1m";
    case Tone::good:
      return "\033[32m";
    case Tone::waiting:
      return "\033[33m";
    case Tone::bad:
      return "\033[31m";
  }
  std::unreachable();
}

void append(std::string& out, const std::string& text, Tone tone, bool colour) {
  const auto start = colour ? escape(tone) : std::string_view{};
  out += start;
  out += text;
  if (!start.empty()) out += "\033[0m";
}

}  // namespace

std::string printable(std::string_view text) {
  if (text.empty()) return "-";
  std::string clean{text};
  std::ranges::replace_if(clean, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return clean;
}

std::string render_table(const std::vector<std::string>& header, const std::vector<std::vector<Cell>>& rows,
                         bool colour) {
  std::vector<std::vector<Cell>> lines;
  lines.emplace_back();
  for (const auto& title : header) lines.back().push_back({title, Tone::bold});
  lines.insert(lines.end(), rows.begin(), rows.end());
  std::vector<std::size_t> widths(header.size());
  for (auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      line[i].text = printable(line[i].text);
      widths[i] = std::max(widths[i], line[i].text.size());
    }
  }
  std::string out;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      append(out, line[i].text, line[i].tone, colour);
      if (i + 1 < line.size()) out.append(widths[i] - line[i].text.size() + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string render_facts(const std::vector<std::pair<std::string, Cell>>& facts, bool colour) {
  std::size_t width = 0;
  for (const auto& fact : facts) width = std::max(width, fact.first.size());
  std::string out;
  for (const auto& [label, cell] : facts) {
    append(out, label, Tone::bold, colour && !label.empty());
    out.append(width - label.size() + 2, ' ');
    append(out, printable(cell.text), cell.tone, colour);
    out += '\n';
  }
  return out;
}

bool wants_colour(int fd) {
  const char* no_colour = std::getenv("NO_COLOR");
  return (no_colour == nullptr || *no_colour == '\0') && ::isatty(fd) == 1;
}

}  // namespace vrouter::router::cli
