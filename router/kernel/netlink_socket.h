// SPDX-License-Identifier: GPL-2.0-or-later
// Inside the room: requests over one NETLINK_ROUTE socket. libnl builds and sends the messages; answers are read
// here, since libnl's own error path drops the kernel's sentence (NLMSGERR_ATTR_MSG).
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/kernel/types.h"

struct nl_msg;
struct nl_sock;

namespace vrouter::router {

struct NlMessageFree {
  void operator()(nl_msg* message) const noexcept;
};
using NlMessage = std::unique_ptr<nl_msg, NlMessageFree>;

struct NlSocketFree {
  void operator()(nl_sock* socket) const noexcept;
};
using NlSocket = std::unique_ptr<nl_sock, NlSocketFree>;

[[nodiscard]] Result<NlSocket> connect_rtnetlink();
// The same of another NETLINK_ protocol.
[[nodiscard]] Result<NlSocket> connect_netlink(int protocol, std::string what);

// The error a libnl call reports (negative NLE_*), as an errno.
[[nodiscard]] KernelError libnl_error(std::string what, int nl_error);

// What an NLMSG_ERROR message says; empty: it is an acknowledgement. `header` must lie whole in its buffer.
[[nodiscard]] std::optional<KernelError> error_of(const nlmsghdr* header, const std::string& what);

class Requests {
 public:
  using OnMessage = std::function<void(const nlmsghdr*)>;

  explicit Requests(NlSocket socket);

  // Sends the message and waits for its acknowledgement.
  [[nodiscard]] Result<void> change(nl_msg* message, const std::string& what);
  // Sends a request whose answer is one message.
  [[nodiscard]] Result<void> get(nl_msg* message, const std::string& what, const OnMessage& on_message);
  // Sends what `build` makes and hands over each message of the dump. An interrupted dump (NLM_F_DUMP_INTR) is taken
  // again: `restart` is called before each attempt, so that what came so far is forgotten.
  [[nodiscard]] Result<void> dump(const std::function<NlMessage()>& build, const std::string& what,
                                  const std::function<void()>& restart, const OnMessage& on_message);

 private:
  struct Reply {
    bool finished = false;
    bool interrupted = false;
    std::optional<KernelError> error;
  };
  [[nodiscard]] Result<Reply> exchange(nl_msg* message, const std::string& what, const OnMessage& on_message);
  void read_messages(std::size_t size, std::uint32_t sequence, const std::string& what, const OnMessage& on_message,
                     Reply& reply);

  NlSocket socket_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace vrouter::router
