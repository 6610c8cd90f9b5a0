// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: the one process that may become another user, so it reads nothing but fixed structs of its daemon, and dies
// of the first that isn't as it should be. It waits in poll(2) for requests and for SIGCHLD, and knows its children.
#include "router/processes/spawner_process.h"

#include <cap-ng.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <string>

#include "router/processes/cage.h"
#include "router/processes/packet.h"
#include "router/processes/spawner_wire.h"

namespace vrouter::router {
namespace {

// One per service, and room for the old one beside the new.
constexpr std::size_t kMaxChildren = 2 * kServices;
constexpr std::array kKept{CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT, CAP_KILL};

using Result = std::expected<void, KernelError>;

std::unexpected<KernelError> failed(std::string what, int code) {
  return std::unexpected(KernelError{std::move(what), code, ""});
}

// ^C on a terminal reaches the whole group, and a service manager's SIGTERM every process of the unit. The daemon
// alone decides when its services end, so that they serve until then.
void ignore_others_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2}) ::signal(number, SIG_IGN);
}

Result die_with_daemon(pid_t daemon) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return failed("have the spawner die with vrouterd", errno);
  if (::getppid() != daemon) ::_exit(kParentGone);  // it went before the line above
  return {};
}

Result keep_only(SpawnerLines& lines) {
  // Nobody's terminal, and no file of the caller's, is for a child to read.
  if (const UniqueFd null{::open("/dev/null", O_RDWR | O_CLOEXEC)}; null && null.get() != STDIN_FILENO) {
    ::dup2(null.get(), STDIN_FILENO);
  }
  const auto low = static_cast<unsigned>(std::min(lines.requests.get(), lines.news.get()));
  const auto high = static_cast<unsigned>(std::max(lines.requests.get(), lines.news.get()));
  if ((low > 3 && ::close_range(3, low - 1, 0) != 0) || (high > low + 1 && ::close_range(low + 1, high - 1, 0) != 0) ||
      ::close_range(high + 1, ~0U, 0) != 0) {
    return failed("close what the spawner inherited", errno);
  }
  return {};
}

// The bounding set goes as a whole: no program is ever started here, and children inherit it empty, since emptying it
// needs CAP_SETPCAP, which goes as well.
Result drop_capabilities() {
  const auto refused = [](const char* what) {
    return failed(std::string{what} + " (the spawner needs CAP_SETUID, CAP_SETGID, CAP_SYS_CHROOT and CAP_KILL, and " +
                      "CAP_SETPCAP to give up all others: run vrouterd as root, or as its service unit does)",
                  EPERM);
  };
  if (::capng_get_caps_process() != 0) return failed("read the spawner's capabilities", errno);
  for (const auto capability : kKept) {
    if (::capng_have_capability(CAPNG_PERMITTED, static_cast<unsigned>(capability)) == 0) {
      return refused("start the spawner");
    }
  }
  ::capng_clear(CAPNG_SELECT_ALL);
  for (const auto capability : kKept) {
    for (const auto set : {CAPNG_EFFECTIVE, CAPNG_PERMITTED}) {
      if (::capng_update(CAPNG_ADD, set, static_cast<unsigned>(capability)) != 0) return refused("choose capabilities");
    }
  }
  if (::capng_apply(CAPNG_SELECT_BOUNDS) != 0) return refused("empty the bounding set");
  if (::capng_apply(CAPNG_SELECT_CAPS) != 0) return refused("drop capabilities");
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return refused("drop ambient capabilities");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("set no_new_privs", errno);
  return {};
}

class SpawnerProcess {
 public:
  SpawnerProcess(const SpawnerOptions& options, SpawnerLines lines, pid_t daemon)
      : options_{options}, lines_{std::move(lines)}, daemon_{daemon} {}

  // Returns when the daemon's end has closed.
  void run() {
    const auto ready = prepare();
    if (answer(ready, 0) && ready) serve();
    for (const auto& [child, service] : children_) ::kill(child, SIGKILL);
    while (!children_.empty() && reap(::waitpid(-1, &status_, 0))) continue;
  }

 private:
  Result prepare() {
    ignore_others_signals();
    if (auto done = die_with_daemon(daemon_); !done) return done;
    if (auto done = keep_only(lines_); !done) return done;
    set_process_title("vrouterd: spawn");
    if (auto done = drop_capabilities(); !done) return done;
    // Children report by SIGCHLD only, and it only here.
    ::sigemptyset(&child_signal_);
    ::sigaddset(&child_signal_, SIGCHLD);
    ::signal(SIGCHLD, SIG_DFL);
    if (::sigprocmask(SIG_SETMASK, &child_signal_, nullptr) != 0) return failed("block SIGCHLD", errno);
    signals_ = UniqueFd{::signalfd(-1, &child_signal_, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (!signals_) return failed("wait for SIGCHLD", errno);
    return {};
  }

  void serve() {
    while (true) {
      std::array<pollfd, 2> waits{{{lines_.requests.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}}};
      if (::poll(waits.data(), waits.size(), -1) < 0) {
        if (errno == EINTR) continue;
        return;
      }
      if (waits[1].revents != 0) reap_all();
      if (waits[0].revents != 0 && !serve_request()) return;
    }
  }

  void reap_all() {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) > 0) continue;
    while (reap(::waitpid(-1, &status_, WNOHANG))) continue;
  }

  bool reap(pid_t child) {
    if (child <= 0) return false;
    const auto found = children_.find(child);
    if (found == children_.end()) return true;
    News news{static_cast<std::uint32_t>(found->second), child, status_};
    children_.erase(found);
    // Fits always: a line holds hundreds, and there are never more than kMaxChildren before the daemon must ask again.
    (void)send_packet(lines_.news.get(), bytes_of(news));
    return true;
  }

  // False when there is no daemon to serve any more.
  bool serve_request() {
    Request request;
    auto packet = receive_packet(lines_.requests.get(), bytes_of(request), Descriptors::one);
    if (!packet || packet->size == 0) return false;
    const bool wants_fd = request.verb == Verb::launch;
    if (packet->cut || packet->size != sizeof request || request.service >= kServices ||
        static_cast<bool>(packet->fd) != wants_fd) {
      return false;  // no word of our daemon's
    }
    switch (request.verb) {
      case Verb::make_socket:
        return make_socket(request);
      case Verb::launch:
        return launch(static_cast<Service>(request.service), std::move(packet->fd));
      case Verb::kill:
        return kill_child(request.child);
    }
    return false;
  }

  [[nodiscard]] bool answer(const Result& result, pid_t child, int fd = -1) {
    Answer answer{};
    answer.child = child;
    if (!result) {
      answer.error = result.error().code;
      result.error().what.copy(answer.what.data(), answer.what.size() - 1);
    }
    return send_packet(lines_.requests.get(), bytes_of(answer), fd).has_value();
  }

  // The firewall knows a socket by the file system user of the thread that made it: the file's f_cred.
  bool make_socket(const Request& request) {
    const auto service = static_cast<Service>(request.service);
    const std::string what = "open a socket for " + std::string{name(service)};
    if ((request.domain != AF_INET && request.domain != AF_INET6) ||
        (request.type != SOCK_STREAM && request.type != SOCK_DGRAM)) {
      return answer(failed(what, EINVAL), 0);
    }
    const auto& user = options_.users[request.service];
    const auto old_gid = static_cast<gid_t>(::setfsgid(user.gid));
    const auto old_uid = static_cast<uid_t>(::setfsuid(user.uid));
    // These two tell what was; only asking again tells what is.
    const bool became = static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))) == user.uid &&
                        static_cast<gid_t>(::setfsgid(static_cast<gid_t>(-1))) == user.gid;
    const UniqueFd fd{became ? ::socket(request.domain, request.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1};
    const int error = became ? errno : EPERM;
    ::setfsuid(old_uid);
    ::setfsgid(old_gid);
    // A change of user makes the kernel forget whose death is to be ours.
    if (!die_with_daemon(daemon_)) return false;
    if (!fd) return answer(failed(what, error), 0);
    return answer({}, 0, fd.get());
  }

  bool launch(Service service, UniqueFd channel) {
    const std::string what = "start vrouterd: " + std::string{name(service)};
    if (children_.size() >= kMaxChildren) return answer(failed(what + ": the old ones have not ended yet", EAGAIN), 0);
    const pid_t spawner = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return answer(failed(what, errno), 0);
    if (child == 0) run_child(service, std::move(channel), spawner);
    children_.emplace(child, service);
    return answer({}, child);
  }

  // An exception must not unwind into the spawner's loop, which is a copy here.
  [[noreturn]] void run_child(Service service, UniqueFd channel, pid_t spawner) noexcept {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != spawner) ::_exit(kParentGone);
    set_process_title("vrouterd: " + std::string{name(service)});
    const auto index = static_cast<std::size_t>(service);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (const auto caged = enter_cage(service, options_.users[index], options_.root, channel.get()); !caged) {
      complain(service, caged.error().to_string());
      ::_exit(kCageRefused);
    }
    int status = kJobThrew;
    try {
      status = options_.jobs[index](std::move(channel));
    } catch (const std::exception& error) {
      complain(service, error.what());
    }
    ::_exit(status);
  }

  static void complain(Service service, const std::string& why) {
    ::dprintf(STDERR_FILENO, "vrouterd: %s: %s\n", std::string{name(service)}.c_str(), why.c_str());
  }

  bool kill_child(pid_t child) {
    // Ours and not waited for yet, so the number can't be another's.
    if (!children_.contains(child)) return answer(failed("end a service's process", ESRCH), 0);
    if (::kill(child, SIGKILL) != 0) return answer(failed("end a service's process", errno), 0);
    return answer({}, 0);
  }

  const SpawnerOptions& options_;
  SpawnerLines lines_;
  pid_t daemon_;
  sigset_t child_signal_{};
  UniqueFd signals_;
  std::map<pid_t, Service> children_;
  int status_ = 0;
};

}  // namespace

void run_spawner(const SpawnerOptions& options, SpawnerLines lines, pid_t daemon) noexcept {
  SpawnerProcess{options, std::move(lines), daemon}.run();
  // The daemon's own objects are copies here: their destructors are not to run.
  ::_exit(0);
}

}  // namespace vrouter::router
