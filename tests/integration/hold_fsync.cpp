// SPDX-License-Identifier: GPL-2.0-or-later
// Put before a program by LD_PRELOAD: a disk whose every flush hangs for as long as the file that HOLD_FSYNC names
// exists. SQLite reaches its disk by these calls alone.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

namespace {

void hang() {
  const char* file = std::getenv("HOLD_FSYNC");
  while (file != nullptr && ::access(file, F_OK) == 0) ::usleep(10'000);
}

int call(const char* name, int fd) {
  hang();
  using Flush = int (*)(int);
  return reinterpret_cast<Flush>(::dlsym(RTLD_NEXT, name))(fd);
}

}  // namespace

extern "C" {
int fsync(int fd) {
  return call("fsync", fd);
}
int fdatasync(int fd) {
  return call("fdatasync", fd);
}
}
