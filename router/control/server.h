// SPDX-License-Identifier: GPL-2.0-or-later
// The control socket: varlink (https://varlink.org/Method-Call) over a Unix stream socket, one coroutine per client.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "router/control/service.h"

namespace vrouter::router::control {

// One call: a guest with hundreds of published ports is some 20 KiB; beyond this nobody means well.
inline constexpr std::size_t kMaxMessage = 1U << 20U;
// Each client may hold kMaxMessage of input and one answer: 256 bound us to some 300 MiB, and to 256 descriptors.
inline constexpr std::size_t kMaxClients = 256;
// A message begun must be whole by then, and an answer read: a client stopped in the middle doesn't keep its place.
inline constexpr std::chrono::seconds kStalledClient{30};

struct ServerOptions {
  std::filesystem::path socket;   // its directory is made, 0755, if missing
  std::string group = "vrouter";  // the socket is 0660 root:group; without such a group 0600
  std::string version;            // for org.varlink.service.GetInfo
  std::size_t max_clients = kMaxClients;
  std::chrono::milliseconds stalled_client = kStalledClient;
  std::function<void(std::string_view)> log;  // refused clients, a missing group: a sentence each
};

class Server {
 public:
  // A socket file that nobody listens on is replaced; one that somebody does is an error. `service` must outlive
  // the io_context's last handler: a call under way goes on when the server is gone, its answer is dropped.
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> open(boost::asio::io_context& io,
                                                                                Service& service,
                                                                                ServerOptions options);
  // Closes every client and removes the socket file.
  virtual ~Server() = default;

  [[nodiscard]] virtual std::size_t clients() const noexcept = 0;
};

}  // namespace vrouter::router::control
