// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/hostile_job.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <vector>

#include "router/processes/channel.h"
#include "router/processes/packet.h"

namespace vrouter::lab {
namespace {

using router::Descriptors;

constexpr int kSctp = 132, kMptcp = 262;
constexpr std::size_t kPage = 4096;

const sockaddr* generic(const sockaddr_in& address) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
  return reinterpret_cast<const sockaddr*>(&address);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

long try_files(Attempt attempt, int given) {
  switch (attempt) {
    case Attempt::open_file:
      return ::open("/etc/passwd", O_RDONLY);
    case Attempt::open_proc_self:
      return ::open("/proc/self/status", O_RDONLY);
    case Attempt::create_file:
      return ::open("/left", O_CREAT | O_WRONLY, 0600);
    case Attempt::open_parent_directory:
      return ::open("../../../../../etc", O_RDONLY | O_DIRECTORY);
    case Attempt::list_root:
      return ::open("/", O_RDONLY | O_DIRECTORY);
    case Attempt::go_up_from_descriptor:
      if (const long moved = ::fchdir(given); moved == 0) return moved;
      return ::openat(given, "..", O_RDONLY | O_DIRECTORY);
    case Attempt::make_memory_file:
      return ::memfd_create("x", 0);
    default:
      return -2;
  }
}

long try_sockets(Attempt attempt, int given) {
  const auto nowhere = loopback(9);
  const auto any = loopback(0);
  const int mark = 1;
  std::array<int, 2> pair{};
  switch (attempt) {
    case Attempt::socket_unix:
      return ::socket(AF_UNIX, SOCK_STREAM, 0);
    case Attempt::socket_netlink:
      return ::socket(AF_NETLINK, SOCK_RAW, 0);
    case Attempt::socket_packet:
      return ::socket(AF_PACKET, SOCK_RAW, 0);
    case Attempt::socket_raw:
      return ::socket(AF_INET, SOCK_RAW, IPPROTO_TCP);
    case Attempt::socket_icmp:
      return ::socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    case Attempt::socket_sctp:
      return ::socket(AF_INET, SOCK_STREAM, kSctp);
    case Attempt::socket_mptcp:
      return ::socket(AF_INET, SOCK_STREAM, kMptcp);
    case Attempt::socket_vsock:
      return ::socket(AF_VSOCK, SOCK_STREAM, 0);
    case Attempt::socket_pair:
      return ::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data());
    case Attempt::socket_tcp:
      return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    case Attempt::socket_tcp6:
      return ::socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP);
    case Attempt::socket_udp:
      return ::socket(AF_INET, SOCK_DGRAM, 0);
    case Attempt::socket_udp_named:
      return ::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP);
    case Attempt::bind_given:
      return ::bind(given, generic(any), sizeof any);
    case Attempt::listen_given:
      return ::listen(given, 1);
    case Attempt::connect_given:
      return ::connect(given, generic(nowhere), sizeof nowhere);
    case Attempt::shutdown_given:
      return ::shutdown(given, SHUT_RDWR);
    case Attempt::mark_given:
      return ::setsockopt(given, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    case Attempt::bind_to_device_given:
      return ::setsockopt(given, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2);
    case Attempt::terminal_input:
      return ::ioctl(STDERR_FILENO, TIOCSTI, "x");
    default:
      return -2;
  }
}

long try_log(Attempt attempt) {
  constexpr long kDisguise = 1L << 32;  // the kernel looks at the lower half
  int on = 1;
  char byte = 0;
  switch (attempt) {
    case Attempt::log_nonblocking:
      return ::fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    case Attempt::log_nonblocking_in_disguise:
      return ::syscall(SYS_fcntl, kDisguise | STDERR_FILENO, F_SETFL, O_NONBLOCK);
    case Attempt::log_nonblocking_by_ioctl:
      return ::ioctl(STDERR_FILENO, FIONBIO, &on);
    case Attempt::log_shutdown:
      return ::shutdown(STDERR_FILENO, SHUT_RDWR);
    case Attempt::log_read:
      return ::read(STDERR_FILENO, &byte, 1);
    case Attempt::log_seek:
      return ::lseek(STDERR_FILENO, 0, SEEK_SET);
    case Attempt::log_duplicate:
      return ::dup(STDERR_FILENO);
    case Attempt::log_duplicate_by_fcntl:
      return ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    default:
      return -2;
  }
}

long try_processes(Attempt attempt) {
  const auto parent = ::getppid();
  switch (attempt) {
    case Attempt::kill_init:
      return ::kill(1, SIGKILL);
    case Attempt::kill_parent:
      return ::kill(parent, SIGKILL);
    case Attempt::thread:
      return ::syscall(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, nullptr, nullptr,
                       nullptr, nullptr);
    case Attempt::priority:
      return ::setpriority(PRIO_PROCESS, 0, -5);
    default:
      return -2;
  }
}

long run_written_page() {
  void* page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return -2;
  return ::mprotect(page, kPage, PROT_READ | PROT_EXEC);
}

long map_runnable() {
  void* page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED ? -1 : 0;
}

long try_privileges(Attempt attempt) {
  const rlimit more{RLIM_INFINITY, RLIM_INFINITY};
  switch (attempt) {
    case Attempt::raise_ambient:
      return ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0);
    case Attempt::set_keepcaps:
      return ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    case Attempt::set_dumpable:
      return ::prctl(PR_SET_DUMPABLE, 1);
    case Attempt::clear_death_signal:
      return ::prctl(PR_SET_PDEATHSIG, 0);
    case Attempt::raise_limit:
      return ::setrlimit(RLIMIT_NOFILE, &more);
    case Attempt::personality:
      return ::personality(READ_IMPLIES_EXEC);
    case Attempt::run_written_page:
      return run_written_page();
    case Attempt::map_runnable:
      return map_runnable();
    case Attempt::share_memory_runnable:
      return ::shmget(IPC_PRIVATE, kPage, IPC_CREAT | 0700);
    default:
      return -2;
  }
}

long call_of_32_bits() {
#if defined(__x86_64__)
  long result = 20;  // getpid there, writev here
  asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
  return result;
#else
  ::kill(::getpid(), SIGSYS);
  return 0;
#endif
}

long try_fatal(Attempt attempt, int given) {
  const auto parent = ::getppid();
  char byte = 0;
  iovec local{&byte, 1};
  iovec remote{&byte, 1};
  char* const none[] = {nullptr};
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  data[0].effective = data[0].permitted = 1U << CAP_NET_ADMIN;
  switch (attempt) {
    case Attempt::execve:
      return ::syscall(SYS_execve, "/bin/sh", none, none);
    case Attempt::execveat:
      return ::syscall(SYS_execveat, STDIN_FILENO, "", none, none, AT_EMPTY_PATH);
    case Attempt::fork:
      return ::fork();
    case Attempt::vfork:
      return ::syscall(SYS_vfork);
    case Attempt::clone_namespace:
      return ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    case Attempt::setuid_root:
      return ::setuid(0);
    case Attempt::setresuid_root:
      return ::setresuid(0, 0, 0);
    case Attempt::setgroups:
      return ::syscall(SYS_setgroups, 0, nullptr);
    case Attempt::capset:
      return ::syscall(SYS_capset, &header, data);
    case Attempt::chroot:
      return ::chroot("/");
    case Attempt::pivot_root:
      return ::syscall(SYS_pivot_root, "/", "/");
    case Attempt::mount:
      return ::mount("none", "/", "tmpfs", 0, nullptr);
    case Attempt::umount:
      return ::umount2("/", MNT_DETACH);
    case Attempt::fsopen:
      return ::syscall(SYS_fsopen, "tmpfs", 0);
    case Attempt::unshare:
      return ::unshare(CLONE_NEWUSER);
    case Attempt::setns:
      return ::setns(given, 0);
    case Attempt::ptrace_parent:
      return ::ptrace(PTRACE_ATTACH, parent, nullptr, nullptr);
    case Attempt::read_parent:
      return ::process_vm_readv(parent, &local, 1, &remote, 1, 0);
    case Attempt::write_parent:
      return ::process_vm_writev(parent, &local, 1, &remote, 1, 0);
    case Attempt::pidfd_of_parent:
      return ::syscall(SYS_pidfd_open, parent, 0);
    case Attempt::bpf: {
      bpf_attr none_asked{};
      return ::syscall(SYS_bpf, BPF_MAP_CREATE, &none_asked, sizeof none_asked);
    }
    case Attempt::perf_event: {
      perf_event_attr asked{};
      return ::syscall(SYS_perf_event_open, &asked, 0, -1, -1, 0);
    }
    case Attempt::userfaultfd:
      return ::syscall(SYS_userfaultfd, 1);
    case Attempt::io_uring:
      return ::syscall(SYS_io_uring_setup, 1, &byte);
    case Attempt::keyctl:
      return ::syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
    case Attempt::add_key:
      return ::syscall(SYS_add_key, "user", "x", "y", 1, KEY_SPEC_PROCESS_KEYRING);
    case Attempt::open_by_handle:
      return ::syscall(SYS_open_by_handle_at, AT_FDCWD, &byte, O_RDONLY);
    case Attempt::load_module:
      return ::syscall(SYS_finit_module, STDIN_FILENO, "", 0);
    case Attempt::kexec:
      return ::syscall(SYS_kexec_load, 0, 0, nullptr, 0);
    case Attempt::call_of_32_bits:
      return call_of_32_bits();
    case Attempt::call_of_x32:
      return ::syscall(0x40000000 + SYS_getpid);
    default:
      return -2;
  }
}

long reserve_memory() {
  constexpr std::size_t kStep = 16 << 20, kEnough = 4096;
  long steps = 0;
  while (steps < static_cast<long>(kEnough) &&
         ::mmap(nullptr, kStep, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) !=
             MAP_FAILED) {
    ++steps;
  }
  return steps * 16;
}

// Everything that a service does and the filter must let through; the first that fails is in errno.
long live_honestly() {
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int i = 0; i < 64; ++i) blocks.push_back(std::make_unique<char[]>(1U << 20));
  blocks.clear();
  const UniqueFd loop{::epoll_create1(EPOLL_CLOEXEC)}, wake{::eventfd(0, EFD_NONBLOCK)};
  const UniqueFd timer{::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC)};
  if (!loop || !wake || !timer) return -1;
  epoll_event event{};
  event.events = EPOLLIN;
  if (::epoll_ctl(loop.get(), EPOLL_CTL_ADD, timer.get(), &event) != 0) return -1;
  const itimerspec soon{{}, {0, 1'000'000}};
  if (::timerfd_settime(timer.get(), 0, &soon, nullptr) != 0) return -1;
  if (::epoll_wait(loop.get(), &event, 1, 1000) != 1) return -1;
  const timespec moment{0, 1000};
  if (::nanosleep(&moment, nullptr) != 0) return -1;
  const auto now = ::time(nullptr);
  tm local{};
  if (::localtime_r(&now, &local) == nullptr) return -1;
  return ::dprintf(STDERR_FILENO, "hostile job: a log line at %02d:%02d\n", local.tm_hour, local.tm_min) > 0 ? 0 : -1;
}

void send_two_descriptors(int line) {
  std::array<int, 2> both{STDIN_FILENO, STDERR_FILENO};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof both)> control{};
  char byte = 'x';
  iovec vector{&byte, 1};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  auto* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(sizeof both);
  std::memcpy(CMSG_DATA(c), both.data(), sizeof both);
  ::sendmsg(line, &header, MSG_NOSIGNAL);
}

[[noreturn]] void sleep_for_good() {
  while (true) ::poll(nullptr, 0, -1);
}

// True when there is nothing to answer: the channel itself was the target.
bool abuse_channel(Attempt attempt, UniqueFd& channel) {
  const std::vector<std::uint8_t> long_message(router::kMaxMessage + 1, 'x');
  const std::array<std::uint8_t, 1000> chunk{};
  switch (attempt) {
    case Attempt::send_descriptor:
      (void)router::send_packet(channel.get(), std::span{chunk}.first(1), STDERR_FILENO);
      return true;
    case Attempt::send_two_descriptors:
      send_two_descriptors(channel.get());
      return true;
    case Attempt::send_empty:
      ::send(channel.get(), "", 0, MSG_NOSIGNAL);
      return true;
    case Attempt::send_too_long:
      (void)router::send_packet(channel.get(), long_message);
      return true;
    case Attempt::flood:
      while (true) (void)router::send_packet(channel.get(), chunk);
    case Attempt::never_read:
      sleep_for_good();
    case Attempt::close_line_and_stay:
      channel.reset();
      sleep_for_good();
    case Attempt::exit_status_7:
      ::_exit(7);
    case Attempt::crash:
      std::abort();
    case Attempt::throw_exception:
      throw std::runtime_error{"the job threw this"};
    default:
      return false;
  }
}

long perform(Attempt attempt, int given) {
  if (attempt == Attempt::nothing) return 0;
  if (attempt == Attempt::allocate_and_log) return live_honestly();
  if (attempt == Attempt::reserve_memory) return reserve_memory();
  for (const long result : {try_files(attempt, given), try_sockets(attempt, given), try_log(attempt),
                            try_processes(attempt), try_privileges(attempt), try_fatal(attempt, given)}) {
    if (result != -2) return result;
  }
  errno = ENOTSUP;
  return -1;
}

}  // namespace

Outcome try_on(Attempt attempt, int given) {
  errno = 0;
  const long result = perform(attempt, given);
  return {attempt, result < 0 ? errno : 0, static_cast<std::int32_t>(result)};
}

int run_hostile_job(UniqueFd channel) {
  while (true) {
    pollfd wait{channel.get(), POLLIN, 0};
    if (::poll(&wait, 1, -1) < 0) return 1;
    std::uint8_t command = 0;
    const auto packet = router::receive_packet(channel.get(), {&command, 1}, Descriptors::one);
    if (!packet) return 2;
    if (packet->size == 0) return 0;
    const auto attempt = static_cast<Attempt>(command);
    if (abuse_channel(attempt, channel)) continue;
    const auto outcome = try_on(attempt, packet->fd.get());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): a plain struct
    (void)router::send_packet(channel.get(), {reinterpret_cast<const std::uint8_t*>(&outcome), sizeof outcome});
  }
}

}  // namespace vrouter::lab
