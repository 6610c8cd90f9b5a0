// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: the socket's own buffer is the first queue, some 200 kB, so in ordinary times a message is one sendmsg(2) and
// nothing of ours is kept. Behind it stands a queue of ours that is bounded by bytes: whoever fills it is told so once
// and then waits for `drained`, since a new snapshot is cheaper than an endless backlog of deltas.
#include "router/processes/channel.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <deque>

#include "router/processes/packet.h"

namespace vrouter::router {
namespace {

constexpr int kMessagesPerWake = 32;  // then the loop's other work has its turn: a child may send without end
// Wanted for the largest message even where the host's default is small; the kernel doubles it.
constexpr int kSendBuffer = 256 << 10;
// What a queued message costs besides its bytes, so that a million tiny ones are bounded too.
constexpr std::size_t kPerMessage = 64;

std::size_t cost(const Message& message) {
  return message.bytes.size() + kPerMessage;
}

// A received size of 0 is either; the peer that hung up shows it to poll(2).
bool hung_up(int fd) {
  pollfd poll{fd, POLLIN | POLLRDHUP, 0};
  return ::poll(&poll, 1, 0) == 1 && (poll.revents & (POLLRDHUP | POLLHUP)) != 0;
}

// Shared with its pending handlers through weak pointers: one already queued when the channel goes finds nothing.
class Line : public std::enable_shared_from_this<Line> {
 public:
  Line(boost::asio::io_context& io, UniqueFd end, Channel::Accepts accepts, Channel::Handlers handlers)
      : descriptors_{accepts == Channel::Accepts::messages_with_fd ? Descriptors::one : Descriptors::none},
        handlers_{std::move(handlers)},
        socket_{io, end.release()} {
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
  }

  void start() { wait_for_messages(); }

  // The handlers live until the last of them has returned: this may be called by one.
  void stop() {
    open_ = false;
    queue_.clear();
    queued_ = 0;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

  Channel::Sent send(Message message) {
    if (!open_) return Channel::Sent::full;
    if (message.bytes.empty() || message.bytes.size() > kMaxMessage) {
      close_later("it was to be sent " + std::to_string(message.bytes.size()) + " bytes in one message, of 1 to " +
                  std::to_string(kMaxMessage) + " allowed");
      return Channel::Sent::full;
    }
    if (queue_.empty()) {
      if (try_send(message)) return Channel::Sent::yes;
      if (!open_) return Channel::Sent::full;
    }
    if (queued_ + cost(message) > Channel::kMaxQueued) {
      owes_drained_ = true;
      return Channel::Sent::full;
    }
    queued_ += cost(message);
    queue_.push_back(std::move(message));
    wait_for_room();
    return Channel::Sent::yes;
  }

  [[nodiscard]] std::size_t queued_bytes() const { return queued_; }

 private:
  void wait_for_messages() {
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto self = weak.lock();
                         if (error || !self || !self->open_) return;
                         self->receive();
                         if (self->open_) self->wait_for_messages();
                       });
  }

  void receive() {
    for (int i = 0; i < kMessagesPerWake && open_; ++i) {
      auto packet = receive_packet(socket_.native_handle(), buffer_, descriptors_);
      if (!packet) {
        if (packet.error() == EAGAIN) return;
        // The peer went with something of ours unread. What it had sent before is still to be had.
        if (packet.error() == ECONNRESET) continue;
        close(std::string{"its line can't be read: "} + ::strerrordesc_np(packet.error()));
      } else if (packet->cut) {
        close(descriptors_ == Descriptors::none ? "it sent a descriptor, or a message longer than any"
                                                : "it sent several descriptors, or a message longer than any");
      } else if (packet->size == 0) {
        close(hung_up(socket_.native_handle()) ? std::string{kPeerGone} : "it sent an empty message");
      } else {
        const auto bytes = std::span{buffer_}.first(packet->size);
        handlers_.message({std::vector<std::uint8_t>(bytes.begin(), bytes.end()), std::move(packet->fd)});
      }
    }
  }

  // True when the message has gone, or never will.
  bool try_send(const Message& message) {
    const auto sent = send_packet(socket_.native_handle(), message.bytes, message.fd.get());
    if (sent) return true;
    switch (sent.error()) {
      case EAGAIN:
      case ENOBUFS:
        return false;
      case EPIPE:
      case ECONNRESET:
        // The reading side hears of it too, after what the peer said last.
        return true;
      default:
        close_later(std::string{"its line can't be written: "} + ::strerrordesc_np(sent.error()));
        return false;
    }
  }

  void wait_for_room() {
    if (waits_for_room_) return;
    waits_for_room_ = true;
    socket_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                       [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto self = weak.lock();
                         if (error || !self || !self->open_) return;
                         self->waits_for_room_ = false;
                         self->flush();
                       });
  }

  void flush() {
    while (!queue_.empty() && try_send(queue_.front())) {
      queued_ -= cost(queue_.front());
      queue_.pop_front();
    }
    if (!open_) return;
    if (!queue_.empty()) return wait_for_room();
    if (std::exchange(owes_drained_, false) && handlers_.drained) handlers_.drained();
  }

  void close(const std::string& why) {
    if (!open_) return;
    stop();
    handlers_.closed(why);
  }

  // send()'s caller isn't prepared for closed() before send() has returned.
  void close_later(std::string why) {
    stop();
    boost::asio::post(socket_.get_executor(), [weak = weak_from_this(), why = std::move(why)] {
      if (const auto self = weak.lock()) self->handlers_.closed(why);
    });
  }

  Descriptors descriptors_;
  Channel::Handlers handlers_;
  boost::asio::posix::stream_descriptor socket_;
  bool open_ = true;
  bool waits_for_room_ = false;
  bool owes_drained_ = false;
  std::deque<Message> queue_;
  std::size_t queued_ = 0;
  std::array<std::uint8_t, kMaxMessage> buffer_{};
};

class SeqpacketChannel final : public Channel {
 public:
  explicit SeqpacketChannel(std::shared_ptr<Line> line) : line_{std::move(line)} { line_->start(); }
  SeqpacketChannel(const SeqpacketChannel&) = delete;
  SeqpacketChannel& operator=(const SeqpacketChannel&) = delete;
  ~SeqpacketChannel() override { line_->stop(); }

  Sent send(Message message) override { return line_->send(std::move(message)); }
  [[nodiscard]] std::size_t queued_bytes() const override { return line_->queued_bytes(); }

 private:
  std::shared_ptr<Line> line_;
};

}  // namespace

std::expected<std::pair<UniqueFd, UniqueFd>, KernelError> open_channel_pair() {
  return open_line("open the line to a service's process", SOCK_NONBLOCK);
}

std::unique_ptr<Channel> Channel::open(boost::asio::io_context& io, UniqueFd end, Accepts accepts, Handlers handlers) {
  return std::make_unique<SeqpacketChannel>(std::make_shared<Line>(io, std::move(end), accepts, std::move(handlers)));
}

}  // namespace vrouter::router
