// SPDX-License-Identifier: GPL-2.0-or-later
// The server in a network namespace of the test's own, and guests in namespaces of theirs that end with the test,
// even when it is killed: the kernel kills a guest's process 1 with its parent, and everything in there with it.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dhcp/server.h"

namespace vrouter::dhcp::testing {

struct CommandResult {
  int status = -1;
  std::string output;  // stdout and stderr
};
// By /bin/sh, in the caller's network namespace.
CommandResult run(const std::string& command);

// Asks until it is true; false after 20 s. For what another process does in its own time.
bool eventually(const std::function<bool()>& condition);

// A process 1 with network, mount, UTS and PID namespaces, /run, /var/lib/dhcp* and a copy of /etc of its own.
class Guest {
 public:
  Guest();
  ~Guest();
  Guest(const Guest&) = delete;
  Guest& operator=(const Guest&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] CommandResult run(const std::string& command) const;
  [[nodiscard]] std::string output(const std::string& command) const { return run(command).output; }

 private:
  pid_t pid_ = -1;
};

// Moves the calling thread into a network namespace with lo up and `gateway` on it.
void enter_host_namespace(const std::string& gateway);
// A veth pair: `host_side` here and eth0, up, in the guest; a host route to the guest. Returns the ifindex here.
unsigned connect(const Guest& guest, const std::string& host_side, const std::string& address);
[[nodiscard]] MacAddress mac_of(const std::string& interface);

// The server on a thread of its own, in the namespace that its maker is in. Every lease that it proposes is done, a
// turn of the loop later.
class RunningServer {
 public:
  RunningServer();
  ~RunningServer();

  void apply(const Update& update);
  [[nodiscard]] Statistics statistics();
  [[nodiscard]] std::vector<LeaseEvent> events();
  [[nodiscard]] std::size_t count(LeaseState state);
  [[nodiscard]] std::vector<Lease> committed();

 private:
  void write(std::vector<Commit> commits);

  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::mutex mutex_;
  std::vector<LeaseEvent> events_;
  std::vector<Lease> committed_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

}  // namespace vrouter::dhcp::testing
