// SPDX-License-Identifier: GPL-2.0-or-later
// One nfnetlink socket: batches and dumps. It never blocks: the kernel carries a request out, and queues its answers,
// inside send(); a dump goes on inside recv().
#pragma once

#include <libmnl/libmnl.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/kernel_error.h"

namespace vrouter::firewall {

// An error message of the kernel's, about the message of that sequence number.
struct Answer {
  std::uint32_t sequence = 0;
  int code = 0;              // positive errno; 0: acknowledged
  std::string sentence;      // NLMSGERR_ATTR_MSG
  std::uint32_t offset = 0;  // NLMSGERR_ATTR_OFFS into that message; 0: not told
};

class NetlinkSocket {
 public:
  [[nodiscard]] static std::expected<NetlinkSocket, KernelError> open();

  [[nodiscard]] std::uint32_t port_id() const noexcept { return port_id_; }
  [[nodiscard]] std::uint32_t next_sequence() noexcept { return ++sequence_; }

  // Sends it all at once. The error is a failure of the exchange itself, such as ENOBUFS: answers were lost.
  [[nodiscard]] std::expected<std::vector<Answer>, KernelError> exchange(std::span<const char> batch);

  // Sends one request and gives every message of the reply to `take`, anew from the first after `restart` where the
  // tables changed meanwhile. `what` is for the error.
  [[nodiscard]] std::expected<void, KernelError> query(const nlmsghdr& request, const std::string& what,
                                                       const std::function<void()>& restart,
                                                       const std::function<void(const nlmsghdr&)>& take);

 private:
  struct Close {
    void operator()(mnl_socket* s) const noexcept { mnl_socket_close(s); }
  };
  using Handle = std::unique_ptr<mnl_socket, Close>;
  explicit NetlinkSocket(Handle handle);

  [[nodiscard]] std::expected<void, int> send(std::span<const char> bytes);
  // Bytes received, 0 when there is nothing more.
  [[nodiscard]] std::expected<std::size_t, int> receive();
  void drain();

  Handle handle_;
  std::uint32_t port_id_ = 0;
  std::uint32_t sequence_ = 0;
  std::size_t send_buffer_ = 0;
  std::vector<char> buffer_;
};

}  // namespace vrouter::firewall
