// SPDX-License-Identifier: GPL-2.0-or-later
// Thousands of guests at once: for the test that they work, and for the benches.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "router/control/client.h"
#include "tests/lab/lib/daemon.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::lab {

inline constexpr auto kCrowdNetwork =
    "[networks.default]\nprefix = \"10.8.0.0/16\"\ngateway = \"10.8.0.1\"\n";  // vrouter.toml
inline constexpr int kMaxCrowd = 60000;

// The guests are numbered from 0; each has a TAP and an address of its own: t0 and 10.8.1.0, t1 and 10.8.1.1, ...
[[nodiscard]] std::string tap_of(int number);
[[nodiscard]] std::string address_of(int number);
[[nodiscard]] std::vector<std::string> taps_of(int count, const std::vector<int>& without = {});
// `count` numbers spread evenly over a crowd, its first and its last among them.
[[nodiscard]] std::vector<int> spread(int count, int crowd);

// Creating a TAP whose namespace has IPv6 on by default costs time for each that is there already: 42 s for 10,000.
void expect_a_crowd(const Namespace& host);

using Clock = std::chrono::steady_clock;
[[nodiscard]] double milliseconds_since(Clock::time_point begin);
[[nodiscard]] double timed(const std::function<void()>& work);  // milliseconds

// The control socket of a daemon in a namespace, spoken to from here: a path reaches over network namespaces.
[[nodiscard]] router::control::Client connect_to(const Namespace& host, const Daemon& daemon,
                                                 Milliseconds timeout = 60s);
// The value of an answer; LabError with what the daemon said if it refused.
template <typename T>
T must(router::control::Asked<T> asked) {
  if (!asked) throw LabError{"vrouterd refused: " + asked.error().message};
  return std::move(asked->value);
}
[[nodiscard]] config::Guest guest_of(int number);
// Milliseconds that each call took, from its first byte out to its answer's last byte in.
std::vector<double> add_guests(router::control::Client& client, int first, int count);

// Every process of the program in the namespace; those that have caged themselves, too.
[[nodiscard]] std::vector<pid_t> processes_of(const Namespace& host, const std::string& program);
// What `ps` calls it: "vrouterd: dhcp".
[[nodiscard]] std::string title_of(pid_t process);

// What the kernel counts as theirs, summed over every process of the program in the namespace, in MiB.
struct Memory {
  double resident = 0;      // VmRSS: shared pages count in each process
  double most = 0;          // VmHWM
  double proportional = 0;  // Pss: shared pages shared out
  int processes = 0;
};
[[nodiscard]] Memory memory_of(const Namespace& host, const std::string& program);

[[nodiscard]] double median(std::vector<double> values);
[[nodiscard]] double percentile(std::vector<double> values, double percent);

}  // namespace vrouter::lab
