// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/agreement/zone.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <stdexcept>

namespace vrouter::agreement {
namespace {

constexpr int kHosts = 400, kLargeSets = 12, kTexts = 12, kChains = 12, kChainLength = 6;

void add(std::string& zone, const std::string& line) {
  zone += line + '\n';
}

void add_hosts(std::string& zone) {
  for (int i = 0; i < kHosts; ++i) {
    const auto ttl = std::array{60, 300, 3600, 86400, 604800}[static_cast<std::size_t>(i) % 5];
    add(zone, fmt::format("h{} {} A 203.0.113.{}", i, ttl, i % 256));
    if (i % 2 == 0) add(zone, fmt::format("h{} {} AAAA 2001:db8:77::{:x}", i, ttl * 2, i));
    if (i % 3 == 0) add(zone, fmt::format("h{} {} MX 10 h{}", i, ttl, (i + 7) % kHosts));
    if (i % 5 == 0) add(zone, fmt::format("h{} {} TXT \"about {}\" \"and \\\"more\\\"\"", i, ttl, i));
    if (i % 7 == 0) add(zone, fmt::format("h{} {} TYPE65280 \\# 4 0a0b{:04x}", i, ttl, i));
    if (i % 11 == 0) add(zone, fmt::format("h{} {} CAA 0 issue \"ca.example\"", i, ttl));
    if (i % 13 == 0) add(zone, fmt::format("h{} {} TYPE65 \\# 3 000100", i, ttl));
    if (i % 4 == 0) add(zone, fmt::format("_sip._udp.h{} {} SRV 1 2 5060 h{}", i, ttl, (i + 1) % kHosts));
    if (i % 17 == 0) add(zone, fmt::format("deep.er.still.e{} {} A 203.0.113.17", i, ttl));
  }
}

// Some fit into 512 bytes, some into 1,232, some into no datagram.
void add_large(std::string& zone) {
  for (int i = 0; i < kLargeSets; ++i) {
    for (int n = 0; n < 10 + 15 * i; ++n) add(zone, fmt::format("set{} A 203.0.113.{}", i, n));
  }
  for (int i = 0; i < kTexts; ++i) {
    auto line = fmt::format("text{} TXT", i);
    for (int n = 0; n < 1 + 2 * i; ++n)
      line += fmt::format(" \"{}\"", std::string(200, static_cast<char>('a' + n % 26)));
    add(zone, line);
  }
}

void add_aliases(std::string& zone) {
  for (int i = 0; i < kChains; ++i) {
    for (int n = 0; n < kChainLength; ++n) add(zone, fmt::format("c{}-{} 120 CNAME c{}-{}", i, n, i, n + 1));
    const auto end = std::array{fmt::format("A 203.0.113.{}", i), std::string{"CNAME nowhere"},
                                std::string{"CNAME www.elsewhere.example."},
                                std::string{"CNAME any.w"}}[static_cast<std::size_t>(i) % 4];
    add(zone, fmt::format("c{}-{} 240 {}", i, kChainLength, end));
  }
  add(zone, "d 600 DNAME h1.sub");
  add(zone, "x.h1.sub 600 A 203.0.113.21");
  add(zone, "*.w 900 A 203.0.113.22");
  add(zone, "*.w 900 TXT \"wild\"");
  add(zone, "*.wc 900 CNAME h3");
  add(zone, "zero 0 A 203.0.113.23");
}

dns::Name in_zone(const std::string& name) {
  auto parsed = dns::Name::from_text(name.empty() ? std::string{kOrigin} : name + "." + kOrigin);
  if (!parsed) throw std::invalid_argument{"no name: " + name};
  return *parsed;
}

}  // namespace

std::string zone_text() {
  std::string zone = fmt::format(
      "$ORIGIN {}.\n$TTL 3600\n@ 7200 SOA ns hostmaster 1 3600 600 86400 300\n@ NS ns\n@ NS ns2\nns A 203.0.113.1\n"
      "ns2 A 203.0.113.2\n@ MX 5 h0\n@ TXT \"v=spf1 -all\"\n",
      kOrigin);
  add_hosts(zone);
  add_large(zone);
  add_aliases(zone);
  return zone;
}

Questions::Questions(std::uint32_t seed) : random_{seed} {
  for (int i = 0; i < kHosts; ++i) {
    names_.push_back(fmt::format("h{}", i));
    if (i % 4 == 0) names_.push_back(fmt::format("_sip._udp.h{}", i));
    if (i % 17 == 0) names_.insert(names_.end(), {fmt::format("deep.er.still.e{}", i), fmt::format("still.e{}", i)});
  }
  for (int i = 0; i < kChains; ++i) {
    for (int n = 0; n <= kChainLength; ++n) names_.push_back(fmt::format("c{}-{}", i, n));
  }
  // Again and again, so that they aren't few among so many hosts.
  for (int again = 0; again < 3; ++again) {
    for (int i = 0; i < kLargeSets; ++i) names_.push_back(fmt::format("set{}", i));
    for (int i = 0; i < kTexts; ++i) names_.push_back(fmt::format("text{}", i));
    names_.insert(names_.end(), {"", "ns", "d", "x.d", "y.d", "h1.sub", "zero", "w", "a.w", "a.b.w", "a.wc", "wc"});
  }
}

Question Questions::next() {
  Question question{
      .name = name(), .type = type(), .recursion_desired = !one_in(50), .checking_disabled = one_in(5), .edns = edns()};
  return question;
}

dns::Name Questions::name() {
  auto text = one_in(8) ? fmt::format("no{}", below(3000)) : names_[below(static_cast<std::uint32_t>(names_.size()))];
  if (one_in(20)) text = fmt::format("below{}{}{}", below(50), text.empty() ? "" : ".", text);
  auto plain = in_zone(text).to_text();
  if (!one_in(3)) {
    for (auto& c : plain) {
      if (c >= 'a' && c <= 'z' && one_in(2)) c = static_cast<char>(c - 'a' + 'A');
    }
  }
  return dns::Name::from_text(plain).value();
}

std::uint16_t Questions::type() {
  // A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, NAPTR, DNAME, DS, DNSKEY, TLSA, SVCB, HTTPS, CAA, two that nobody
  // knows.
  constexpr std::array<std::uint16_t, 19> kTypes{1,  2,  5,  6,  12, 15, 16,  28,    33,   35,
                                                 39, 43, 48, 52, 64, 65, 257, 65280, 65399};
  if (one_in(100)) return kTypeAny;
  if (one_in(40)) return static_cast<std::uint16_t>(1000 + below(30000));
  return one_in(2) ? std::array<std::uint16_t, 3>{1, 28, 16}[below(3)] : kTypes[below(kTypes.size())];
}

std::optional<Edns> Questions::edns() {
  if (one_in(3)) return std::nullopt;
  constexpr std::array<std::uint16_t, 8> kSizes{0, 512, 700, 1232, 1400, 1452, 4096, 65535};
  Edns edns{.udp_size = one_in(4) ? static_cast<std::uint16_t>(below(65536)) : kSizes[below(kSizes.size())],
            .dnssec_ok = one_in(2)};
  // A client's subnet (RFC 7871), which goes no further; an option of nobody's.
  if (one_in(6)) edns.options = {0, 8, 0, 7, 0, 1, 24, 0, 10, 8, 1};
  if (one_in(6)) edns.options.insert(edns.options.end(), {0xfd, 0xe9, 0, 2, 1, 2});
  return edns;
}

}  // namespace vrouter::agreement
