// SPDX-License-Identifier: GPL-2.0-or-later
// What a child is told, and when.
#include <gmock/gmock.h>

#include <random>

#include "tests/unit/router/dns_remote_fixture.h"

namespace vrouter::router {
namespace {

using namespace remote_testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(DnsRemote, ANewChildIsToldEverything) {
  set_zones({kGateway});
  put("web1", 7);
  set_upstreams({.servers = {kQuad9}, .forward = {{.domain = "corp.example", .servers = {kInside}}}});
  listen(kGateway, dns::Transport::udp);
  listen(kGateway, dns::Transport::tcp);
  EXPECT_EQ(line_->sent, 0U);
  line_->start();
  expect_in_step();
  line_->die();
  put("web2", 8);
  line_->start();
  expect_in_step();
}

TEST_F(DnsRemote, EveryChildIsHandedTheLists) {
  dns::ListReader reader;
  reader.read("ads.example\n");
  table_.lists = {dns::SharedList::make(reader).value(), dns::SharedList::make({}).value()};
  table_.list_groups = {{.block = {0}, .allow = {1}}};
  set_zones({kGateway});
  for (int child = 0; child < 2; ++child) {
    line_->start();
    line_->read();
    ASSERT_EQ(line_->child->lists.size(), 2U);
    EXPECT_EQ(line_->child->lists[0]->list()->covers(dns::Name::from_text("x.ads.example").value()), 2U);
    EXPECT_EQ(line_->child->list_groups, table_.list_groups);
    line_->die();
  }
  line_->start();
  table_.lists.clear();
  table_.list_groups.clear();
  set_zones({kGateway});
  line_->read();
  EXPECT_TRUE(line_->child->lists.empty());
}

TEST_F(DnsRemote, SocketsComeLast) {
  set_zones({kGateway});
  listen(kGateway, dns::Transport::udp);
  put("web1", 7);
  set_upstreams({.servers = {kQuad9}, .forward = {}});
  line_->room = 7;  // Settings, Domains, Begin, Zone, Host, End, Upstreams
  line_->start();
  for (const auto& [place, socket] : sockets_) EXPECT_FALSE(line_->child->sockets.contains(place));
  EXPECT_EQ(line_->sent, 7U);
  expect_in_step();
  EXPECT_EQ(line_->sent, 8U);
}

TEST_F(DnsRemote, SettingsAreToldToEveryChildAndWhatToForgetToThisOne) {
  const dns::Settings small{
      .cache_size = config::kMinDnsCache, .rebind_protection = true, .rebind_allow = {"a.example"}};
  set_zones({kGateway});
  remote_.configure(small);
  line_->start();
  line_->read();
  EXPECT_EQ(line_->child->settings, small);
  remote_.configure({});
  remote_.forget("www.example");
  line_->read();
  EXPECT_EQ(line_->child->settings, dns::Settings{});
  EXPECT_EQ(line_->child->forgotten, std::vector<std::string>{"www.example"});
  const auto sent = line_->sent;
  remote_.configure({});
  EXPECT_EQ(line_->sent, sent) << "nothing new";
  line_->die();
  line_->start();
  line_->read();
  EXPECT_TRUE(line_->child->forgotten.empty()) << "it knows nothing to forget";
}

TEST_F(DnsRemote, AnotherNumberOfWorkersIsToldBeforeTheirSockets) {
  set_zones({kGateway});
  line_->start();
  listen(kGateway, dns::Transport::udp);
  listen(kGateway, dns::Transport::tcp);
  expect_in_step();
  dns::Settings settings;
  settings.workers = 2;
  remote_.configure(settings);
  line_->read();
  sockets_.erase({kGateway, dns::Transport::udp});
  EXPECT_EQ(line_->child->settings.workers, 2U);
  for (const unsigned worker : {0U, 1U}) {
    auto socket = dns::make_socket(AF_INET, SOCK_DGRAM);
    ASSERT_TRUE(socket);
    sockets_[{kGateway, dns::Transport::udp, worker}] = identity(*socket);
    remote_.listen({kGateway, dns::Transport::udp, worker}, std::move(*socket));
  }
  expect_in_step();
  line_->die();
  line_->start();
  line_->read();
  expect_in_step();  // the next child gets both, and none of those before
}

TEST_F(DnsRemote, DomainsAreToldToEveryChild) {
  set_zones({kGateway});
  domains_ = {.revision = 1, .names = {"www.example"}};
  remote_.set_domains(domains_);
  line_->start();
  expect_in_step();
  const auto sent = line_->sent;
  remote_.set_domains(domains_);
  EXPECT_EQ(line_->sent, sent) << "nothing new";
  domains_.revision = 2;
  remote_.set_domains(domains_);
  remote_.forget_admitted(7);
  expect_in_step();
  EXPECT_EQ(line_->child->anew, std::vector<unsigned>{7});
  line_->die();
  domains_ = {.revision = 3, .names = {}};
  remote_.set_domains(domains_);
  line_->start();
  expect_in_step();
}

TEST_F(DnsRemote, PassesOnWhatIsToBeLetIn) {
  set_zones({kGateway});
  line_->start();
  const dns::AdmissionRequest request{
      .number = 3, .ifindex = 7, .name = "www.example.", .addresses = {kQuad9}, .ttl = 60};
  EXPECT_EQ(line_->say(verbs::encode(verbs::Admit{request})), "");
  EXPECT_THAT(asked_, ElementsAre(request));
  const dns::AdmissionReply reply{
      .number = 3, .outcome = dns::AdmissionReply::Outcome::admitted, .admitted = 1, .refused = 0, .seconds = 90};
  remote_.admitted(reply);
  line_->read();
  EXPECT_THAT(line_->child->admitted, ElementsAre(reply));
  auto bytes = verbs::encode(verbs::Admit{request});
  bytes.pop_back();
  EXPECT_NE(line_->say(bytes), "") << "a child that breaks the form is ended";
}

TEST_F(DnsRemote, TakesNoMoreQuestionsThanItCanCarryOut) {
  set_zones({kGateway});
  line_->start();
  const auto bytes = verbs::encode(verbs::Admit{});
  for (unsigned i = 0; i < 2 * kAdmissionBurst; ++i) EXPECT_EQ(line_->say(bytes), "");
  EXPECT_GE(asked_.size(), kAdmissionBurst);
  EXPECT_LT(asked_.size(), kAdmissionBurst + kAdmissionsPerSecond);
}

TEST_F(DnsRemote, ChangesGoOneByOne) {
  set_zones({kGateway});
  line_->start();
  expect_in_step();
  const auto before = line_->sent;
  put("web1", 7);
  put("web2", 8);
  remove("web1");
  set_upstreams({.servers = {kQuad9}, .forward = {}});
  listen(kGateway, dns::Transport::udp);
  EXPECT_EQ(line_->sent, before + 5);
  expect_in_step();
}

TEST_F(DnsRemote, AChildThatFellBehindIsToldEverythingOnce) {
  set_zones({kGateway});
  line_->start();
  expect_in_step();
  line_->room = 3;
  for (unsigned i = 1; i <= 10; ++i) put("web" + std::to_string(i), i);
  set_upstreams({.servers = {kQuad9}, .forward = {}});
  listen(kGateway, dns::Transport::udp);
  expect_in_step();
}

TEST_F(DnsRemote, ASocketOfAnAddressThatIsGoneIsClosed) {
  set_zones({kGateway, kOther});
  listen(kGateway, dns::Transport::udp);
  listen(kOther, dns::Transport::udp);
  line_->start();
  expect_in_step();
  EXPECT_EQ(line_->child->sockets.size(), 2U);
  set_zones({kOther});
  expect_in_step();
  EXPECT_EQ(line_->child->sockets.size(), 1U);
  line_->die();
  line_->start();
  expect_in_step();
}

TEST_F(DnsRemote, WhateverHappensTheChildEndsUpKnowingWhatIsSo) {
  std::mt19937 random{20261122};
  const auto draw = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const std::vector<address> gateways{kGateway, kOther};
  for (int round = 0; round < 300; ++round) {
    line_->room = 1 + draw(12);
    for (unsigned steps = draw(40); steps > 0; --steps) {
      switch (draw(9)) {
        case 0:
          set_zones({gateways.begin(), gateways.begin() + draw(3)});
          break;
        case 1:
          if (!table_.zones.empty()) listen(table_.zones.front().listen.front(), static_cast<dns::Transport>(draw(2)));
          break;
        case 2:
          set_upstreams({.servers = {kQuad9},
                         .forward = std::vector<config::ForwardZone>(draw(3), {.domain = "a", .servers = {kInside}})});
          break;
        case 3:
          remove("web" + std::to_string(draw(10)));
          break;
        case 4:
          line_->die();
          break;
        case 5:
          if (!line_->child) line_->start();
          break;
        case 6:
          line_->read();
          break;
        default:
          put("web" + std::to_string(draw(10)), 1 + draw(1000));
      }
    }
    if (!line_->child) line_->start();
    expect_in_step();
    if (HasFailure()) FAIL() << "in round " << round;
  }
}

}  // namespace
}  // namespace vrouter::router
