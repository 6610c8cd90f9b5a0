// SPDX-License-Identifier: GPL-2.0-or-later
// A spawner whose children run the hostile job, and what /proc tells of processes.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "router/processes/channel.h"
#include "router/processes/packet.h"
#include "router/processes/spawner.h"
#include "tests/lab/hostile_job.h"
#include "tests/lab/lib/error.h"

namespace vrouter::lab {

using router::ChildGone;
using router::Service;
using router::Spawner;
using router::User;

inline constexpr User kDhcpUser{7601, 7611}, kDnsUser{7602, 7612}, kLogUser{7603, 7613};

// An empty directory of the test's own, gone with it.
class EmptyRoot {
 public:
  EmptyRoot() {
    std::string name = (std::filesystem::temp_directory_path() / "vrouter-cage-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw_errno("mkdtemp");
    path_ = name;
    std::filesystem::permissions(path_, std::filesystem::perms{0755});
  }
  EmptyRoot(const EmptyRoot&) = delete;
  EmptyRoot& operator=(const EmptyRoot&) = delete;
  ~EmptyRoot() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline router::SpawnerOptions hostile_options(const std::filesystem::path& root) {
  return {{run_hostile_job, run_hostile_job, run_hostile_job}, {kDhcpUser, kDnsUser, kLogUser}, root};
}

// "CapEff:\t0000..." -> "0000..."; "" when the process or the line isn't there.
inline std::string status_line(pid_t pid, const std::string& key) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key + ":")) continue;
    const auto value = line.find_first_not_of(" \t", key.size() + 1);
    return value == line.npos ? "" : line.substr(value, line.find_last_not_of(" \t") + 1 - value);
  }
  return "";
}

inline std::set<int> open_descriptors(pid_t pid) {
  std::set<int> open;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/fd"}) {
    open.insert(std::stoi(entry.path().filename()));
  }
  return open;
}

inline bool is_running(pid_t pid) {
  const auto state = status_line(pid, "State");
  return !state.empty() && !state.starts_with("Z");
}

// One child and the test's end of its line, asked synchronously.
class Hostile {
 public:
  Hostile(Spawner& spawner, Service service) {
    auto pair = router::open_channel_pair();
    if (!pair) throw LabError{pair.error().to_string()};
    line_ = std::move(pair->first);
    const auto pid = spawner.launch(service, std::move(pair->second));
    if (!pid) throw LabError{pid.error().to_string()};
    pid_ = *pid;
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] UniqueFd& line() { return line_; }

  void command(Attempt attempt, int given = -1) const {
    const auto byte = static_cast<std::uint8_t>(attempt);
    const auto sent = router::send_packet(line_.get(), {&byte, 1}, given);
    if (!sent) throw LabError{std::string{"send a command: "} + ::strerror(sent.error())};
  }
  // Nothing: it ended instead of answering.
  [[nodiscard]] std::optional<Outcome> attempt(Attempt attempt, int given = -1) const {
    command(attempt, given);
    return answer();
  }
  [[nodiscard]] std::optional<Outcome> answer() const {
    pollfd wait{line_.get(), POLLIN, 0};
    if (::poll(&wait, 1, 20'000) != 1) throw LabError{"the hostile child neither answers nor ends"};
    Outcome outcome;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): a plain struct
    const std::span<std::uint8_t> bytes{reinterpret_cast<std::uint8_t*>(&outcome), sizeof outcome};
    const auto packet = router::receive_packet(line_.get(), bytes, router::Descriptors::none);
    if (!packet || packet->size != sizeof outcome) return std::nullopt;
    return outcome;
  }

 private:
  UniqueFd line_;
  pid_t pid_ = 0;
};

class CageTest : public ::testing::Test {
 protected:
  CageTest() {
    auto spawner = Spawner::fork(hostile_options(root_.path()));
    if (!spawner) throw LabError{spawner.error().to_string()};
    spawner_ = std::move(*spawner);
    spawner_->watch(io_, [this](const ChildGone& gone) { gone_.push_back(gone); }, [this] { lost_ = true; });
  }

  bool run_until(const std::function<bool()>& done, Milliseconds limit = 20s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      const auto now = std::chrono::steady_clock::now();
      if (now >= end) return false;
      io_.restart();
      io_.run_one_for(std::min<std::chrono::steady_clock::duration>(end - now, 20ms));
    }
    return true;
  }
  // How the next child that ends has ended.
  ChildGone wait_gone() {
    if (!run_until([this] { return !gone_.empty(); })) throw LabError{"no child has ended"};
    const auto first = gone_.front();
    gone_.erase(gone_.begin());
    return first;
  }

  EmptyRoot root_;
  boost::asio::io_context io_;
  std::vector<ChildGone> gone_;
  bool lost_ = false;
  std::unique_ptr<Spawner> spawner_;
};

}  // namespace vrouter::lab
