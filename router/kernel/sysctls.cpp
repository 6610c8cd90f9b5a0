// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/sysctls.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <utility>

#include "base/unique_fd.h"

namespace vrouter::router {
namespace {

// Longer than any switch we read: those are numbers, or a boot id of 36 letters.
constexpr std::size_t kValueSize = 256;

bool stays_below(const std::string& key) {
  if (key.empty() || key.front() == '/') return false;
  for (const auto& part : std::filesystem::path{key}) {
    if (part == "..") return false;
  }
  return true;
}

class SysctlFiles final : public Sysctls {
 public:
  explicit SysctlFiles(UniqueFd base) : base_{std::move(base)} {}

  Result<std::string> read(const std::string& key) const override {
    const std::string what = "read sysctl " + key;
    const auto file = open(key, O_RDONLY, what);
    if (!file) return std::unexpected(file.error());
    std::array<char, kValueSize> buffer;
    const ssize_t size = ::read(file->get(), buffer.data(), buffer.size());
    if (size < 0) return std::unexpected(KernelError{what, errno, ""});
    std::string value{buffer.data(), static_cast<std::size_t>(size)};
    while (!value.empty() && value.back() == '\n') value.pop_back();
    return value;
  }

  Result<void> write(const std::string& key, const std::string& value) override {
    const std::string what = "set sysctl " + key + " to " + value;
    const auto file = open(key, O_WRONLY | O_TRUNC, what);
    if (!file) return std::unexpected(file.error());
    const std::string line = value + "\n";  // one write: the kernel takes each as a whole value
    const ssize_t size = ::write(file->get(), line.data(), line.size());
    if (size < 0) return std::unexpected(KernelError{what, errno, ""});
    if (static_cast<std::size_t>(size) != line.size()) return std::unexpected(KernelError{what, EIO, ""});
    return {};
  }

 private:
  Result<UniqueFd> open(const std::string& key, int flags, const std::string& what) const {
    if (!stays_below(key)) return std::unexpected(KernelError{what, EINVAL, ""});
    UniqueFd file{::openat(base_.get(), key.c_str(), flags | O_CLOEXEC)};
    if (!file) return std::unexpected(KernelError{what, errno, ""});
    return file;
  }

  UniqueFd base_;
};

}  // namespace

Result<std::unique_ptr<Sysctls>> open_sysctls(const std::string& base) {
  UniqueFd directory{::open(base.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!directory) return std::unexpected(KernelError{"open " + base, errno, ""});
  return std::make_unique<SysctlFiles>(std::move(directory));
}

}  // namespace vrouter::router
