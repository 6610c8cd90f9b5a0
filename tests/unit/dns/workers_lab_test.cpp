// SPDX-License-Identifier: GPL-2.0-or-later
// Several threads that answer, over real sockets: the host's questions are spread over them, a guest's are not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "dns/shared_list.h"
#include "dns_lab.h"

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using testing::ask;
using testing::Bytes;
using testing::FakeUpstream;
using testing::rcode_of;
using namespace std::chrono_literals;

class DnsWorkers : public testing::DnsLab {
 protected:
  void serve_with(unsigned workers) {
    Settings settings;
    settings.workers = workers;
    server_->configure(settings);
    listeners_->want({make_address("10.0.5.1")}, workers);
  }
  // The server's; a sanitizer has one of its own.
  [[nodiscard]] std::size_t threads() const { return all_threads() - before_ + 1; }

 private:
  static std::size_t all_threads() {
    const std::filesystem::directory_iterator all{"/proc/self/task"};
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
  const std::size_t before_ = all_threads();
};

// Asks and waits, one after the other, on a thread of its own: how many were answered.
unsigned ask_many(const Bytes& question, unsigned count) {
  unsigned answered = 0;
  for (unsigned i = 0; i < count; ++i) {
    const UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const boost::asio::ip::udp::endpoint server{make_address("10.0.5.1"), 53};
    if (::connect(socket.get(), server.data(), static_cast<socklen_t>(server.size())) != 0) continue;
    static_cast<void>(::send(socket.get(), question.data(), question.size(), 0));
    pollfd ready{.fd = socket.get(), .events = POLLIN, .revents = 0};
    std::array<std::uint8_t, 512> answer{};
    if (::poll(&ready, 1, 2000) == 1 && ::recv(socket.get(), answer.data(), answer.size(), 0) > 12) ++answered;
  }
  return answered;
}

TEST_F(DnsWorkers, AllOfThemAnswerWhatTheCacheKnowsAndHandOnTheRest) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  serve_with(4);
  EXPECT_EQ(threads(), 4U);
  EXPECT_EQ(run("dig +short @10.0.5.1 www.example A"), "192.0.2.1\n");
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(rcode_of(exchange(ask("www.example")).value()), 0U);  // the cache's
    EXPECT_EQ(rcode_of(exchange(ask("web1.guests.internal")).value()), 0U);
    EXPECT_EQ(rcode_of(exchange(ask("nobody.guests.internal")).value()), 3U);
  }
  const auto counts = server_->statistics();
  EXPECT_EQ(counts.queries_udp, 121U);
  EXPECT_EQ(counts.forwarded, 1U);
  EXPECT_EQ(counts.answered_from_cache, 40U);
  EXPECT_EQ(counts.answered_locally, 80U);
  EXPECT_EQ(run("dig +short +tcp @10.0.5.1 www.example A"), "192.0.2.1\n");
}

TEST_F(DnsWorkers, ComeAndGoAsTheSettingsSay) {
  start({});
  std::uint64_t asked = 0;
  for (const unsigned workers : {3U, 1U, 16U, 2U, 1U}) {
    serve_with(workers);
    EXPECT_EQ(threads(), workers);
    for (int i = 0; i < 20; ++i) EXPECT_EQ(rcode_of(exchange(ask("localhost")).value()), 0U) << workers;
    // Who counts backwards is ended by the daemon.
    EXPECT_EQ(server_->statistics().queries_udp, asked += 20);
  }
}

// What they read is changed all the time: sanitizers look on.
TEST_F(DnsWorkers, ChangesDoNotDisturbThem) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  serve_with(4);
  constexpr unsigned kEach = 1500;
  std::atomic<unsigned> running = 3, answered = 0;
  std::vector<std::thread> askers;
  for (const auto* name : {"www.example", "web1.guests.internal", "b.example"}) {
    askers.emplace_back([&, question = ask(name)] {
      answered += ask_many(question, kEach);
      --running;
    });
  }
  unsigned round = 0;
  EXPECT_TRUE(run_until(
      [&] {
        ++round;
        const Host other{.network = "default", .name = "web2", .ifindex = 78, .addresses = {make_address("10.0.5.3")}};
        server_->apply(round % 2 == 0 ? Update{.snapshot = false, .zones = {}, .upserts = {other}, .removed = {}}
                                      : Update{.snapshot = false, .zones = {}, .upserts = {}, .removed = {other}});
        if (round % 50 == 0) server_->forget("");
        if (round % 70 == 0)
          server_->configure(
              {.cache_size = (round % 140 == 0 ? 8U : 16U) * config::kMinDnsCache, .rebind_allow = {}, .workers = 4});
        return running == 0;
      },
      60s));
  for (auto& asker : askers) asker.join();
  EXPECT_EQ(answered, 3 * kEach);
  EXPECT_GT(round, 100U);
}

// What the cache knows is told to a guest only where its lists let it be, by whichever thread.
TEST_F(DnsWorkers, KeepAGuestFromWhatIsCachedForOthers) {
  FakeUpstream upstream{io_, "127.0.0.9", testing::good};
  start({make_address("127.0.0.9")});
  serve_with(4);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(rcode_of(exchange(ask("www.example")).value()), 0U);
  ListReader reader;
  reader.read("www.example\n");
  // Whoever asks by the loopback is this guest, until it is put elsewhere.
  Update update{.snapshot = true,
                .zones = {{"default", "guests.internal", {}, {}, {make_address("10.0.5.1")}}},
                .upserts = {{"default", "web1", 1, {make_address("10.0.5.1")}, {0}}},
                .removed = {},
                .records = {},
                .lists = {SharedList::make(reader).value()},
                .list_groups = {{.block = {0}}}};
  server_->apply(update);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(rcode_of(exchange(ask("www.example")).value()), 3U);
    EXPECT_EQ(rcode_of(exchange(ask("other.example")).value()), 0U);
  }
  EXPECT_EQ(server_->statistics().refused_by_list, 20U);
  update.upserts.front().list_groups.clear();
  server_->apply(update);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(rcode_of(exchange(ask("www.example")).value()), 0U);
}

TEST_F(DnsWorkers, MayEndWithQuestionsInFlight) {
  FakeUpstream dead{io_, "127.0.0.8", testing::dead};
  start({make_address("127.0.0.8")});
  serve_with(4);
  for (int i = 0; i < 8; ++i) EXPECT_FALSE(exchange(ask("a" + std::to_string(i) + ".example"), 10ms));
  serve_with(2);  // what their askers wait for comes to nobody
  for (int i = 0; i < 8; ++i) EXPECT_FALSE(exchange(ask("b" + std::to_string(i) + ".example"), 10ms));
  server_.reset();
  io_.restart();
  io_.run_for(100ms);
  EXPECT_EQ(threads(), 1U);
}

}  // namespace
}  // namespace vrouter::dns
