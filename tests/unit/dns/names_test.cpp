// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/names.h"

#include <gtest/gtest.h>

#include "dns/nameless.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using boost::asio::ip::make_network_v4;
using boost::asio::ip::make_network_v6;

Question question(std::string_view name, std::uint16_t t = type::a) {
  return {.name = Name::from_text(name).value(), .type = t};
}
Bytes wire(std::string_view name) {
  const auto n = Name::from_text(name).value();
  return {n.wire().begin(), n.wire().end()};
}

class DnsNames : public ::testing::Test {
 protected:
  DnsNames() {
    names.apply(
        {.snapshot = true,
         .zones =
             {{"default",
               "guests.internal",
               {make_network_v4("10.0.5.0/24")},
               {make_network_v6("fd76:7274:5::/64")},
               {make_address("10.0.5.1")}},
              {"other", "guests.internal", {make_network_v4("192.168.7.128/25")}, {}, {make_address("192.168.7.129")}},
              {"third", "third.internal", {}, {}, {}}},
         .upserts = {{"default", "web1", 7, {make_address("10.0.5.2"), make_address("fd76:7274:5::2")}},
                     {"other", "Db1", 8, {make_address("192.168.7.130")}},
                     {"third", "t1", 9, {make_address("10.99.0.2")}}},
         .removed = {}});
  }
  LocalAnswer ask(const View& view, const Question& q) const {
    const auto answer = names.answer(view, q, 0);
    EXPECT_TRUE(answer) << q.name.to_text();
    return answer.value_or(LocalAnswer{.rcode = Rcode::not_imp});
  }
  void expect_nodata(const LocalAnswer& a) const {
    EXPECT_EQ(a.rcode, Rcode::no_error);
    EXPECT_TRUE(a.answers.empty());
    ASSERT_EQ(a.authority.size(), 1U);
    EXPECT_EQ(a.authority[0].type, type::soa);
  }
  void expect_nxdomain(const LocalAnswer& a) const {
    EXPECT_EQ(a.rcode, Rcode::nx_domain);
    EXPECT_TRUE(a.answers.empty());
    ASSERT_EQ(a.authority.size(), 1U);
    EXPECT_EQ(a.authority[0].type, type::soa);
  }
  Names names;
  const View web{.host = false, .network = "default"}, db{.host = false, .network = "other"},
      host{.host = true, .network = {}};
};

TEST_F(DnsNames, WhoHasNoNameAsksAndIsNotAskedFor) {
  const auto its = make_address("10.0.5.9");
  names.apply({.snapshot = false, .zones = {}, .upserts = {{"default", nameless(its), 7, {its}}}, .removed = {}});
  EXPECT_TRUE(names.view({.ifindex = 7, .source = its}));
  EXPECT_FALSE(names.view({.ifindex = 8, .source = its}));
  expect_nxdomain(ask(web, question("9.5.0.10.in-addr.arpa", type::ptr)));
  names.apply({.snapshot = false, .zones = {}, .upserts = {}, .removed = {{"default", nameless(its), 0, {}}}});
  EXPECT_FALSE(names.view({.ifindex = 7, .source = its}));
  EXPECT_TRUE(names.view({.ifindex = 7, .source = make_address("10.0.5.2")}));
}

TEST_F(DnsNames, AnAddressOfTwoIsTheFirstOnesUntilThatGoes) {
  const auto shared = make_address("10.0.5.9"), scoped = make_address("fe80::9%3");
  const auto network_at = [&](const address& source) {
    const auto view = names.view({7, source});
    return view ? view->network : std::string{};
  };
  names.apply({.snapshot = false,
               .zones = {},
               .upserts = {{"default", "one", 7, {shared, shared}}, {"other", "two", 7, {shared, scoped}}},
               .removed = {}});
  EXPECT_EQ(network_at(shared), "default");
  EXPECT_EQ(network_at(make_address("fe80::9%7")), "other") << "whatever the scope";
  names.apply({.snapshot = false, .zones = {}, .upserts = {}, .removed = {{"default", "one", 0, {}}}});
  EXPECT_EQ(network_at(shared), "other");
  EXPECT_TRUE(names.has_interface(7));
  EXPECT_EQ(names.interfaces(), 3U) << "counted once, whoever is on it";
  names.apply({.snapshot = false, .zones = {}, .upserts = {}, .removed = {{"other", "two", 0, {}}}});
  EXPECT_EQ(network_at(shared), "");
  EXPECT_EQ(network_at(make_address("10.0.5.2")), "default") << "another guest of that interface";
}

TEST_F(DnsNames, AGuestsNameAnswersEveryType) {
  const auto a = ask(web, question("WEB1.Guests.internal"));
  ASSERT_EQ(a.answers.size(), 1U);
  EXPECT_EQ(a.answers[0].rdata, (Bytes{10, 0, 5, 2}));
  EXPECT_EQ(ask(web, question("web1.guests.internal", type::aaaa)).answers.size(), 1U);
  for (const std::uint16_t t : {type::mx, type::soa, std::uint16_t{65}, std::uint16_t{16}, std::uint16_t{65280}}) {
    expect_nodata(ask(web, question("web1.guests.internal", t)));
    expect_nodata(ask(web, question("web1", t)));
  }
  expect_nodata(ask(db, question("db1.guests.internal", type::aaaa)));  // an A-only name has no AAAA, and exists
}

TEST_F(DnsNames, MissingNamesOfTheZoneAreDeniedHere) {
  expect_nxdomain(ask(web, question("nobody.guests.internal")));
  expect_nxdomain(ask(web, question("a.web1.guests.internal")));
  EXPECT_EQ(ask(web, question("nobody.guests.internal")).authority[0].owner.to_text(), "guests.internal.");
}

TEST_F(DnsNames, TheApexHasSoaAndNs) {
  EXPECT_EQ(ask(web, question("guests.internal", type::soa)).answers.size(), 1U);
  EXPECT_EQ(ask(web, question("guests.internal", type::ns)).answers.at(0).rdata, wire("_gateway.guests.internal"));
  expect_nodata(ask(web, question("guests.internal")));
}

TEST_F(DnsNames, BareNamesAreTheGuestsOwnNetworks) {
  EXPECT_EQ(ask(web, question("web1")).answers.size(), 1U);
  EXPECT_FALSE(names.answer(web, question("db1"), 0));  // passed on: it may be a top-level domain
  EXPECT_FALSE(names.answer(web, question("com", type::ns), 0));
  EXPECT_EQ(ask(host, question("db1")).answers.size(), 1U);
}

TEST_F(DnsNames, AGuestSeesItsOwnNetworkOnly) {
  expect_nxdomain(ask(web, question("db1.guests.internal")));
  expect_nxdomain(ask(db, question("web1.guests.internal")));
  expect_nxdomain(ask(web, question("t1.third.internal")));
  expect_nxdomain(ask(web, question("130.7.168.192.in-addr.arpa", type::ptr)));
  EXPECT_EQ(ask(host, question("db1.guests.internal")).answers.size(), 1U);
  EXPECT_EQ(ask(host, question("t1.third.internal")).answers.size(), 1U);
}

TEST_F(DnsNames, TheGatewayHasAName) {
  EXPECT_EQ(ask(web, question("_gateway")).answers.at(0).rdata, (Bytes{10, 0, 5, 1}));
  EXPECT_EQ(ask(db, question("_gateway")).answers.at(0).rdata, (Bytes{192, 168, 7, 129}));
  expect_nodata(ask(web, question("_gateway", type::aaaa)));
  EXPECT_EQ(ask(web, question("1.5.0.10.in-addr.arpa", type::ptr)).answers.at(0).rdata,
            wire("_gateway.guests.internal"));
}

TEST_F(DnsNames, WhatBelongsToTheGatewaysNameStaysHere) {
  expect_nxdomain(ask(web, question("a._gateway")));
  EXPECT_EQ(ask(web, question("_gateway.guests.internal")).answers.at(0).rdata, (Bytes{10, 0, 5, 1}));
  Names none;
  EXPECT_EQ(none.answer(host, question("_gateway"), 0).value().rcode, Rcode::nx_domain);
}

TEST_F(DnsNames, AnyIsToldThatTheNameExistsAndNoMore) {
  for (const auto* name : {"web1", "web1.guests.internal", "guests.internal", "_gateway", "2.5.0.10.in-addr.arpa"}) {
    const auto any = ask(web, question(name, type::any));
    ASSERT_EQ(any.answers.size(), 1U) << name;
    EXPECT_EQ(any.answers[0].type, type::hinfo) << name;
    EXPECT_TRUE(any.authority.empty()) << name;
  }
  expect_nxdomain(ask(web, question("nobody.guests.internal", type::any)));
}

TEST_F(DnsNames, ReverseNamesOfBothFamilies) {
  EXPECT_EQ(ask(web, question("2.5.0.10.IN-ADDR.arpa", type::ptr)).answers.at(0).rdata, wire("web1.guests.internal"));
  EXPECT_EQ(ask(web, question("2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.5.0.0.0.4.7.2.7.6.7.d.f.ip6.arpa", type::ptr))
                .answers.size(),
            1U);
  expect_nodata(ask(web, question("2.5.0.10.in-addr.arpa", type::a)));
  expect_nxdomain(ask(web, question("3.5.0.10.in-addr.arpa", type::ptr)));
  EXPECT_EQ(ask(web, question("3.5.0.10.in-addr.arpa", type::ptr)).authority[0].owner.to_text(),
            "5.0.10.in-addr.arpa.");
  // Branches towards guests exist.
  for (const auto* branch : {"5.0.10.in-addr.arpa", "0.10.in-addr.arpa", "10.in-addr.arpa", "7.168.192.in-addr.arpa"}) {
    expect_nodata(ask(web, question(branch, type::ns)));
  }
  EXPECT_FALSE(names.answer(web, question("2.6.0.10.in-addr.arpa", type::ptr), 0));
  EXPECT_FALSE(names.answer(web, question("2.7.168.192.in-addr.arpa", type::ptr), 0));  // below the /25
  EXPECT_FALSE(names.answer(web, question("02.5.0.10.in-addr.arpa", type::ptr), 0));
  EXPECT_FALSE(names.answer(web, question("256.5.0.10.in-addr.arpa", type::ptr), 0));
}

TEST_F(DnsNames, ALongerForwardZoneWinsOverOurDomainAndAShorterDoesNot) {
  EXPECT_FALSE(names.answer(web, question("a.corp.guests.internal"), 3));
  EXPECT_TRUE(names.answer(web, question("a.corp.guests.internal"), 2));
  EXPECT_TRUE(names.answer(web, question("web1.guests.internal"), 1));
}

TEST_F(DnsNames, WhoAsksIsInterfaceAndAddressTogether) {
  EXPECT_EQ(names.view({7, make_address("10.0.5.2")}).value().network, "default");
  EXPECT_FALSE(names.view({7, make_address("192.168.7.130")}));  // another's address
  EXPECT_FALSE(names.view({8, make_address("10.0.5.2")}));       // its own, on another's interface
  EXPECT_FALSE(names.view({2, make_address("10.0.5.2")}));       // from the uplink
  EXPECT_FALSE(names.view({0, make_address("10.0.5.2")}));
  EXPECT_TRUE(names.view({1, make_address("10.0.5.1")}).value().host);
}

TEST_F(DnsNames, DeltasChangeWhatTheyName) {
  names.apply({.snapshot = false,
               .zones = {},
               .upserts = {{"default", "WEB1", 17, {make_address("10.0.5.9")}}},
               .removed = {{"other", "db1", 0, {}}}});
  EXPECT_EQ(ask(web, question("web1")).answers.at(0).rdata, (Bytes{10, 0, 5, 9}));
  EXPECT_FALSE(names.view({7, make_address("10.0.5.2")}));
  EXPECT_TRUE(names.view({17, make_address("10.0.5.9")}));
  expect_nxdomain(ask(web, question("2.5.0.10.in-addr.arpa", type::ptr)));
  expect_nxdomain(ask(db, question("db1.guests.internal")));
  names.apply({.snapshot = true, .zones = {}, .upserts = {}, .removed = {}});
  EXPECT_FALSE(names.view({17, make_address("10.0.5.9")}));
  EXPECT_FALSE(names.answer(web, question("web1.guests.internal"), 0));
}

TEST(DnsSpecialNames, StayHere) {
  const auto rcode = [](std::string_view name, std::uint16_t t = type::a) -> std::optional<Rcode> {
    const auto answer = special_answer(question(name, t));
    return answer ? std::optional{answer->rcode} : std::nullopt;
  };
  for (const auto* name : {"a.test", "invalid", "x.onion", "printer.local", "a.alt", "router.home.arpa", "x.internal",
                           "metadata.internal"}) {
    EXPECT_EQ(rcode(name), Rcode::nx_domain) << name;
  }
  for (const auto* name : {"1.0.0.10.in-addr.arpa", "1.1.168.192.in-addr.arpa", "1.0.64.100.in-addr.arpa",
                           "254.169.254.169.in-addr.arpa", "1.0.0.0.0.8.e.f.ip6.arpa", "1.0.0.0.d.f.ip6.arpa"}) {
    EXPECT_EQ(rcode(name, type::ptr), Rcode::nx_domain) << name;
  }
  EXPECT_EQ(rcode("1.16.31.172.in-addr.arpa", type::ptr), Rcode::nx_domain);
  EXPECT_EQ(rcode("1.0.32.172.in-addr.arpa", type::ptr), std::nullopt);
  EXPECT_EQ(rcode("8.8.8.8.in-addr.arpa", type::ptr), std::nullopt);
  EXPECT_EQ(rcode("1.0.63.100.in-addr.arpa", type::ptr), std::nullopt);
  EXPECT_EQ(rcode("_dns.resolver.arpa", 64), Rcode::no_error);
  EXPECT_EQ(rcode("ipv4only.arpa"), std::nullopt);
  EXPECT_EQ(rcode("use-application-dns.net"), std::nullopt);
  EXPECT_EQ(rcode("www.example"), std::nullopt);
}

TEST(DnsSpecialNames, ReverseZonesBeginWhereTheRfcCutsThem) {
  const auto apex = [](std::string_view name) {
    return special_answer(question(name, type::ptr)).value().authority.at(0).owner.to_text();
  };
  EXPECT_EQ(apex("1.1.1.10.in-addr.arpa"), "10.in-addr.arpa.");
  EXPECT_EQ(apex("1.0.31.172.in-addr.arpa"), "31.172.in-addr.arpa.");
  EXPECT_EQ(apex("1.1.168.192.in-addr.arpa"), "168.192.in-addr.arpa.");
  EXPECT_EQ(apex("1.2.0.192.in-addr.arpa"), "2.0.192.in-addr.arpa.");
  EXPECT_EQ(apex("1.1.127.100.in-addr.arpa"), "127.100.in-addr.arpa.");
  EXPECT_EQ(apex("255.255.255.255.in-addr.arpa"), "255.255.255.255.in-addr.arpa.");
  EXPECT_EQ(apex("0.0.d.f.ip6.arpa"), "d.f.ip6.arpa.");
  EXPECT_EQ(apex("0.0.a.e.f.ip6.arpa"), "a.e.f.ip6.arpa.");
  EXPECT_EQ(apex("1.8.b.d.0.1.0.0.2.ip6.arpa"), "8.b.d.0.1.0.0.2.ip6.arpa.");
  // Above them is the world's.
  for (const auto* name : {"172.in-addr.arpa", "192.in-addr.arpa", "100.in-addr.arpa", "255.255.255.in-addr.arpa",
                           "1.0.128.100.in-addr.arpa", "c.e.f.ip6.arpa", "e.f.ip6.arpa", "9.b.d.0.1.0.0.2.ip6.arpa"}) {
    EXPECT_FALSE(special_answer(question(name, type::ptr))) << name;
  }
}

TEST(DnsSpecialNames, ApexesHaveSoaAndNs) {
  for (const auto* name :
       {"10.in-addr.arpa", "20.172.in-addr.arpa", "d.f.ip6.arpa", "home.arpa", "internal", "resolver.arpa"}) {
    for (const auto t : {type::soa, type::ns}) {
      const auto answer = special_answer(question(name, t)).value();
      ASSERT_EQ(answer.answers.size(), 1U) << name;
      EXPECT_EQ(answer.answers[0].type, t) << name;
    }
    EXPECT_EQ(special_answer(question(name)).value().authority.at(0).type, type::soa) << name;
  }
  EXPECT_FALSE(special_answer(question("home.arpa", type::ds)));  // the proof that it is unsigned
  EXPECT_TRUE(special_answer(question("a.home.arpa", type::ds)));
}

TEST(DnsSpecialNames, LoopbacksNamesLackTypesAndAreNotMissing) {
  for (const auto& q : {question("1.0.0.127.in-addr.arpa"), question("0.127.in-addr.arpa", type::ptr)}) {
    const auto answer = special_answer(q).value();
    EXPECT_EQ(answer.rcode, Rcode::no_error) << q.name.to_text();
    EXPECT_TRUE(answer.answers.empty());
    EXPECT_EQ(answer.authority.at(0).owner.to_text(), "127.in-addr.arpa.");
  }
}

TEST(DnsSpecialNames, LocalhostAndAny) {
  EXPECT_EQ(special_answer(question("localhost", type::any)).value().answers.at(0).type, type::hinfo);
  EXPECT_EQ(special_answer(question("a.test", type::any)).value().rcode, Rcode::nx_domain);
  EXPECT_EQ(special_answer(question("a.localhost")).value().answers.at(0).rdata, (Bytes{127, 0, 0, 1}));
  EXPECT_EQ(special_answer(question("localhost", type::aaaa)).value().answers.at(0).rdata.back(), 1);
  EXPECT_TRUE(special_answer(question("localhost", type::mx)).value().answers.empty());
  EXPECT_EQ(special_answer(question("1.0.0.127.in-addr.arpa", type::ptr)).value().answers.at(0).rdata,
            wire("localhost"));
  EXPECT_EQ(special_answer(question("www.example", type::any)).value().answers.at(0).type, type::hinfo);
}

}  // namespace
}  // namespace vrouter::dns
