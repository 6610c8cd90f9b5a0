// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dns_verbs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace vrouter::router::dns_verbs {
namespace {

using boost::asio::ip::make_address;
using boost::asio::ip::make_network_v4;
using boost::asio::ip::make_network_v6;
using ::testing::HasSubstr;

dns::Zone some_zone() {
  return {.network = "default",
          .domain = "guests.internal",
          .prefixes4 = {make_network_v4("10.0.5.0/24")},
          .prefixes6 = {make_network_v6("fd76:7274:5::/64")},
          .listen = {make_address("10.0.5.1"), make_address("fe80::1%7")}};
}
dns::Host some_host() {
  return {.network = "default",
          .name = "web1",
          .ifindex = 4711,
          .addresses = {make_address("10.0.5.2"), make_address("fd76:7274:5::2")},
          .list_groups = {0, 3}};
}

std::vector<Order> every_order() {
  return {Listen{{make_address("10.0.5.1"), dns::Transport::tcp}},
          Listen{{make_address("fe80::1%7"), dns::Transport::udp, config::kMaxDnsWorkers - 1}},
          Begin{},
          Zone{some_zone()},
          Zone{},
          Record{{"db.corp.example", 16, 300, std::vector<std::uint8_t>(kMaxRdata, 7)}},
          Record{},
          Host{some_host()},
          Host{},
          List{3, std::uint64_t{40} << 20},
          ListGroup{{.block = {0, 2}, .allow = {1}}},
          ListGroup{},
          Unhost{"default", "web1"},
          End{},
          Forward{{.domain = "corp.example", .servers = {make_address("192.0.2.54")}}},
          Forward{{.domain = "corp.example", .servers = {{make_address("192.0.2.54"), 5353}}}},
          Upstreams{2, {{make_address("9.9.9.9"), 853, config::DnsTransport::tls, "dns.example"}}},
          Upstreams{1ULL << 40, {make_address("9.9.9.9"), make_address("2620:fe::fe")}},
          Trust{},
          Settings{{.cache_size = config::kMaxDnsCache,
                    .rebind_protection = true,
                    .rebind_allow = {"corp.example", ""},
                    .workers = config::kMaxDnsWorkers}},
          Settings{},
          Forget{},
          Forget{"www.example"},
          Domains{},
          Domains{{.revision = 1ULL << 40, .names = {"www.example", "*.debian.org"}}},
          Admitted{},
          Admitted{{.number = 1ULL << 40,
                    .outcome = dns::AdmissionReply::Outcome::unconcerned,
                    .admitted = 64,
                    .refused = 1,
                    .seconds = 86430}},
          ForgetAdmitted{4711}};
}

Admit some_admit() {
  return {{.number = 1ULL << 40,
           .ifindex = 4711,
           .name = "www.example.",
           .addresses = {make_address("198.51.100.7"), make_address("2001:db8::7")},
           .ttl = 60}};
}

Report some_report() {
  Report report{.version = 3, .statistics = {}};
  std::uint64_t value = 1;
  for (const auto counter : dns::kCounters) report.statistics.*counter = value *= 1000;
  report.statistics.cache = {.entries = 1, .bytes = 2, .limit = 1ULL << 40};
  report.statistics.upstreams = {
      {.server = make_address("9.9.9.9"), .asked = 10, .answered = 7, .timeouts = 2, .refused = 1, .rtt_ms = 12.345},
      {.server = {make_address("9.9.9.9"), 853, config::DnsTransport::tls, "dns.example"},
       .trouble = dns::UpstreamTrouble::wrong_name},
      {.server = make_address("2620:fe::fe")}};
  return report;
}

TEST(DnsVerbs, EveryOrderComesBackAsItWent) {
  for (const auto& order : every_order()) {
    const auto back = decode_order(encode(order));
    ASSERT_TRUE(back) << order.index() << ": " << back.error();
    EXPECT_EQ(*back, order) << order.index();
  }
}

TEST(DnsVerbs, AReportComesBackAsItWent) {
  for (const auto& report : {some_report(), Report{}}) {
    const auto back = decode_report(encode(report));
    ASSERT_TRUE(back) << back.error();
    EXPECT_EQ(*back, report);
  }
}

TEST(DnsVerbs, AnAdmissionComesBackAsItWent) {
  for (const auto& admit : {some_admit(), Admit{}}) {
    const auto bytes = encode(admit);
    EXPECT_TRUE(is_admit(bytes));
    const auto back = decode_admit(bytes);
    ASSERT_TRUE(back) << back.error();
    EXPECT_EQ(*back, admit);
  }
  EXPECT_FALSE(is_admit({}));
  EXPECT_FALSE(is_admit(encode(some_report())));
  EXPECT_THAT(decode_admit(encode(some_report())).error(), HasSubstr("verb"));
}

TEST(DnsVerbs, AnAdmissionHasItsBounds) {
  auto most = some_admit();
  most.request.addresses.assign(dns::kMaxAdmitted, make_address("2001:db8::7"));
  most.request.name.assign(kMaxAsked, 'a');
  EXPECT_TRUE(decode_admit(encode(most)));
  auto more = most;
  more.request.name += 'a';
  EXPECT_THAT(decode_admit(encode(more)).error(), HasSubstr("length of the name 1025 is more than 1024"));
  more = most;
  more.request.addresses.push_back(make_address("198.51.100.7"));
  EXPECT_THAT(decode_admit(encode(more)).error(), HasSubstr("number of addresses 65 is more than 64"));
  dns::Domains domains{.revision = 1,
                       .names = std::vector<std::string>(kMaxDomains, "*." + std::string(kMaxDomain, 'a'))};
  EXPECT_TRUE(decode_order(encode(Domains{domains})));
  domains.names.emplace_back("b");
  EXPECT_THAT(decode_order(encode(Domains{domains})).error(), HasSubstr("257 is more than 256"));
}

TEST(DnsVerbs, AByteTooFewOrTooManyIsAnError) {
  std::vector<std::vector<std::uint8_t>> messages{encode(some_report()), encode(some_admit())};
  for (const auto& order : every_order()) messages.push_back(encode(order));
  for (auto message : messages) {
    message.push_back(0);
    EXPECT_FALSE(decode_order(message) || decode_report(message) || decode_admit(message)) << int{message[0]};
    message.pop_back();
    while (!message.empty()) {
      message.pop_back();
      EXPECT_FALSE(decode_order(message) || decode_report(message) || decode_admit(message)) << message.size();
    }
  }
}

TEST(DnsVerbs, OrdersDoNotComeUpNorReportsDown) {
  for (const auto& order : every_order()) EXPECT_THAT(decode_report(encode(order)).error(), HasSubstr("verb"));
  EXPECT_THAT(decode_order(encode(some_report())).error(), HasSubstr("verb"));
  EXPECT_THAT(decode_order(encode(some_admit())).error(), HasSubstr("verb"));
  EXPECT_THAT(decode_report(encode(some_admit())).error(), HasSubstr("verb"));
}

template <typename Decoded>
std::string error_of(const Decoded& decoded) {
  return decoded ? "" : decoded.error();
}

TEST(DnsVerbs, WhatExceedsItsBoundIsRefused) {
  const std::string label(kMaxLabel, 'a'), domain(kMaxDomain, 'a');
  const std::vector<config::DnsServer> servers(
      kMaxServers, {make_address("2620:fe::fe"), 65535, config::DnsTransport::tls, std::string(253, 'a')});
  auto host = some_host();
  host.name = host.network = label;
  host.addresses.assign(kMaxAddresses, make_address("fd76:7274:5::2"));
  auto zone = some_zone();
  zone.domain = domain;
  zone.listen.assign(kMaxListen, make_address("fd76:7274:5::1"));
  zone.prefixes6.assign(kMaxPrefixes, make_network_v6("fd76:7274:5::/64"));
  for (const Order& most : {Order{Host{host}}, Order{Zone{zone}}, Order{Forward{{domain, servers}}},
                            Order{Upstreams{1, servers}}, Order{Unhost{label, label}}}) {
    EXPECT_EQ(error_of(decode_order(encode(most))), "");
  }
  host.addresses.push_back(make_address("10.0.5.2"));
  EXPECT_EQ(error_of(decode_order(encode(Host{host}))), "host: number of addresses 17 is more than 16");
  zone.prefixes4.assign(kMaxPrefixes + 1, make_network_v4("10.0.5.0/24"));
  EXPECT_EQ(error_of(decode_order(encode(Zone{zone}))), "zone: number of prefixes 17 is more than 16");
  EXPECT_THAT(error_of(decode_order(encode(Unhost{label, label + "a"}))), HasSubstr("64 is more than 63"));
  EXPECT_THAT(error_of(decode_order(encode(Forward{{domain + "a", {}}}))), HasSubstr("254 is more than 253"));
  auto more = servers;
  more.push_back(servers.front());
  EXPECT_THAT(error_of(decode_order(encode(Upstreams{1, more}))), HasSubstr("33 is more than 32"));
  const auto cut = bounded({.servers = more, .forward = {{.domain = "example", .servers = more}}});
  EXPECT_EQ(cut.servers, servers);
  EXPECT_EQ(cut.forward.front().servers, servers);
}

TEST(DnsVerbs, ValuesThatAreNoneAreRefused) {
  auto listen = encode(Listen{{make_address("10.0.5.1"), dns::Transport::tcp}});
  listen.back() = config::kMaxDnsWorkers;
  EXPECT_THAT(error_of(decode_order(listen)), HasSubstr("number of the worker 16"));
  listen.end()[-2] = 2;
  EXPECT_THAT(error_of(decode_order(listen)), HasSubstr("transport 2"));
  auto upstreams = encode(Upstreams{1, {make_address("9.9.9.9")}});
  upstreams[upstreams.size() - 3] = 3;
  EXPECT_THAT(error_of(decode_order(upstreams)), HasSubstr("way to ask a server 3"));
  listen[1] = 5;
  EXPECT_THAT(error_of(decode_order(listen)), HasSubstr("neither family"));
  auto zone = some_zone();
  zone.listen.clear();
  zone.prefixes6.clear();
  auto bytes = encode(Zone{zone});
  bytes[bytes.size() - 5] = 33;
  EXPECT_THAT(error_of(decode_order(bytes)), HasSubstr("prefix length 33"));
}

TEST(DnsVerbs, ServersThatOneMessageCannotHoldAreNotReported) {
  Report report;
  for (std::uint32_t i = 0; i < kMaxReported + 5; ++i) {
    report.statistics.upstreams.push_back(
        {.server = address{address_v6{{0, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}}}});
  }
  const auto bytes = encode(report);
  EXPECT_LE(bytes.size(), kMaxMessage);
  report.statistics.upstreams.resize(kMaxReported);
  EXPECT_EQ(decode_report(bytes).value(), report);
  for (auto& status : report.statistics.upstreams) status.server.name.assign(253, 'a');
  const auto fewer = encode(report);
  EXPECT_LE(fewer.size(), kMaxMessage);
  const auto told = decode_report(fewer).value().statistics.upstreams.size();
  EXPECT_GT(told, 300U);
  EXPECT_LT(told, kMaxReported);
}

TEST(DnsVerbs, TimesAreCutToWhatTheFieldHolds) {
  Report report;
  report.statistics.upstreams = {{.server = make_address("9.9.9.9"), .rtt_ms = 1e30}};
  EXPECT_NEAR(decode_report(encode(report)).value().statistics.upstreams.front().rtt_ms, 4.295e6, 1e3);
}

}  // namespace
}  // namespace vrouter::router::dns_verbs
