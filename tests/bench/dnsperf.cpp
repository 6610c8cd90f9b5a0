// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/dnsperf.h"

#include <algorithm>
#include <charconv>
#include <ranges>

namespace vrouter::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kQuestions = "/run/questions";
constexpr auto kGivesUp = "1";  // seconds; dnsperf's own default of 5 would hold a lost question's place as long

template <typename T>
T number_after(std::string_view text, std::string_view what) {
  const auto found = text.find(what);
  T value{};
  if (found != text.npos) {
    const auto* at = text.data() + found + what.size();
    const auto* end = text.data() + text.size();
    while (at < end && *at == ' ') ++at;
    if (std::from_chars(at, end, value).ec == std::errc{}) return value;
  }
  throw lab::LabError{"dnsperf said no \"" + std::string{what} +
                      "\": " + std::string{text.substr(text.size() - std::min<std::size_t>(text.size(), 2000))}};
}

// "> NOERROR www.example A 0.000587"; a question without an answer has T for its rcode.
void read_reply(std::string_view line, Lookups& found) {
  if (!line.starts_with("> ") || line.starts_with("> T ")) return;
  const auto last = line.substr(line.rfind(' ') + 1);
  double seconds = 0;
  if (std::from_chars(last.data(), last.data() + last.size(), seconds).ec == std::errc{})
    found.latencies.push_back(seconds);
}

void add(Lookups& sum, const Lookups& one) {
  sum.sent += one.sent;
  sum.answered += one.answered;
  sum.failed += one.failed;
  sum.seconds = std::max(sum.seconds, one.seconds);
  sum.latency_sum += one.latency_sum;
  sum.latencies.insert(sum.latencies.end(), one.latencies.begin(), one.latencies.end());
}

lab::Arguments command_for(const DnsperfRun& run, std::size_t processes) {
  lab::Arguments command;
  if (run.cpu >= 0) command = {"taskset", "-c", std::to_string(run.cpu)};
  command.insert(command.end(),
                 {"dnsperf", "-W", "-s", run.server, "-d", kQuestions, "-l", std::to_string(run.seconds), "-t",
                  kGivesUp, "-c", "1", "-T", "1", "-b", "4096", "-q", std::to_string(run.outstanding)});
  if (run.rate > 0) {
    const auto each = std::max<std::size_t>(1, static_cast<std::size_t>(run.rate) / processes);
    command.insert(command.end(), {"-v", "-Q", std::to_string(each)});
  }
  if (run.once) command.insert(command.end(), {"-n", "1"});
  return command;
}

}  // namespace

double Lookups::mean_latency() const {
  const auto replies = answered + failed;
  return replies > 0 ? latency_sum / static_cast<double>(replies) : 0;
}

Lookups read_dnsperf(std::string_view text) {
  const auto statistics = text.find("Statistics:");
  if (statistics == text.npos) throw lab::LabError{"dnsperf said no \"Statistics:\": " + std::string{text}};
  Lookups found;
  for (const auto line : text.substr(0, statistics) | std::views::split('\n')) {
    read_reply(std::string_view{line.begin(), line.end()}, found);
  }
  text.remove_prefix(statistics);
  found.sent = number_after<std::uint64_t>(text, "Queries sent:");
  const auto completed = number_after<std::uint64_t>(text, "Queries completed:");
  // Without any reply there are neither rcodes nor a latency.
  if (text.find("NOERROR ") != text.npos) found.answered = number_after<std::uint64_t>(text, "NOERROR ");
  found.failed = completed - found.answered;
  found.seconds = number_after<double>(text, "Run time (s):");
  if (completed > 0)
    found.latency_sum = number_after<double>(text, "Average Latency (s):") * static_cast<double>(completed);
  return found;
}

Lookups run_dnsperf(const std::vector<const lab::Namespace*>& where, const std::vector<std::string>& questions,
                    const DnsperfRun& run) {
  for (std::size_t i = 0; i < where.size(); ++i) where[i]->write_file(kQuestions, questions.at(i));
  std::vector<lab::Process> processes;
  for (const auto* guest : where) processes.push_back(guest->spawn(command_for(run, where.size())));
  Lookups sum;
  for (auto& process : processes) {
    if (!process.wait(std::chrono::seconds{run.seconds} + 20s))
      throw lab::LabError{"dnsperf does not end: " + process.output()};
    add(sum, read_dnsperf(process.output()));
  }
  return sum;
}

}  // namespace vrouter::bench
