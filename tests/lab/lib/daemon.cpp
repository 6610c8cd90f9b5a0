// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/daemon.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <iostream>

#include "tests/lab/lib/paths.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

constexpr auto kRoot = "/run/lab";  // in the namespace's own tmpfs

UniqueFd bind_notify_socket(const Namespace& host, const std::string& path) {
  UniqueFd fd;
  host.enter([&] { fd = bind_unix_datagram(path); });
  return fd;
}

// The users that the package makes: vrouterd's children run as them.
void add_service_users(const Namespace& host) {
  auto users = host.read_file("/etc/passwd");
  int id = 7601;
  for (const auto* service : {"dhcp", "dns", "log"}) {
    const auto user = std::string{"_vrouter-"} + service;
    const auto ids = std::to_string(id++);
    if (users.find(user + ":") != users.npos) continue;
    users += user + ":x:" + ids + ":" + ids + "::/nonexistent:/usr/sbin/nologin\n";
  }
  host.write_file("/etc/passwd", users);
}

}  // namespace

Daemon::Daemon(const Namespace& host, DaemonOptions options) : host_{host}, options_{std::move(options)}, root_{kRoot} {
  if (options_.program.empty()) options_.program = built_program("vrouterd");
  add_service_users(host_);
  for (const auto* directory : {"/etc/policy.d", "/state", "/run"}) {
    std::filesystem::create_directories(host_.path(root_ + directory));
  }
  if (!options_.config.empty()) set_config(options_.config);
  for (const auto& [name, text] : options_.policies) set_policy(name, text);
  if (!options_.resolv_conf.empty()) set_resolv_conf(options_.resolv_conf);
}

Daemon::~Daemon() {
  try {
    if (process_.running()) stop();
    if (options_.print_log) std::cerr << "--- vrouterd's log\n" << log() << "---\n";
  } catch (const std::exception& error) {
    std::cerr << "stopping vrouterd: " << error.what() << '\n';
  }
}

Arguments Daemon::command_line() const {
  auto command = options_.wrapper;
  const Arguments own{options_.program, "--config",  config_path(),   "--policy-dir", policy_dir(),
                      "--state-dir",    state_dir(), "--runtime-dir", root_ + "/run"};
  command.insert(command.end(), own.begin(), own.end());
  if (!options_.resolv_conf.empty()) command.insert(command.end(), {"--resolv-conf", resolv_conf_path()});
  command.insert(command.end(), options_.more.begin(), options_.more.end());
  return command;
}

void Daemon::start(Milliseconds limit) {
  if (running()) throw LabError{"vrouterd runs already"};
  earlier_log_ = log();
  const auto notify_path = root_ + "/notify.sock";
  const auto notify = bind_notify_socket(host_, notify_path);
  SpawnOptions options;
  options.environment["NOTIFY_SOCKET"] = notify_path;
  process_ = host_.spawn(command_line(), options);
  if (wait_ready(notify.get(), limit)) return;
  const auto status = process_.wait(0ms);
  const auto why = status ? "ended with status " + std::to_string(*status) : "is not ready yet";
  process_.stop_now();
  throw LabError{"vrouterd " + why + "; its log:\n" + log()};
}

bool Daemon::wait_ready(int notify_socket, Milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  std::array<char, 4096> message{};
  while (std::chrono::steady_clock::now() < end && process_.running()) {
    pollfd readable{.fd = notify_socket, .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, 20) <= 0) continue;
    const auto n = ::recv(notify_socket, message.data(), message.size(), MSG_DONTWAIT);
    if (n <= 0) continue;
    const auto text = "\n" + std::string(message.data(), static_cast<std::size_t>(n)) + "\n";
    if (text.find("\nREADY=1\n") != text.npos) return true;
  }
  return false;
}

int Daemon::stop(Milliseconds limit) {
  return process_.terminate(limit);
}

void Daemon::kill9() {
  process_.stop_now();
}

void Daemon::restart() {
  stop();
  start();
}

std::string Daemon::log() const {
  return earlier_log_ + process_.output();
}

void Daemon::set_config(const std::string& text) {
  host_.write_file(config_path(), text);
}

void Daemon::set_policy(const std::string& name, const std::string& text) {
  host_.write_file(policy_dir() + "/" + name, text);
}

void Daemon::set_resolv_conf(const std::string& text) {
  host_.write_file(resolv_conf_path(), text);
}

Finished Daemon::cli(const Arguments& arguments, Milliseconds limit) const {
  Arguments command{built_program("vrouter"), "--socket", socket_path()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return host_.run(command, limit);
}

std::string Daemon::vrouter(const Arguments& arguments, Milliseconds limit) const {
  auto finished = cli(arguments, limit);
  if (!finished.ok()) {
    std::string words;
    for (const auto& argument : arguments) words += " " + argument;
    throw LabError{"vrouter" + words + ": " + finished.to_string() + "vrouterd's log:\n" + log()};
  }
  return std::move(finished.out);
}

}  // namespace vrouter::lab
