// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/nflog.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"

namespace vrouter::router {
namespace {

constexpr std::size_t kConfigSize = 256;          // a header and three small attributes
constexpr std::size_t kReadBuffer = 128UL << 10;  // the kernel's messages are at most NFULNL_NLBUFSIZ_MAX: 128 KiB
constexpr int kReceiveQueue = 4 << 20;            // some 5,000 packets, while the process starts anew
constexpr std::uint32_t kCopied = 128;            // bytes of each packet; rules may say less
constexpr std::uint32_t kDelay = 10;              // hundredths of a second that packets are gathered for
constexpr std::uint32_t kGathered = 100;          // packets that are told at once
constexpr int kDatagramsPerTurn = 32;

std::unexpected<KernelError> failed(int code) {
  return std::unexpected(KernelError{"read what the firewall logs", code, ""});
}

nlmsghdr* begin(std::array<char, kConfigSize>& buffer, std::uint16_t group) {
  auto* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG;
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  header->nfgen_family = AF_UNSPEC;
  header->version = NFNETLINK_V0;
  header->res_id = ::htons(group);
  return message;
}

// Sends it and waits for the kernel's answer, which is there when send(2) returns.
std::expected<void, KernelError> ask(int socket, const nlmsghdr& message) {
  if (::send(socket, &message, message.nlmsg_len, 0) < 0) return failed(errno);
  std::array<char, 4096> buffer{};
  for (;;) {
    const auto size = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return failed(errno);
    auto left = static_cast<int>(size);
    const auto* answer = reinterpret_cast<const nlmsghdr*>(buffer.data());  // NOLINT(*-reinterpret-cast)
    for (; mnl_nlmsg_ok(answer, left); answer = mnl_nlmsg_next(answer, &left)) {
      if (answer->nlmsg_type != NLMSG_ERROR) continue;  // a packet that was logged already
      const int error = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(answer))->error;
      // The kernel refuses another's group as it refuses who may not ask at all; that one fails before, at the socket.
      if (error != 0) return failed(error == EPERM || error == EEXIST ? EBUSY : error);
      return {};
    }
  }
}

std::expected<void, KernelError> bind_group(int socket, std::uint16_t group) {
  std::array<char, kConfigSize> buffer{};
  auto* message = begin(buffer, group);
  const nfulnl_msg_config_cmd bind{NFULNL_CFG_CMD_BIND};
  mnl_attr_put(message, NFULA_CFG_CMD, sizeof bind, &bind);
  if (auto bound = ask(socket, *message); !bound) return bound;
  buffer = {};
  message = begin(buffer, group);
  nfulnl_msg_config_mode mode{};
  mode.copy_range = ::htonl(kCopied);
  mode.copy_mode = NFULNL_COPY_PACKET;
  mnl_attr_put(message, NFULA_CFG_MODE, sizeof mode, &mode);
  mnl_attr_put_u32(message, NFULA_CFG_TIMEOUT, ::htonl(kDelay));
  mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, ::htonl(kGathered));
  return ask(socket, *message);
}

// An index or, of one that isn't whole, 0.
std::uint32_t index_in(const nlattr* attribute) {
  return mnl_attr_validate(attribute, MNL_TYPE_U32) < 0 ? 0 : ::ntohl(mnl_attr_get_u32(attribute));
}

std::string prefix_in(const nlattr* attribute) {
  const std::string_view text{static_cast<const char*>(mnl_attr_get_payload(attribute)),
                              mnl_attr_get_payload_len(attribute)};
  return std::string{text.substr(0, std::min(text.find('\0'), kMaxPrefix))};
}

void read_packet(const nlmsghdr& message, const std::function<void(const LoggedPacket&)>& take) {
  if (message.nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET)) return;
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(nfgenmsg)) return;
  LoggedPacket logged;
  std::optional<PacketSummary> summary;
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, sizeof(nfgenmsg)));
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
  const auto left = [&] {
    return static_cast<int>(end - static_cast<const char*>(static_cast<const void*>(attribute)));
  };
  for (; mnl_attr_ok(attribute, left()); attribute = mnl_attr_next(attribute)) {
    switch (mnl_attr_get_type(attribute)) {
      case NFULA_PREFIX:
        logged.prefix = prefix_in(attribute);
        break;
      case NFULA_IFINDEX_INDEV:
        logged.in = index_in(attribute);
        break;
      case NFULA_IFINDEX_OUTDEV:
        logged.out = index_in(attribute);
        break;
      case NFULA_PAYLOAD:
        summary = summarize(
            {static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)), mnl_attr_get_payload_len(attribute)});
        break;
      default:
        break;
    }
  }
  if (!summary) return;
  logged.packet = *summary;
  take(logged);
}

}  // namespace

std::expected<UniqueFd, KernelError> open_packet_log(std::uint16_t group) {
  UniqueFd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER)};
  if (!socket) return failed(errno);
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveQueue, sizeof kReceiveQueue) < 0 &&
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &kReceiveQueue, sizeof kReceiveQueue) < 0) {
    return failed(errno);
  }
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) < 0) return failed(errno);
  if (auto bound = bind_group(socket.get(), group); !bound) return std::unexpected(bound.error());
  return socket;
}

void read_packet_log(std::span<const std::uint8_t> datagram, const std::function<void(const LoggedPacket&)>& take) {
  auto left = static_cast<int>(datagram.size());
  const auto* message = reinterpret_cast<const nlmsghdr*>(datagram.data());  // NOLINT(*-reinterpret-cast)
  // libmnl takes a length that is negative as int for a short one.
  for (; mnl_nlmsg_ok(message, left) && message->nlmsg_len <= static_cast<unsigned>(left);
       message = mnl_nlmsg_next(message, &left)) {
    read_packet(*message, take);
  }
}

PacketLogReader::PacketLogReader(boost::asio::io_context& io, UniqueFd socket, Sink sink)
    : socket_{io, socket.release()}, sink_{std::move(sink)}, buffer_(kReadBuffer) {
  wait();
}

PacketLogReader::~PacketLogReader() {
  *alive_ = false;
}

void PacketLogReader::wait() {
  socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                     [this, alive = alive_](const boost::system::error_code& error) {
                       if (!*alive || error) return;
                       for (int n = 0; n < kDatagramsPerTurn && read_one(); ++n) continue;
                       wait();
                     });
}

bool PacketLogReader::read_one() {
  const auto size = ::recv(socket_.native_handle(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_TRUNC);
  if (size < 0 && errno == EINTR) return true;
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
  if (size < 0 || static_cast<std::size_t>(size) > buffer_.size()) {
    if (wanted_) ++lost_;  // ENOBUFS: at least one
    return true;
  }
  if (!wanted_) return true;
  read_packet_log({buffer_.data(), static_cast<std::size_t>(size)}, [this](const LoggedPacket& logged) {
    if (!allowance_.take(BootClock::now()) || !sink_(logged)) ++lost_;
  });
  return true;
}

}  // namespace vrouter::router
