// SPDX-License-Identifier: GPL-2.0-or-later
// Lines of "query|reply HEX" in, one line out each: what our codec makes of it, for another codec to compare.
#include <charconv>
#include <iostream>
#include <string>

#include "dns/codec.h"

using namespace vrouter::dns;

namespace {

void tell_query(const Bytes& bytes) {
  const auto query = decode_query(bytes);
  if (!query) {
    std::cout << "rejected\n";
    return;
  }
  std::cout << query->id << ' ' << query->question.name.lower().to_text() << ' ' << query->question.type << ' '
            << (query->edns ? static_cast<int>(query->edns->udp_size) : -1) << ' '
            << (query->edns && query->edns->dnssec_ok) << '\n';
}

void tell_reply(const Bytes& bytes) {
  vrouter::WireReader r{bytes};
  const auto id = r.u16();
  r.skip(10);
  const auto name = Name::decode(bytes, r);
  const auto type = r.u16();
  const auto reply = name ? decode_reply(bytes, {.name = name->lower(), .type = type, .klass = r.u16()}, id)
                          : std::unexpected(ReplyError::malformed);
  if (!reply || reply->message.empty()) {
    std::cout << "rejected\n";
    return;
  }
  const Query query{.id = id, .recursion_desired = true, .has_question = true, .question = {*name, type, kClassIn}};
  std::string hex;
  for (const unsigned b : write_forwarded(query, reply->message, kMaxMessage)) {
    hex += "0123456789abcdef"[b >> 4];
    hex += "0123456789abcdef"[b & 15];
  }
  std::cout << static_cast<unsigned>(reply->rcode) << ' ' << hex << '\n';
}

}  // namespace

int main() {
  for (std::string kind, hex; std::cin >> kind >> hex;) {
    Bytes bytes(hex.size() / 2);
    for (std::size_t i = 0; i < bytes.size(); ++i) std::from_chars(&hex[2 * i], &hex[2 * i] + 2, bytes[i], 16);
    if (kind == "query") {
      tell_query(bytes);
    } else {
      tell_reply(bytes);
    }
  }
}
