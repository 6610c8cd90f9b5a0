// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: one child per namespace, forked into new network, mount, PID and UTS namespaces, waits on a socket whose
// other end only the test holds. When the test goes, by whatever death, the socket closes, the child ends, and since it
// is PID 1 in there the kernel kills everything else inside. A parent-death signal would not do: it is lost when the
// *thread* that forked ends, when clients daemonise, and at an exec that gains privileges.
//
// Programs are forked by the test itself, which enters the namespaces in the child: so they are its own children, with
// exit statuses and PIDs of the test's view.
#include "tests/lab/lib/namespace.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <exception>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "tests/lab/lib/paths.h"

namespace vrouter::lab {
namespace {

namespace fs = std::filesystem;

// Directories that each namespace has empty and to itself; those that the machine lacks are left out.
constexpr std::array kPrivateDirectories{"/run", "/tmp", "/var/lib/dhcp", "/var/lib/dhcpcd"};
constexpr auto kRealEtc = "/run/.etc";  // where the machine's own /etc is seen
constexpr std::size_t kMaxSetupMessage = 512;

void mount_or_throw(const char* source, const std::string& target, const char* type, unsigned long flags,
                    const char* data = nullptr) {
  if (::mount(source, target.c_str(), type, flags, data) < 0) throw_errno("mount " + target);
}

bool is_under(const fs::path& path, const fs::path& directory) {
  const auto text = path.string();
  return text.starts_with(directory.string() + "/");
}

// An empty tmpfs over the directory; the build's and the source's trees stay visible when they lie under it.
void hide_directory(const char* directory) {
  if (!fs::is_directory(directory) || fs::is_symlink(directory)) return;
  struct Kept {
    std::string path;
    UniqueFd fd;
  };
  std::vector<Kept> kept;
  for (const auto& path : {source_directory(), binary_directory(), program_directory()}) {
    if (is_under(path, directory)) kept.push_back({path, UniqueFd{::open(path.c_str(), O_PATH | O_CLOEXEC)}});
  }
  mount_or_throw("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
  for (const auto& [path, fd] : kept) {
    fs::create_directories(path);
    mount_or_throw(("/proc/self/fd/" + std::to_string(fd.get())).c_str(), path, nullptr, MS_BIND | MS_REC);
  }
}

// A tmpfs of symbolic links to the machine's entries: each can be replaced or renamed over, as DHCP clients do with
// resolv.conf, which a bind mount over the file would refuse.
void private_etc() {
  fs::create_directory(kRealEtc);
  mount_or_throw("/etc", kRealEtc, nullptr, MS_BIND | MS_REC);
  // What a test writes by such a link would be the machine's for good.
  mount_or_throw("none", kRealEtc, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY);
  mount_or_throw("tmpfs", "/etc", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
  for (const auto& entry : fs::directory_iterator{kRealEtc}) {
    const auto name = entry.path().filename();
    if (name != "resolv.conf" && name != "passwd") fs::create_symlink(kRealEtc / name, "/etc" / name);
  }
  // A copy: tests add users.
  if (fs::exists(kRealEtc / fs::path{"passwd"})) fs::copy_file(kRealEtc / fs::path{"passwd"}, "/etc/passwd");
  std::ofstream{"/etc/resolv.conf"};
}

void set_up_inside(const std::string& name) {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS) < 0) throw_errno("unshare (the lab needs root)");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) throw_errno("make mounts private");
  mount_or_throw("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  mount_or_throw("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC);  // /sys/class/net is the mounter's
  for (const auto* directory : kPrivateDirectories) hide_directory(directory);
  ::chmod("/tmp", 01777);
  fs::create_directories("/run/lock");
  private_etc();
  if (::sethostname(name.data(), name.size()) < 0) throw_errno("sethostname");
}

// PID 1 of the namespace. Says on `leash` what went wrong, or nothing but a '+', and ends when the other end closes.
[[noreturn]] void hold(int leash, const std::string& name) {
  ::signal(SIGCHLD, SIG_IGN);  // orphans are reaped by the kernel
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);
  ::setsid();
  std::string answer = "+";
  try {
    // The ends of other namespaces' leashes came along with the fork and would keep those alive.
    ::dup2(leash, 3);
    ::close_range(4, ~0U, 0);
    set_up_inside(name);
  } catch (const std::exception& error) {
    answer = error.what();
  }
  answer.resize(std::min(answer.size(), kMaxSetupMessage));
  if (::send(3, answer.data(), answer.size(), MSG_NOSIGNAL) > 0) {
    char byte = 0;
    while (::recv(3, &byte, 1, 0) < 0 && errno == EINTR) {
    }
  }
  ::_exit(0);
}

UniqueFd open_namespace(pid_t pid, const char* kind) {
  const auto path = "/proc/" + std::to_string(pid) + "/ns/" + kind;
  UniqueFd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!fd) throw_errno("open " + path);
  return fd;
}

UniqueFd memory_file(const char* name, const std::string& text = {}) {
  UniqueFd fd{::memfd_create(name, MFD_CLOEXEC)};
  if (!fd) throw_errno("memfd_create");
  // Appending, since stdout and stderr share the file and a child may truncate or seek.
  if (text.empty()) ::fcntl(fd.get(), F_SETFL, O_APPEND);
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) throw_errno("write memfd");
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

// Everything that the child needs, made before the fork: after it, in a program with threads, only system calls are
// safe.
struct Prepared {
  std::vector<std::string> strings;
  std::vector<char*> arguments;
  std::vector<char*> environment;
};

Prepared prepare(const Arguments& command, const SpawnOptions& options) {
  Prepared made;
  auto environment = options.environment;
  for (char** entry = ::environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const auto equals = text.find('=');
    if (equals != text.npos) environment.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  // A bare Debian root shell may lack the sbin directories.
  environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  made.strings = command;
  for (const auto& [key, value] : environment) made.strings.emplace_back(key).append("=").append(value);
  for (std::size_t i = 0; i < made.strings.size(); ++i) {
    (i < command.size() ? made.arguments : made.environment).push_back(made.strings[i].data());
  }
  made.arguments.push_back(nullptr);
  made.environment.push_back(nullptr);
  return made;
}

[[noreturn]] void fail_in_child(const char* what) {
  const char* reason = ::strerrordesc_np(errno);
  // A failed write leaves nothing better to do: the exit status tells.
  [[maybe_unused]] auto ignored = ::write(2, what, std::strlen(what));
  ignored = ::write(2, ": ", 2);
  ignored = ::write(2, reason, std::strlen(reason));
  ignored = ::write(2, "\n", 1);
  ::_exit(127);
}

// Which PID namespace children go to is a matter of the calling thread: `choose` sets it, and it is put back before
// anything else may fork here.
template <typename Choose>
pid_t fork_into_pid_namespace(Choose choose) {
  static std::mutex forking;
  const std::lock_guard lock{forking};
  static const UniqueFd own{::open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC)};
  if (choose() < 0) throw_errno("choose a PID namespace (the lab needs root)");
  const auto pid = ::fork();
  if (pid == 0) return 0;
  const auto fork_errno = errno;
  ::setns(own.get(), CLONE_NEWPID);
  if (pid < 0) {
    errno = fork_errno;
    throw_errno("fork");
  }
  return pid;
}

std::string find_program(const std::string& name) {
  if (name.find('/') != name.npos) return name;
  for (const auto* directory : {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    if (::access((directory + name).c_str(), X_OK) == 0) return directory + name;
  }
  throw LabError{"no program \"" + name + "\" on this machine: run ./dev deps"};
}

}  // namespace

Namespace::Namespace(std::string name) : name_{std::move(name)} {
  std::array<int, 2> pair{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) < 0) throw_errno("socketpair");
  leash_.reset(pair[0]);
  const UniqueFd theirs{pair[1]};
  holder_ = fork_into_pid_namespace([] { return ::unshare(CLONE_NEWPID); });
  if (holder_ == 0) hold(theirs.get(), name_);
  std::array<char, kMaxSetupMessage> answer{};
  const auto n = ::recv(leash_.get(), answer.data(), answer.size(), 0);
  if (n != 1 || answer[0] != '+') {
    int status = 0;
    ::kill(holder_, SIGKILL);
    ::waitpid(holder_, &status, 0);
    throw LabError{"namespace " + name_ + ": " +
                   (n > 0 ? std::string(answer.data(), static_cast<std::size_t>(n)) : "its child died")};
  }
  net_ = open_namespace(holder_, "net");
  mount_ = open_namespace(holder_, "mnt");
  pid_ns_ = open_namespace(holder_, "pid");
  uts_ = open_namespace(holder_, "uts");
  // No duplicate address detection: a test that compares the host before and after would see it end between.
  must("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; ip link set lo up");
}

Namespace::~Namespace() {
  if (holder_ <= 0) return;
  ::kill(holder_, SIGKILL);
  int status = 0;
  while (::waitpid(holder_, &status, 0) < 0 && errno == EINTR) {
  }
}

Process Namespace::spawn(const Arguments& command, const SpawnOptions& options) const {
  const auto program = find_program(command.at(0));
  auto made = prepare(command, options);
  auto out = memory_file("output");
  auto err = options.split_errors ? memory_file("errors") : UniqueFd{};
  const auto in =
      options.input.empty() ? UniqueFd{::open("/dev/null", O_RDONLY | O_CLOEXEC)} : memory_file("input", options.input);
  const bool terminal = options.terminal >= 0;
  const int child_in = terminal ? options.terminal : in.get();
  const int child_out = terminal ? options.terminal : out.get();
  const int child_err = err ? err.get() : child_out;

  const auto pid = fork_into_pid_namespace([this] { return ::setns(pid_ns_.get(), CLONE_NEWPID); });
  if (pid == 0) {
    if (::setns(net_.get(), CLONE_NEWNET) < 0 || ::setns(uts_.get(), CLONE_NEWUTS) < 0) fail_in_child("setns");
    if (::setns(mount_.get(), CLONE_NEWNS) < 0) fail_in_child("setns mount");
    ::setsid();  // a terminal's Ctrl-C is the test's to handle
    if (::dup2(child_in, 0) < 0 || ::dup2(child_out, 1) < 0 || ::dup2(child_err, 2) < 0) fail_in_child("dup2");
    // Last, and without its close-on-exec flag.
    if (options.inherited >= 0 && ::dup2(options.inherited, kInheritedAs) < 0) fail_in_child("dup2");
    ::execve(program.c_str(), made.arguments.data(), made.environment.data());
    fail_in_child(program.c_str());
  }
  return {pid, std::move(out), std::move(err)};
}

Finished Namespace::run(const Arguments& command, Milliseconds limit, const SpawnOptions& options) const {
  auto split = options;
  split.split_errors = true;
  auto process = spawn(command, split);
  Finished finished;
  finished.timed_out = !process.wait(limit);
  if (finished.timed_out) process.stop_now();
  finished.status = process.wait(0ms).value_or(-1);
  finished.out = process.output();
  finished.err = process.errors();
  return finished;
}

Finished Namespace::sh(const std::string& line, Milliseconds limit) const {
  return run({"sh", "-c", line}, limit);
}

std::string Namespace::must(const std::string& line, Milliseconds limit) const {
  auto finished = sh(line, limit);
  if (!finished.ok()) throw LabError{name_ + ": " + line + ": " + finished.to_string()};
  return std::move(finished.out);
}

void Namespace::join_this_thread() const {
  if (::setns(net_.get(), CLONE_NEWNET) < 0) throw_errno("enter the network of " + name_);
  // A thread shares its root and working directory with the others until it says otherwise.
  if (::unshare(CLONE_FS) < 0) throw_errno("unshare");
  if (::setns(mount_.get(), CLONE_NEWNS) < 0) throw_errno("enter the mounts of " + name_);
}

void Namespace::enter(const std::function<void()>& work) const {
  std::exception_ptr thrown;
  std::thread{[&] {
    try {
      join_this_thread();
      work();
    } catch (...) {
      thrown = std::current_exception();
    }
  }}.join();
  if (thrown) std::rethrow_exception(thrown);
}

fs::path Namespace::path(const fs::path& inside) const {
  return "/proc/" + std::to_string(holder_) + "/root" + fs::absolute(inside).string();
}

void Namespace::write_file(const fs::path& inside, std::string_view text) const {
  fs::create_directories(path(inside).parent_path());
  std::ofstream file{path(inside), std::ios::trunc};
  file << text;
  if (!file.flush()) throw LabError{name_ + ": cannot write " + inside.string()};
}

std::string Namespace::read_file(const fs::path& inside) const {
  const std::ifstream file{path(inside)};
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

std::string Namespace::sysctl(const std::string& key) const {
  std::string value;
  enter([&] {
    std::ifstream file{"/proc/sys/" + key};
    if (!std::getline(file, value)) throw LabError{name_ + ": no sysctl " + key};
  });
  return value;
}

void Namespace::set_sysctl(const std::string& key, const std::string& value) const {
  enter([&] {
    std::ofstream file{"/proc/sys/" + key};
    file << value;
    if (!file.flush()) throw LabError{name_ + ": cannot set sysctl " + key + " to " + value};
  });
}

void connect(const Port& a, const Port& b) {
  SpawnOptions options;
  options.inherited = b.where.network_fd();
  const auto peer_namespace = "/proc/self/fd/" + std::to_string(kInheritedAs);
  const auto made = a.where.run(
      {"ip", "link", "add", a.name, "type", "veth", "peer", "name", b.name, "netns", peer_namespace}, 30s, options);
  if (!made.ok()) throw LabError{"veth " + a.name + " - " + b.name + ": " + made.to_string()};
  for (const auto* port : {&a, &b}) {
    if (!port->address.empty()) port->where.must("ip addr add " + port->address + " dev " + port->name + " nodad");
    port->where.must("ip link set " + port->name + " up");
  }
}

}  // namespace vrouter::lab
