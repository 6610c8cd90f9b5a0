// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: a list of what an event loop over given sockets needs. What is not on it fails with EPERM, so that a library
// that tries for something better goes on without it; what only an intruder would call ends the process on the spot,
// and the daemon sees SIGSYS. Filters see numbers, not memory: a call whose meaning lies behind a pointer (clone3,
// connect's address) is either let through as a whole or not at all.
#include "router/processes/cage_filter.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <initializer_list>
#include <memory>
#include <type_traits>
#include <vector>

namespace vrouter::router {
namespace {

constexpr int kAlways[] = {
    // memory; mmap and mprotect are below
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    // the loop
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(timerfd_gettime), SCMP_SYS(poll), SCMP_SYS(ppoll),
    // time, which the vDSO tells without a call where the clock allows
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep), SCMP_SYS(restart_syscall),
    // bytes of descriptors that it has: the channel, the sockets handed over, the log on stderr
    SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
    SCMP_SYS(close), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(fstat),
    // glibc's locks, its start of and end by signals, its random numbers
    SCMP_SYS(futex), SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(getrandom), SCMP_SYS(set_robust_list), SCMP_SYS(rseq),
    // who and where am I
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
    SCMP_SYS(getegid), SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity),
    // the end
    SCMP_SYS(exit), SCMP_SYS(exit_group)};

constexpr int kSanitizers[] = {SCMP_SYS(pipe), SCMP_SYS(pipe2)};

constexpr int kDatagrams[] = {SCMP_SYS(recvmmsg), SCMP_SYS(sendmmsg)};

constexpr int kConnections[] = {SCMP_SYS(connect), SCMP_SYS(accept), SCMP_SYS(accept4)};

// Nobody's honest work here, and no library's attempt at something better.
constexpr int kFatal[] = {
    // another program, another process (clone is below)
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork),
    // into other processes
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise),
    SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal), SCMP_SYS(kcmp),
    // another root, other file systems, other namespaces
    SCMP_SYS(chroot), SCMP_SYS(pivot_root), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(open_by_handle_at),
    SCMP_SYS(name_to_handle_at), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(quotactl), SCMP_SYS(acct),
    // another user, more privileges
    SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
    SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(setgroups), SCMP_SYS(capset),
    // the kernel's wide and young surfaces
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register), SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key),
    // the machine itself
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(modify_ldt),
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime)};

struct FilterFree {
  void operator()(void* filter) const noexcept { ::seccomp_release(filter); }
};
using Arguments = std::initializer_list<scmp_arg_cmp>;

// The argument's bits under `mask` are `value`.
scmp_arg_cmp masked(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}
// An int: the kernel ignores the register's upper half, and what the compiler leaves there for a negative one.
scmp_arg_cmp int_equals(unsigned argument, int value) {
  return masked(argument, 0xffffffff, static_cast<unsigned>(value));
}

// The first argument is a descriptor past stderr: 3, or some bit from the third on is set. Not a comparison of the
// whole register, whose upper half the kernel ignores: 0x100000002 would be greater than 2 there, and is stderr.
std::vector<scmp_arg_cmp> past_the_logs() {
  std::vector<scmp_arg_cmp> any{int_equals(0, STDERR_FILENO + 1)};
  for (std::uint64_t bit = 4; bit < kMostDescriptors; bit <<= 1) any.push_back(masked(0, bit, bit));
  return any;
}

class Filter {
 public:
  Filter() : filter_{::seccomp_init(SCMP_ACT_ERRNO(EPERM))} { note(filter_ ? 0 : -ENOMEM); }

  void set(scmp_filter_attr attribute, std::uint32_t value) {
    if (ok()) note(::seccomp_attr_set(filter_.get(), attribute, value));
  }
  void add(std::uint32_t action, int call, Arguments arguments = {}) {
    if (ok()) {
      note(::seccomp_rule_add_array(filter_.get(), action, call, static_cast<unsigned>(arguments.size()),
                                    arguments.begin()));
    }
  }
  void allow(int call, Arguments arguments = {}) { add(SCMP_ACT_ALLOW, call, arguments); }
  void load() {
    if (ok()) note(::seccomp_load(filter_.get()));
  }
  [[nodiscard]] bool ok() const { return error_ == 0; }
  [[nodiscard]] int error() const { return error_; }

 private:
  void note(int result) {
    if (error_ == 0 && result < 0) error_ = -result;
  }
  std::unique_ptr<void, FilterFree> filter_;
  int error_ = 0;  // the first; nothing is done after it
};

void allow_common(Filter& filter) {
  for (const int call : kAlways) filter.allow(call);
  if constexpr (kSanitized) {
    for (const int call : kSanitizers) filter.allow(call);
  }
  // No page that can be run: neither new nor made of one that was written.
  filter.allow(SCMP_SYS(mmap), {masked(2, PROT_EXEC, 0)});
  filter.allow(SCMP_SYS(mprotect), {masked(2, PROT_EXEC, 0)});
  // shutdown(2) is for nobody: sockets handed over are the next child's too, and would be dead for it. The log's
  // descriptors are the daemon's own open file: whoever makes it non-blocking or reads its terminal does so for the
  // daemon too. The number is enough to tell, since nothing here makes a second one of it.
  for (const auto& other : past_the_logs()) {
    for (const int call : {SCMP_SYS(read), SCMP_SYS(readv)}) filter.allow(call, {other});
    // Of ioctl(2), Asio needs non-blocking mode.
    filter.allow(SCMP_SYS(ioctl), {other, int_equals(1, FIONBIO)});
    filter.allow(SCMP_SYS(fcntl), {other, int_equals(1, F_SETFL)});
  }
  // dprintf(3) asks where it is.
  filter.allow(SCMP_SYS(lseek), {masked(1, ~std::uint64_t{0}, 0), int_equals(2, SEEK_CUR)});
  for (const int command : {F_GETFD, F_SETFD, F_GETFL}) filter.allow(SCMP_SYS(fcntl), {int_equals(1, command)});
  for (const int option : {SO_ERROR, SO_TYPE, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN}) {
    filter.allow(SCMP_SYS(getsockopt), {int_equals(1, SOL_SOCKET), int_equals(2, option)});
  }
  // What abort(3) and a failed assertion use: a signal to oneself.
  filter.allow(SCMP_SYS(tgkill), {int_equals(0, ::getpid())});
}

// bind and listen are for nobody: sockets come bound from the daemon, and connect(2) chooses a random port itself.
void allow_connections(Filter& filter) {
  constexpr std::uint64_t kWithoutFlags = 0xffffffff & ~static_cast<std::uint64_t>(SOCK_NONBLOCK | SOCK_CLOEXEC);
  for (const int call : kConnections) filter.allow(call);
  for (const int domain : {AF_INET, AF_INET6}) {
    // By protocol too: others of these types (SCTP, MPTCP, ICMP, UDP-Lite) are code that nobody here needs.
    for (const auto& [type, protocol] : {std::pair{SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, IPPROTO_UDP}}) {
      for (const int named : {0, static_cast<int>(protocol)}) {
        filter.allow(SCMP_SYS(socket), {int_equals(0, domain), masked(1, kWithoutFlags, static_cast<unsigned>(type)),
                                        int_equals(2, named)});
      }
    }
  }
  filter.allow(SCMP_SYS(setsockopt), {int_equals(1, IPPROTO_TCP), int_equals(2, TCP_NODELAY)});
  // The interface that a connection came in by, which is who the guest is; and whether two descriptors are one socket.
  constexpr int kPktOptions6 = 6;  // IPV6_2292PKTOPTIONS, linux/in6.h
  for (const auto& [level, option] :
       {std::pair<int, int>{IPPROTO_IP, IP_PKTOPTIONS}, {IPPROTO_IPV6, kPktOptions6}, {SOL_SOCKET, SO_COOKIE}}) {
    filter.allow(SCMP_SYS(getsockopt), {int_equals(1, level), int_equals(2, option)});
  }
}

// As glibc makes them: sharing everything, and nothing else in the flags (a namespace, a parent's fate).
void allow_threads(Filter& filter) {
  constexpr std::uint64_t kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
                                    CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  filter.allow(SCMP_SYS(clone), {masked(0, ~std::uint64_t{0}, kThread)});
}

void add_fatal(Filter& filter) {
  for (const int call : kFatal) filter.add(SCMP_ACT_KILL_PROCESS, call);
  // fork(3) and posix_spawn(3) are clone(2) without a thread; threads, where none are needed, a library may try.
  filter.add(SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), {masked(0, CLONE_THREAD, 0)});
  // Its flags lie in memory. glibc takes ENOSYS for an old kernel and falls back to clone(2).
  filter.add(SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3));
}

}  // namespace

std::expected<void, KernelError> load_filter(const Allowed& allowed) {
  Filter filter;
  // Calls of another architecture (32 bits, x32) have other numbers, so none of these rules would hold for them.
  filter.set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  allow_common(filter);
  if (allowed.datagrams) {
    for (const int call : kDatagrams) filter.allow(call);
  }
  if (allowed.connections) allow_connections(filter);
  if (allowed.threads > 0) allow_threads(filter);
  add_fatal(filter);
  // A binary tree over the numbers instead of a list: some ten comparisons for any call.
  filter.set(SCMP_FLTATR_CTL_OPTIMIZE, 2);
  filter.load();
  if (!filter.ok()) return std::unexpected(KernelError{"load the seccomp filter", filter.error(), ""});
  return {};
}

}  // namespace vrouter::router
