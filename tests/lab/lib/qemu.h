// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "tests/lab/lib/namespace.h"
#include "tests/lab/lib/tap.h"

namespace vrouter::lab {

struct QemuOptions {
  std::string tap = "tap0";
  MacAddress mac = kQemuMac;
  bool dhcp = true;  // udhcpc at boot, as a guest does; false leaves eth0 up and bare
  std::string host_name = "guest";
  Milliseconds boot_limit = 120s;  // -accel tcg on a busy machine of two cores
};

// A real guest: Debian's cloud kernel and busybox under `qemu-system-x86_64 -accel tcg`, its eth0 a virtio-net-pci on
// the TAP. Commands are typed on its serial console and their output is read back from it.
class QemuGuest {
 public:
  explicit QemuGuest(const Namespace& host, QemuOptions options = {});
  QemuGuest(const QemuGuest&) = delete;
  QemuGuest& operator=(const QemuGuest&) = delete;
  ~QemuGuest();

  // Waits until its init reads commands; throws LabError with the console when that takes too long.
  void wait_booted();
  // Types a shell's line, which runs in a subshell; its output (stdout and stderr) and status as printed on the
  // console. One that is still going after `limit` keeps the console busy.
  [[nodiscard]] Finished run(const std::string& line, Milliseconds limit = 30s);
  // Repeats `line` until it succeeds; the last try.
  [[nodiscard]] Finished retry(const std::string& line, Milliseconds limit = 30s);
  [[nodiscard]] std::string console() const;
  void kill();

 private:
  void read_console();
  [[nodiscard]] bool wait_for(const std::function<bool()>& seen, Milliseconds limit);

  QemuOptions options_;
  UniqueFd console_fd_;
  Process process_;
  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::string console_;
  bool ended_ = false;
  int commands_ = 0;
  std::thread reader_;
};

}  // namespace vrouter::lab
