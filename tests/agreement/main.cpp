// SPDX-License-Identifier: GPL-2.0-or-later
// vrouter-agree [COUNT] [SEED]: random questions, asked of vrouter by a guest and of vrouter's upstream, an nsd, by
// ourselves. Exit status 0: every reply had the same rcode and the same records, with a TTL that is upstream's or less,
// and the flags, the case, the EDNS and the truncation that the question calls for.
#include <fmt/format.h>

#include <iostream>
#include <map>
#include <random>

#include "tests/agreement/client.h"
#include "tests/agreement/scene.h"
#include "tests/agreement/zone.h"

namespace vrouter::agreement {
namespace {

constexpr std::size_t kBatch = 32;  // at once: half of what may wait of one guest, all that waits of one connection
constexpr std::uint32_t kTcpEvery = 4;
constexpr std::size_t kFailuresShown = 20, kFailuresAtMost = 500;
// Of a quiet lab's questions hardly any is lost; of a busy machine's a few.
constexpr double kAskedAgain = 0.002;

class Agreement {
 public:
  Agreement(std::size_t count, std::uint32_t seed) : count_{count}, seed_{seed}, questions_{seed}, random_{seed} {}

  bool run() {
    std::cout << fmt::format("{} questions, seed {}\n", count_, seed_) << std::flush;
    while (asked_ < count_ && failures_.size() < kFailuresAtMost) {
      std::vector<Question> over_udp, over_tcp;
      for (std::size_t i = 0; i < kBatch && asked_ + i < count_; ++i)
        (random_() % kTcpEvery == 0 ? over_tcp : over_udp).push_back(questions_.next());
      asked_ += over_udp.size() + over_tcp.size();
      compare(over_tcp, Over::tcp);
      // What was truncated is asked again as a client would.
      const auto truncated = compare(over_udp, Over::udp);
      truncated_ += truncated.size();
      compare(truncated, Over::tcp);
    }
    return report();
  }

 private:
  // The questions that were answered with TC.
  std::vector<Question> compare(const std::vector<Question>& questions, Over over) {
    std::vector<Question> truncated;
    if (questions.empty()) return truncated;
    const auto ours = (over == Over::udp ? udp_ : tcp_).ask(questions);
    const auto truth = truth_.ask(questions);
    for (std::size_t i = 0; i < questions.size(); ++i) {
      if (!truth[i]) throw lab::LabError{"nsd doesn't answer: " + questions[i].to_text()};
      if (!ours[i]) {
        fail(questions[i], over, "no reply, or none that can be read");
        continue;
      }
      ++rcodes_[ours[i]->rcode];
      if (const auto wrong = disagreement(questions[i], *ours[i], *truth[i], over); !wrong.empty())
        fail(questions[i], over, wrong);
      else if (ours[i]->truncated())
        truncated.push_back(questions[i]);
    }
    return truncated;
  }

  void fail(const Question& question, Over over, const std::string& why) {
    failures_.push_back(fmt::format("{} over {}: {}", question.to_text(), over == Over::udp ? "UDP" : "TCP", why));
  }

  bool report() {
    const auto again = udp_.asked_again() + tcp_.asked_again();
    std::cout << fmt::format("{} asked, {} truncated and asked over TCP, {} asked again for want of an answer\nrcodes:",
                             asked_, truncated_, again);
    for (const auto& [rcode, count] : rcodes_) std::cout << fmt::format(" {}: {}", rcode, count);
    std::cout << '\n' << scene_.daemon().cli({"dns"}).out;
    if (static_cast<double>(again) > 10 + kAskedAgain * static_cast<double>(asked_))
      failures_.push_back("too many had to be asked again");
    for (std::size_t i = 0; i < std::min(failures_.size(), kFailuresShown); ++i)
      std::cout << "FAILED " << failures_[i] << '\n';
    if (failures_.empty()) {
      std::cout << fmt::format("seed {}: vrouter and its upstream agree\n", seed_);
      return true;
    }
    std::cout << fmt::format("{} disagreements; do it again with: sudo ./dev agree {} {}\n", failures_.size(), count_,
                             seed_);
    return false;
  }

  std::size_t count_;
  std::uint32_t seed_;
  Questions questions_;
  std::mt19937 random_;
  Scene scene_{1};
  Client udp_{scene_.guest(0), Scene::kGateway, Over::udp};
  Client tcp_{scene_.guest(0), Scene::kGateway, Over::tcp};
  Client truth_{scene_.upstream(), Scene::kUpstream, Over::tcp};
  std::size_t asked_ = 0, truncated_ = 0;
  std::map<unsigned, std::size_t> rcodes_;
  std::vector<std::string> failures_;
};

}  // namespace
}  // namespace vrouter::agreement

int main(int argc, char** argv) {
  try {
    const auto count = argc > 1 ? std::stoul(argv[1]) : 100'000UL;
    const auto seed = argc > 2 ? static_cast<std::uint32_t>(std::stoul(argv[2])) : std::random_device{}() % 1'000'000;
    return vrouter::agreement::Agreement{count, seed}.run() ? 0 : 1;
  } catch (const vrouter::lab::LabError& error) {
    std::cerr << "agree: " << error.what() << '\n';
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "agree: " << error.what() << "\nusage: vrouter-agree [COUNT] [SEED]\n";
    return 2;
  }
}
