// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's side of the DNS process, against a child that is a replica of what it was told.
#include "router/processes/dns_remote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <map>
#include <random>
#include <set>

#include "dns/listeners.h"
#include "dns/shared_list.h"
#include "router/processes/dns_authorities.h"

namespace vrouter::router {
namespace {

namespace verbs = dns_verbs;
using boost::asio::ip::make_address;
using dns::Place;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::uint64_t identity(const UniqueFd& fd) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  EXPECT_EQ(::getsockopt(fd.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size), 0);
  return cookie;
}

// What a child knows after the orders that it got.
struct Replica {
  std::vector<dns::Zone> zones;
  std::map<std::pair<std::string, std::string>, dns::Host> hosts;
  dns::Upstreams upstreams;
  std::uint64_t version = 0;
  std::map<Place, std::uint64_t> sockets;  // by identity
  dns::Settings settings;
  std::vector<std::string> forgotten;
  dns::Domains domains;
  std::vector<dns::AdmissionReply> admitted;
  std::vector<unsigned> anew;

  std::vector<std::shared_ptr<dns::SharedList>> lists;
  std::vector<dns::ListGroup> list_groups;
  std::optional<dns::Update> begun;
  std::vector<config::ForwardZone> forward;
  std::string authorities;

  void take(Message message) {
    const auto order = verbs::decode_order(message.bytes);
    ASSERT_TRUE(order) << order.error();
    std::visit([&](const auto& o) { carry_out(o, message.fd); }, *order);
  }
  void carry_out(const verbs::Record& o, const UniqueFd&) {
    ASSERT_TRUE(begun);
    begun->records.push_back(o.record);
  }
  void carry_out(const verbs::Listen& o, const UniqueFd& fd) {
    ASSERT_TRUE(fd);
    sockets[o.place] = identity(fd);
  }
  void carry_out(const verbs::Begin&, const UniqueFd&) {
    begun.emplace();
    forward.clear();
    authorities.clear();
  }
  void carry_out(const verbs::Zone& o, const UniqueFd&) {
    ASSERT_TRUE(begun);
    begun->zones.push_back(o.zone);
  }
  void carry_out(const verbs::List& o, const UniqueFd& fd) {
    ASSERT_TRUE(begun);
    ASSERT_EQ(o.number, begun->lists.size());
    auto taken = dns::SharedList::take(UniqueFd{::dup(fd.get())}, o.size);
    ASSERT_TRUE(taken) << taken.error();
    begun->lists.push_back(*std::move(taken));
  }
  void carry_out(const verbs::ListGroup& o, const UniqueFd&) {
    ASSERT_TRUE(begun);
    begun->list_groups.push_back(o.group);
  }
  void carry_out(const verbs::Host& o, const UniqueFd&) {
    if (begun) {
      begun->upserts.push_back(o.host);
    } else {
      hosts[{o.host.network, o.host.name}] = o.host;
    }
  }
  void carry_out(const verbs::Unhost& o, const UniqueFd&) {
    ASSERT_FALSE(begun);
    hosts.erase({o.network, o.name});
  }
  void carry_out(const verbs::End&, const UniqueFd&) {
    ASSERT_TRUE(begun);
    zones = begun->zones;
    lists = begun->lists;
    list_groups = begun->list_groups;
    hosts.clear();
    for (const auto& host : begun->upserts) hosts[{host.network, host.name}] = host;
    begun.reset();
    const auto held = dns::listen_addresses(zones);
    std::erase_if(sockets, [&](const auto& s) { return std::ranges::find(held, s.first.local) == held.end(); });
  }
  void carry_out(const verbs::Forward& o, const UniqueFd&) { forward.push_back(o.zone); }
  void carry_out(const verbs::Upstreams& o, const UniqueFd&) {
    upstreams = {
        .servers = o.servers, .forward = std::exchange(forward, {}), .authorities = std::exchange(authorities, {})};
    version = o.version;
  }
  void carry_out(const verbs::Settings& o, const UniqueFd&) {
    if (settings.workers != o.settings.workers)
      std::erase_if(sockets, [](const auto& s) { return s.first.transport == dns::Transport::udp; });
    settings = o.settings;
  }
  void carry_out(const verbs::Trust&, const UniqueFd& fd) {
    const auto read = read_authorities(fd);
    ASSERT_TRUE(read) << read.error();
    authorities = *read;
  }
  void carry_out(const verbs::Forget& o, const UniqueFd&) { forgotten.push_back(o.name); }
  void carry_out(const verbs::Domains& o, const UniqueFd&) { domains = o.domains; }
  void carry_out(const verbs::Admitted& o, const UniqueFd&) { admitted.push_back(o.reply); }
  void carry_out(const verbs::ForgetAdmitted& o, const UniqueFd&) { anew.push_back(o.ifindex); }
};

// A line that holds `room` messages until the child reads.
class FakeSupervisor final : public Supervisor {
 public:
  explicit FakeSupervisor(Handlers handlers) : handlers_{std::move(handlers)} {}

  void start() {
    child.emplace();
    queue_.clear();
    refused_ = false;
    handlers_.started();
  }
  void die() {
    child.reset();
    queue_.clear();
  }
  void read() {
    while (child && !queue_.empty()) {
      for (auto& message : std::exchange(queue_, {})) child->take(std::move(message));
      if (std::exchange(refused_, false)) handlers_.drained();
    }
  }
  std::string say(const verbs::Report& report) { return say(verbs::encode(report)); }
  std::string say(std::span<const std::uint8_t> bytes) {
    const auto done = handlers_.message(bytes);
    return done ? "" : done.error();
  }

  bool send(Message message) override {
    if (!child) return false;
    if (queue_.size() >= room) {
      refused_ = true;
      return false;
    }
    ++sent;
    queue_.push_back(std::move(message));
    return true;
  }
  [[nodiscard]] pid_t pid() const override { return child ? 1 : 0; }
  [[nodiscard]] std::string problem() const override { return {}; }
  [[nodiscard]] std::uint64_t restarts() const override { return 0; }
  void on_gone(const ChildGone&) override {}

  std::optional<Replica> child;
  std::size_t room = 1000, sent = 0;

 private:
  Handlers handlers_;
  std::vector<Message> queue_;
  bool refused_ = false;
};

const address kGateway = make_address("10.0.5.1"), kOther = make_address("10.0.6.1");
const address kQuad9 = make_address("9.9.9.9"), kInside = make_address("192.0.2.54");

struct Table final : NameTable {
  std::vector<dns::Zone> zones;
  std::map<std::pair<std::string, std::string>, dns::Host> hosts;
  std::vector<std::shared_ptr<dns::SharedList>> lists;
  std::vector<dns::ListGroup> list_groups;
  [[nodiscard]] dns::Update snapshot() const override {
    dns::Update update{.snapshot = true,
                       .zones = zones,
                       .upserts = {},
                       .removed = {},
                       .records = {},
                       .lists = lists,
                       .list_groups = list_groups};
    for (const auto& [key, host] : hosts) update.upserts.push_back(host);
    return update;
  }
};

class DnsRemote : public ::testing::Test {
 protected:
  DnsRemote()
      : remote_{table_,
                [this](Supervisor::Handlers handlers) {
                  auto made = std::make_unique<FakeSupervisor>(std::move(handlers));
                  line_ = made.get();
                  return made;
                },
                [this](const dns::AdmissionRequest& request) { asked_.push_back(request); }} {}

  void set_zones(const std::vector<address>& listen) {
    table_.zones.clear();
    for (const auto& local : listen) {
      table_.zones.push_back(
          {.network = local.to_string(), .domain = "x", .prefixes4 = {}, .prefixes6 = {}, .listen = {local}});
    }
    std::erase_if(sockets_, [&](const auto& s) { return std::ranges::find(listen, s.first.local) == listen.end(); });
    remote_.apply(table_.snapshot());
  }
  void put(const std::string& name, unsigned ifindex) {
    const dns::Host host{.network = "default", .name = name, .ifindex = ifindex, .addresses = {kGateway}};
    table_.hosts[{"default", name}] = host;
    remote_.apply({.snapshot = false, .zones = {}, .upserts = {host}, .removed = {}});
  }
  void remove(const std::string& name) {
    const auto host = table_.hosts.extract({"default", name});
    if (!host.empty()) remote_.apply({.snapshot = false, .zones = {}, .upserts = {}, .removed = {host.mapped()}});
  }
  void listen(const address& local, dns::Transport transport) {
    auto socket = dns::make_socket(AF_INET, transport == dns::Transport::udp ? SOCK_DGRAM : SOCK_STREAM);
    ASSERT_TRUE(socket);
    sockets_[{local, transport}] = identity(*socket);
    remote_.listen({local, transport}, std::move(*socket));
  }
  void set_upstreams(dns::Upstreams upstreams) {
    upstreams_ = upstreams;
    remote_.set_upstreams(std::move(upstreams));
  }
  void expect_in_step() {
    line_->read();
    ASSERT_TRUE(line_->child);
    EXPECT_EQ(line_->child->zones, table_.zones);
    EXPECT_EQ(line_->child->hosts, table_.hosts);
    EXPECT_EQ(line_->child->upstreams, upstreams_);
    EXPECT_EQ(line_->child->domains, domains_);
    EXPECT_EQ(line_->child->sockets, sockets_);
    EXPECT_FALSE(line_->child->begun);
  }

  Table table_;
  std::map<Place, std::uint64_t> sockets_;  // as the child should have them
  dns::Upstreams upstreams_;
  dns::Domains domains_;
  std::vector<dns::AdmissionRequest> asked_;
  FakeSupervisor* line_ = nullptr;
  RemoteDns remote_;
};

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

// --- what it claims ---

class DnsReports : public DnsRemote {
 protected:
  DnsReports() {
    set_zones({kGateway});
    set_upstreams({.servers = {kQuad9}, .forward = {{.domain = "corp.example", .servers = {kInside}}}});
    line_->start();
    line_->read();
  }
  [[nodiscard]] verbs::Report report(std::uint64_t queries, std::vector<dns::UpstreamStatus> upstreams = {}) const {
    verbs::Report made{.version = line_->child->version, .statistics = {}};
    made.statistics.queries_udp = queries;
    made.statistics.upstreams = std::move(upstreams);
    return made;
  }
};

TEST_F(DnsReports, AreSummedOverChildren) {
  EXPECT_EQ(line_->say(report(5, {{.server = kQuad9, .asked = 3, .answered = 3, .rtt_ms = 10}})), "");
  EXPECT_EQ(line_->say(report(7, {{.server = kQuad9, .asked = 4, .answered = 4, .rtt_ms = 20}})), "");
  EXPECT_EQ(remote_.statistics().queries_udp, 7U);
  line_->die();
  EXPECT_EQ(remote_.statistics().queries_udp, 7U);
  line_->start();
  line_->read();
  EXPECT_EQ(remote_.statistics().queries_udp, 7U);
  EXPECT_THAT(remote_.statistics().upstreams,
              ElementsAre(dns::UpstreamStatus{.server = kQuad9, .asked = 4, .answered = 4, .rtt_ms = 20}));
  EXPECT_EQ(line_->say(report(1, {{.server = kQuad9, .asked = 1}})), "") << "a new child counts from 0";
  EXPECT_EQ(remote_.statistics().queries_udp, 8U);
  EXPECT_THAT(remote_.statistics().upstreams,
              ElementsAre(dns::UpstreamStatus{.server = kQuad9, .asked = 5, .answered = 4, .rtt_ms = 20}));
}

TEST_F(DnsReports, OfServersThatWereNotToldEndTheChild) {
  EXPECT_EQ(line_->say(report(1, {{.server = kInside}, {.server = kQuad9}})),
            "it names its upstreams out of order, or one twice");
  EXPECT_EQ(line_->say(report(1, {{.server = kQuad9}, {.server = kInside}})), "");
  EXPECT_EQ(line_->say(report(1, {{.server = kQuad9}, {.server = kQuad9}})),
            "it names its upstreams out of order, or one twice");
  EXPECT_THAT(line_->say(report(1, {{.server = make_address("127.0.0.1")}})),
              HasSubstr("127.0.0.1, of which it was not told"));
  auto early = report(1);
  ++early.version;
  EXPECT_THAT(line_->say(early), HasSubstr("never told of"));
}

TEST_F(DnsReports, ThatCountBackwardsEndTheChild) {
  EXPECT_EQ(line_->say(report(5)), "");
  EXPECT_EQ(line_->say(report(4)), "it counts backwards");
  EXPECT_EQ(remote_.statistics().queries_udp, 5U);
}

TEST_F(DnsReports, OfServersThatWereAreNotHeldAgainstTheChild) {
  const auto late = report(5, {{.server = kQuad9, .asked = 3}});
  EXPECT_EQ(line_->say(late), "");
  set_upstreams({.servers = {kInside}, .forward = {}});
  EXPECT_THAT(remote_.statistics().upstreams, IsEmpty());
  EXPECT_EQ(line_->say(late), "") << "it had not read the change yet";
  EXPECT_THAT(remote_.statistics().upstreams, IsEmpty());
  line_->read();
  EXPECT_THAT(line_->say(report(5, {{.server = kQuad9}})), HasSubstr("not told"));
  EXPECT_EQ(line_->say(report(5, {{.server = kInside, .asked = 1}})), "");
}

TEST_F(DnsReports, ThatDoNotDecodeEndTheChild) {
  EXPECT_THAT(line_->say(verbs::encode(verbs::Order{verbs::Begin{}})), HasSubstr("none that may come"));
  auto cut = verbs::encode(report(1));
  cut.pop_back();
  EXPECT_THAT(line_->say(cut), HasSubstr("too short"));
  EXPECT_EQ(remote_.statistics().queries_udp, 0U);
}

}  // namespace
}  // namespace vrouter::router
