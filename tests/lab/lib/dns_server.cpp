// SPDX-License-Identifier: GPL-2.0-or-later
// A name server small enough to trust: it shares no code with the product's, so that both can't be wrong alike.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cctype>
#include <optional>
#include <string_view>
#include <thread>

#include "base/wire_reader.h"
#include "base/wire_writer.h"
#include "tests/lab/lib/servers.h"
#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

// RFC 1035 4.1.1, the flags' word.
constexpr std::uint16_t kResponse = 0x8400;  // QR and AA
constexpr std::uint16_t kTruncated = 0x0200;
constexpr std::uint16_t kRecursionDesired = 0x0100;
constexpr std::uint16_t kRecursionAvailable = 0x0080;
constexpr std::uint16_t kServerFailure = 2, kNameError = 3, kRefused = 5;
constexpr std::uint16_t kClassIn = 1;
constexpr std::uint16_t kTypeSoa = 6;
constexpr std::uint32_t kTtl = 60;
constexpr std::uint32_t kNegativeTtl = 30;
constexpr std::size_t kMaxUdp = 512;
constexpr auto kSlow = 700ms;
constexpr timeval kIdle{.tv_sec = 0, .tv_usec = 100'000};
constexpr std::size_t kMaxMessage = 65535;

struct TypeName {
  std::uint16_t code;
  std::string_view name;
};
constexpr std::array kTypes{TypeName{1, "A"},    TypeName{2, "NS"},    TypeName{5, "CNAME"}, TypeName{6, "SOA"},
                            TypeName{12, "PTR"}, TypeName{15, "MX"},   TypeName{16, "TXT"},  TypeName{28, "AAAA"},
                            TypeName{33, "SRV"}, TypeName{65, "HTTPS"}};

std::string type_name(std::uint16_t code) {
  for (const auto& type : kTypes) {
    if (type.code == code) return std::string{type.name};
  }
  return "TYPE" + std::to_string(code);
}

struct Question {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  std::string name;  // lower case, no final dot
  std::uint16_t type = 0;
  std::string wire;  // the question section as it came
};

std::optional<Question> read_question(std::span<const std::uint8_t> query) {
  WireReader reader{query};
  Question question;
  question.id = reader.u16();
  question.flags = reader.u16();
  const auto count = reader.u16();
  reader.skip(6);
  const auto start = reader.rest();
  for (auto length = reader.u8(); length != 0 && !reader.failed(); length = reader.u8()) {
    if (!question.name.empty()) question.name += '.';
    for (const auto c : reader.take(length)) question.name += static_cast<char>(std::tolower(c));
  }
  question.type = reader.u16();
  reader.skip(2);
  if (reader.failed() || count != 1) return std::nullopt;
  const auto section = start.first(start.size() - reader.rest().size());
  question.wire.assign(section.begin(), section.end());
  return question;
}

void write_name(WireWriter& writer, std::string_view name) {
  while (!name.empty()) {
    const auto label = name.substr(0, name.find('.'));
    writer.u8(static_cast<std::uint8_t>(label.size()));
    for (const char c : label) writer.u8(static_cast<std::uint8_t>(c));
    name.remove_prefix(std::min(name.size(), label.size() + 1));
  }
  writer.u8(0);
}

void write_data(WireWriter& writer, std::uint16_t type, const std::string& value) {
  std::array<std::uint8_t, 16> address{};
  if (type == 1 && ::inet_pton(AF_INET, value.c_str(), address.data()) == 1) {
    writer.bytes(std::span{address}.first(4));
  } else if (type == 28 && ::inet_pton(AF_INET6, value.c_str(), address.data()) == 1) {
    writer.bytes(address);
  } else if (type == 16) {
    for (std::string_view rest = value; !rest.empty();) {
      const auto piece = rest.substr(0, 255);
      writer.u8(static_cast<std::uint8_t>(piece.size()));
      for (const char c : piece) writer.u8(static_cast<std::uint8_t>(c));
      rest.remove_prefix(piece.size());
    }
  } else {
    write_name(writer, value);
  }
}

void write_record(WireWriter& writer, const std::string& name, std::uint16_t type, const std::string& value) {
  write_name(writer, name);
  writer.u16(type);
  writer.u16(kClassIn);
  writer.u32(kTtl);
  const auto length_at = writer.size();
  writer.u16(0);
  write_data(writer, type, value);
  writer.patch_u16(length_at, static_cast<std::uint16_t>(writer.size() - length_at - 2));
}

// The root's, for want of zones: what negative caching needs is its minimum (RFC 2308 section 3).
void write_soa(WireWriter& writer) {
  write_name(writer, "");
  writer.u16(kTypeSoa);
  writer.u16(kClassIn);
  writer.u32(kNegativeTtl);
  const auto length_at = writer.size();
  writer.u16(0);
  write_name(writer, "ns.lab");
  write_name(writer, "root.lab");
  for (const auto value : {1U, 3600U, 600U, 86400U, kNegativeTtl}) writer.u32(value);
  writer.patch_u16(length_at, static_cast<std::uint16_t>(writer.size() - length_at - 2));
}

using Records = std::multimap<std::string, std::string>;

bool name_exists(const Records& records, const std::string& name) {
  const auto at = records.lower_bound(name + " ");
  return at != records.end() && at->first.starts_with(name + " ");
}

// Follows CNAMEs among its own records, as a resolver that a host uses does.
std::vector<std::pair<std::string, std::pair<std::uint16_t, std::string>>> find_answers(const Records& records,
                                                                                        const Question& question) {
  std::vector<std::pair<std::string, std::pair<std::uint16_t, std::string>>> answers;
  constexpr int kMaxChain = 8;
  auto name = question.name;
  for (int i = 0; i < kMaxChain; ++i) {
    const auto [begin, end] = records.equal_range(name + " " + type_name(question.type));
    for (auto at = begin; at != end; ++at) answers.push_back({name, {question.type, at->second}});
    const auto alias = records.find(name + " CNAME");
    if (begin != end || alias == records.end()) break;
    answers.push_back({name, {5, alias->second}});
    name = alias->second;
  }
  return answers;
}

std::string write_reply(const Question& question, std::uint16_t flags, const Records* records, std::size_t limit) {
  std::vector<std::uint8_t> buffer(limit);
  WireWriter writer{buffer};
  const auto answers =
      records == nullptr ? decltype(find_answers(*records, question)){} : find_answers(*records, question);
  const bool negative = records != nullptr && answers.empty();
  if (negative && !name_exists(*records, question.name)) flags |= kNameError;
  writer.u16(question.id);
  writer.u16(flags);
  writer.u16(1);
  writer.u16(static_cast<std::uint16_t>(answers.size()));
  writer.u16(negative ? 1 : 0);
  writer.u16(0);
  for (const char c : question.wire) writer.u8(static_cast<std::uint8_t>(c));
  const auto bare = writer.size();
  for (const auto& [name, data] : answers) write_record(writer, name, data.first, data.second);
  if (negative) write_soa(writer);
  if (writer.failed()) {
    // Too long for the transport: header and question only, with TC.
    writer.truncate(bare);
    writer.patch_u16(2, static_cast<std::uint16_t>(flags | kTruncated));
    writer.patch_u16(6, 0);
    writer.patch_u16(8, 0);
  }
  return {writer.written().begin(), writer.written().end()};
}

}  // namespace

DnsServer::DnsServer(const Namespace& where, const std::string& address,
                     std::multimap<std::string, std::string> records, std::uint16_t port)
    : records_{std::move(records)} {
  where.enter([&] {
    udp_ = bind_udp(address, port);
    tcp_ = listen_tcp(address, port);
  });
  serve({udp_.get(), tcp_.get()}, [this](int fd) { fd == udp_.get() ? answer_udp(fd) : answer_tcp(fd); });
}

DnsServer::~DnsServer() {
  finish();
}

std::vector<Asked> DnsServer::queries() const {
  const std::lock_guard lock{mutex_};
  return queries_;
}

std::string DnsServer::reply(const std::string& query, Asked asked) {
  const std::vector<std::uint8_t> bytes{query.begin(), query.end()};
  auto question = read_question(bytes);
  if (!question) return {};
  asked.what = question->name + " " + type_name(question->type);
  asked.dns_id = question->id;
  {
    const std::lock_guard lock{mutex_};
    queries_.push_back(asked);
  }
  const auto flags =
      static_cast<std::uint16_t>(kResponse | kRecursionAvailable | (question->flags & kRecursionDesired));
  const auto limit = asked.over_tcp ? kMaxMessage : kMaxUdp;
  const auto with = [flags](std::uint16_t more) { return static_cast<std::uint16_t>(flags | more); };
  switch (mood_.load()) {
    case DnsMood::answers:
      break;
    case DnsMood::silent:
      return {};
    case DnsMood::slow:
      std::this_thread::sleep_for(kSlow);
      break;
    case DnsMood::refuses:
      return write_reply(*question, with(kRefused), nullptr, limit);
    case DnsMood::server_failure:
      return write_reply(*question, with(kServerFailure), nullptr, limit);
    case DnsMood::truncates:
      if (!asked.over_tcp) return write_reply(*question, with(kTruncated), nullptr, limit);
      break;
    case DnsMood::wrong_id:
      if (!asked.over_tcp) ++question->id;
      break;
    case DnsMood::wrong_question:
      // The first letter of the name, so that the lengths stay.
      if (!asked.over_tcp && question->wire.size() > 2) question->wire[1] = question->wire[1] == 'x' ? 'y' : 'x';
      break;
  }
  return write_reply(*question, flags, &records_, limit);
}

void DnsServer::answer_udp(int socket) {
  Peer peer;
  const auto query = receive_from(socket, peer);
  const auto answer = reply(query, {.address = peer.address, .port = peer.port, .what = {}, .over_tcp = false});
  if (!answer.empty()) send_to(socket, peer, answer);
}

void DnsServer::answer_tcp(int listener) {
  Peer peer;
  const auto connection = accept_tcp(listener, peer);
  if (!connection) return;
  // Who keeps a connection for later would have the one thread that answers.
  ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &kIdle, sizeof kIdle);
  std::array<std::uint8_t, 2> length{};
  while (::recv(connection.get(), length.data(), length.size(), MSG_WAITALL) == 2) {
    std::string query(static_cast<std::size_t>(length[0]) << 8 | length[1], '\0');
    if (::recv(connection.get(), query.data(), query.size(), MSG_WAITALL) != static_cast<ssize_t>(query.size())) return;
    const auto answer = reply(query, {.address = peer.address, .port = peer.port, .what = {}, .over_tcp = true});
    if (answer.empty()) return;
    const std::string framed = {static_cast<char>(answer.size() >> 8), static_cast<char>(answer.size() & 0xff)};
    if (::send(connection.get(), (framed + answer).data(), answer.size() + 2, MSG_NOSIGNAL) < 0) return;
  }
}

}  // namespace vrouter::lab
