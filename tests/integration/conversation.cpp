// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/integration/conversation.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>

#include "tests/lab/lib/error.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

constexpr auto kPatience = 2s;     // on one machine, retransmissions included
constexpr auto kSilence = 1500ms;  // Linux sends again after 0.2, 0.6 and 1.4 s

sockaddr_in endpoint(const std::string& text, std::uint16_t port) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  if (::inet_pton(AF_INET, text.c_str(), &at.sin_addr) != 1) throw LabError{"not an IPv4 address: " + text};
  return at;
}

template <typename Address>
const sockaddr* generic(const Address& at) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket calls' own idiom
  return reinterpret_cast<const sockaddr*>(&at);
}

// No descriptor: it was refused, or nobody answered in time.
UniqueFd dial(const Call& call) {
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const timeval limit{kPatience.count(), 0};
  if (!fd || ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0) throw_errno("socket");
  if (!call.own.empty()) {
    const auto own = endpoint(call.own, 0);
    if (::bind(fd.get(), generic(own), sizeof own) < 0) throw_errno("bind " + call.own);
  }
  const auto to = endpoint(call.to, call.port);
  return ::connect(fd.get(), generic(to), sizeof to) == 0 ? std::move(fd) : UniqueFd{};
}

bool say(const UniqueFd& end, const std::string& text) {
  return ::send(end.get(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

// What arrives until `size` bytes are there, the connection ends or the time is over.
std::string hear(const UniqueFd& end, std::size_t size, Milliseconds limit) {
  std::string heard;
  std::array<char, 256> buffer{};
  pollfd ready{end.get(), POLLIN, 0};
  while (heard.size() < size && ::poll(&ready, 1, static_cast<int>(limit.count())) > 0) {
    const auto got = ::recv(end.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got <= 0) break;
    heard.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return heard;
}

}  // namespace

Conversation::Conversation(const Call& call) {
  UniqueFd listener;
  call.where.enter([&] { listener = listen_tcp("0.0.0.0", call.answered_at == 0 ? call.port : call.answered_at); });
  call.from.enter([&] { caller_ = dial(call); });
  if (!caller_) return;
  Peer peer;
  callee_ = accept_tcp(listener.get(), peer);
}

bool Conversation::goes_on() {
  const auto question = "question " + std::to_string(++said_), answer = "answer " + std::to_string(said_);
  return say(caller_, question) && hear(callee_, question.size(), kPatience) == question && say(callee_, answer) &&
         hear(caller_, answer.size(), kPatience) == answer;
}

bool Conversation::is_dead() {
  static_cast<void>(say(callee_, "unheard"));  // a reset may have ended it already
  const bool deaf = hear(caller_, 1, kSilence).empty();
  static_cast<void>(say(caller_, "unheard"));
  return deaf && hear(callee_, 1, kSilence).empty();
}

}  // namespace vrouter::lab
