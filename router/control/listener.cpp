// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/control/listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>

namespace vrouter::router::control {
namespace {

// A group's entry with all its members; more than this is no group for a socket.
constexpr std::size_t kGroupEntry = 64U << 10U;

std::unexpected<std::string> failed(const std::filesystem::path& path, std::string_view what, int code) {
  return std::unexpected(fmt::format("{}: {}: {}", path.string(), what, ::strerrordesc_np(code)));
}

std::expected<sockaddr_un, std::string> unix_address(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) {
    return std::unexpected(fmt::format("{}: the path of a socket has at most {} bytes: give a shorter --runtime-dir",
                                       text, sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  return address;
}

// sockaddr's types are made to be cast (unix(7)).
const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// The file is there: may it go? Only a socket that nobody listens on may.
std::expected<void, std::string> remove_stale(const std::filesystem::path& path, const sockaddr_un& address) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return {};  // gone meanwhile
  if (!S_ISSOCK(info.st_mode)) {
    return std::unexpected(fmt::format("{}: there is a file that is no socket: move it away", path.string()));
  }
  const UniqueFd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!probe) return failed(path, "socket", errno);
  if (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN) {
    return std::unexpected(fmt::format(
        "{}: another vrouterd listens there: stop it, or give this one its own --runtime-dir", path.string()));
  }
  if (errno != ECONNREFUSED) return failed(path, "connect", errno);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed(path, "remove the stale socket", errno);
  return {};
}

std::optional<gid_t> find_group(const std::string& name) {
  std::string buffer(kGroupEntry, '\0');
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return {};
  return found->gr_gid;
}

std::string open_to_group(const std::filesystem::path& path, const std::string& group) {
  const auto gid = find_group(group);
  if (!gid) {
    return fmt::format("{}: there is no group {}: only root may use the socket (groupadd --system {}, then restart)",
                       path.string(), group, group);
  }
  if (::chown(path.c_str(), static_cast<uid_t>(-1), *gid) != 0 || ::chmod(path.c_str(), 0660) != 0) {
    return fmt::format("{}: can't be given to group {} ({}): only root may use it", path.string(), group,
                       ::strerrordesc_np(errno));
  }
  return {};
}

}  // namespace

std::expected<SocketFile, std::string> listen_at(const std::filesystem::path& path, const std::string& group) {
  const auto address = unix_address(path);
  if (!address) return std::unexpected(address.error());
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) return failed(path.parent_path(), "make the directory", error.value());

  SocketFile file;
  file.fd.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!file.fd) return failed(path, "socket", errno);
  // bind() makes the file with the socket's own mode: there is no moment in which others could connect.
  if (::fchmod(file.fd.get(), 0600) != 0) return failed(path, "set its mode", errno);
  int bound = ::bind(file.fd.get(), generic(*address), sizeof *address);
  if (bound != 0 && errno == EADDRINUSE) {
    if (const auto removed = remove_stale(path, *address); !removed) return std::unexpected(removed.error());
    bound = ::bind(file.fd.get(), generic(*address), sizeof *address);
  }
  if (bound != 0) return failed(path, "bind", errno);
  if (::listen(file.fd.get(), SOMAXCONN) != 0) return failed(path, "listen", errno);
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return failed(path, "stat", errno);
  file.device = info.st_dev;
  file.inode = info.st_ino;
  file.notice = open_to_group(path, group);
  return file;
}

void remove_socket(const std::filesystem::path& path, const SocketFile& file) noexcept {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0 || info.st_dev != file.device || info.st_ino != file.inode) return;
  ::unlink(path.c_str());
}

}  // namespace vrouter::router::control
