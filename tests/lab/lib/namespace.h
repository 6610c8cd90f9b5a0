// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "tests/lab/lib/process.h"

namespace vrouter::lab {

// A host of the lab: network, mount, PID and UTS namespaces of its own.
//
// A held child is PID 1 in there and ends when the test does, however that ends; the kernel then kills every process
// of the PID namespace and drops the rest. Nothing has a name outside, so nothing can be left behind.
//
// In it: lo is up; /proc and /sys show this namespace; /run, /tmp, /var/lib/dhcp and /var/lib/dhcpcd are empty and its
// own; /etc is the machine's, read-only, but each entry may be replaced; /etc/passwd is a copy, /etc/resolv.conf an
// empty file. Needs root.
class Namespace {
 public:
  explicit Namespace(std::string name);  // the host name inside
  Namespace(const Namespace&) = delete;
  Namespace& operator=(const Namespace&) = delete;
  ~Namespace();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] pid_t holder() const { return holder_; }
  [[nodiscard]] int network_fd() const { return net_.get(); }

  // Runs a program and waits.
  [[nodiscard]] Finished run(const Arguments& command, Milliseconds limit = 30s,
                             const SpawnOptions& options = {}) const;
  // The same for a shell's line.
  [[nodiscard]] Finished sh(const std::string& line, Milliseconds limit = 30s) const;
  // The same, for what has to work: returns its stdout, throws LabError with everything it printed.
  std::string must(const std::string& line, Milliseconds limit = 30s) const;
  // Starts a program and returns at once.
  [[nodiscard]] Process spawn(const Arguments& command, const SpawnOptions& options = {}) const;
  // Calls `work` on a thread inside the network and mount namespaces; sockets and files it opens stay usable
  // outside. What it throws comes out here.
  void enter(const std::function<void()>& work) const;
  // For a thread of the caller's own: moves it inside, for good.
  void join_this_thread() const;

  // Where the test process finds a file of the namespace: "/proc/PID/root/run/x".
  [[nodiscard]] std::filesystem::path path(const std::filesystem::path& inside) const;
  void write_file(const std::filesystem::path& inside, std::string_view text) const;  // makes its directories
  [[nodiscard]] std::string read_file(const std::filesystem::path& inside) const;     // "" when there is none

  // The sysctl's text, without the newline; the name as sysctl(8) takes it with '/': "net/ipv4/ip_forward".
  [[nodiscard]] std::string sysctl(const std::string& key) const;
  void set_sysctl(const std::string& key, const std::string& value) const;

 private:
  std::string name_;
  pid_t holder_ = -1;
  UniqueFd leash_;  // the holder ends when this closes
  UniqueFd net_, mount_, pid_ns_, uts_;
};

// One end of a cable.
struct Port {
  Namespace& where;
  std::string name;
  std::string address;  // "192.0.2.1/24", or "" for none
};

// A veth pair, up, with addresses.
void connect(const Port& a, const Port& b);

}  // namespace vrouter::lab
