// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/nft/netlink.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace vrouter::firewall {
namespace {

constexpr std::size_t kReceiveSize = 64UL * 1024;  // the kernel makes dump messages of at most 32 KiB
// Room for an error about every message of the largest batch; the kernel counts each with about 1 KiB.
constexpr int kReceiveQueue = 4 * 1024 * 1024;
constexpr int kMaxRestarts = 20;  // of a dump that others' changes interrupt

// Both need no privilege beyond what nf_tables asks anyway; on an old kernel we go without the sentence.
void ask_for_sentences(const mnl_socket* socket) {
  int on = 1;
  mnl_socket_setsockopt(socket, NETLINK_EXT_ACK, &on, sizeof on);
  mnl_socket_setsockopt(socket, NETLINK_CAP_ACK, &on, sizeof on);
}

const char* bytes_of(const void* object) {
  return static_cast<const char*>(object);
}

Answer read_answer(const nlmsghdr& message) {
  const auto* error = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&message));
  Answer answer{message.nlmsg_seq, -error->error, {}, 0};
  if ((message.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return answer;
  std::size_t skip = sizeof *error;
  if ((message.nlmsg_flags & NLM_F_CAPPED) == 0) skip += mnl_nlmsg_get_payload_len(&error->msg);
  const auto* tail = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, skip));
  for (; mnl_attr_ok(attribute, static_cast<int>(tail - bytes_of(attribute))); attribute = mnl_attr_next(attribute)) {
    if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
      answer.sentence = mnl_attr_get_str(attribute);
    }
    if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_OFFS && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0) {
      answer.offset = mnl_attr_get_u32(attribute);
    }
  }
  return answer;
}

bool well_formed_error(const nlmsghdr& message) {
  return message.nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(&message) >= sizeof(nlmsgerr);
}

}  // namespace

NetlinkSocket::NetlinkSocket(Handle handle)
    : handle_{std::move(handle)}, port_id_{mnl_socket_get_portid(handle_.get())}, buffer_(kReceiveSize) {}

std::expected<NetlinkSocket, KernelError> NetlinkSocket::open() {
  const auto fail = [](const char* what) { return std::unexpected(KernelError{what, errno, ""}); };
  Handle handle{mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK)};
  if (!handle) return fail("open a netfilter netlink socket");
  if (mnl_socket_bind(handle.get(), 0, MNL_SOCKET_AUTOPID) < 0) return fail("bind a netfilter netlink socket");
  ask_for_sentences(handle.get());
  const int fd = mnl_socket_get_fd(handle.get());
  // Without CAP_NET_ADMIN this fails, and so will everything else, with a better sentence.
  ::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveQueue, sizeof kReceiveQueue);
  NetlinkSocket socket{std::move(handle)};
  int size = 0;
  socklen_t length = sizeof size;
  if (::getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length) == 0)
    socket.send_buffer_ = static_cast<std::size_t>(size);
  return socket;
}

std::expected<void, int> NetlinkSocket::send(std::span<const char> bytes) {
  constexpr std::size_t kOverhead = 64;  // the kernel keeps 32 bytes of the buffer for itself
  if (bytes.size() + kOverhead > send_buffer_) {
    const int wanted = static_cast<int>(bytes.size() + kOverhead);  // the kernel doubles it
    const int fd = mnl_socket_get_fd(handle_.get());
    if (::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) == 0)
      send_buffer_ = bytes.size() + kOverhead;
  }
  if (mnl_socket_sendto(handle_.get(), bytes.data(), bytes.size()) < 0) return std::unexpected(errno);
  return {};
}

std::expected<std::size_t, int> NetlinkSocket::receive() {
  for (;;) {
    const auto n = mnl_socket_recvfrom(handle_.get(), buffer_.data(), buffer_.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
    if (errno != EINTR) return std::unexpected(errno);
  }
}

void NetlinkSocket::drain() {
  for (;;) {
    const auto n = receive();
    if (n ? *n == 0 : n.error() != ENOBUFS) return;
  }
}

std::expected<std::vector<Answer>, KernelError> NetlinkSocket::exchange(std::span<const char> batch) {
  drain();
  if (auto sent = send(batch); !sent) return std::unexpected(KernelError{"send to nf_tables", sent.error(), ""});
  std::vector<Answer> answers;
  for (;;) {
    const auto n = receive();
    if (!n) {
      drain();
      return std::unexpected(KernelError{"receive from nf_tables", n.error(), ""});
    }
    if (*n == 0) return answers;
    auto rest = static_cast<int>(*n);
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());  // NOLINT(*-reinterpret-cast)
    for (; mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
      if (well_formed_error(*message)) answers.push_back(read_answer(*message));
    }
  }
}

std::expected<void, KernelError> NetlinkSocket::query(const nlmsghdr& request, const std::string& what,
                                                      const std::function<void()>& restart,
                                                      const std::function<void(const nlmsghdr&)>& take) {
  const auto fail = [&](int code, std::string sentence = {}) {
    drain();
    return std::unexpected(KernelError{what, code, std::move(sentence)});
  };
  for (int attempt = 0; attempt < kMaxRestarts; ++attempt) {
    restart();
    drain();
    const auto* bytes = reinterpret_cast<const char*>(&request);  // NOLINT(*-reinterpret-cast)
    if (auto sent = send({bytes, request.nlmsg_len}); !sent) return fail(sent.error());
    bool interrupted = false, done = false;
    while (!done) {
      const auto n = receive();
      if (!n) return fail(n.error());
      if (*n == 0) return fail(EAGAIN, "the reply stopped short");
      auto rest = static_cast<int>(*n);
      const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data());  // NOLINT(*-reinterpret-cast)
      for (; !done && mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
        if (message->nlmsg_seq != request.nlmsg_seq) continue;
        interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (well_formed_error(*message)) {
          auto answer = read_answer(*message);
          if (answer.code == EINTR)
            interrupted = true;
          else if (answer.code != 0)
            return fail(answer.code, std::move(answer.sentence));
          done = true;
        } else if (message->nlmsg_type == NLMSG_DONE) {
          done = true;
        } else {
          take(*message);
        }
      }
    }
    if (!interrupted) return {};
  }
  return fail(EINTR, "others keep changing the tables");
}

}  // namespace vrouter::firewall
