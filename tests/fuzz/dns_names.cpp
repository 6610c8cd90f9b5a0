// SPDX-License-Identifier: GPL-2.0-or-later
// A client's message through everything that answers from here: decoded, looked up for a guest and for the host,
// written, cut.
#include <memory>

#include "dns/names.h"
#include "dns/query_handler.h"

namespace {

using namespace vrouter::dns;
using boost::asio::ip::make_address;

struct NoSource final : AnswerSource {
  void ask(const QuestionKey& /*key*/, unsigned /*asker*/, Done done) override { done({}); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto names = [] {
    auto n = std::make_unique<Names>();
    n->apply({.snapshot = true,
              .zones = {{"default",
                         "guests.internal",
                         {boost::asio::ip::make_network_v4("10.0.5.0/24")},
                         {boost::asio::ip::make_network_v6("fd76:7274:5::/64")},
                         {make_address("10.0.5.1")}}},
              .upserts = {{"default", "web1", 7, {make_address("10.0.5.2"), make_address("fd76:7274:5::2")}}},
              .removed = {}});
    return n;
  }();
  static const UpstreamTable table;
  NoSource source;
  Statistics counts;
  QueryHandler handler{*names, table, source, counts};
  for (const auto transport : {Transport::udp, Transport::tcp}) {
    for (const Client& client : {Client{7, make_address("10.0.5.2")}, Client{1, make_address("127.0.0.1")}}) {
      unsigned answers = 0;
      handler.handle({data, size}, client, transport, {}, [&](const Bytes& reply) {
        ++answers;
        const std::size_t limit = transport == Transport::udp ? kMaxUdpReply : kMaxMessage;
        if (reply.size() > limit || (!reply.empty() && (reply.size() < kHeaderSize || (reply[2] & 0x80) == 0)))
          __builtin_trap();
        // Nothing we say may be asked back: a reply is no query.
        if (!reply.empty() && decode_query(reply)) __builtin_trap();
      });
      if (answers != 1) __builtin_trap();
    }
  }
  return 0;
}
