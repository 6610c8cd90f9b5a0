// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/bare_responder.h"

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address_v4.hpp>
#include <ctime>
#include <span>
#include <string_view>

#include "base/wire_writer.h"
#include "tests/lab/lib/error.h"

namespace vrouter::bench {
namespace {

constexpr std::size_t kBatch = 32, kRoom = 1500, kReply = 312;
constexpr std::size_t kAddressAt = 16, kHardwareAt = 28, kOptionsAt = 240;
constexpr std::uint32_t kFirstAddress = 0x0a090100;  // 10.9.1.0
constexpr std::uint32_t kAddresses = 0xfe00;         // to 10.9.254.255
constexpr std::uint8_t kMessageType = 53, kClientId = 61, kDiscover = 1, kOffer = 2, kAck = 5;
constexpr std::string_view kDomain = "guests.internal";
constexpr int kReceiveBuffer = 4 << 20;

struct Asked {
  std::uint8_t type = 0;
  std::array<std::uint8_t, 7> client_id{};  // perfdhcp's; the reply has room for no longer one
  std::size_t client_id_size = 0;
};

Asked read(std::span<const std::uint8_t> message) {
  Asked asked;
  for (auto at = kOptionsAt; at + 2 < message.size() && message[at] != 0xff;) {
    const std::size_t size = message[at] == 0 ? 0 : message[at + 1];
    if (at + 2 + size > message.size()) break;
    if (message[at] == kMessageType) asked.type = message[at + 2];
    if (message[at] == kClientId && size <= asked.client_id.size()) {
      std::ranges::copy(message.subspan(at + 2, size), asked.client_id.begin());
      asked.client_id_size = size;
    }
    at += message[at] == 0 ? 1 : 2 + size;
  }
  return asked;
}

// The reply takes the request's place, with the options that vrouter answers it with, since reading them is most of
// what a reply costs perfdhcp. False: it was no request.
bool answer(std::span<std::uint8_t> room, std::size_t size, std::uint32_t server) {
  if (size < kOptionsAt + 3 || room[0] != 1) return false;
  const auto asked = read(room.first(size));
  room[0] = 2;
  const auto number = static_cast<std::uint32_t>(room[kHardwareAt + 4] << 8 | room[kHardwareAt + 5]) % kAddresses;
  WireWriter address{room.subspan(kAddressAt, 4)};
  address.u32(kFirstAddress + number);
  WireWriter options{room.subspan(kOptionsAt, kReply - kOptionsAt)};
  const auto bytes = [&](std::uint8_t code, auto&& value) {
    options.u8(code);
    options.u8(static_cast<std::uint8_t>(value.size()));
    for (const auto byte : value) options.u8(static_cast<std::uint8_t>(byte));
  };
  const auto number32 = [&](std::uint8_t code, std::uint32_t value) {
    options.u8(code);
    options.u8(4);
    options.u32(value);
  };
  options.u8(kMessageType);
  options.u8(1);
  options.u8(asked.type == kDiscover ? kOffer : kAck);
  number32(54, server);
  number32(51, 3600);
  number32(1, 0xffff0000);
  number32(3, server);
  bytes(kClientId, std::span{asked.client_id}.first(asked.client_id_size));
  bytes(15, kDomain);
  number32(28, 0x0a09ffff);
  number32(58, 1800);
  number32(59, 3150);
  options.u8(0xff);
  options.fill(kReply - kOptionsAt - options.size());
  return true;
}

}  // namespace

BareResponder::BareResponder(const lab::Namespace& where, const std::string& address) {
  where.enter([this] {
    socket_.reset(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket_) lab::throw_errno("socket");
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(67);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own polymorphism
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) < 0) lab::throw_errno("bind");
  });
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  // So that it looks whether it is to stop.
  const timeval patience{.tv_sec = 0, .tv_usec = 100000};
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const auto server = boost::asio::ip::make_address_v4(address).to_uint();
  thread_ = std::thread{[this, server] { serve(server); }};
}

BareResponder::~BareResponder() {
  stop_ = true;
  thread_.join();
}

double BareResponder::cpu_seconds() const {
  clockid_t clock{};
  timespec now{};
  if (::pthread_getcpuclockid(const_cast<std::thread&>(thread_).native_handle(), &clock) != 0 ||
      ::clock_gettime(clock, &now) < 0) {
    throw lab::LabError{"no clock of the bare responder's thread"};
  }
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void BareResponder::serve(std::uint32_t server) const {
  std::array<std::array<std::uint8_t, kRoom>, kBatch> rooms{};
  std::array<sockaddr_in, kBatch> peers{};
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> messages{};
  while (!stop_) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {rooms[i].data(), kRoom};
      messages[i].msg_hdr = {};
      messages[i].msg_hdr.msg_name = &peers[i];
      messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int n = ::recvmmsg(socket_.get(), messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    unsigned replies = 0;
    for (std::size_t i = 0; n > 0 && i < static_cast<std::size_t>(n); ++i) {
      if (!answer(rooms[i], messages[i].msg_len, server)) continue;
      vectors[i].iov_len = kReply;
      messages[replies++] = messages[i];
    }
    // To whom it came from: the relay.
    if (replies > 0) ::sendmmsg(socket_.get(), messages.data(), replies, 0);
  }
}

}  // namespace vrouter::bench
