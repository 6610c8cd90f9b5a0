// SPDX-License-Identifier: GPL-2.0-or-later
// What an intruder in a caged process would try, on command: one byte names the attempt, the answer is what the kernel
// said. The job itself is as caged as a service is.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/unique_fd.h"

namespace vrouter::lab {

enum class Attempt : std::uint8_t {
  nothing = 1,  // answers 0: it is alive and caged
  // files
  open_file,
  open_proc_self,
  create_file,
  open_parent_directory,
  list_root,
  go_up_from_descriptor,
  make_memory_file,
  // sockets
  socket_unix,
  socket_netlink,
  socket_packet,
  socket_raw,
  socket_icmp,
  socket_sctp,
  socket_mptcp,
  socket_vsock,
  socket_pair,
  socket_tcp,
  socket_tcp6,
  socket_udp,
  socket_udp_named,
  bind_given,
  listen_given,
  connect_given,  // to 127.0.0.1:9, where nobody listens
  mark_given,
  shutdown_given,
  bind_to_device_given,
  terminal_input,
  // the log, which is the daemon's own open file
  log_nonblocking,
  log_nonblocking_in_disguise,
  log_nonblocking_by_ioctl,
  log_shutdown,
  log_read,
  log_seek,
  log_duplicate,
  log_duplicate_by_fcntl,
  // other processes
  kill_init,
  kill_parent,
  thread,
  priority,
  // privileges
  raise_ambient,
  set_keepcaps,
  set_dumpable,
  clear_death_signal,
  raise_limit,
  personality,
  run_written_page,
  map_runnable,
  share_memory_runnable,
  last_that_returns = share_memory_runnable,
  // what kills
  execve,
  execveat,
  fork,
  vfork,
  clone_namespace,
  setuid_root,
  setresuid_root,
  setgroups,
  capset,
  chroot,
  pivot_root,
  mount,
  umount,
  fsopen,
  unshare,
  setns,
  ptrace_parent,
  read_parent,
  write_parent,
  pidfd_of_parent,
  bpf,
  perf_event,
  userfaultfd,
  io_uring,
  keyctl,
  add_key,
  open_by_handle,
  load_module,
  kexec,
  call_of_32_bits,
  call_of_x32,
  last_that_kills = call_of_x32,
  // what it does to its channel
  send_descriptor,
  send_two_descriptors,
  send_empty,
  send_too_long,
  flood,       // sends as fast as it can, for good
  never_read,  // sleeps for good
  close_line_and_stay,
  reserve_memory,  // as much as it gets; the answer's result is in MiB
  exit_status_7,
  crash,
  throw_exception,
  allocate_and_log,  // what an honest service does: memory, time, epoll, timers, a log line
};

struct Outcome {
  Attempt attempt = Attempt::nothing;
  std::int32_t error = 0;  // errno; 0: the kernel did it
  std::int32_t result = 0;
};

// Tries it; `given` is a descriptor to try it on. What kills doesn't return.
[[nodiscard]] Outcome try_on(Attempt attempt, int given);

// Takes the commands of its channel until that closes; then 0. A command may come with a descriptor to be tried on.
int run_hostile_job(UniqueFd channel);

}  // namespace vrouter::lab
