// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/qemu.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

constexpr auto kReadyLine = "lab: guest is ready";  // printed by tests/lab/guest/init
constexpr auto kMemory = "128";                     // MiB; the initramfs guest uses 20 of them
constexpr auto kRetryPause = 200ms;

Arguments command_line(const QemuOptions& options) {
  const auto directory = guest_directory();
  for (const auto* part : {"/vmlinuz", "/initramfs.gz"}) {
    if (!std::filesystem::exists(directory + part)) {
      throw LabError{"no " + directory + part + ": run ./dev deps, which unpacks the guest's kernel"};
    }
  }
  return {"qemu-system-x86_64",
          "-accel",
          "tcg",
          "-m",
          kMemory,
          "-nodefaults",
          "-no-user-config",
          "-no-reboot",
          "-display",
          "none",
          "-serial",
          "stdio",
          "-kernel",
          directory + "/vmlinuz",
          "-initrd",
          directory + "/initramfs.gz",
          "-append",
          std::string{"console=ttyS0 quiet loglevel=3 panic=-1 lab.dhcp="} + (options.dhcp ? "yes" : "no") +
              " lab.name=" + options.host_name,
          "-netdev",
          "tap,id=net,ifname=" + options.tap + ",script=no,downscript=no",
          "-device",
          "virtio-net-pci,netdev=net,romfile=,mac=" + options.mac.to_string()};
}

}  // namespace

QemuGuest::QemuGuest(const Namespace& host, QemuOptions options) : options_{std::move(options)} {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) < 0) throw_errno("socketpair");
  console_fd_.reset(pair[0]);
  const UniqueFd theirs{pair[1]};
  SpawnOptions spawn;
  spawn.terminal = theirs.get();
  process_ = host.spawn(command_line(options_), spawn);
  reader_ = std::thread{[this] { read_console(); }};
}

QemuGuest::~QemuGuest() {
  kill();
}

void QemuGuest::kill() {
  process_.stop_now();
  if (reader_.joinable()) reader_.join();
}

void QemuGuest::read_console() {
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto n = ::read(console_fd_.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    const std::lock_guard lock{mutex_};
    if (n > 0) console_.append(buffer.data(), static_cast<std::size_t>(n));
    if (n <= 0) ended_ = true;
    more_.notify_all();
    if (ended_) return;
  }
}

bool QemuGuest::wait_for(const std::function<bool()>& seen, Milliseconds limit) {
  std::unique_lock lock{mutex_};
  return more_.wait_for(lock, limit, [&] { return seen() || ended_; }) && seen();
}

std::string QemuGuest::console() const {
  const std::lock_guard lock{mutex_};
  return console_;
}

void QemuGuest::wait_booted() {
  const bool booted = wait_for([this] { return console_.find(kReadyLine) != console_.npos; }, options_.boot_limit);
  if (!booted) throw LabError{"the guest did not boot; its console:\n" + console()};
}

Finished QemuGuest::run(const std::string& line, Milliseconds limit) {
  if (line.find('\n') != line.npos) throw LabError{"the guest's shell takes one line at a time: " + line};
  wait_booted();
  const auto mark = "@" + std::to_string(++commands_) + "@";
  const auto begin_mark = "begin" + mark + "\n";
  const auto end_mark = "\nend" + mark;
  const auto typed = "echo begin" + mark + "; (" + line + ") 2>&1; s=$?; echo; echo end" + mark + "$s@\n";
  if (::send(console_fd_.get(), typed.data(), typed.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(typed.size())) {
    throw LabError{"the guest is gone; its console:\n" + console()};
  }
  // "begin@1@\n" OUTPUT "\nend@1@" STATUS "@"
  std::size_t from = 0, to = 0, status_end = 0;
  Finished finished;
  finished.timed_out = !wait_for(
      [&] {
        from = console_.find(begin_mark);
        to = from == console_.npos ? from : console_.find(end_mark, from);
        status_end = to == console_.npos ? to : console_.find('@', to + end_mark.size());
        return status_end != console_.npos;
      },
      limit);
  const auto text = console();
  if (finished.timed_out) {
    finished.out = from == text.npos ? text : text.substr(from + begin_mark.size());
    return finished;
  }
  const auto output_at = from + begin_mark.size();
  // A command that printed nothing has its begin mark's newline for the end mark's.
  finished.out = to < output_at ? "" : text.substr(output_at, to - output_at);
  finished.status = std::stoi(text.substr(to + end_mark.size()));
  return finished;
}

Finished QemuGuest::retry(const std::string& line, Milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  for (;;) {
    auto finished = run(line, limit);
    if (finished.ok() || std::chrono::steady_clock::now() >= end) return finished;
    std::this_thread::sleep_for(kRetryPause);
  }
}

}  // namespace vrouter::lab
