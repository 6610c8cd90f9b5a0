// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/text.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace vrouter::config {
namespace {

constexpr std::size_t kMaxQuoted = 80;    // longer than every valid value but a domain; leaves the message readable
constexpr std::size_t kMaxCompared = 64;  // the distance is quadratic, and no key of ours is near this long

// Edits that turn one word into the other: insert, remove, replace (Levenshtein), and swap two neighbours.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replace, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text.substr(0, kMaxQuoted)) result += c >= ' ' && c <= '~' ? c : '?';
  if (text.size() > kMaxQuoted) result += "...";
  return result + '\'';
}

std::string one_of(std::span<const std::string_view> words) {
  std::string result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) result += i + 1 == words.size() ? " or " : ", ";
    result += words[i];
  }
  return result;
}

std::optional<std::string_view> nearest(std::string_view text, std::span<const std::string_view> words) {
  if (text.size() > kMaxCompared) return std::nullopt;
  const auto written = lower_case(text);
  // One slip in a short word, two in a longer one: more, and any word resembles any other.
  const std::size_t allowed = text.size() < 5 ? 1 : 2;
  std::optional<std::string_view> best;
  std::size_t best_distance = allowed + 1;
  for (const auto word : words) {
    const auto d = distance(written, word);
    if (d < best_distance) {
      best = word;
      best_distance = d;
    }
  }
  return best;
}

std::string lower_case(std::string_view text) {
  std::string result{text};
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

}  // namespace vrouter::config
