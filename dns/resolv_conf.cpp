// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/resolv_conf.h"

#include <net/if.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>

#include "base/unique_fd.h"

namespace vrouter::dns {

namespace {

constexpr std::string_view kBlank = " \t\r\f\v";

std::optional<address> parse_server(const std::string& text) {
  boost::system::error_code error;
  const auto percent = text.find('%');
  auto server = boost::asio::ip::make_address(text.substr(0, percent), error);
  if (error) return std::nullopt;
  if (percent == std::string::npos) return server;
  if (!server.is_v6()) return std::nullopt;
  const std::string scope = text.substr(percent + 1);
  unsigned index = 0;
  const auto [end, failure] = std::from_chars(scope.data(), scope.data() + scope.size(), index);
  if (failure != std::errc{} || end != scope.data() + scope.size()) index = ::if_nametoindex(scope.c_str());
  if (index == 0) return std::nullopt;
  return address{address_v6{server.to_v6().to_bytes(), index}};
}

bool is_loopback(const address& server) {
  return server.is_loopback();
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

constexpr unsigned kMaxLinks = 40;  // as the kernel's MAXSYMLINKS

// Every directory whose change can change what `path` means: its own, those above that don't exist yet, and those of
// the links on its way.
void add_directories(std::filesystem::path path, std::set<std::filesystem::path>& directories) {
  std::error_code error;
  for (unsigned links = 0; links < kMaxLinks; ++links) {
    auto directory = path.parent_path();
    while (!std::filesystem::is_directory(directory, error) && directory.has_relative_path())
      directory = directory.parent_path();
    directories.insert(directory);
    const auto target = std::filesystem::read_symlink(path, error);
    if (error) return;
    path = (target.is_absolute() ? target : path.parent_path() / target).lexically_normal();
  }
}

class Watcher final : public ResolvConfWatcher {
 public:
  Watcher(boost::asio::io_context& io, UniqueFd inotify, Paths paths, Changed changed)
      : paths_{std::move(paths)}, changed_{std::move(changed)}, inotify_{io, inotify.release()} {
    watch();
    servers_ = read();
    wait();
  }
  [[nodiscard]] const std::vector<address>& servers() const override { return servers_; }

 private:
  [[nodiscard]] std::vector<address> read() const {
    return choose_upstreams(read_file(paths_.resolv_conf), read_file(paths_.resolved));
  }

  // Before each reading, so that nothing changes unseen between the two. Watching a directory again is a no-op.
  void watch() {
    std::set<std::filesystem::path> directories;
    add_directories(std::filesystem::absolute(paths_.resolv_conf), directories);
    add_directories(std::filesystem::absolute(paths_.resolved), directories);
    constexpr std::uint32_t kEvents =
        IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF;
    for (const auto& directory : directories) {
      static_cast<void>(::inotify_add_watch(inotify_.native_handle(), directory.c_str(), kEvents | IN_ONLYDIR));
    }
  }

  void wait() {
    const auto woken = [this, alive = std::weak_ptr{alive_}](const boost::system::error_code& error) {
      if (error || alive.expired()) return;
      alignas(inotify_event) std::array<char, 4096> events;
      while (::read(inotify_.native_handle(), events.data(), events.size()) > 0) {
      }
      watch();
      wait();
      auto servers = read();
      if (servers == servers_) return;
      servers_ = std::move(servers);
      changed_(servers_);
    };
    inotify_.async_wait(boost::asio::posix::stream_descriptor::wait_read, woken);
  }

  Paths paths_;
  Changed changed_;
  std::vector<address> servers_;
  boost::asio::posix::stream_descriptor inotify_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // a handler may be queued when we go
};

}  // namespace

std::vector<address> parse_resolv_conf(std::string_view text) {
  std::vector<address> servers;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    line = line.substr(0, line.find_first_of("#;"));
    const auto word = [&] {
      line.remove_prefix(std::min(line.size(), line.find_first_not_of(kBlank)));
      const auto head = line.substr(0, line.find_first_of(kBlank));
      line.remove_prefix(head.size());
      return head;
    };
    if (word() != "nameserver") continue;
    const auto server = parse_server(std::string{word()});
    if (server && std::ranges::find(servers, *server) == servers.end()) servers.push_back(*server);
  }
  return servers;
}

std::vector<address> choose_upstreams(std::string_view text, std::string_view resolved_text) {
  const auto servers = parse_resolv_conf(text);
  const bool stub = std::ranges::any_of(servers, is_loopback);
  std::vector<address> chosen;
  std::ranges::remove_copy_if(servers, std::back_inserter(chosen), is_loopback);
  if (!stub) return chosen;
  for (const auto& server : parse_resolv_conf(resolved_text)) {
    if (!is_loopback(server) && std::ranges::find(chosen, server) == chosen.end()) chosen.push_back(server);
  }
  return chosen.empty() ? servers : chosen;
}

std::expected<std::unique_ptr<ResolvConfWatcher>, KernelError> ResolvConfWatcher::open(boost::asio::io_context& io,
                                                                                       Paths paths, Changed changed) {
  UniqueFd inotify{::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)};
  if (!inotify) return std::unexpected(KernelError{.what = "watch resolv.conf", .code = errno, .extack = {}});
  return std::make_unique<Watcher>(io, std::move(inotify), std::move(paths), std::move(changed));
}

}  // namespace vrouter::dns
