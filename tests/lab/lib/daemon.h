// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <map>
#include <string>

#include "tests/lab/lib/namespace.h"

namespace vrouter::lab {

struct DaemonOptions {
  std::string config{};                           // vrouter.toml; none when empty
  std::map<std::string, std::string> policies{};  // policy.d/NAME -> text
  std::string resolv_conf{};                      // --resolv-conf's text; the namespace's own file when empty
  Arguments wrapper{};                            // put before vrouterd: {"strace", "-f", "-o", "/run/trace"}
  Arguments more{};                               // put after vrouterd's own arguments
  std::string program{};                          // default: the vrouterd of this build
  bool print_log = true;                          // on stderr, at the end: CTest shows it when the test failed
};

// vrouterd in a namespace, with directories of its own under /run/lab there. What it logs is kept over restarts.
class Daemon {
 public:
  explicit Daemon(const Namespace& host, DaemonOptions options = {});
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;
  ~Daemon();

  // Starts it and waits for READY=1 on its notify socket; throws LabError with its log when that doesn't come.
  void start(Milliseconds limit = 20s);
  // SIGTERM; returns the exit status. The kernel's state is left as it is: that is the product's promise.
  int stop(Milliseconds limit = 10s);
  void kill9();
  void restart();
  [[nodiscard]] bool running() { return process_.running(); }
  [[nodiscard]] pid_t pid() const { return process_.pid(); }
  [[nodiscard]] std::string log() const;

  // Rewrites a file of its before a reload.
  void set_config(const std::string& text);
  void set_policy(const std::string& name, const std::string& text);
  void set_resolv_conf(const std::string& text);

  // vrouter --socket ... ARGUMENTS
  [[nodiscard]] Finished cli(const Arguments& arguments, Milliseconds limit = 30s) const;
  // The same for what has to work: its stdout, or LabError with what it said and the daemon's log.
  std::string vrouter(const Arguments& arguments, Milliseconds limit = 30s) const;

  // As seen inside the namespace.
  [[nodiscard]] std::string socket_path() const { return root_ + "/run/vrouter.sock"; }
  [[nodiscard]] std::string state_dir() const { return root_ + "/state"; }
  [[nodiscard]] std::string config_path() const { return root_ + "/etc/vrouter.toml"; }
  [[nodiscard]] std::string policy_dir() const { return root_ + "/etc/policy.d"; }
  [[nodiscard]] std::string resolv_conf_path() const { return root_ + "/etc/resolv.conf"; }

 private:
  [[nodiscard]] Arguments command_line() const;
  [[nodiscard]] bool wait_ready(int notify_socket, Milliseconds limit);

  const Namespace& host_;
  DaemonOptions options_;
  std::string root_;
  std::string earlier_log_;
  Process process_;
};

}  // namespace vrouter::lab
