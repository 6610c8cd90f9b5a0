// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/servers.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

constexpr std::size_t kMaxRequest = 16384;

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// The request's head, as far as the client sent one.
std::string read_head(int fd) {
  std::string head;
  std::array<char, 2048> buffer{};
  while (head.size() < kMaxRequest && head.find("\r\n\r\n") == head.npos) {
    const auto n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    head.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return head;
}

}  // namespace

Service::Service() : stop_event_{::eventfd(0, EFD_CLOEXEC)} {
  if (!stop_event_) throw_errno("eventfd");
}

void Service::serve(std::vector<int> fds, std::function<void(int)> ready) {
  thread_ = std::thread{[this, fds = std::move(fds), ready = std::move(ready)] {
    std::vector<pollfd> waiting{{stop_event_.get(), POLLIN, 0}};
    for (const int fd : fds) waiting.push_back({fd, POLLIN, 0});
    for (;;) {
      if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
      if (waiting.front().revents != 0) return;
      for (std::size_t i = 1; i < waiting.size(); ++i) {
        if (waiting[i].revents != 0) ready(waiting[i].fd);
      }
    }
  }};
}

void Service::finish() {
  const std::uint64_t one = 1;
  if (!thread_.joinable() || ::write(stop_event_.get(), &one, sizeof one) != sizeof one) return;
  thread_.join();
}

HttpServer::HttpServer(const Namespace& where, const std::string& address, std::uint16_t port,
                       std::map<std::string, std::string> pages)
    : pages_{std::move(pages)} {
  where.enter([&] { listener_ = listen_tcp(address, port); });
  serve({listener_.get()}, [this](int listener) { answer(listener); });
}

HttpServer::~HttpServer() {
  finish();
}

std::vector<Asked> HttpServer::requests() const {
  const std::lock_guard lock{mutex_};
  return requests_;
}

void HttpServer::answer(int listener) {
  Peer peer;
  const auto connection = accept_tcp(listener, peer);
  if (!connection) return;
  const auto head = read_head(connection.get());
  const auto begin = head.find(' ');
  const auto end = begin == head.npos ? head.npos : head.find(' ', begin + 1);
  if (end == head.npos) return;
  const auto path = head.substr(begin + 1, end - begin - 1);
  {
    const std::lock_guard lock{mutex_};
    requests_.push_back({.address = peer.address, .port = peer.port, .what = path});
  }
  const auto page = pages_.find(path);
  const auto& body = page == pages_.end() ? std::string{"no such page\n"} : page->second;
  const auto* status = page == pages_.end() ? "404 Not Found" : "200 OK";
  send_all(connection.get(), std::string{"HTTP/1.0 "} + status + "\r\nContent-Type: text/plain\r\nContent-Length: " +
                                 std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body);
}

}  // namespace vrouter::lab
