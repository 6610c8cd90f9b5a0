// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/upstream_datagrams.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "dns/codec.h"

namespace vrouter::dns {

namespace {

constexpr std::size_t kRepliesPerWake = 64;  // then the rest of the loop has its turn
constexpr unsigned kReadsOfOne = 16;         // a flood of forgeries must not keep the others waiting
// Servers overrun the 1232 we ask for; what arrives whole is taken whole.
constexpr std::size_t kReceiveBuffer = kMaxMessage;

std::error_code last_error() {
  return {errno, std::generic_category()};
}

}  // namespace

struct UpstreamDatagrams::Set : std::enable_shared_from_this<Set> {
  // A place for a socket, used again and again: `uses` tells one from the next.
  struct Slot {
    UniqueFd fd{};
    std::uint32_t uses = 0;
    Hear hear{};
  };

  explicit Set(boost::asio::io_context& io) : epoll{io, make_epoll()} {}

  static int make_epoll() {
    const int fd = ::epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0) throw std::system_error{last_error(), "epoll_create1"};
    return fd;
  }

  void wait() {
    epoll.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (!error && !self->ended) self->take_turn();
                     });
  }
  void end() {
    ended = true;
    const auto last = std::exchange(slots, {});  // what they hold may close questions
    boost::system::error_code ignored;
    epoll.close(ignored);
  }

  Slot* find(std::uint64_t token) {
    const auto index = static_cast<std::uint32_t>(token);
    if (index >= slots.size() || slots[index].uses != token >> 32 || !slots[index].fd) return nullptr;
    return &slots[index];
  }
  std::uint64_t place(UniqueFd fd, Hear hear) {
    if (unused.empty()) {
      unused.push_back(static_cast<std::uint32_t>(slots.size()));
      slots.emplace_back();
    }
    const auto index = unused.back();
    unused.pop_back();
    auto& slot = slots[index];
    slot.fd = std::move(fd);
    slot.hear = std::move(hear);
    return std::uint64_t{++slot.uses} << 32 | index;
  }
  // Closing takes the socket out of the set: epoll(7).
  void close(std::uint64_t token) {
    auto* slot = find(token);
    if (slot == nullptr) return;
    slot->fd.reset();
    unused.push_back(static_cast<std::uint32_t>(token));
    const auto last = std::exchange(slot->hear, nullptr);  // what it holds may close other questions
  }

  void take_turn() {
    std::array<epoll_event, kRepliesPerWake> ready{};
    const int count = ::epoll_wait(epoll.native_handle(), ready.data(), static_cast<int>(ready.size()), 0);
    for (int i = 0; i < count && !ended; ++i) read(ready[static_cast<std::size_t>(i)].data.u64);
    if (!ended) wait();
  }
  void read(std::uint64_t token) {
    for (unsigned i = 0; i < kReadsOfOne && !ended; ++i) {
      const auto* slot = find(token);
      if (slot == nullptr) return;
      const auto size = ::recv(slot->fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
      tell(token, size < 0 ? std::nullopt : std::optional{std::span{buffer}.first(static_cast<std::size_t>(size))});
    }
  }
  // What is called must outlast the call, which may close its own question.
  void tell(std::uint64_t token, std::optional<std::span<const std::uint8_t>> heard) {
    auto hear = std::exchange(find(token)->hear, nullptr);
    hear(heard);
    if (auto* slot = find(token)) slot->hear = std::move(hear);
  }

  boost::asio::posix::stream_descriptor epoll;
  std::deque<Slot> slots;
  std::vector<std::uint32_t> unused;
  Bytes buffer = Bytes(kReceiveBuffer);  // every datagram is read into it and looked at at once
  bool ended = false;
};

void UpstreamDatagrams::Question::close() noexcept {
  if (const auto set = std::exchange(set_, nullptr)) set->close(token_);
}

UpstreamDatagrams::UpstreamDatagrams(boost::asio::io_context& io) : set_{std::make_shared<Set>(io)} {
  set_->wait();
}

UpstreamDatagrams::~UpstreamDatagrams() {
  set_->end();
}

UpstreamDatagrams::Question UpstreamDatagrams::ask(const config::DnsServer& server, std::span<const std::uint8_t> query,
                                                   Hear hear, std::error_code& error) {
  const boost::asio::ip::udp::endpoint to{server.at, server.port};
  UniqueFd fd{::socket(to.protocol().family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd || ::connect(fd.get(), to.data(), static_cast<socklen_t>(to.size())) < 0 ||
      ::send(fd.get(), query.data(), query.size(), MSG_NOSIGNAL) < 0) {
    error = last_error();
    return {};
  }
  const int socket = fd.get();
  const auto token = set_->place(std::move(fd), std::move(hear));
  Question question{set_, token};
  epoll_event readable{.events = EPOLLIN, .data = {.u64 = token}};
  if (::epoll_ctl(set_->epoll.native_handle(), EPOLL_CTL_ADD, socket, &readable) < 0) {
    error = last_error();
    question.close();
  }
  return question;
}

}  // namespace vrouter::dns
