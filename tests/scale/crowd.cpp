// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/scale/crowd.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>

namespace vrouter::lab {
namespace {

namespace fs = std::filesystem;
using router::control::Client;

constexpr int kFirstAddress = 256;  // 10.8.1.0: past the gateway

// "VmRSS:     1234 kB" in MiB.
double field_of(const fs::path& file, const std::string& name) {
  std::ifstream stream{file};
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(name + ":")) return std::stod(line.substr(name.size() + 1)) / 1024;
  }
  return 0;
}

}  // namespace

std::string tap_of(int number) {
  return "t" + std::to_string(number);
}

std::string address_of(int number) {
  const int host = number + kFirstAddress;
  return "10.8." + std::to_string(host / 256) + "." + std::to_string(host % 256);
}

std::vector<std::string> taps_of(int count, const std::vector<int>& without) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) {
    if (std::ranges::find(without, i) == without.end()) names.push_back(tap_of(i));
  }
  return names;
}

std::vector<int> spread(int count, int crowd) {
  std::vector<int> numbers;
  for (int i = 0; i < count; ++i) numbers.push_back(count == 1 ? 0 : i * (crowd - 1) / (count - 1));
  return numbers;
}

void expect_a_crowd(const Namespace& host) {
  host.set_sysctl("net/ipv6/conf/default/disable_ipv6", "1");
}

double milliseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

double timed(const std::function<void()>& work) {
  const auto begin = Clock::now();
  work();
  return milliseconds_since(begin);
}

Client connect_to(const Namespace& host, const Daemon& daemon, Milliseconds timeout) {
  auto client = Client::connect(host.path(daemon.socket_path()), timeout);
  if (!client) throw LabError{client.error().message + "\n" + daemon.log()};
  return std::move(*client);
}

config::Guest guest_of(int number) {
  config::Guest guest;
  guest.tap = tap_of(number);
  guest.address = boost::asio::ip::make_address_v4(address_of(number));
  return guest;
}

std::vector<double> add_guests(Client& client, int first, int count) {
  std::vector<double> took;
  took.reserve(static_cast<std::size_t>(count));
  for (int i = first; i < first + count; ++i) {
    const auto guest = guest_of(i);
    took.push_back(timed([&] { static_cast<void>(must(client.add_guest(guest))); }));
  }
  return took;
}

std::vector<pid_t> processes_of(const Namespace& host, const std::string& program) {
  std::vector<pid_t> found;
  std::error_code gone;  // processes end while they are looked at
  const auto name_of = [&gone](const fs::path& process, const char* kind) {
    return fs::read_symlink(process / "ns" / kind, gone);
  };
  const fs::path holder = "/proc/" + std::to_string(host.holder());
  const auto net = name_of(holder, "net"), pids = name_of(holder, "pid");
  const auto wanted = fs::canonical(program);
  for (const auto& entry : fs::directory_iterator{"/proc"}) {
    const auto& process = entry.path();
    const auto number = process.filename().string();
    if (std::isdigit(static_cast<unsigned char>(number.front())) == 0) continue;
    if (fs::read_symlink(process / "exe", gone) != wanted) continue;
    // One that has left for namespaces of its own still has one of the two.
    if (name_of(process, "net") == net || name_of(process, "pid") == pids) found.push_back(std::stoi(number));
  }
  return found;
}

std::string title_of(pid_t process) {
  std::ifstream file{"/proc/" + std::to_string(process) + "/comm"};
  std::string title;
  std::getline(file, title);
  return title;
}

Memory memory_of(const Namespace& host, const std::string& program) {
  Memory sum;
  for (const auto pid : processes_of(host, program)) {
    const fs::path process = "/proc/" + std::to_string(pid);
    sum.resident += field_of(process / "status", "VmRSS");
    sum.most += field_of(process / "status", "VmHWM");
    sum.proportional += field_of(process / "smaps_rollup", "Pss");
    ++sum.processes;
  }
  return sum;
}

double median(std::vector<double> values) {
  return percentile(std::move(values), 50);
}

double percentile(std::vector<double> values, double percent) {
  if (values.empty()) return std::nan("");
  std::ranges::sort(values);
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(std::lround(last * percent / 100))];
}

}  // namespace vrouter::lab
