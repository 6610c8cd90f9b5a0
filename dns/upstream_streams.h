// SPDX-License-Identifier: GPL-2.0-or-later
// Questions to servers over TCP and TLS, many on one connection (RFC 7766, 6.2; RFC 7858, 3.4).
//
// A server has one connection: opened for a question, kept while there are any, closed when it was idle for ten
// seconds. Questions are written one behind the other, each with an id of its own, and answered in whatever order.
// Where a server closes a connection that it had answered on, since it was idle to it or is starting anew, what is on
// its way goes once more over a fresh one. A reply that belongs to no question on the connection, or answers another
// than that of its id, says that the two sides no longer mean the same: it is counted, and the connection goes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "dns/codec.h"

namespace boost::asio::ssl {
class context;
}

namespace vrouter::dns {

// A second connection is opened when the first is full: together they hold all that may wait (dns/budget.h).
inline constexpr std::size_t kMaxOnConnection = 1024, kMaxConnections = 4;
inline constexpr std::chrono::seconds kIdleConnection{10};  // RFC 7766, 6.2.3: seconds; a server's own bound is its own
inline constexpr std::chrono::seconds kSilentConnection{5};  // with questions on it: longer than any of them waits

class UpstreamStreams {
 public:
  struct Question {
    QuestionKey key;
    bool edns = true;
    Bytes cookie{};  // as for write_query()
  };
  // The reply to it; nothing where there was no connection to be had, or it broke off.
  using Done = std::function<void(std::optional<Reply>)>;
  struct Asked {
    Question question;
    Done done;  // null: nobody wants the reply any more, but it may come
    BootTime sent{};
    bool again = false;  // on its second connection
    void forget() { done = nullptr; }
  };
  using Ticket = std::shared_ptr<Asked>;
  // What became of a server's TLS, each time that it was tried and is known.
  using Judge = std::function<void(const config::DnsServer&, UpstreamTrouble)>;

  UpstreamStreams(boost::asio::io_context& io, Judge judge) : io_{io}, judge_{std::move(judge)} {}
  ~UpstreamStreams();
  UpstreamStreams(const UpstreamStreams&) = delete;
  UpstreamStreams& operator=(const UpstreamStreams&) = delete;

  // Calls `done` once, not before it returns, and not after forget() or our destruction.
  [[nodiscard]] Ticket ask(const config::DnsServer& server, Question question, Done done);
  // Who may vouch for servers over TLS (PEM) from the next connection on.
  void trust(std::string authorities);
  [[nodiscard]] std::uint64_t mismatched() const noexcept { return mismatched_; }

 private:
  struct Stream;
  using StreamPtr = std::shared_ptr<Stream>;

  void place(const config::DnsServer& server, const Ticket& ticket);
  [[nodiscard]] StreamPtr connect(const config::DnsServer& server);
  void connected(const StreamPtr& stream);
  void begin(const StreamPtr& stream);
  void write_question(Stream& stream, std::uint16_t id, const Question& question);
  void flush(const StreamPtr& stream);
  void read(const StreamPtr& stream);
  void take_messages(const StreamPtr& stream);
  // False: the connection is gone, and maybe we are.
  [[nodiscard]] bool take(const StreamPtr& stream, std::span<const std::uint8_t> message);
  void watch(const StreamPtr& stream);
  void drop(const StreamPtr& stream, bool again);

  boost::asio::io_context& io_;
  Judge judge_;
  std::string authorities_;
  std::shared_ptr<boost::asio::ssl::context> tls_;  // of them; made when it is needed
  std::map<config::DnsServer, std::vector<StreamPtr>> streams_;
  std::uint64_t mismatched_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what was posted
};

}  // namespace vrouter::dns
