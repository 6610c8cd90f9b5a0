// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/spawner.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "router/processes/packet.h"
#include "router/processes/spawner_process.h"
#include "router/processes/spawner_wire.h"

namespace vrouter::router {
namespace {

// It has nothing to do but to answer; a machine that can't let it run for so long serves nobody.
constexpr timeval kAnswerLimit{3, 0};
constexpr int kEndLimitMs = 5000;
constexpr int kNewsPerWake = 16;

std::unexpected<KernelError> failed(std::string what, int code) {
  return std::unexpected(KernelError{std::move(what), code, ""});
}

// What a child sees as the whole file system must be nobody's to put something into.
std::expected<void, KernelError> prepare_root(const std::filesystem::path& root) {
  const std::string what = "make the empty directory " + root.string() + ", the root of the services' processes";
  std::error_code error;
  const bool made = std::filesystem::create_directories(root, error);
  if (error) return failed(what, error.value());
  const UniqueFd fd{::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (!fd || (made && ::fchmod(fd.get(), 0755) != 0)) return failed(what, errno);
  struct stat found{};
  if (::fstat(fd.get(), &found) != 0) return failed(what, errno);
  if (found.st_uid != 0 || (found.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return failed(what + " (others may write to it: give it to root, mode 0755)", EPERM);
  }
  const bool empty = std::filesystem::is_empty(root, error);
  if (error) return failed(what, error.value());
  if (!empty) return failed(what + " (there is something in it: remove that)", ENOTEMPTY);
  return {};
}

// A descriptor 0, 1 or 2 that is missing would be the number of the next socket, and the log would be written to it.
std::expected<void, KernelError> fill_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest number that is free is this one.
    if (::open("/dev/null", O_RDWR) != fd) return failed("open /dev/null", errno);  // NOLINT(android-cloexec-open)
  }
  return {};
}

// Shared with its pending handler through a weak pointer.
class NewsReader : public std::enable_shared_from_this<NewsReader> {
 public:
  NewsReader(boost::asio::io_context& io, UniqueFd line, std::function<void(const ChildGone&)> gone,
             std::function<void()> lost)
      : socket_{io, line.release()}, gone_{std::move(gone)}, lost_{std::move(lost)} {
    socket_.native_non_blocking(true);
  }

  void wait() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto self = weak.lock();
                         if (error || !self || !self->open_) return;
                         self->read();
                         if (self->open_) self->wait();
                       });
  }

  void stop() {
    open_ = false;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void read() {
    for (int i = 0; i < kNewsPerWake && open_; ++i) {
      News news;
      const auto packet = receive_packet(socket_.native_handle(), bytes_of(news), Descriptors::none);
      if (!packet && packet.error() == EAGAIN) return;
      if (!packet || packet->cut || packet->size != sizeof news || news.service >= kServices) {
        stop();
        lost_();
        return;
      }
      gone_({static_cast<Service>(news.service), news.child, news.status});
    }
  }

  boost::asio::posix::stream_descriptor socket_;
  std::function<void(const ChildGone&)> gone_;
  std::function<void()> lost_;
  bool open_ = true;
};

class ForkedSpawner final : public Spawner {
 public:
  ForkedSpawner(UniqueFd requests, UniqueFd news, pid_t pid)
      : requests_{std::move(requests)}, news_{std::move(news)}, pid_{pid} {
    ::setsockopt(requests_.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerLimit, sizeof kAnswerLimit);
  }
  ForkedSpawner(const ForkedSpawner&) = delete;
  ForkedSpawner& operator=(const ForkedSpawner&) = delete;

  ~ForkedSpawner() override {
    requests_.reset();
    news_.reset();
    if (reader_) reader_->stop();
    // glibc 2.36 declares pidfd_open(2) for C only.
    const UniqueFd end{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
    pollfd ended{end.get(), POLLIN, 0};
    int ready = 0;
    do {
      ready = ::poll(&ended, 1, kEndLimitMs);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) ::kill(pid_, SIGKILL);  // its children go with it
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }

  // The answer that comes unasked.
  std::expected<void, KernelError> wait_until_ready() {
    if (auto ready = receive_answer("start the spawner"); !ready) return std::unexpected(ready.error());
    return {};
  }

  std::expected<UniqueFd, KernelError> make_socket(Service service, int domain, int type) override {
    const auto what = fmt::format("open a socket for {}", name(service));
    auto made = ask({Verb::make_socket, static_cast<std::uint32_t>(service), domain, type, 0}, what);
    if (!made) return std::unexpected(made.error());
    if (!made->fd) return lose(what, EBADMSG);
    return std::move(made->fd);
  }

  std::expected<pid_t, KernelError> launch(Service service, UniqueFd channel) override {
    const auto what = fmt::format("start vrouterd: {}", name(service));
    const auto launched = ask({Verb::launch, static_cast<std::uint32_t>(service), 0, 0, 0}, what, channel.get());
    if (!launched) return std::unexpected(launched.error());
    if (launched->child <= 0) return lose(what, EBADMSG);
    return launched->child;
  }

  std::expected<void, KernelError> kill(pid_t child) override {
    const auto killed = ask({Verb::kill, 0, 0, 0, child}, "end a service's process");
    if (!killed) return std::unexpected(killed.error());
    return {};
  }

  void watch(boost::asio::io_context& io, std::function<void(const ChildGone&)> gone,
             std::function<void()> lost) override {
    if (!news_) return;
    reader_ = std::make_shared<NewsReader>(io, std::move(news_), std::move(gone), std::move(lost));
    reader_->wait();
  }

  [[nodiscard]] pid_t pid() const override { return pid_; }

 private:
  struct Answered {
    pid_t child = 0;
    UniqueFd fd;
  };

  std::expected<Answered, KernelError> ask(Request request, const std::string& what, int fd = -1) {
    if (!requests_) return failed(what + ": the spawner is gone", EPIPE);
    if (const auto sent = send_packet(requests_.get(), bytes_of(request), fd); !sent) return lose(what, sent.error());
    return receive_answer(what);
  }

  std::expected<Answered, KernelError> receive_answer(const std::string& what) {
    Answer answer;
    auto packet = receive_packet(requests_.get(), bytes_of(answer), Descriptors::one);
    if (!packet) return lose(what, packet.error() == EAGAIN ? ETIMEDOUT : packet.error());
    if (packet->size == 0) return lose(what, EPIPE);
    if (packet->cut || packet->size != sizeof answer) return lose(what, EBADMSG);
    answer.what.back() = '\0';
    if (answer.error != 0) return failed(answer.what.data(), answer.error);
    return Answered{answer.child, std::move(packet->fd)};
  }

  // An answer that comes late would be taken for the next one's. One that hangs doesn't see its line close, so it is
  // ended, and watch() tells; its children go with it.
  std::unexpected<KernelError> lose(const std::string& what, int code) {
    requests_.reset();
    ::kill(pid_, SIGKILL);
    return failed(what + ": the spawner doesn't answer", code);
  }

  UniqueFd requests_;
  UniqueFd news_;
  pid_t pid_;
  std::shared_ptr<NewsReader> reader_;
};

}  // namespace

std::string_view name(Service service) noexcept {
  switch (service) {
    case Service::dhcp:
      return "dhcp";
    case Service::dns:
      return "dns";
    case Service::log:
      return "log";
  }
  std::abort();
}

std::expected<User, std::string> user_of(Service service) {
  const auto login = fmt::format("_vrouter-{}", name(service));
  passwd entry{};
  passwd* found = nullptr;
  std::vector<char> text(16 << 10);
  const int error = ::getpwnam_r(login.c_str(), &entry, text.data(), text.size(), &found);
  if (found == nullptr) {
    return std::unexpected(
        fmt::format("there is no user {0} for vrouterd: {1} to run as{2}: make it with `systemd-sysusers`, or "
                    "`useradd --system --user-group --no-create-home --home-dir / --shell /usr/sbin/nologin {0}`",
                    login, name(service), error != 0 ? fmt::format(" ({})", ::strerrordesc_np(error)) : ""));
  }
  if (entry.pw_uid == 0 || entry.pw_gid == 0) {
    return std::unexpected(fmt::format("the user {} is root or of its group: give it ids of its own", login));
  }
  return User{entry.pw_uid, entry.pw_gid};
}

std::string ChildGone::to_string() const {
  const auto who = fmt::format("vrouterd: {} (pid {})", name(service), pid);
  if (WIFSIGNALED(status)) {
    const int number = WTERMSIG(status);
    const auto* text = ::sigdescr_np(number);
    return fmt::format("{} was killed by signal {} ({})", who, number, text != nullptr ? text : "unknown");
  }
  switch (WEXITSTATUS(status)) {
    case kCageRefused:
      return fmt::format("{} could not give up its privileges: its own line in the log says why", who);
    case kJobThrew:
      return fmt::format("{} failed: its own line in the log says why", who);
    case kParentGone:
      return fmt::format("{} ended with its parent", who);
    default:
      return fmt::format("{} ended with status {}", who, WEXITSTATUS(status));
  }
}

std::expected<std::unique_ptr<Spawner>, KernelError> Spawner::fork(SpawnerOptions options) {
  if (auto done = fill_standard_descriptors(); !done) return std::unexpected(done.error());
  if (auto done = prepare_root(options.root); !done) return std::unexpected(done.error());
  auto requests = open_line("open a line to the spawner", 0);
  if (!requests) return std::unexpected(requests.error());
  auto news = open_line("open a line to the spawner", 0);
  if (!news) return std::unexpected(news.error());
  const pid_t daemon = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return failed("start the spawner", errno);
  if (pid == 0) run_spawner(options, {std::move(requests->second), std::move(news->second)}, daemon);
  requests->second.reset();
  news->second.reset();
  auto spawner = std::make_unique<ForkedSpawner>(std::move(requests->first), std::move(news->first), pid);
  if (auto ready = spawner->wait_until_ready(); !ready) return std::unexpected(ready.error());
  return spawner;
}

}  // namespace vrouter::router
