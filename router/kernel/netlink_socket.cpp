// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/netlink_socket.h"

#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace vrouter::router {
namespace {

// The kernel sizes the parts of a dump by the reader's buffer, up to 32 kB (net/netlink/af_netlink.c,
// netlink_dump); a single message is never longer than 64 kB minus its header.
constexpr std::size_t kReadBuffer = 64 << 10;

// A dump is interrupted when the table changes between two of its parts. Sixteen in a row: somebody changes it
// without pause, and whoever asked had better hear so.
constexpr int kDumpAttempts = 16;

int errno_of(int nl_error) noexcept {
  switch (std::abs(nl_error)) {
    case NLE_NOMEM:
      return ENOMEM;
    case NLE_INVAL:
      return EINVAL;
    case NLE_RANGE:
      return ERANGE;
    case NLE_MSGSIZE:
      return EMSGSIZE;
    case NLE_PERM:
      return EPERM;
    case NLE_AGAIN:
      return EAGAIN;
    default:
      return EIO;
  }
}

std::string extended_text(const nlmsghdr* header, const nlmsgerr* error) {
  if ((header->nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  // Behind the error stands the request it is about: whole, or only its header where it was capped.
  const std::size_t echoed =
      (header->nlmsg_flags & NLM_F_CAPPED) != 0 ? NLMSG_HDRLEN : NLMSG_ALIGN(error->msg.nlmsg_len);
  const std::size_t skip = NLMSG_HDRLEN + sizeof(int) + echoed;
  if (skip >= header->nlmsg_len) return {};
  const auto* attributes = reinterpret_cast<const nlattr*>(reinterpret_cast<const std::uint8_t*>(header) + skip);
  const nlattr* text = nla_find(attributes, static_cast<int>(header->nlmsg_len - skip), NLMSGERR_ATTR_MSG);
  if (text == nullptr) return {};
  const std::string_view raw{static_cast<const char*>(nla_data(text)), static_cast<std::size_t>(nla_len(text))};
  return std::string{raw.substr(0, raw.find('\0'))};
}

}  // namespace

void NlMessageFree::operator()(nl_msg* message) const noexcept {
  nlmsg_free(message);
}
void NlSocketFree::operator()(nl_sock* socket) const noexcept {
  nl_socket_free(socket);
}

KernelError libnl_error(std::string what, int nl_error) {
  return KernelError{std::move(what), errno_of(nl_error), nl_geterror(nl_error)};
}

Result<NlSocket> connect_rtnetlink() {
  return connect_netlink(NETLINK_ROUTE, "open a routing socket to the kernel");
}

Result<NlSocket> connect_netlink(int protocol, std::string what) {
  NlSocket socket{nl_socket_alloc()};
  if (!socket) return std::unexpected(KernelError{what, ENOMEM, ""});
  if (const int failed = nl_connect(socket.get(), protocol); failed < 0) {
    return std::unexpected(libnl_error(what, failed));
  }
  const int fd = nl_socket_get_fd(socket.get());
  const int on = 1;
  // Kernels that know neither (before 4.12) still answer with the errno alone.
  static_cast<void>(::setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on));
  static_cast<void>(::setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on));
  return socket;
}

std::optional<KernelError> error_of(const nlmsghdr* header, const std::string& what) {
  if (header->nlmsg_len < NLMSG_LENGTH(sizeof(int))) return KernelError{what, EBADMSG, ""};
  const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
  if (error->error == 0) return std::nullopt;
  std::string text;
  if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(nlmsgerr))) text = extended_text(header, error);
  return KernelError{what, std::abs(error->error), std::move(text)};
}

Requests::Requests(NlSocket socket) : socket_{std::move(socket)}, buffer_(kReadBuffer) {}

void Requests::read_messages(std::size_t size, std::uint32_t sequence, const std::string& what,
                             const OnMessage& on_message, Reply& reply) {
  auto left = static_cast<unsigned>(size);
  for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer_.data()); NLMSG_OK(header, left);
       header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_seq != sequence) continue;  // the rest of an answer whose reader gave up
    if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) reply.interrupted = true;
    if (header->nlmsg_type == NLMSG_ERROR) {
      reply.error = error_of(header, what);
      reply.finished = true;
    } else if (header->nlmsg_type == NLMSG_DONE) {
      reply.finished = true;
    } else if (header->nlmsg_type != NLMSG_NOOP) {
      on_message(header);
    }
  }
}

Result<Requests::Reply> Requests::exchange(nl_msg* message, const std::string& what, const OnMessage& on_message) {
  if (message == nullptr) return std::unexpected(KernelError{what, ENOMEM, ""});
  nl_complete_msg(socket_.get(), message);
  const std::uint32_t sequence = nlmsg_hdr(message)->nlmsg_seq;
  if (const int sent = nl_send(socket_.get(), message); sent < 0) return std::unexpected(libnl_error(what, sent));
  Reply reply;
  while (!reply.finished) {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const ssize_t size = ::recvfrom(nl_socket_get_fd(socket_.get()), buffer_.data(), buffer_.size(), MSG_TRUNC,
                                    reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0) {
      if (errno == EINTR) continue;
      return std::unexpected(KernelError{what, errno, ""});
    }
    if (static_cast<std::size_t>(size) > buffer_.size()) return std::unexpected(KernelError{what, EMSGSIZE, ""});
    if (from.nl_pid != 0) continue;  // only the kernel is pid 0: another process may send to us as well
    read_messages(static_cast<std::size_t>(size), sequence, what, on_message, reply);
  }
  return reply;
}

Result<void> Requests::change(nl_msg* message, const std::string& what) {
  return get(message, what, [](const nlmsghdr*) {});
}

Result<void> Requests::get(nl_msg* message, const std::string& what, const OnMessage& on_message) {
  if (message != nullptr) nlmsg_hdr(message)->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  const auto reply = exchange(message, what, on_message);
  if (!reply) return std::unexpected(reply.error());
  if (reply->error) return std::unexpected(*reply->error);
  return {};
}

Result<void> Requests::dump(const std::function<NlMessage()>& build, const std::string& what,
                            const std::function<void()>& restart, const OnMessage& on_message) {
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    restart();
    const NlMessage message = build();
    if (message) nlmsg_hdr(message.get())->nlmsg_flags |= NLM_F_REQUEST | NLM_F_DUMP;
    const auto reply = exchange(message.get(), what, on_message);
    if (!reply) return std::unexpected(reply.error());
    if (reply->error) return std::unexpected(*reply->error);
    if (!reply->interrupted) return {};
  }
  return std::unexpected(KernelError{what, EAGAIN, "the list kept changing while it was read"});
}

}  // namespace vrouter::router
