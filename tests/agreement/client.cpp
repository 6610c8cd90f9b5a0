// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/agreement/client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/ip/address_v4.hpp>

namespace vrouter::agreement {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kAgain = 1000ms;
constexpr int kAttempts = 6;
constexpr std::uint16_t kPort = 53;
constexpr std::size_t kRoom = 65536 + 2;

}  // namespace

struct Client::Asking {
  std::span<const Question> questions;
  std::uint16_t first_id = 0;
  std::vector<std::optional<Reply>> replies{};
  std::vector<bool> done{};
  std::size_t open = 0;
};

void Client::open() {
  if (socket_) return;
  stream_.clear();
  const auto type = over_ == Over::udp ? SOCK_DGRAM : SOCK_STREAM;
  where_.enter([&] { socket_.reset(::socket(AF_INET, type | SOCK_CLOEXEC, 0)); });
  if (!socket_) lab::throw_errno("socket");
  // Questions that wait for the acknowledgement of others take 40 ms.
  const int now = 1;
  if (over_ == Over::tcp) {
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &now, sizeof now);
    ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_QUICKACK, &now, sizeof now);
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(kPort);
  to.sin_addr.s_addr = htonl(boost::asio::ip::make_address_v4(server_).to_uint());
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
  if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0) lab::throw_errno("connect");
}

void Client::close() {
  socket_.reset();
}

void Client::send(const Bytes& message) {
  open();
  Bytes framed;
  if (over_ == Over::tcp) {
    framed = {static_cast<std::uint8_t>(message.size() >> 8), static_cast<std::uint8_t>(message.size())};
  }
  framed.insert(framed.end(), message.begin(), message.end());
  // A server may close at any time (RFC 7766, 6.2.4); what was lost by it is asked again.
  if (::send(socket_.get(), framed.data(), framed.size(), MSG_NOSIGNAL) < 0) close();
}

void Client::send_open(const Asking& asking) {
  for (std::size_t i = 0; i < asking.questions.size(); ++i) {
    if (!asking.done[i]) send(write(asking.questions[i], static_cast<std::uint16_t>(asking.first_id + i)));
  }
}

void Client::take(std::span<const std::uint8_t> message, Asking& asking) {
  auto reply = read(message);
  const auto id = message.size() < 2 ? 0U : static_cast<unsigned>(message[0] << 8 | message[1]);
  const auto index = static_cast<std::uint16_t>(id - asking.first_id);
  if (index >= asking.questions.size()) return;  // late, to a question that was asked again
  if (!reply) ++unreadable_;
  if (asking.done[index]) return;
  asking.done[index] = true;
  asking.replies[index] = std::move(reply);
  --asking.open;
}

void Client::take_stream(Asking& asking) {
  std::span<const std::uint8_t> rest{stream_};
  while (rest.size() >= 2) {
    const auto size = static_cast<std::size_t>(rest[0] << 8 | rest[1]);
    if (rest.size() < 2 + size) break;
    take(rest.subspan(2, size), asking);
    rest = rest.subspan(2 + size);
  }
  stream_.erase(stream_.begin(), stream_.end() - static_cast<std::ptrdiff_t>(rest.size()));
}

bool Client::receive(Asking& asking, std::chrono::milliseconds limit) {
  if (!socket_) return false;
  pollfd ready{.fd = socket_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&ready, 1, static_cast<int>(limit.count())) <= 0) return true;
  static thread_local std::array<std::uint8_t, kRoom> room;
  const auto size = ::recv(socket_.get(), room.data(), room.size(), 0);
  if (size < 0 || (size == 0 && over_ == Over::tcp)) {
    close();
    return false;
  }
  // Nor does a server that keeps its second answer until the first is acknowledged: at once, then.
  const int at_once = 1;
  if (over_ == Over::tcp) ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_QUICKACK, &at_once, sizeof at_once);
  const auto bytes = std::span{room}.first(static_cast<std::size_t>(size));
  if (over_ == Over::udp) {
    take(bytes, asking);
  } else {
    stream_.insert(stream_.end(), bytes.begin(), bytes.end());
    take_stream(asking);
  }
  return true;
}

std::vector<std::optional<Reply>> Client::ask(std::span<const Question> questions) {
  Asking asking{.questions = questions, .first_id = next_id_};
  asking.replies.resize(questions.size());
  asking.done.resize(questions.size());
  asking.open = questions.size();
  next_id_ = static_cast<std::uint16_t>(next_id_ + questions.size());
  for (int attempt = 0; attempt < kAttempts && asking.open > 0; ++attempt) {
    if (attempt > 0) asked_again_ += asking.open;
    send_open(asking);
    const auto until = Clock::now() + kAgain;
    for (auto now = Clock::now(); asking.open > 0 && now < until; now = Clock::now()) {
      if (!receive(asking, std::chrono::duration_cast<std::chrono::milliseconds>(until - now) + 1ms)) break;
    }
  }
  return std::move(asking.replies);
}

}  // namespace vrouter::agreement
