// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <iterator>

#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

// Three significant digits: more would be noise.
std::string number(double value) {
  if (std::isnan(value)) return "-";
  if (value == std::floor(value) && std::abs(value) < 1e6) return fmt::format("{:.0f}", value);
  const int digits = std::abs(value) >= 100 ? 0 : std::abs(value) >= 10 ? 1 : std::abs(value) >= 1 ? 2 : 3;
  return fmt::format("{:.{}f}", value, digits);
}

std::string with_unit(double value, const std::string& unit) {
  return number(value) + (unit.empty() ? "" : " " + unit);
}

struct Line {
  std::string what, ours, theirs, ratio, bar, verdict;
};

Line line_of(const Figure& figure) {
  Line line{.what = figure.what,
            .ours = with_unit(figure.ours, figure.unit),
            .theirs = figure.against,
            .ratio = "",
            .bar = "",
            .verdict = ""};
  if (figure.theirs) line.theirs += " " + with_unit(*figure.theirs, figure.unit);
  if (const auto quotient = figure.quotient()) line.ratio = fmt::format("{:.2f}", *quotient);
  if (figure.bar == Figure::Bar::none) return line;
  line.bar = figure.bar == Figure::Bar::at_most ? "<= " + with_unit(figure.limit, figure.unit)
                                                : fmt::format(">= {:.2f}", figure.limit);
  line.verdict = figure.met() ? "met" : "MISSED";
  return line;
}

}  // namespace

std::optional<double> Figure::quotient() const {
  if (ratio) return ratio;
  if (theirs && *theirs != 0) return ours / *theirs;
  return std::nullopt;
}

bool Figure::met() const {
  switch (bar) {
    case Bar::none:
      return true;
    case Bar::at_most:
      return ours <= limit;
    case Bar::ratio_at_least:
      return quotient().value_or(0) >= limit;
  }
  return false;
}

void Report::add(Figure figure) {
  const auto line = line_of(figure);
  std::cerr << fmt::format("  {}: {} {} {} {} {}\n", line.what, line.ours, line.theirs, line.ratio, line.bar,
                           line.verdict);
  figures_.push_back(std::move(figure));
}

void Report::value(const std::string& what, double ours, const std::string& unit) {
  add({.what = what, .ours = ours, .unit = unit});
}

void Report::at_most(const std::string& what, double ours, const std::string& unit, double limit) {
  add({.what = what, .ours = ours, .unit = unit, .bar = Figure::Bar::at_most, .limit = limit});
}

void Report::ratio(Figure figure, double at_least) {
  figure.bar = Figure::Bar::ratio_at_least;
  figure.limit = at_least;
  add(std::move(figure));
}

void Report::broken(const std::string& what, const std::string& why) {
  std::cerr << "  " << what << ": NOT MEASURED: " << why << '\n';
  broken_.push_back(what + ": " + why);
}

void Report::note(const std::string& sentence) {
  notes_.push_back(sentence);
}

void Report::print(std::ostream& out) const {
  std::vector<Line> lines{{"what", "ours", "against", "ratio", "bar", ""}};
  std::ranges::transform(figures_, std::back_inserter(lines), line_of);
  const auto width = [&](std::string Line::* column) {
    return std::ranges::max(lines, {}, [&](const Line& line) { return (line.*column).size(); }).*column;
  };
  const auto what = width(&Line::what).size(), ours = width(&Line::ours).size(), theirs = width(&Line::theirs).size(),
             bar = width(&Line::bar).size();
  out << '\n';
  for (const auto& line : lines) {
    out << fmt::format("{:<{}}  {:>{}}  {:<{}}  {:>5}  {:<{}}  {}\n", line.what, what, line.ours, ours, line.theirs,
                       theirs, line.ratio, line.bar, bar, line.verdict);
  }
  for (const auto& sentence : notes_) out << sentence << '\n';
  for (const auto& sentence : broken_) out << "NOT MEASURED: " << sentence << '\n';
}

double paired_ratio(const std::vector<double>& ours, const std::vector<double>& theirs) {
  std::vector<double> ratios;
  std::ranges::transform(ours, theirs, std::back_inserter(ratios), std::divides<>{});
  return lab::median(ratios);
}

}  // namespace vrouter::bench
