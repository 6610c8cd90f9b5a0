// SPDX-License-Identifier: GPL-2.0-or-later
// One coroutine accepts, one per client reads a call, has it answered and writes the answer, so a client is served
// in the order of its calls and waits for none but itself. Each session holds what the server was opened with, so a
// call that outlives the server finds everything it touches but a closed socket.
#include "router/control/server.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "router/control/calls.h"
#include "router/control/framing.h"
#include "router/control/listener.h"

namespace vrouter::router::control {
namespace {

using boost::asio::awaitable;
using boost::asio::local::stream_protocol;
constexpr auto kResult = boost::asio::as_tuple(boost::asio::use_awaitable);

constexpr std::size_t kReadSize = 16U << 10U;
// How long accepting rests when the process has no descriptor left: nothing tells when there is one again.
constexpr std::chrono::milliseconds kAcceptPause{100};

class Session;

struct Core {
  Core(boost::asio::io_context& context, Service& answers, ServerOptions given)
      : io{context}, service{answers}, options{std::move(given)}, acceptor{context}, pause{context} {}

  void log(std::string_view sentence) const {
    if (options.log) options.log(sentence);
  }
  [[nodiscard]] std::size_t open_sessions() const;
  // About a client, any number of which may mean no good.
  void complain(std::string_view sentence) {
    const auto now = std::chrono::steady_clock::now();
    if (now - complaints_since >= kComplaintPeriod) {
      if (complaints > kMaxComplaints)
        log(fmt::format("control: {} more lines like these", complaints - kMaxComplaints));
      complaints_since = now;
      complaints = 0;
    }
    if (complaints++ < kMaxComplaints) log(sentence);
  }

  boost::asio::io_context& io;
  Service& service;
  ServerOptions options;
  stream_protocol::acceptor acceptor;
  boost::asio::steady_timer pause;
  std::set<Session*> sessions;
  bool closed = false;
  std::size_t unread = 0;  // bytes of answers on their way
  unsigned complaints = 0;
  std::chrono::steady_clock::time_point complaints_since{};
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Core> core, stream_protocol::socket socket)
      : core_{std::move(core)}, socket_{std::move(socket)}, stall_{core_->io} {
    core_->sessions.insert(this);
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket_.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
      peer_ = {credentials.uid, credentials.pid};
    }
  }
  ~Session() { core_->sessions.erase(this); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void close() noexcept {
    boost::system::error_code ignored;
    static_cast<void>(socket_.close(ignored));
    stall_.cancel();
    core_->unread -= std::exchange(unread_, 0);
  }

  [[nodiscard]] uid_t user() const noexcept { return peer_.uid; }
  [[nodiscard]] bool is_open() const noexcept { return socket_.is_open(); }
  // Since when we wait for this client, be it for a call or for its answer to be read; nothing while it waits for us.
  [[nodiscard]] std::optional<std::chrono::steady_clock::time_point> idle_since() const noexcept {
    return is_open() ? idle_since_ : std::nullopt;
  }
  [[nodiscard]] std::size_t unread() const noexcept { return unread_; }
  void lose_place(std::string_view why) {
    complain(why);
    idle_since_.reset();
    close();
  }

  // The parameter keeps the session alive for as long as its coroutine.
  static awaitable<void> serve(std::shared_ptr<Session> self, bool may_change) {
    MessageBuffer input{kMaxMessage};
    while (auto message = co_await self->read_message(input)) {
      auto call = parse_call(*message);
      if (!call) {
        self->complain(call.error());
        break;
      }
      auto& core = *self->core_;
      if (!may_change && changes_something(*call)) {
        co_await self->write(refusal(fmt::format(
            "{} commands are under way already, which is the bound: try again when some have ended; `vrouter status` "
            "says what they wait for",
            core.options.max_clients)));
        break;
      }
      if (streams(*call)) {
        co_await stream(self, *call);
        break;
      }
      const auto reply = co_await answer(core.service, core.options.version, std::move(*call), self->peer_);
      if (reply && !co_await self->write(*reply)) break;
    }
    self->close();
  }

  static awaitable<void> turn_away(std::shared_ptr<Session> self) {
    co_await self->write(refusal(fmt::format("{} clients are connected already, which is the bound: close some of them",
                                             self->core_->options.max_clients + kReservedClients)));
    self->close();
  }

 private:
  // Answers until the feed ends or the client does: it has nothing more to say, so any word of its, or none any more,
  // ends it too. One that reads slowly is waited for; what it misses meanwhile, the feed counts.
  static awaitable<void> stream(std::shared_ptr<Session> self, const Call& call) {
    const auto feed = open_feed(self->core_->service, call);
    if (!feed) {
      co_await self->write(feed.error());
      co_return;
    }
    boost::asio::co_spawn(self->core_->io, end_with_client(self, *feed), boost::asio::detached);
    while (const auto told = co_await (*feed)->next()) {
      if (!co_await self->write(continued(*told), Patience::endless)) break;
    }
    (*feed)->close();
  }
  static awaitable<void> end_with_client(std::shared_ptr<Session> self, std::shared_ptr<Feed> feed) {
    char byte = 0;
    co_await self->socket_.async_read_some(boost::asio::buffer(&byte, 1), kResult);
    feed->close();
    self->close();
  }

  // Nothing once the client is gone, stalled or out of bounds.
  awaitable<std::optional<std::string>> read_message(MessageBuffer& input) {
    std::array<char, kReadSize> bytes;
    wait_for_client();
    for (;;) {
      if (auto message = input.next()) {
        disarm();
        idle_since_.reset();
        co_return message;
      }
      if (input.overflown()) {
        complain(fmt::format("its message is longer than {} bytes", kMaxMessage));
        co_return std::nullopt;
      }
      // From the first byte on, and not anew with each: one byte a second is stalled too.
      if (!input.empty() && !armed_) arm();
      const auto [error, size] = co_await socket_.async_read_some(boost::asio::buffer(bytes), kResult);
      if (error) co_return std::nullopt;
      input.append({bytes.data(), size});
    }
  }

  enum class Patience : std::uint8_t { bounded, endless };
  awaitable<bool> write(const std::string& reply, Patience patience = Patience::bounded) {
    if (patience == Patience::bounded) arm();
    wait_for_client();
    make_room(*core_, reply.size());
    core_->unread += unread_ = reply.size();
    const auto [error, size] = co_await boost::asio::async_write(socket_, boost::asio::buffer(reply), kResult);
    core_->unread -= std::exchange(unread_, 0);
    idle_since_.reset();
    disarm();
    co_return !error;
  }

  void arm() {
    armed_ = true;
    stall_.expires_after(core_->options.stalled_client);
    // A wait whose end was queued before it was cancelled still comes with success: the number tells it is old.
    stall_.async_wait([weak = weak_from_this(), number = ++arming_](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (!self || error || number != self->arming_ || !self->armed_) return;
      self->complain("it stopped in the middle of a message");
      self->close();
    });
  }
  void disarm() {
    armed_ = false;
    stall_.cancel();
  }

  void wait_for_client() { idle_since_ = std::chrono::steady_clock::now(); }

  // For an answer of that size, at the cost of those who have not read theirs for longest.
  static void make_room(const Core& core, std::size_t size) {
    while (core.unread > 0 && core.unread + size > core.options.max_unread) {
      Session* slowest = nullptr;
      for (auto* session : core.sessions) {
        if (session->unread() == 0 || !session->idle_since()) continue;
        if (slowest == nullptr || *session->idle_since() < *slowest->idle_since()) slowest = session;
      }
      if (slowest == nullptr) return;
      slowest->lose_place("it didn't read its answer while others wait for theirs");
    }
  }

  void complain(std::string_view why) const {
    core_->complain(fmt::format("control: closing a client (uid {}, pid {}): {}", peer_.uid, peer_.pid, why));
  }

  std::shared_ptr<Core> core_;
  stream_protocol::socket socket_;
  boost::asio::steady_timer stall_;
  Peer peer_;
  std::optional<std::chrono::steady_clock::time_point> idle_since_;
  std::size_t unread_ = 0;
  bool armed_ = false;
  std::uint64_t arming_ = 0;
};

// Those that were closed end with their coroutine, a moment later.
std::size_t Core::open_sessions() const {
  return static_cast<std::size_t>(std::ranges::count_if(sessions, [](const Session* s) { return s->is_open(); }));
}

// Of the user with the most clients, the one that we have waited for longest.
Session* least_missed(const Core& core) {
  std::map<uid_t, std::size_t> clients;
  for (const auto* session : core.sessions) ++clients[session->user()];
  Session* least = nullptr;
  for (auto* session : core.sessions) {
    if (!session->idle_since()) continue;
    if (least == nullptr || clients[session->user()] > clients[least->user()] ||
        (clients[session->user()] == clients[least->user()] && *session->idle_since() < *least->idle_since())) {
      least = session;
    }
  }
  return least;
}

void welcome(const std::shared_ptr<Core>& core, stream_protocol::socket socket) {
  const auto bound = core->options.max_clients;
  // Those turned away cost a session too until they are told: past twice the bound nothing is said.
  if (core->sessions.size() > 2 * bound + kReservedClients) return;
  auto session = std::make_shared<Session>(core, std::move(socket));
  while (core->open_sessions() > bound) {
    auto* least = least_missed(*core);
    if (least == nullptr) break;
    least->lose_place(
        fmt::format("{} clients are connected, which is the bound, and it has been idle for longest", bound));
  }
  const auto open = core->open_sessions();
  if (open > bound + kReservedClients) {
    boost::asio::co_spawn(core->io, Session::turn_away(std::move(session)), boost::asio::detached);
  } else {
    boost::asio::co_spawn(core->io, Session::serve(std::move(session), open <= bound), boost::asio::detached);
  }
}

awaitable<void> accept_clients(std::shared_ptr<Core> core) {
  while (!core->closed) {
    auto [error, socket] = co_await core->acceptor.async_accept(kResult);
    if (core->closed) co_return;
    if (!error) {
      welcome(core, std::move(socket));
      continue;
    }
    if (error == boost::asio::error::operation_aborted || error == boost::asio::error::bad_descriptor) co_return;
    core->pause.expires_after(kAcceptPause);
    co_await core->pause.async_wait(kResult);
  }
}

class UnixServer final : public Server {
 public:
  UnixServer(boost::asio::io_context& io, Service& service, ServerOptions options, SocketFile file)
      : core_{std::make_shared<Core>(io, service, std::move(options))}, file_{std::move(file)} {
    core_->acceptor.assign(stream_protocol{}, file_.fd.release());
    if (!file_.notice.empty()) core_->log("control: " + file_.notice);
    boost::asio::co_spawn(io, accept_clients(core_), boost::asio::detached);
  }

  ~UnixServer() override {
    remove_socket(core_->options.socket, file_);
    core_->closed = true;
    boost::system::error_code ignored;
    static_cast<void>(core_->acceptor.close(ignored));
    core_->pause.cancel();
    for (auto* session : core_->sessions) session->close();
  }

  std::size_t clients() const noexcept override { return core_->sessions.size(); }

 private:
  std::shared_ptr<Core> core_;
  SocketFile file_;
};

class UnixEndpoint final : public Endpoint {
 public:
  UnixEndpoint(std::filesystem::path path, SocketFile file) : path_{std::move(path)}, file_{std::move(file)} {}
  UnixEndpoint(const UnixEndpoint&) = delete;
  UnixEndpoint& operator=(const UnixEndpoint&) = delete;
  ~UnixEndpoint() override {
    if (file_.fd) remove_socket(path_, file_);
  }

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] SocketFile take() { return std::move(file_); }

 private:
  std::filesystem::path path_;
  SocketFile file_;
};

}  // namespace

std::expected<std::unique_ptr<Endpoint>, std::string> Endpoint::open(const std::filesystem::path& socket,
                                                                     const std::string& group) {
  auto file = listen_at(socket, group);
  if (!file) return std::unexpected(std::move(file.error()));
  return std::make_unique<UnixEndpoint>(socket, std::move(*file));
}

std::unique_ptr<Server> Server::open(boost::asio::io_context& io, Service& service, std::unique_ptr<Endpoint> endpoint,
                                     ServerOptions options) {
  auto& unix_endpoint = dynamic_cast<UnixEndpoint&>(*endpoint);
  options.socket = unix_endpoint.path();
  return std::make_unique<UnixServer>(io, service, std::move(options), unix_endpoint.take());
}

std::expected<std::unique_ptr<Server>, std::string> Server::open(boost::asio::io_context& io, Service& service,
                                                                 ServerOptions options) {
  auto endpoint = Endpoint::open(options.socket, options.group);
  if (!endpoint) return std::unexpected(std::move(endpoint.error()));
  return open(io, service, std::move(*endpoint), std::move(options));
}

}  // namespace vrouter::router::control
