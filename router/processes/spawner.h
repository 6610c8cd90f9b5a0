// SPDX-License-Identifier: GPL-2.0-or-later
// Theory. What parses bytes of guests and upstreams has no privilege, and what has privilege parses none of them:
//
//   vrouterd            CAP_NET_ADMIN, CAP_NET_BIND_SERVICE: netlink, state, control socket; binds the ports
//   vrouterd: spawner   CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT, CAP_KILL: makes sockets and children, nothing else
//   vrouterd: dhcp      user _vrouter-dhcp, caged (cage.h)
//   vrouterd: dns       user _vrouter-dns, caged
//   vrouterd: log       user _vrouter-log, caged: reads what the firewall logs, which holds what guests sent
//
// The spawner is forked before a file is read, so no child inherits what the operator's files or the database held.
// Sockets belong to the user of the service that will use them, from socket(2) on: the firewall's output rules know
// them by it (`meta skuid`), and no child can bind, since that call is not in its filter. When the daemon goes, the
// spawner sees its line close and ends; children die with the spawner (PR_SET_PDEATHSIG) and with their channel.
#pragma once

#include <sys/types.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/kernel_error.h"
#include "base/unique_fd.h"

namespace vrouter::router {

enum class Service : std::uint8_t { dhcp, dns, log };
inline constexpr std::size_t kServices = 3;
[[nodiscard]] std::string_view name(Service) noexcept;  // "dhcp"

// What a child does once it is caged; its return value is its exit status. `channel` is its end of the line.
using Job = std::function<int(UniqueFd channel)>;

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
};
// The service's own user, "_vrouter-dhcp"; the error says how to make it.
[[nodiscard]] std::expected<User, std::string> user_of(Service service);

struct SpawnerOptions {
  std::array<Job, kServices> jobs;
  std::array<User, kServices> users;
  std::filesystem::path root;  // an empty directory, the children's /; made, root:root 0755, if missing
};

// A child that ended: by exit or by signal, as waitpid(2) tells. SIGSYS: it made a call that its filter knows to be
// nobody's honest work.
struct ChildGone {
  Service service = Service::dhcp;
  pid_t pid = 0;
  int status = 0;
  [[nodiscard]] std::string to_string() const;  // "vrouterd: dhcp (pid 4711) was killed by signal 31 (Bad system call)"
};

class Spawner {
 public:
  // Forks; call while there is one thread, no descriptor but 0-2 and no state worth keeping from a child. The spawner
  // process itself never returns from here. EPERM without the capabilities above.
  [[nodiscard]] static std::expected<std::unique_ptr<Spawner>, KernelError> fork(SpawnerOptions options);
  virtual ~Spawner() = default;  // ends the spawner and its children, and waits for it

  // The next three wait for the spawner's answer, some 100 µs to 2 ms: it does nothing else, and parses nothing.
  // A socket (AF_INET or AF_INET6; SOCK_STREAM or SOCK_DGRAM) of the service's user, non-blocking.
  [[nodiscard]] virtual std::expected<UniqueFd, KernelError> make_socket(Service service, int domain, int type) = 0;
  [[nodiscard]] virtual std::expected<pid_t, KernelError> launch(Service service, UniqueFd channel) = 0;
  // Ends a child that misbehaves (SIGKILL). ESRCH when it is gone already.
  [[nodiscard]] virtual std::expected<void, KernelError> kill(pid_t child) = 0;

  // From now on, children that end are told on the loop, and the end of the spawner itself, which is not survived:
  // `lost` is to end the daemon, whose service manager starts it anew.
  virtual void watch(boost::asio::io_context& io, std::function<void(const ChildGone&)> gone,
                     std::function<void()> lost) = 0;
  [[nodiscard]] virtual pid_t pid() const = 0;
};

}  // namespace vrouter::router
