// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/dhcp/lab.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace vrouter::dhcp::testing {
namespace {

// A copy of /etc, since clients rewrite resolv.conf by every means; the rest is empty and gone with the namespace.
constexpr const char* kGuestSetup =
    "set -e; mount --make-rprivate /; mount -t tmpfs none /run; mkdir /run/etc; cp -a /etc/. /run/etc; "
    "mount --bind /run/etc /etc; : >/etc/resolv.conf; mkdir -p /run/lock /var/lib/dhcp /var/lib/dhcpcd; "
    "mount -t tmpfs none /var/lib/dhcp; mount -t tmpfs none /var/lib/dhcpcd; mount -t proc none /proc; "
    "mount -t tmpfs none /tmp; ip link set lo up; echo ready; exec sleep 1000";

void must(const std::string& command) {
  const auto result = run(command);
  if (result.status != 0) throw std::runtime_error(command + ": " + result.output);
}

}  // namespace

CommandResult run(const std::string& command) {
  CommandResult result;
  FILE* pipe = ::popen(("exec 2>&1; " + command).c_str(), "re");
  if (pipe == nullptr) return result;
  std::array<char, 4096> buffer{};
  while (const auto n = std::fread(buffer.data(), 1, buffer.size(), pipe)) result.output.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
  return true;
}

Guest::Guest() {
  std::array<int, 2> ready{};
  if (::pipe2(ready.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
  constexpr unsigned long kFlags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID | SIGCHLD;
  pid_ = static_cast<pid_t>(::syscall(SYS_clone, kFlags, nullptr, nullptr, nullptr, nullptr));
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(ready[1], STDOUT_FILENO);
    ::execl("/bin/sh", "sh", "-c", kGuestSetup, nullptr);
    ::_exit(127);
  }
  ::close(ready[1]);
  std::array<char, 6> word{};
  const auto n = pid_ > 0 ? ::read(ready[0], word.data(), word.size()) : 0;
  ::close(ready[0]);
  if (n <= 0) throw std::runtime_error("a guest's namespaces need root");
}

Guest::~Guest() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

CommandResult Guest::run(const std::string& command) const {
  const auto quoted = [&] {
    std::string text;
    for (const char c : command) text += c == '\'' ? std::string{"'\\''"} : std::string{c};
    return "'" + text + "'";
  }();
  return testing::run("exec nsenter -t " + std::to_string(pid_) + " -n -m -u -p -- sh -c " + quoted);
}

void enter_host_namespace(const std::string& gateway) {
  if (::unshare(CLONE_NEWNET) != 0) throw std::runtime_error("a network namespace needs root");
  must("ip link set lo up && ip address add " + gateway + "/32 dev lo");
}

unsigned connect(const Guest& guest, const std::string& host_side, const std::string& address) {
  must("ip link add " + host_side + " type veth peer name eth0 netns " + std::to_string(guest.pid()));
  must("ip link set " + host_side + " up && nsenter -t " + std::to_string(guest.pid()) + " -n ip link set eth0 up");
  must("ip route add " + address + "/32 dev " + host_side);
  return ::if_nametoindex(host_side.c_str());
}

MacAddress mac_of(const std::string& interface) {
  const auto shown = run("ip -o link show dev " + interface).output;
  const auto at = shown.find("link/ether ");
  if (at == std::string::npos) throw std::runtime_error("no MAC: " + shown);
  return parse_mac_address(shown.substr(at + 11, 17)).value();
}

RunningServer::RunningServer() {
  auto opened = Server::open(io_, {.event =
                                       [this](const LeaseEvent& event) {
                                         const std::scoped_lock lock{mutex_};
                                         events_.push_back(event);
                                       },
                                   .commit = [this](std::vector<Commit> commits) { write(std::move(commits)); }});
  if (!opened) throw std::runtime_error(opened.error().to_string());
  server_ = std::move(*opened);
  thread_ = std::thread{[this] { io_.run(); }};
}

RunningServer::~RunningServer() {
  boost::asio::post(io_, [this] {
    server_.reset();
    work_.reset();
  });
  thread_.join();  // returns only if nothing of the server is left waiting
}

void RunningServer::write(std::vector<Commit> commits) {
  std::vector<CommitResult> results;
  const std::scoped_lock lock{mutex_};
  for (auto& commit : commits) {
    results.push_back({commit.id, true});
    committed_.push_back(std::move(commit.lease));
  }
  boost::asio::post(io_, [this, results = std::move(results)] {
    if (server_) server_->committed(results);
  });
}

std::vector<Lease> RunningServer::committed() {
  const std::scoped_lock lock{mutex_};
  return committed_;
}

void RunningServer::apply(const Update& update) {
  std::promise<void> done;
  boost::asio::post(io_, [&] {
    server_->apply(update);
    done.set_value();
  });
  done.get_future().wait();
}

Statistics RunningServer::statistics() {
  std::promise<Statistics> statistics;
  boost::asio::post(io_, [&] { statistics.set_value(server_->statistics()); });
  return statistics.get_future().get();
}

std::vector<LeaseEvent> RunningServer::events() {
  const std::scoped_lock lock{mutex_};
  return events_;
}

std::size_t RunningServer::count(LeaseState state) {
  const auto all = events();
  return static_cast<std::size_t>(std::ranges::count(all, state, &LeaseEvent::state));
}

}  // namespace vrouter::dhcp::testing
