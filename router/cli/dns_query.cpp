// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/dns_query.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "dns/random.h"
#include "router/cli/table.h"

namespace vrouter::router::cli {

namespace {

using dns::Bytes;
using Clock = std::chrono::steady_clock;
constexpr std::uint16_t kPort = 53;

// A connected socket, and how long it may take.
class Line {
 public:
  Line(const address& server, int kind, Clock::time_point end) : end_{end} {
    const boost::asio::ip::tcp::endpoint to{server, kPort};
    fd_ = UniqueFd{::socket(to.protocol().family(), kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    if (!fd_ || (::connect(fd_.get(), to.data(), static_cast<socklen_t>(to.size())) < 0 && errno != EINPROGRESS))
      fd_.reset();
  }
  [[nodiscard]] bool open() const { return static_cast<bool>(fd_); }

  [[nodiscard]] bool send(const Bytes& bytes) const {
    if (!wait(POLLOUT)) return false;
    return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // What came, at most `size` bytes; empty: nothing in time, or an error (errno; 0 where a stream ended, or a datagram
  // has nothing in it).
  [[nodiscard]] Bytes receive(std::size_t size) const {
    Bytes bytes(size);
    if (!wait(POLLIN)) return {};
    const auto got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (got == 0) errno = 0;
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
  }
  [[nodiscard]] Bytes receive_all(std::size_t size) const {
    Bytes all;
    while (all.size() < size) {
      const auto part = receive(size - all.size());
      if (part.empty()) return {};
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }

 private:
  [[nodiscard]] bool wait(short events) const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
    pollfd poll{.fd = fd_.get(), .events = events, .revents = 0};
    if (left.count() > 0 && ::poll(&poll, 1, static_cast<int>(left.count())) == 1) return true;
    errno = ETIMEDOUT;
    return false;
  }

  UniqueFd fd_;
  Clock::time_point end_;
};

std::string failure(const address& server, bool tcp) {
  const int code = errno;  // Asio's to_string() clears it
  const auto where = fmt::format("{}, port 53 over {}", server.to_string(), tcp ? "TCP" : "UDP");
  if (code == ETIMEDOUT) return "no answer from " + where + " in time; `vrouter status` says what is wrong with DNS";
  if (code == 0) return where + " closed the connection";
  return fmt::format("can't ask {}: {}; `vrouter status` says what is wrong with DNS", where, std::strerror(code));
}

std::expected<dns::ReadReply, std::string> ask_udp(const address& server, const dns::QuestionKey& question,
                                                   Clock::time_point end) {
  const auto id = dns::random_id();
  const Line line{server, SOCK_DGRAM, end};
  if (!line.open() || !line.send(dns::write_query(question, id, true))) return std::unexpected(failure(server, false));
  for (;;) {
    const auto message = line.receive(dns::kMaxMessage);
    if (message.empty() && errno != 0) return std::unexpected(failure(server, false));
    if (auto reply = dns::read_reply(message, question, id)) return *std::move(reply);
  }
}

std::expected<dns::ReadReply, std::string> ask_tcp(const address& server, const dns::QuestionKey& question,
                                                   Clock::time_point end) {
  constexpr std::size_t kLengthSize = 2;
  const auto id = dns::random_id();
  auto query = dns::write_query(question, id, true);
  const auto size = query.size();
  query.insert(query.begin(), {static_cast<std::uint8_t>(size >> 8), static_cast<std::uint8_t>(size)});
  const Line line{server, SOCK_STREAM, end};
  if (!line.open() || !line.send(query)) return std::unexpected(failure(server, true));
  const auto length = line.receive_all(kLengthSize);
  if (length.empty()) return std::unexpected(failure(server, true));
  const auto message = line.receive_all(static_cast<std::size_t>(length[0]) << 8 | length[1]);
  if (message.empty()) return std::unexpected(failure(server, true));
  auto reply = dns::read_reply(message, question, id);
  if (!reply) return std::unexpected(server.to_string() + " answered another question, or none at all");
  return *std::move(reply);
}

std::string rcode_sentence(const DnsAnswer& answer) {
  const auto name = answer.question.name.to_text();
  switch (static_cast<dns::Rcode>(answer.reply.rcode)) {
    case dns::Rcode::no_error:
      return fmt::format("{} has nothing of type {} (NODATA)", name, dns::type_text(answer.question.type));
    case dns::Rcode::nx_domain:
      return fmt::format("there is no name {} (NXDOMAIN)", name);
    case dns::Rcode::serv_fail:
      return fmt::format("the servers told nothing of {} (SERVFAIL); `vrouter dns` shows how they do", name);
    default:
      return fmt::format("{}: {}", name, dns::rcode_text(answer.reply.rcode));
  }
}

std::string error_text(const dns::ReadError& error) {
  auto text = fmt::format("{} (EDE {})", dns::ede_text(error.code), error.code);
  if (!error.text.empty()) text += ": " + printable(error.text);
  return text;
}

boost::json::array records_json(const std::vector<dns::ReadRecord>& records) {
  boost::json::array all;
  for (const auto& record : records) {
    all.push_back(
        boost::json::object{{"name", record.owner}, {"ttl", record.ttl}, {"type", record.type}, {"data", record.data}});
  }
  return all;
}

}  // namespace

bool DnsAnswer::found() const noexcept {
  const auto asked = dns::type_text(question.type);
  const auto is_it = [&](const auto& record) { return question.type == dns::type::any || record.type == asked; };
  return reply.rcode == 0 && std::ranges::any_of(reply.answers, is_it);
}

std::optional<dns::QuestionKey> question_of(const std::string& name, std::optional<std::uint16_t> type) {
  boost::system::error_code no_address;
  const auto of = boost::asio::ip::make_address(name, no_address);
  if (!no_address) return dns::QuestionKey{.name = dns::reverse_name(of), .type = type.value_or(dns::type::ptr)};
  const auto asked = dns::Name::from_text(name);
  if (!asked) return std::nullopt;
  return dns::QuestionKey{.name = *asked, .type = type.value_or(dns::type::a)};
}

std::expected<DnsAnswer, std::string> ask_dns(const address& server, const dns::QuestionKey& question, bool tcp,
                                              std::chrono::milliseconds patience) {
  const auto start = Clock::now();
  auto reply = tcp ? ask_tcp(server, question, start + patience) : ask_udp(server, question, start + patience);
  if (reply && !tcp && reply->truncated) {
    tcp = true;
    reply = ask_tcp(server, question, start + patience);
  }
  if (!reply) return std::unexpected(reply.error());
  return DnsAnswer{.question = question,
                   .reply = *std::move(reply),
                   .server = server,
                   .tcp = tcp,
                   .took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start)};
}

std::string answer_text(const DnsAnswer& answer, bool colour) {
  std::string text;
  if (!answer.reply.answers.empty()) {
    std::vector<std::vector<Cell>> rows;
    for (const auto& record : answer.reply.answers)
      rows.push_back({{record.owner}, {std::to_string(record.ttl)}, {record.type}, {record.data}});
    text = render_table({"NAME", "TTL", "TYPE", "DATA"}, rows, colour);
  }
  if (!answer.found()) text += rcode_sentence(answer) + "\n";
  for (const auto& error : answer.reply.errors) text += error_text(error) + "\n";
  text += fmt::format("from {} over {} in {:.1f} ms\n", answer.server.to_string(), answer.tcp ? "TCP" : "UDP",
                      static_cast<double>(answer.took.count()) / 1000);
  return text;
}

std::string answer_json(const DnsAnswer& answer) {
  boost::json::array errors;
  for (const auto& error : answer.reply.errors) {
    errors.push_back(boost::json::object{
        {"code", error.code}, {"meaning", dns::ede_text(error.code)}, {"text", printable(error.text)}});
  }
  return boost::json::serialize(boost::json::object{{"name", answer.question.name.to_text()},
                                                    {"type", dns::type_text(answer.question.type)},
                                                    {"rcode", dns::rcode_text(answer.reply.rcode)},
                                                    {"found", answer.found()},
                                                    {"answers", records_json(answer.reply.answers)},
                                                    {"authority", records_json(answer.reply.authority)},
                                                    {"errors", std::move(errors)},
                                                    {"server", answer.server.to_string()},
                                                    {"transport", answer.tcp ? "tcp" : "udp"},
                                                    {"microseconds", answer.took.count()}});
}

}  // namespace vrouter::router::cli
