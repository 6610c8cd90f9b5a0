// SPDX-License-Identifier: GPL-2.0-or-later
// DNS messages on the wire (RFC 1035, RFC 6891). Pure: bytes in, values out, and back.
//
// A message is read once, whole and strictly; a reply is either rebuilt from values or is the upstream's message cut
// off at its OPT record with id, flags and question overwritten in place. Nothing is spliced, so nothing can grow past
// its buffer, and no option of one hop reaches the next.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/wire_reader.h"
#include "dns/name.h"
#include "dns/tables.h"

namespace vrouter::dns {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::size_t kHeaderSize = 12;
inline constexpr std::size_t kMaxMessage = 65535;    // the length prefix of RFC 1035 4.2.2
inline constexpr std::size_t kPlainUdpLimit = 512;   // without EDNS, RFC 1035 4.2.1
inline constexpr std::size_t kMaxUdpReply = 1232;    // never fragmented: RFC 9715
inline constexpr std::size_t kClientCookieSize = 8;  // RFC 7873 section 4
inline constexpr unsigned kMaxEdnsOptions = 32;      // nobody honest sends more; floods of them cost others their CPU

// IANA's DNS parameters. A type not listed here is carried as it is (RFC 3597).
namespace type {
inline constexpr std::uint16_t a = 1, ns = 2, cname = 5, soa = 6, ptr = 12, hinfo = 13, mx = 15, txt = 16, aaaa = 28,
                               srv = 33, dname = 39, opt = 41, ds = 43, rrsig = 46, svcb = 64, https = 65, ixfr = 251,
                               axfr = 252, any = 255;
}
inline constexpr std::uint16_t kClassIn = 1;

enum class Rcode : std::uint16_t {
  no_error,
  form_err,
  serv_fail,
  nx_domain,
  not_imp,
  refused,
  yx_domain,
  bad_vers = 16,
  bad_cookie = 23
};

// Extended DNS errors, RFC 8914.
enum class Ede : std::uint16_t {
  other = 0,
  stale_answer = 3,
  blocked = 15,
  filtered = 17,
  stale_nxdomain = 19,
  no_reachable_authority = 22,
  network_error = 23
};

struct Question {
  Name name;
  std::uint16_t type = 0, klass = kClassIn;
};

struct Edns {
  std::uint16_t udp_size = 0;
  std::uint8_t extended_rcode = 0, version = 0;
  bool dnssec_ok = false;
};

// One record, still in its message.
struct Record {
  Name owner;
  std::uint16_t type = 0, klass = 0;
  std::uint32_t ttl = 0;
  std::size_t start = 0, rdata_start = 0;  // offsets in the message
  std::span<const std::uint8_t> rdata;
};

struct Query {
  std::uint16_t id = 0;
  std::uint8_t opcode = 0;
  bool recursion_desired = false, checking_disabled = false;
  bool has_question = false;  // false only in a rejected query
  Question question{};
  std::optional<Edns> edns{};
};

// A query that gets no answer but an error, or nothing at all.
struct Rejection {
  bool silent = false;  // not even an error: a reply, or too short to hold a header
  Rcode rcode = Rcode::form_err;
  Query query{};  // as far as it could be read, for write_error()
};

// What a client asked, or why it gets no more than an error: the rules of form only (QR, opcode, counts, EDNS, meta
// types).
[[nodiscard]] std::expected<Query, Rejection> decode_query(std::span<const std::uint8_t> message);

// What two clients must share to share an answer: the name in lower case, and the bits that change what upstreams say.
struct QuestionKey {
  Name name;  // lower case
  std::uint16_t type = 0, klass = kClassIn;
  bool dnssec_ok = false, checking_disabled = false;
  auto operator<=>(const QuestionKey&) const = default;
};
[[nodiscard]] QuestionKey key_of(const Query& query);

// The question of `key` as it goes upstream: RD set, EDNS 1232 unless told otherwise, no option but a
// COOKIE with this data (at most 40 bytes) where there is any.
[[nodiscard]] Bytes write_query(const QuestionKey& key, std::uint16_t id, bool with_edns,
                                std::span<const std::uint8_t> cookie = {});

// Makes it a multiple of `block` bytes (RFC 7830; 128 by RFC 8467, 4.1), where it has EDNS: its length tells whoever
// watches a TLS connection less of the name. Once, and nothing is added to it after.
inline constexpr std::size_t kPaddingBlock = 128;
void pad_query(Bytes& query, std::size_t block);

// The commonest query, read where it lies: one question of class IN with its name whole, RD set, nothing behind it but
// an OPT of version 0. What decode_query() would make of it is the same.
struct PlainQuery {
  std::span<const std::uint8_t> name;  // as it was asked
  std::uint16_t id = 0, type = 0;
  bool checking_disabled = false, dnssec_ok = false;
  bool edns = false;
  std::uint16_t udp_size = 0;
};
[[nodiscard]] std::optional<PlainQuery> read_plain_query(std::span<const std::uint8_t> message) noexcept;

struct Reply {
  Rcode rcode = Rcode::serv_fail;
  bool truncated = false;
  Bytes message{};  // whole, without OPT; empty when the server sent back no question (FORMERR of an old one)
  Bytes cookie{};   // the COOKIE option's data, of legal length; empty: none, or truncated
};
enum class ReplyError { wrong_id, wrong_question, malformed };

// A server's message taken as the reply to `key` sent with `id`. Its answers must hang together from the question on
// (a CNAME chain, DNAMEs above it, signatures of both): the message ends before the first that does not.
[[nodiscard]] std::expected<Reply, ReplyError> decode_reply(std::span<const std::uint8_t> message,
                                                            const QuestionKey& key, std::uint16_t id);

// A record of ours.
struct LocalRecord {
  Name owner;
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  Bytes rdata{};
};
struct LocalAnswer {
  Rcode rcode = Rcode::no_error;
  std::vector<LocalRecord> answers{}, authority{};
  std::optional<Name> next{};  // where the last CNAME leads, of which nothing is said here
};

// How large a datagram the client takes from us: clamp(its EDNS size, 512, 1232).
[[nodiscard]] std::size_t udp_limit(const Query& query);
[[nodiscard]] std::size_t udp_limit(const PlainQuery& query) noexcept;

// Replies of at most `limit` bytes: a longer one becomes question and OPT with TC set (RFC 2181 section 9).
[[nodiscard]] Bytes write_error(const Query& query, Rcode rcode, std::optional<Ede> ede = std::nullopt);
[[nodiscard]] Bytes write_local(const Query& query, const LocalAnswer& answer, std::size_t limit,
                                std::optional<Ede> ede = std::nullopt);
// `message` is a Reply's whose question differs from the query's in case at most.
[[nodiscard]] Bytes write_forwarded(const Query& query, std::span<const std::uint8_t> message, std::size_t limit,
                                    std::optional<Ede> ede = std::nullopt);

// One of these once more, as question and OPT with TC set, for whom its length keeps it from. Empty: none of ours.
[[nodiscard]] Bytes write_truncated(std::span<const std::uint8_t> reply);

// The answers of `before`, a chain of CNAMEs of ours, and behind them those of a Reply's message to the question where
// that leads. SERVFAIL where the message can't be taken apart.
[[nodiscard]] Bytes write_continued(const Query& query, const LocalAnswer& before,
                                    std::span<const std::uint8_t> message, std::size_t limit,
                                    std::optional<Ede> ede = std::nullopt);

// write_forwarded() in place: `reply` begins with the message, of `size` bytes, and has room for kOptSize more. The
// reply's size.
inline constexpr std::size_t kOptSize = 11;
[[nodiscard]] std::size_t finish_forwarded(const PlainQuery& query, std::span<std::uint8_t> reply,
                                           std::size_t size) noexcept;

// The start of a record at the reader's place in `message`; the reader then stands behind it.
[[nodiscard]] std::optional<Record> decode_record(std::span<const std::uint8_t> message, WireReader& reader);

}  // namespace vrouter::dns
