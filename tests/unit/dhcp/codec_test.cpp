// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/codec.h"

#include <gtest/gtest.h>

#include "tests/unit/dhcp/packets.h"

namespace vrouter::dhcp {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace): the packets of this room's tests

ParseError error_of(const RequestBytes& request) {
  const auto decoded = decode_request(request.bytes());
  EXPECT_FALSE(decoded);
  return decoded ? ParseError{} : decoded.error();
}

Request decoded(const RequestBytes& request) {
  const auto result = decode_request(request.bytes());
  EXPECT_TRUE(result) << name(result.error());
  return result.value_or(Request{});
}

TEST(DecodeRequest, ReadsEveryFieldWeUse) {
  auto bytes = selecting("10.0.5.2");
  bytes.flags = 0x8000;
  bytes.ciaddr = ip("10.0.5.9");
  bytes.giaddr = ip("10.0.5.8");
  bytes.add(57, {0x05, 0xdc}).add(61, {1, 2, 3}).add(60, text("PXEClient:Arch:00007")).add(77, text("iPXE"));
  bytes.add(12, text("Web1.example.com")).add(55, {1, 3, 121, 255}).add(80, {});
  const auto r = decoded(bytes);
  EXPECT_EQ(r.type, MessageType::request);
  EXPECT_EQ(r.transaction, 0x3903f326u);
  EXPECT_TRUE(r.wants_broadcast());
  EXPECT_EQ(r.client_address, ip("10.0.5.9"));
  EXPECT_EQ(r.relay_address, ip("10.0.5.8"));
  EXPECT_EQ(r.hardware, kGuestMac);
  EXPECT_EQ(r.requested_address, ip("10.0.5.2"));
  EXPECT_EQ(r.server_identifier, ip("10.0.5.1"));
  EXPECT_EQ(r.max_message_size, 1500);
  EXPECT_EQ(r.client_id.size(), 3u);
  EXPECT_EQ(r.vendor_class.text(), "PXEClient:Arch:00007");
  EXPECT_EQ(r.user_class.text(), "iPXE");
  EXPECT_EQ(r.host_name.text(), "web1");
  EXPECT_TRUE(r.rapid_commit);
  EXPECT_EQ(r.parameters.count(), 4u);
  EXPECT_TRUE(r.parameters.test(121));
}

TEST(DecodeRequest, ReadsWhatBootRomsSay) {
  const auto machine = Bytes{0} + Bytes(16, 9);
  const auto r = decoded(discover().add(93, {0, 7, 0, 16}).add(94, {1, 3, 16}).add(97, machine));
  EXPECT_TRUE(std::ranges::equal(r.architectures.span(), Bytes{0, 7, 0, 16}));
  EXPECT_TRUE(r.network_interface);
  EXPECT_TRUE(std::ranges::equal(r.machine.span(), machine));
  EXPECT_EQ(decoded(discover().add(93, Bytes(200, 1))).architectures.size(), 2 * kMaxArchitectures);
}

TEST(DecodeRequest, ReadsWhatRelaysSay) {
  const Bytes said = Bytes{1, 2, 'p', '7', 5, 4, 10, 1, 0, 0, 11, 4, 10, 2, 0, 1, 19, 0};
  const auto r = decoded(discover().add(82, said).add_ip(118, "10.3.0.0"));
  EXPECT_TRUE(std::ranges::equal(r.relay_agent.span(), said));
  EXPECT_EQ(r.link_selection, ip("10.1.0.0"));
  EXPECT_EQ(r.server_override, ip("10.2.0.1"));
  EXPECT_TRUE(r.relay_source_port);
  EXPECT_EQ(r.subnet_selection, ip("10.3.0.0"));
}

TEST(DecodeRequest, TakesTheFqdnBeforeTheHostName) {  // RFC 4702
  const auto r =
      decoded(discover().add(12, text("plain")).add(81, Bytes{5, 0, 0, 4} + text("Full") + Bytes{1, 'x', 0}));
  EXPECT_EQ(r.host_name.text(), "full");
  EXPECT_EQ(r.fqdn_flags, 5);
  EXPECT_EQ(decoded(discover().add(81, Bytes{1, 0, 0} + text("Full.example"))).host_name.text(), "full");
  EXPECT_EQ(decoded(discover().add(12, text("plain")).add(81, {0, 0, 0})).host_name.text(), "plain");
}

TEST(DecodeRequest, ReadsTheWishForALeaseTime) {
  EXPECT_EQ(decoded(discover().add(51, {0, 1, 0, 2})).lease_time, 0x10002u);
  EXPECT_FALSE(decoded(discover().add(51, {0, 1, 0})).lease_time);
}

TEST(DecodeRequest, TakesRequestsShorterThanBootp) {
  EXPECT_LT(discover().bytes().size(), kMinReply);
  EXPECT_EQ(decoded(discover()).type, MessageType::discover);
}

TEST(DecodeRequest, RefusesWhatIsNoRequestOfAnEthernetStation) {
  auto request = discover();
  request.op = 2;
  EXPECT_EQ(error_of(request), ParseError::not_a_request);
  request = discover();
  request.htype = 6;
  EXPECT_EQ(error_of(request), ParseError::not_ethernet);
  for (const int hlen : {0, 5, 7, 16, 17, 255}) {
    request = discover();
    request.hlen = static_cast<std::uint8_t>(hlen);
    EXPECT_EQ(error_of(request), ParseError::not_ethernet) << hlen;
  }
  request = discover();
  request.chaddr = kBroadcastMac;
  EXPECT_EQ(error_of(request), ParseError::not_ethernet);
  request.chaddr = {};
  EXPECT_EQ(error_of(request), ParseError::not_ethernet);
}

TEST(DecodeRequest, RefusesMessageTypesOfServersAndUnknownOnes) {
  for (const int type : {0, 2, 5, 6, 9, 10, 13, 255}) {
    EXPECT_EQ(error_of(RequestBytes{static_cast<std::uint8_t>(type)}), ParseError::not_a_request) << type;
  }
}

TEST(DecodeRequest, TellsBootpFromDhcp) {
  const auto rfc1497 = decoded(RequestBytes{}.add(12, text("old")));
  EXPECT_EQ(rfc1497.type, MessageType::bootp);
  EXPECT_EQ(rfc1497.host_name.text(), "old");
  auto bytes = discover().bytes();
  bytes[236] = 0;  // no cookie: what follows is no option
  const auto rfc951 = decode_request(bytes);
  ASSERT_TRUE(rfc951);
  EXPECT_EQ(rfc951->type, MessageType::bootp);
  EXPECT_EQ(rfc951->hardware, kGuestMac);
}

TEST(DecodeRequest, RefusesEveryPrefixOfAMessage) {
  const auto whole = selecting("10.0.5.2").add(61, {1, 2, 3, 4}).bytes();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    EXPECT_FALSE(decode_request(std::span{whole}.first(n))) << n;
  }
  EXPECT_TRUE(decode_request(whole));
}

TEST(DecodeRequest, RefusesAnOptionPastTheEndAndAMissingEnd) {
  auto request = discover();
  request.options = request.options + Bytes{12, 200, 'a'};
  request.end = false;
  EXPECT_EQ(error_of(request), ParseError::truncated);
  request = discover();
  request.end = false;
  EXPECT_EQ(error_of(request), ParseError::truncated);
  request.options.push_back(61);  // a code without its length
  EXPECT_EQ(error_of(request), ParseError::truncated);
}

TEST(DecodeRequest, IgnoresPadsAndWhatFollowsTheEnd) {
  auto request = discover();
  request.options = Bytes{0, 0} + request.options + Bytes{255, 53, 200};
  EXPECT_EQ(decoded(request).type, MessageType::discover);
}

TEST(DecodeRequest, RefusesWrongSizesOfTheOptionsThatDecide) {
  for (const std::uint8_t code : {std::uint8_t{50}, std::uint8_t{54}}) {
    for (const std::size_t size : {0u, 1u, 3u, 5u, 8u, 255u}) {
      EXPECT_EQ(error_of(discover().add(code, Bytes(size, 1))), ParseError::bad_option) << int{code} << " " << size;
    }
  }
  EXPECT_EQ(error_of(discover().add(57, {5})), ParseError::bad_option);
  EXPECT_EQ(error_of(discover().add(57, {5, 5, 5})), ParseError::bad_option);
  EXPECT_EQ(error_of(RequestBytes{}.add(53, {})), ParseError::bad_option);
  EXPECT_EQ(error_of(RequestBytes{}.add(53, {1, 1})), ParseError::bad_option);
}

TEST(DecodeRequest, RefusesARepeatedFixedOption) {
  EXPECT_EQ(error_of(discover().add(53, {3})), ParseError::bad_option);
  EXPECT_EQ(error_of(selecting("10.0.5.2").add_ip(50, "10.0.5.3")), ParseError::bad_option);
}

TEST(DecodeRequest, IgnoresClientIdsTooShortOrTooLong) {
  EXPECT_TRUE(decoded(discover().add(61, {})).client_id.empty());
  EXPECT_TRUE(decoded(discover().add(61, {1})).client_id.empty());
  EXPECT_EQ(decoded(discover().add(61, {1, 2})).client_id.size(), 2u);
  EXPECT_EQ(decoded(discover().add(61, Bytes(255, 7))).client_id.size(), 255u);
  EXPECT_TRUE(decoded(discover().add(61, Bytes(255, 7)).add(61, {7})).client_id.empty());
}

TEST(DecodeRequest, IgnoresRapidCommitWithAValue) {
  EXPECT_FALSE(decoded(discover().add(80, {1})).rapid_commit);
}

TEST(DecodeRequest, JoinsSplitOptions) {  // RFC 3396
  const auto r = decoded(discover().add(61, {1, 2}).add(12, text("we")).add(61, {3}).add(12, text("b1")));
  EXPECT_TRUE(std::ranges::equal(r.client_id.span(), Bytes{1, 2, 3}));
  EXPECT_EQ(r.host_name.text(), "web1");
}

TEST(DecodeRequest, ReadsOverloadedFileThenSname) {
  RequestBytes request;
  request.add(52, {3}).add(12, text("a"));
  request.file = tlv(53, {1}) + tlv(12, text("b")) + Bytes{255};
  request.sname = tlv(12, text("c")) + Bytes{255};
  EXPECT_EQ(decoded(request).host_name.text(), "abc");
}

TEST(DecodeRequest, ReadsOnlyTheFieldsThatOverloadNames) {
  auto request = discover().add(52, {1});
  request.file = tlv(12, text("file")) + Bytes{255};
  request.sname = tlv(12, text("sname")) + Bytes{255};
  EXPECT_EQ(decoded(request).host_name.text(), "file");
  request = discover().add(52, {2});
  request.file = tlv(12, text("file")) + Bytes{255};
  request.sname = tlv(12, text("sname")) + Bytes{255};
  EXPECT_EQ(decoded(request).host_name.text(), "sname");
  request = discover();
  request.file = tlv(12, text("file")) + Bytes{255};
  EXPECT_TRUE(decoded(request).host_name.empty());
}

TEST(DecodeRequest, RefusesNestedAndUnknownOverload) {
  auto request = discover().add(52, {1});
  request.file = tlv(52, {2}) + Bytes{255};
  EXPECT_EQ(error_of(request), ParseError::bad_option);
  EXPECT_EQ(error_of(discover().add(52, {0})), ParseError::bad_option);
  EXPECT_EQ(error_of(discover().add(52, {4})), ParseError::bad_option);
  EXPECT_EQ(error_of(discover().add(52, {1, 1})), ParseError::bad_option);
}

TEST(DecodeRequest, RefusesAnOverloadedFieldThatRunsOver) {
  auto request = discover().add(52, {2});
  request.sname = Bytes(62, 0) + Bytes{12, 9};  // would read on into `file`
  EXPECT_EQ(error_of(request), ParseError::truncated);
  request.sname = Bytes(64, 0);
  EXPECT_EQ(error_of(request), ParseError::truncated);
}

TEST(SanitiseHostName, KeepsOneLabelOrNothing) {
  const auto clean = [](std::string_view raw) { return std::string{sanitise_host_name(text(raw)).text()}; };
  using namespace std::string_view_literals;
  EXPECT_EQ(clean("web1"), "web1");
  EXPECT_EQ(clean("WEB-1"), "web-1");
  EXPECT_EQ(clean("web1.example.com"), "web1");
  EXPECT_EQ(clean("web1\0\0"sv), "web1");
  EXPECT_EQ(clean(std::string(63, 'a')), std::string(63, 'a'));
  EXPECT_EQ(clean(std::string(64, 'a')), "");
  for (const auto bad : {""sv, "."sv, ".web"sv, "-web"sv, "web-"sv, "web-.x"sv, "we b"sv, "web\n10.0.5.9 evil"sv,
                         "we\0b"sv, "w\xc3\xa9"sv, "<script>"sv, "a_b"sv, "\0"sv}) {
    EXPECT_EQ(clean(bad), "") << bad;
  }
}

Reply ack_with(std::initializer_list<std::pair<std::uint8_t, Bytes>> options) {
  Reply reply;
  reply.transaction = 0x01020304;
  reply.hardware = kGuestMac;
  reply.options.add_u8(53, 5);
  for (const auto& [code, value] : options) reply.options.add(code, value);
  return reply;
}

Bytes encoded(const Reply& reply, std::size_t cap) {
  Bytes buffer(kMaxReply, 0xcc);
  buffer.resize(encode_reply(reply, cap, buffer));
  return buffer;
}

TEST(EncodeReply, PadsToTheSizeOfBootp) {
  const auto bytes = encoded(ack_with({}), 548);
  EXPECT_EQ(bytes.size(), kMinReply);
  const auto view = read_reply(bytes);
  EXPECT_TRUE(view.well_formed);
  EXPECT_EQ(view.op, 2);
  EXPECT_EQ(view.xid, 0x01020304u);
  EXPECT_EQ(view.chaddr, (Bytes{0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(EncodeReply, SplitsLongOptions) {  // RFC 3396
  const auto bytes = encoded(ack_with({{43, Bytes(600, 9)}, {44, {}}}), kMaxReply);
  const auto view = read_reply(bytes);
  EXPECT_TRUE(view.well_formed);
  EXPECT_EQ(view.at(43), Bytes(600, 9));
  EXPECT_EQ(bytes[243 + 1], 255);
  EXPECT_EQ(bytes[243 + 257 + 1], 255);
  EXPECT_EQ(bytes[243 + 2 * 257 + 1], 90);
  EXPECT_TRUE(view.has(44));
}

TEST(EncodeReply, LeavesOutWholeOptionsThatDoNotFit) {
  const auto reply = ack_with({{12, Bytes(40, 'a')}, {43, Bytes(300, 9)}, {15, Bytes(10, 'b')}});
  for (std::size_t cap = 0; cap < 700; ++cap) {
    const auto bytes = encoded(reply, cap);
    EXPECT_LE(bytes.size(), std::max(cap, kMinReply));
    const auto view = read_reply(bytes);
    ASSERT_TRUE(view.well_formed) << cap;
    EXPECT_EQ(view.type(), 5);
    EXPECT_EQ(view.at(12).size(), 40u);
    EXPECT_TRUE(view.at(43).empty() || view.at(43).size() == 300u);
  }
  EXPECT_EQ(read_reply(encoded(reply, 700)).at(43).size(), 300u);
}

TEST(EncodeReply, FillsItsCapToTheLastByte) {
  // 240 fixed, 3 for the type, 2 + 54 for the option, 1 for the end: 300.
  EXPECT_TRUE(read_reply(encoded(ack_with({{43, Bytes(54, 9)}}), 300)).has(43));
  EXPECT_FALSE(read_reply(encoded(ack_with({{43, Bytes(55, 9)}}), 300)).has(43));
}

TEST(EncodeReply, WritesNothingIntoABufferTooSmall) {
  Bytes buffer(kMinReply - 1);
  EXPECT_EQ(encode_reply(ack_with({}), 548, buffer), 0u);
}

TEST(EncodeReply, KeepsTheRelaysOptionWhateverTheCap) {  // RFC 3046, 2.2
  auto reply = ack_with({{12, Bytes(40, 'a')}, {43, Bytes(200, 9)}});
  const Bytes said(100, 7);
  ASSERT_TRUE(reply.relay_agent.append(said));
  for (std::size_t cap = 0; cap < 700; ++cap) {
    const auto bytes = encoded(reply, cap);
    const auto view = read_reply(bytes);
    ASSERT_TRUE(view.well_formed) << cap;
    EXPECT_LE(bytes.size(), std::max(cap, kMinReply + 102));
    EXPECT_EQ(view.at(82), said);
    EXPECT_EQ(view.order.back(), 82);
  }
  EXPECT_TRUE(read_reply(encoded(reply, 590)).has(43));  // 240, 3, 42, 202, 102 and the end
  EXPECT_FALSE(read_reply(encoded(reply, 589)).has(43));
  Bytes small(kMinReply + 101);
  EXPECT_EQ(encode_reply(reply, 548, small), 0u);
}

TEST(EncodeReply, WritesWhereToBootFrom) {
  auto reply = ack_with({});
  reply.boot_server = ip("192.0.2.69");
  ASSERT_TRUE(reply.boot_file.append(Bytes(kMaxBootFile, 'f')));
  const auto view = read_reply(encoded(reply, 548));
  EXPECT_TRUE(view.well_formed);
  EXPECT_EQ(view.siaddr, ip("192.0.2.69"));
  EXPECT_EQ(view.file, Bytes(kMaxBootFile, 'f'));
}

TEST(OptionList, CopiesAreWhole) {
  OptionList list;
  list.add(43, Bytes(300, 1));
  list.add(44, Bytes{2});
  const auto copy = list;
  OptionList assigned;
  assigned.add(1, Bytes{9});
  assigned = copy;
  ASSERT_EQ(assigned.entries().size(), 2u);
  EXPECT_TRUE(std::ranges::equal(assigned.value(assigned.entries()[0]), Bytes(300, 1)));
  EXPECT_TRUE(std::ranges::equal(*assigned.find(44), Bytes{2}));
}

TEST(OptionList, IgnoresWhatNoReplyCouldCarry) {
  OptionList list;
  list.add(43, Bytes(kMaxReply, 1));
  list.add(44, Bytes{1});
  EXPECT_TRUE(list.find(43));
  EXPECT_FALSE(list.find(44));
  OptionList many;
  for (int i = 0; i < 1000; ++i) many.add(43, Bytes{});
  EXPECT_EQ(many.entries().size(), 256u);
}

TEST(EncodeDomain, WritesLabels) {
  const auto wire = encode_domain("guests.internal");
  EXPECT_TRUE(std::ranges::equal(wire.span(), Bytes{6} + text("guests") + Bytes{8} + text("internal") + Bytes{0}));
  EXPECT_TRUE(encode_domain("guests.internal.") == wire);
  EXPECT_TRUE(encode_domain("").empty());
  EXPECT_TRUE(encode_domain("a..b").empty());
  EXPECT_TRUE(encode_domain(std::string(64, 'a')).empty());
  std::string lengthy;
  for (int i = 0; i < 130; ++i) lengthy += "a.";
  EXPECT_TRUE(encode_domain(lengthy).empty());
}

TEST(Names, AreDistinct) {
  EXPECT_EQ(name(ParseError::bad_option), "bad option");
  EXPECT_EQ(name(LeaseState::expired), "expired");
}

}  // namespace
}  // namespace vrouter::dhcp
