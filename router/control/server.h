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
// Each client may hold kMaxMessage of input: 256 bound us to 256 MiB of it, and to 256 descriptors. Past it the client
// that has kept us waiting for longest, of the user with the most clients, loses its place to the next.
inline constexpr std::size_t kMaxClients = 256;
// Where all of those have a call under way (a disk that hangs), so many more may ask questions, but change nothing.
inline constexpr std::size_t kReservedClients = 16;
// Answers that their clients have not read yet, all together. Past it the one that has waited for longest goes: a list
// of 65,536 guests is some 40 MiB, and 256 clients could ask for it and read nothing.
inline constexpr std::size_t kMaxUnread = 64U << 20U;
// Lines about clients' misdeeds in the log, per period; the rest are counted.
inline constexpr unsigned kMaxComplaints = 10;
inline constexpr std::chrono::seconds kComplaintPeriod{10};
// A message begun must be whole by then, and an answer read: a client stopped in the middle doesn't keep its place.
inline constexpr std::chrono::seconds kStalledClient{30};

struct ServerOptions {
  std::filesystem::path socket;   // its directory is made, 0755, if missing
  std::string group = "vrouter";  // the socket is 0660 root:group; without such a group 0600
  std::string version;            // for org.varlink.service.GetInfo
  std::size_t max_clients = kMaxClients;
  std::size_t max_unread = kMaxUnread;
  std::chrono::milliseconds stalled_client = kStalledClient;
  std::function<void(std::string_view)> log;  // refused clients, a missing group: a sentence each
};

// The socket file, listened on, before anybody serves: making it takes the privilege to give it to its group, serving
// takes none. Clients wait.
class Endpoint {
 public:
  // A socket file that nobody listens on is replaced; one that somebody does is an error.
  [[nodiscard]] static std::expected<std::unique_ptr<Endpoint>, std::string> open(const std::filesystem::path& socket,
                                                                                  const std::string& group = "vrouter");
  virtual ~Endpoint() = default;  // removes the file, unless a server has taken it over
};

class Server {
 public:
  // `service` must outlive the io_context's last handler: a call under way goes on when the server is gone, its answer
  // is dropped. `options.socket` and `.group` are the endpoint's own.
  [[nodiscard]] static std::unique_ptr<Server> open(boost::asio::io_context& io, Service& service,
                                                    std::unique_ptr<Endpoint> endpoint, ServerOptions options);
  // The same with an endpoint of its own.
  [[nodiscard]] static std::expected<std::unique_ptr<Server>, std::string> open(boost::asio::io_context& io,
                                                                                Service& service,
                                                                                ServerOptions options);
  // Closes every client and removes the socket file.
  virtual ~Server() = default;

  [[nodiscard]] virtual std::size_t clients() const noexcept = 0;
};

}  // namespace vrouter::router::control
