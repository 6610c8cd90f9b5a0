// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/cage.h"

#include <cap-ng.h>
#include <grp.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>

#include "base/unique_fd.h"
#include "config/dns.h"
#include "dns/list_files.h"
#include "router/processes/cage_filter.h"

namespace vrouter::router {
namespace {

using Stage = std::expected<void, KernelError>;

std::unexpected<KernelError> failed(std::string what, int code) {
  return std::unexpected(KernelError{std::move(what), code, ""});
}
Stage check(int result, const char* what) {
  if (result != 0) return failed(what, errno);
  return {};
}

// The first stage has files: the time zone, which a log line needs, is read once and kept.
void load_what_files_tell() {
  ::tzset();
}

Stage close_inherited(int channel) {
  const auto kept = static_cast<unsigned>(channel);
  if (channel <= STDERR_FILENO) return failed("keep the line to vrouterd", EBADF);
  if ((kept > 3 && ::close_range(3, kept - 1, 0) != 0) || ::close_range(kept + 1, ~0U, 0) != 0) {
    return failed("close inherited descriptors", errno);
  }
  return {};
}

rlim_t descriptors(Service service) {
  switch (service) {
    case Service::dhcp:
      return 64;
    case Service::dns:
      return kMostDescriptors;
    case Service::log:
      return 16;
  }
  std::abort();
}

// The kernel counts by user: what else runs as this one, in another namespace say, takes of it.
rlim_t most_threads(Service service) {
  constexpr rlim_t kManyServices = 64;
  const unsigned own = allowed(service).threads;
  return own == 0 ? 0 : kManyServices * (own + 1);
}

Stage limit(__rlimit_resource resource, rlim_t most, const char* what) {
  rlimit now{};
  if (::getrlimit(resource, &now) != 0) return failed(what, errno);
  const rlim_t bound = std::min(most, now.rlim_max);
  const rlimit wanted{bound, bound};
  return check(::setrlimit(resource, &wanted), what);
}

Stage limit_memory(Service service) {
  if constexpr (kSanitized) return {};
  return limit(RLIMIT_AS, most_memory(service), "limit memory");
}

bool logs_to_a_file() {
  return std::ranges::any_of(std::initializer_list<int>{STDOUT_FILENO, STDERR_FILENO}, [](int fd) {
    struct stat found{};
    return ::fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
  });
}

Stage limit_resources(Service service) {
  if (auto done = limit(RLIMIT_NOFILE, descriptors(service), "limit descriptors"); !done) return done;
  if (auto done = limit_memory(service); !done) return done;
  if (auto done = limit(RLIMIT_CORE, 0, "forbid core files"); !done) return done;
  // Another process is for none of them: the filter lets only threads be made.
  if (auto done = limit(RLIMIT_NPROC, most_threads(service), "forbid processes"); !done) return done;
  if (auto done = limit(RLIMIT_MEMLOCK, 0, "forbid locked memory"); !done) return done;
  if (auto done = limit(RLIMIT_MSGQUEUE, 0, "forbid message queues"); !done) return done;
  // The limit would end it at its first log line (SIGXFSZ) where stderr is a file.
  if (logs_to_a_file()) return {};
  return limit(RLIMIT_FSIZE, 0, "forbid files");
}

Stage leave_files(const std::filesystem::path& root) {
  if (::chroot(root.c_str()) != 0) return failed("make " + root.string() + " the root", errno);
  return check(::chdir("/"), "enter the empty root");
}

Stage become(const User& user) {
  if (user.uid == 0 || user.gid == 0) return failed("become a user of its own: root was named", EINVAL);
  if (auto done = check(::setgroups(0, nullptr), "leave all groups"); !done) return done;
  if (auto done = check(::setresgid(user.gid, user.gid, user.gid), "become its group"); !done) return done;
  return check(::setresuid(user.uid, user.uid, user.uid), "become its user");
}

Stage drop_capabilities() {
  ::capng_clear(CAPNG_SELECT_ALL);
  if (::capng_apply(CAPNG_SELECT_CAPS) != 0) return failed("drop capabilities", EPERM);
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return failed("drop ambient capabilities", errno);
  }
  // The spawner has emptied it, with a capability that it hasn't itself any more.
  for (unsigned long capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
    if (::prctl(PR_CAPBSET_READ, capability) != 0) return failed("find the bounding set empty", EPERM);
  }
  return check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
}

// The kernel forgets the first two when a process becomes another user.
Stage stay_private_and_mortal(pid_t parent) {
  if (auto done = check(::prctl(PR_SET_DUMPABLE, 0), "forbid being traced"); !done) return done;
  if (auto done = check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "die with the spawner"); !done) return done;
  if (::getppid() != parent) return failed("find the spawner alive", ESRCH);
  return {};
}

// linux/landlock.h of later kernels than Debian 12's: a kernel takes as much of it as it knows.
struct LandlockRules {
  std::uint64_t files = 0;
  std::uint64_t ports = 0;   // ABI 4: bind and connect by TCP
  std::uint64_t scoped = 0;  // ABI 6: abstract sockets and signals out of the domain
};
constexpr std::uint64_t kAbi1Files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
constexpr std::uint64_t kAbi2Files = kAbi1Files | LANDLOCK_ACCESS_FS_REFER;
constexpr std::uint64_t kAbi3Files = kAbi2Files | 1ULL << 14;  // truncate
constexpr std::uint64_t kAbi5Files = kAbi3Files | 1ULL << 15;  // ioctl of devices
constexpr std::uint64_t kBindTcp = 1, kConnectTcp = 2, kScopeAll = 3;

// Everything that the kernel can forbid is, without an exception: no rule follows.
LandlockRules deny_all(long abi, const Allowed& may) {
  LandlockRules rules;
  rules.files = abi >= 5 ? kAbi5Files : abi >= 3 ? kAbi3Files : abi == 2 ? kAbi2Files : kAbi1Files;
  if (abi >= 4) rules.ports = kBindTcp | (may.connections ? 0 : kConnectTcp);
  if (abi >= 6) rules.scoped = kScopeAll;
  return rules;
}

// A second wall behind the filter. Debian 12's kernel has it (ABI 2); where there is none, the others have to do.
Stage deny_files(const Allowed& may) {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) return {};
  if (abi < 0) return failed("ask for Landlock's version", errno);
  const auto rules = deny_all(abi, may);
  const std::size_t known = abi >= 6 ? sizeof rules : abi >= 4 ? 2 * sizeof rules.files : sizeof rules.files;
  const UniqueFd ruleset{static_cast<int>(::syscall(SYS_landlock_create_ruleset, &rules, known, 0))};
  if (!ruleset) return failed("make Landlock's rules", errno);
  return check(static_cast<int>(::syscall(SYS_landlock_restrict_self, ruleset.get(), 0)), "enter Landlock's domain");
}

}  // namespace

std::size_t most_memory(Service service) noexcept {
  return service == Service::dns ? kMostMemory + 2 * dns::kMaxLists : kMostMemory;
}

Allowed allowed(Service service) noexcept {
  switch (service) {
    case Service::dhcp:
      return {.datagrams = true};
    case Service::dns:
      return {.datagrams = true, .connections = true, .threads = config::kMaxDnsWorkers - 1};
    case Service::log:
      return {};
  }
  std::abort();
}

std::expected<void, KernelError> enter_cage_without_filter(Service service, const User& user,
                                                           const std::filesystem::path& root, int channel) {
  const pid_t parent = ::getppid();
  load_what_files_tell();
  if (auto done = close_inherited(channel); !done) return done;  // before the limit on descriptors
  if (auto done = limit_resources(service); !done) return done;
  if (auto done = leave_files(root); !done) return done;  // needs CAP_SYS_CHROOT
  if (auto done = become(user); !done) return done;       // needs CAP_SETUID, CAP_SETGID
  if (auto done = drop_capabilities(); !done) return done;
  if (auto done = stay_private_and_mortal(parent); !done) return done;  // after the change of user, which undoes it
  return deny_files(allowed(service));                                  // needs no_new_privs
}

std::expected<void, KernelError> enter_cage(Service service, const User& user, const std::filesystem::path& root,
                                            int channel) {
  if (auto done = enter_cage_without_filter(service, user, root, channel); !done) return done;
  return load_filter(allowed(service));  // last: nothing above could be called after it
}

}  // namespace vrouter::router
