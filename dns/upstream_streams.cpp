// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: a handler holds its stream, and looks first whether that is still open: drop() and our destruction close it.
// Whoever is told a reply may ask the next question at once, or take us down.
#include "dns/upstream_streams.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "dns/frames.h"
#include "dns/random.h"
#include "dns/tls.h"

namespace vrouter::dns {

namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;

constexpr std::chrono::seconds kLook{1};
constexpr std::chrono::seconds kForgotten{10};  // after this, the reply to what nobody waits for is one to nothing

void tell(const UpstreamStreams::Ticket& ticket, std::optional<Reply> reply) {
  if (const auto done = std::exchange(ticket->done, nullptr)) done(std::move(reply));
}

}  // namespace

struct UpstreamStreams::Stream {
  config::DnsServer server;
  asio::ip::tcp::socket socket;
  std::shared_ptr<TlsContext> context;  // outlives the next
  std::optional<TlsStream> tls;
  asio::steady_timer timer;
  std::map<std::uint16_t, Ticket> waiting;  // by id
  Bytes next, writing;                      // what goes out when `writing` has
  FrameBuffer in;
  BootTime heard{};       // last; or when there first was something to hear
  bool ready = false;     // for questions
  bool answered = false;  // ever
  bool open = true;

  Stream(asio::io_context& io, config::DnsServer to) : server{std::move(to)}, socket{io}, timer{io} {}
  template <typename Do>
  void on_wire(Do&& act) {
    tls ? act(*tls) : act(socket);
  }
  void close() {
    open = false;
    Error ignored;
    socket.close(ignored);
    timer.cancel();
  }
};

UpstreamStreams::~UpstreamStreams() {
  for (const auto& [server, streams] : streams_) {
    for (const auto& stream : streams) {
      stream->close();
      for (const auto& [id, ticket] : std::exchange(stream->waiting, {})) ticket->forget();
    }
  }
}

UpstreamStreams::Ticket UpstreamStreams::ask(const config::DnsServer& server, Question question, Done done) {
  auto ticket = std::make_shared<Asked>(Asked{.question = std::move(question), .done = std::move(done)});
  place(server, ticket);
  return ticket;
}

void UpstreamStreams::place(const config::DnsServer& server, const Ticket& ticket) {
  auto& all = streams_[server];
  const auto roomy = std::ranges::find_if(all, [](const auto& s) { return s->waiting.size() < kMaxOnConnection; });
  if (roomy == all.end() && all.size() >= kMaxConnections) {
    asio::post(io_, [ticket, alive = std::weak_ptr{alive_}] {
      if (!alive.expired()) tell(ticket, std::nullopt);
    });
    return;
  }
  const auto stream = roomy != all.end() ? *roomy : connect(server);
  ticket->sent = BootClock::now();
  if (stream->waiting.empty()) stream->heard = ticket->sent;
  auto id = random_id();
  while (stream->waiting.contains(id)) id = random_id();
  stream->waiting.emplace(id, ticket);
  if (!stream->ready) return;
  write_question(*stream, id, ticket->question);
  flush(stream);
}

UpstreamStreams::StreamPtr UpstreamStreams::connect(const config::DnsServer& server) {
  auto stream = std::make_shared<Stream>(io_, server);
  streams_[server].push_back(stream);
  stream->socket.async_connect({server.at, server.port}, [this, stream](const Error& refused) {
    if (!stream->open) return;
    if (refused) return drop(stream, false);
    connected(stream);
  });
  watch(stream);
  return stream;
}

// Where there is to be TLS and can't be, there is nothing.
void UpstreamStreams::connected(const StreamPtr& stream) {
  Error ignored;
  stream->socket.set_option(asio::ip::tcp::no_delay{true}, ignored);
  if (stream->server.transport != config::DnsTransport::tls) return begin(stream);
  if (!tls_) tls_ = make_tls_context(authorities_);
  if (!tls_) {
    judge_(stream->server, UpstreamTrouble::no_authorities);
    return drop(stream, false);
  }
  stream->context = tls_;
  stream->tls.emplace(stream->socket, *stream->context);
  if (!expect_server(*stream->tls, stream->server)) return drop(stream, false);
  stream->tls->async_handshake(TlsStream::client, [this, stream](const Error& failed) {
    if (!stream->open) return;
    if (!failed) {
      judge_(stream->server, UpstreamTrouble::none);
      return begin(stream);
    }
    if (const auto trouble = trouble_of(*stream->tls, failed); trouble != UpstreamTrouble::none)
      judge_(stream->server, trouble);
    drop(stream, false);
  });
}

void UpstreamStreams::trust(std::string authorities) {
  if (std::exchange(authorities_, std::move(authorities)) == authorities_) return;
  tls_.reset();
  for (const auto& [server, streams] : std::map{streams_}) {
    if (server.transport != config::DnsTransport::tls) continue;
    for (const auto& stream : streams) drop(stream, true);
  }
}

void UpstreamStreams::begin(const StreamPtr& stream) {
  stream->ready = true;
  stream->heard = BootClock::now();
  std::erase_if(stream->waiting, [](const auto& entry) { return !entry.second->done; });
  for (const auto& [id, ticket] : stream->waiting) write_question(*stream, id, ticket->question);
  flush(stream);
  read(stream);
}

void UpstreamStreams::write_question(Stream& stream, std::uint16_t id, const Question& question) {
  auto query = write_query(question.key, id, question.edns, question.cookie);
  if (stream.tls) pad_query(query, kPaddingBlock);
  stream.next.push_back(static_cast<std::uint8_t>(query.size() >> 8));
  stream.next.push_back(static_cast<std::uint8_t>(query.size()));
  stream.next.insert(stream.next.end(), query.begin(), query.end());
}

void UpstreamStreams::flush(const StreamPtr& stream) {
  if (!stream->writing.empty() || stream->next.empty()) return;
  stream->writing.swap(stream->next);
  stream->on_wire([&](auto& wire) {
    asio::async_write(wire, asio::buffer(stream->writing), [this, stream](const Error& cut, std::size_t) {
      if (!stream->open) return;
      if (cut) return drop(stream, stream->answered);
      stream->writing.clear();
      flush(stream);
    });
  });
}

void UpstreamStreams::read(const StreamPtr& stream) {
  stream->on_wire([&](auto& wire) {
    const auto room = stream->in.room();
    wire.async_read_some(asio::buffer(room.data(), room.size()), [this, stream](const Error& cut, std::size_t size) {
      if (!stream->open) return;
      if (cut) return drop(stream, stream->answered);
      stream->in.received(size);
      take_messages(stream);
    });
  });
}

void UpstreamStreams::take_messages(const StreamPtr& stream) {
  while (const auto message = stream->in.next()) {
    if (!take(stream, *message)) return;
  }
  read(stream);
}

bool UpstreamStreams::take(const StreamPtr& stream, std::span<const std::uint8_t> message) {
  const auto id = static_cast<std::uint16_t>(message.size() < 2 ? 0 : message[0] << 8 | message[1]);
  const auto found = stream->waiting.find(id);
  std::optional<Reply> reply;
  if (found != stream->waiting.end()) {
    if (auto decoded = decode_reply(message, found->second->question.key, id)) reply = std::move(*decoded);
  }
  if (!reply) {
    ++mismatched_;
    drop(stream, false);
    return false;
  }
  const auto ticket = found->second;
  stream->waiting.erase(found);
  stream->answered = true;
  stream->heard = BootClock::now();
  tell(ticket, std::move(reply));
  return stream->open;
}

// Once a second: no question is held up by it, and all end by their own deadline.
void UpstreamStreams::watch(const StreamPtr& stream) {
  stream->timer.expires_after(kLook);
  stream->timer.async_wait([this, stream](const Error& error) {
    if (error || !stream->open) return;
    const auto now = BootClock::now();
    std::erase_if(stream->waiting,
                  [&](const auto& entry) { return !entry.second->done && now - entry.second->sent >= kForgotten; });
    const bool idle = stream->ready && stream->waiting.empty();
    if (now - stream->heard < (idle ? kIdleConnection : kSilentConnection)) return watch(stream);
    drop(stream, stream->answered);
  });
}

void UpstreamStreams::drop(const StreamPtr& stream, bool again) {
  stream->close();
  const auto of_server = streams_.find(stream->server);
  std::erase(of_server->second, stream);
  if (of_server->second.empty()) streams_.erase(of_server);
  std::vector<Ticket> lost;
  for (const auto& [id, ticket] : std::exchange(stream->waiting, {})) {
    if (!ticket->done) continue;
    if (again && !std::exchange(ticket->again, true)) {
      place(stream->server, ticket);
    } else {
      lost.push_back(ticket);
    }
  }
  const std::weak_ptr alive{alive_};
  for (const auto& ticket : lost) {
    if (alive.expired()) return;
    tell(ticket, std::nullopt);
  }
}

}  // namespace vrouter::dns
