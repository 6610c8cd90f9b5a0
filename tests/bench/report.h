// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace vrouter::bench {

// One line of the table that a bench prints.
struct Figure {
  std::string what;
  double ours = 0;
  std::string unit{};              // "ms", "MiB", "Gbit/s"; "" for a count
  std::string against{};           // whose figure `theirs` is
  std::optional<double> theirs{};  // in the same unit
  std::optional<double> ratio{};   // ours over theirs, where it isn't simply that: the median of paired rounds
  enum class Bar : std::uint8_t { none, at_most, ratio_at_least } bar = Bar::none;
  double limit = 0;  // of the bar

  [[nodiscard]] std::optional<double> quotient() const;
  [[nodiscard]] bool met() const;
};

class Report {
 public:
  // Printed at once, too: a run takes minutes.
  void add(Figure figure);
  void value(const std::string& what, double ours, const std::string& unit);
  void at_most(const std::string& what, double ours, const std::string& unit, double limit);
  void ratio(Figure figure, double at_least);
  // What could not be measured; the program then ends with status 1.
  void broken(const std::string& what, const std::string& why);
  void note(const std::string& sentence);

  void print(std::ostream& out) const;
  [[nodiscard]] bool complete() const { return broken_.empty(); }

 private:
  std::vector<Figure> figures_;
  std::vector<std::string> broken_;
  std::vector<std::string> notes_;
};

// Ours over theirs where both were measured in each round: the median of the rounds' ratios.
[[nodiscard]] double paired_ratio(const std::vector<double>& ours, const std::vector<double>& theirs);

}  // namespace vrouter::bench
