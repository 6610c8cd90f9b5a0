// SPDX-License-Identifier: GPL-2.0-or-later
// LD_PRELOAD=libslow_disk.so VROUTER_SLOW_DISK=FILE: every fsync and fdatasync first waits as many milliseconds as FILE
// says at that moment; none while there is no such file. A disk that is slow for real can't be had by asking.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace {

void wait_as_told() {
  const char* path = std::getenv("VROUTER_SLOW_DISK");
  const int fd = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  std::array<char, 16> text{};
  const auto n = ::read(fd, text.data(), text.size() - 1);
  ::close(fd);
  if (n > 0) std::this_thread::sleep_for(std::chrono::milliseconds{std::atoi(text.data())});
}

using Sync = int (*)(int);

Sync real(const char* name) {
  return reinterpret_cast<Sync>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int fsync(int fd) {
  wait_as_told();
  return real("fsync")(fd);
}

int fdatasync(int fd) {
  wait_as_told();
  return real("fdatasync")(fd);
}
}
