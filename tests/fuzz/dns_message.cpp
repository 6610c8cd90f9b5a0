// SPDX-License-Identifier: GPL-2.0-or-later
// The first byte picks who wrote the rest: a client, or the server that was asked.
#include "dns/admission.h"
#include "dns/codec.h"

namespace {

using namespace vrouter::dns;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check_reply(const Bytes& reply, const Query& query, std::size_t limit) {
  require(reply.size() >= kHeaderSize && reply.size() <= limit);
  require(reply[0] == query.id >> 8 && reply[1] == (query.id & 0xff));
  require((reply[2] & 0x80) != 0);
  if (!query.has_question) return;
  const auto name = query.question.name.wire();
  require(std::equal(name.begin(), name.end(), reply.begin() + kHeaderSize));
}

void as_client(std::span<const std::uint8_t> input) {
  require(write_truncated(input).size() <= input.size());
  const auto query = decode_query(input);
  if (!query) {
    if (!query.error().silent)
      check_reply(write_error(query.error().query, query.error().rcode), query.error().query, 512);
    return;
  }
  require(query->has_question && query->question.name.size() <= Name::kMaxSize);
  check_reply(write_error(*query, Rcode::serv_fail, Ede::network_error), *query, 512);
  const auto key = key_of(*query);
  require(key.name.same_as(query->question.name));
  // What goes upstream is a query that says the same.
  const auto again = decode_query(write_query(key, 7, true));
  require(again && key_of(*again) == key && again->id == 7);
  // Text holds everything that has no dot or odd byte in it.
  const auto text = key.name.to_text();
  if (text.find('\\') == std::string::npos) require(Name::from_text(text) == key.name);
}

void as_server(std::span<const std::uint8_t> input) {
  vrouter::WireReader r{input};
  const std::uint16_t id = r.u16();
  r.skip(10);
  const auto name = Name::decode(input, r);
  const QuestionKey key{.name = name.value_or(Name{}).lower(), .type = r.u16(), .klass = r.u16()};
  const auto reply = decode_reply(input, key, id);
  if (!reply || reply->message.empty()) return;
  require(reply->message.size() <= input.size());
  Query query{.id = 0x5a5a, .has_question = true, .question = {*name, key.type, key.klass}};
  check_reply(write_forwarded(query, reply->message, kMaxMessage), query, kMaxMessage);
  query.edns = Edns{.udp_size = 700};
  check_reply(write_forwarded(query, reply->message, udp_limit(query)), query, 700);
  const auto cut = write_truncated(write_forwarded(query, reply->message, kMaxMessage, Ede::stale_answer));
  check_reply(cut, query, kPlainUdpLimit);
  require((cut[2] & 0x02) != 0 && write_truncated(cut) == cut);
  // What is left of a reply is a reply still, and nothing more is taken off it.
  const auto again = decode_reply(reply->message, key, id);
  require(again && again->message == reply->message);
  // What the firewall is told of a reply is in what is told to the guest.
  const auto plain = without_additional(reply->message);
  require(plain.size() <= reply->message.size() && without_additional(plain) == plain);
  const auto told = told_by(plain);
  require(told.addresses == told_by(reply->message).addresses && told.addresses.size() <= plain.size() / 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span input{data + 1, size - 1};
  if ((data[0] & 1) == 0) {
    as_client(input);
  } else {
    as_server(input);
  }
  return 0;
}
