// SPDX-License-Identifier: GPL-2.0-or-later
// vrouter-soak-dns [MILLIONS] [SEED]: that many queries of four guests, cached names, new ones, whole zones of unlike
// answers, over UDP and TCP, and malformed ones, and what the DNS service holds of memory meanwhile. Exit status 0: it
// answered all that was well-formed, and in the last quarter held no more than in the second.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <mutex>
#include <random>
#include <thread>

#include "tests/agreement/client.h"
#include "tests/agreement/scene.h"
#include "tests/agreement/zone.h"

namespace vrouter::agreement {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kGuests = 4, kBatch = 32;
constexpr std::size_t kRows = 20;                 // of the table of what it held
constexpr double kSlack = 1, kSlackShare = 0.02;  // MiB, and of what it held: allocators breathe
constexpr auto kStuck = 60s;                      // without any progress

// One guest's traffic; a thread of its own.
class Guest {
 public:
  Guest(const Scene& scene, std::size_t number, std::uint32_t seed)
      : number_{number},
        random_{seed + static_cast<std::uint32_t>(number)},
        questions_{seed + 100 + static_cast<std::uint32_t>(number)},
        udp_{scene.guest(number), Scene::kGateway, Over::udp},
        tcp_{scene.guest(number), Scene::kGateway, Over::tcp},
        trash_{scene.guest(number), Scene::kGateway, Over::udp},
        trash_tcp_{scene.guest(number), Scene::kGateway, Over::tcp} {}

  void run(std::size_t queries, const std::atomic<bool>& stop) {
    while (sent < queries && !stop) {
      const auto kind = random_() % 16;
      if (kind < 2) {
        malformed(kind == 0 ? trash_tcp_ : trash_);
      } else {
        ask(kind < 5 ? tcp_ : udp_, kind % 3 == 0);
      }
      sent += kBatch;
    }
  }

  std::atomic<std::size_t> sent = 0, unanswered = 0;

 private:
  // New names are below the wildcard; the others of the zone's few thousand.
  void ask(Client& client, bool new_ones) {
    std::vector<Question> batch;
    for (std::size_t i = 0; i < kBatch; ++i) {
      auto& question = batch.emplace_back(questions_.next());
      if (new_ones) question.name = dns::Name::from_text(fmt::format("n{}-{}.w.{}", number_, next_++, kOrigin)).value();
    }
    for (const auto& reply : client.ask(batch)) {
      if (!reply) ++unanswered;
    }
  }

  // Bytes of a query's, some of them changed, cut off or put on.
  void malformed(Client& client) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      auto message = write(questions_.next(), static_cast<std::uint16_t>(random_()));
      for (auto n = 1 + random_() % 8; n > 0; --n)
        message[random_() % message.size()] = static_cast<std::uint8_t>(random_());
      if (random_() % 3 == 0) message.resize(random_() % message.size());
      if (random_() % 5 == 0) message.resize(message.size() + random_() % 400, 0xc0);
      if (!message.empty()) client.send(message);
    }
    client.forget();
  }

  std::size_t number_;
  std::mt19937 random_;
  Questions questions_;
  Client udp_, tcp_, trash_, trash_tcp_;
  std::uint64_t next_ = 0;
};

class Soak {
 public:
  Soak(std::size_t queries, std::uint32_t seed) : queries_{queries}, seed_{seed} {
    for (std::size_t i = 0; i < kGuests; ++i) guests_.push_back(std::make_unique<Guest>(scene_, i, seed));
  }

  bool run() {
    std::cout << fmt::format("{} queries, seed {}\n  queries  per second  MiB\n", queries_, seed_) << std::flush;
    std::atomic<bool> stop = false;
    std::vector<std::jthread> threads;
    for (auto& guest : guests_) {
      threads.emplace_back([&, one = guest.get()] {
        try {
          one->run(queries_ / kGuests, stop);
        } catch (const std::exception& error) {
          const std::lock_guard lock{mutex_};
          error_ = error.what();
          stop = true;
        }
      });
    }
    watch(stop);
    stop = true;
    threads.clear();
    return report();
  }

 private:
  struct Sample {
    std::size_t sent = 0;
    double resident = 0;
  };

  [[nodiscard]] std::size_t sum(std::atomic<std::size_t> Guest::* what) const {
    std::size_t all = 0;
    for (const auto& guest : guests_) all += (guest.get()->*what).load();
    return all;
  }

  void watch(const std::atomic<bool>& stop) {
    const auto goal = queries_ / kGuests * kGuests;
    auto printed = Clock::now(), moved = printed;
    for (std::size_t before = 0, row = 0; !stop;) {
      const auto sent = sum(&Guest::sent);
      samples_.push_back({sent, scene_.resident_of_dns()});
      const auto now = Clock::now();
      if (sent / (goal / kRows + 1) > row || sent >= goal) {
        row = sent / (goal / kRows + 1);
        const std::chrono::duration<double> took = now - printed;
        std::cout << fmt::format("{:9}  {:10.0f}  {:.1f}\n", sent, static_cast<double>(sent - told_) / took.count(),
                                 samples_.back().resident)
                  << std::flush;
        printed = now;
        told_ = sent;
      }
      if (sent != before) moved = now;
      before = sent;
      if (sent >= goal) return;
      if (now - moved > kStuck) throw lab::LabError{"nothing is answered any more\n" + scene_.daemon().log()};
      std::this_thread::sleep_for(100ms);
    }
  }

  // The most that it held in a quarter of the queries, the first being 0.
  [[nodiscard]] double most(std::size_t quarter) const {
    double found = 0;
    for (const auto& sample : samples_) {
      if (std::min<std::size_t>(sample.sent * 4 / queries_, 3) == quarter) found = std::max(found, sample.resident);
    }
    return found;
  }

  bool report() {
    std::cout << scene_.daemon().cli({"dns"}).out;
    const auto warm = most(1), last = most(3);
    const auto unanswered = sum(&Guest::unanswered);
    std::cout << fmt::format("vrouterd: dns held {:.1f} MiB at most in the second quarter, {:.1f} MiB in the last\n",
                             warm, last);
    bool good = true;
    const auto fail = [&](const std::string& why) {
      std::cout << "FAILED " << why << '\n';
      good = false;
    };
    if (!error_.empty()) fail(error_);
    if (warm == 0 || last > warm * (1 + kSlackShare) + kSlack) fail("its memory grows");
    if (unanswered > 0) fail(fmt::format("{} queries got no answer", unanswered));
    std::cout << fmt::format("seed {}: {}\n", seed_, good ? "all answered, and memory stays constant" : "see above");
    return good;
  }

  std::size_t queries_;
  std::uint32_t seed_;
  Scene scene_{static_cast<int>(kGuests)};
  std::vector<std::unique_ptr<Guest>> guests_;
  std::vector<Sample> samples_;
  std::size_t told_ = 0;
  std::mutex mutex_;
  std::string error_;
};

}  // namespace
}  // namespace vrouter::agreement

int main(int argc, char** argv) {
  try {
    const auto millions = argc > 1 ? std::stod(argv[1]) : 10.0;
    const auto seed = argc > 2 ? static_cast<std::uint32_t>(std::stoul(argv[2])) : std::random_device{}() % 1'000'000;
    return vrouter::agreement::Soak{static_cast<std::size_t>(millions * 1e6), seed}.run() ? 0 : 1;
  } catch (const vrouter::lab::LabError& error) {
    std::cerr << "soak-dns: " << error.what() << '\n';
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "soak-dns: " << error.what() << "\nusage: vrouter-soak-dns [MILLIONS] [SEED]\n";
    return 2;
  }
}
