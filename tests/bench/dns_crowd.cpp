// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/dns_crowd.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/ip/address_v4.hpp>
#include <deque>
#include <thread>

#include "tests/lab/lib/error.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

using lab::Clock;
using namespace std::chrono_literals;

constexpr auto kGivesUp = 1s;
constexpr int kEvents = 256;
constexpr int kBurst = 32;  // what the kernel holds for a processor is a thousand packets
constexpr std::uint16_t kPort = 53;

sockaddr_in endpoint(const std::string& address, std::uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(boost::asio::ip::make_address_v4(address).to_uint());
  return to;
}

// A question of type A for "h7.bench.example", its id left 0.
std::string question_for(const std::string& name) {
  using namespace std::string_literals;
  auto message = "\0\0\1\0\0\1\0\0\0\0\0\0"s;
  for (std::size_t at = 0; at < name.size();) {
    const auto end = std::min(name.find('.', at), name.size());
    message += static_cast<char>(end - at);
    message += name.substr(at, end - at);
    at = end + 1;
  }
  return message + "\0\0\1\0\1"s;
}

// Of the guest's end (1) or the server's (2).
std::string mac(int end, int number) {
  return fmt::format("52:54:{:02x}:00:{:02x}:{:02x}", end, number >> 8 & 0xff, number & 0xff);
}

struct Asking {
  std::uint16_t id = 0;
  bool waits = false;
  Clock::time_point since{};
};

class Round {
 public:
  Round(const std::vector<UniqueFd>& sockets, std::vector<std::string> questions)
      : sockets_{sockets},
        questions_{std::move(questions)},
        guests_(sockets.size()),
        epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (!epoll_) lab::throw_errno("epoll_create1");
    for (std::size_t i = 0; i < sockets.size(); ++i) {
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, sockets[i].get(), &event) < 0) lab::throw_errno("epoll_ctl");
      idle_.push_back(i);
    }
  }

  Lookups run(int seconds, int rate) {
    const auto begin = Clock::now();
    const auto end = begin + std::chrono::seconds{seconds};
    for (auto now = begin; now < end; now = Clock::now()) {
      const auto elapsed = std::chrono::duration<double>(now - begin).count();
      const auto due = rate > 0 ? static_cast<std::uint64_t>(elapsed * rate) : found_.sent + idle_.size();
      for (int burst = 0; burst < kBurst && found_.sent < due && !idle_.empty(); ++burst) send(now);
      hear(0);
      give_up(now);
    }
    for (const auto last = end + 200ms; Clock::now() < last && found_.answered + found_.failed < found_.sent;) hear(10);
    found_.seconds = seconds;
    return std::move(found_);
  }

 private:
  void send(Clock::time_point now) {
    const auto number = idle_.front();
    idle_.pop_front();
    auto& guest = guests_[number];
    auto& question = questions_[found_.sent % questions_.size()];
    ++guest.id;
    question[0] = static_cast<char>(guest.id >> 8);
    question[1] = static_cast<char>(guest.id);
    guest.waits = true;
    guest.since = now;
    [[maybe_unused]] const auto sent = ::send(sockets_[number].get(), question.data(), question.size(), MSG_DONTWAIT);
    ++found_.sent;
    asked_.emplace_back(now, number);
  }
  void hear(int patience) {
    std::array<epoll_event, kEvents> events{};
    const int n = ::epoll_wait(epoll_.get(), events.data(), kEvents, patience);
    for (int i = 0; i < n; ++i) {
      const auto number = static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64);
      std::array<std::uint8_t, 1500> reply{};
      const auto size = ::recv(sockets_[number].get(), reply.data(), reply.size(), MSG_DONTWAIT);
      auto& guest = guests_[number];
      if (size < 12 || !guest.waits || (reply[0] << 8 | reply[1]) != guest.id) continue;
      guest.waits = false;
      idle_.push_back(number);
      (reply[3] & 0xf) == 0 ? ++found_.answered : ++found_.failed;
      const auto took = std::chrono::duration<double>(Clock::now() - guest.since).count();
      found_.latency_sum += took;
      found_.latencies.push_back(took);
    }
  }
  void give_up(Clock::time_point now) {
    for (; !asked_.empty() && asked_.front().first + kGivesUp < now; asked_.pop_front()) {
      const auto& [since, number] = asked_.front();
      auto& guest = guests_[number];
      if (!guest.waits || guest.since != since) continue;
      guest.waits = false;
      idle_.push_back(number);
    }
  }

  const std::vector<UniqueFd>& sockets_;
  std::vector<std::string> questions_;
  std::vector<Asking> guests_;
  UniqueFd epoll_;
  std::deque<std::size_t> idle_;
  std::deque<std::pair<Clock::time_point, std::size_t>> asked_;
  Lookups found_;
};

}  // namespace

DnsCrowd::DnsCrowd(const lab::Namespace& server, int guests, std::string gateway)
    : gateway_{std::move(gateway)}, guests_{guests} {
  lab::expect_a_crowd(where_);
  lab::SpawnOptions options;
  options.inherited = server.network_fd();
  std::string here, there;
  for (int i = 0; i < guests; ++i) {
    const auto tap = lab::tap_of(i);
    here += fmt::format("link add e{} address {} type veth peer name {} address {} netns /proc/self/fd/{}\n", i,
                        mac(1, i), tap, mac(2, i), lab::kInheritedAs);
    here += fmt::format("addr add {}/32 dev e{}\nlink set e{} up\nroute add {} dev e{} metric {}\n", lab::address_of(i),
                        i, i, gateway_, i, i + 1);
    here += fmt::format("neigh add {} dev e{} lladdr {} nud permanent\n", gateway_, i, mac(2, i));
    there += fmt::format("link set {} up\n", tap);
  }
  where_.write_file("/run/links", here);
  server.write_file("/run/links", there);
  if (const auto made = where_.run({"ip", "-batch", "/run/links"}, 60s, options); !made.ok())
    throw lab::LabError{"links of a crowd: " + made.to_string()};
  server.must("ip -batch /run/links", 60s);
}

MacAddress DnsCrowd::mac_of(int guest) {
  return parse_mac_address(mac(1, guest)).value();
}

std::string DnsCrowd::neighbours() const {
  std::string all;
  for (int i = 0; i < guests_; ++i)
    all += fmt::format("neigh add {} dev {} lladdr {} nud permanent\n", lab::address_of(i), lab::tap_of(i), mac(1, i));
  return all;
}

Lookups DnsCrowd::ask(const std::vector<std::string>& names, int seconds, int rate, int cpu) {
  if (sockets_.empty()) {
    const auto to = endpoint(gateway_, kPort);
    where_.enter([&] {
      for (int i = 0; i < guests_; ++i) {
        const auto link = fmt::format("e{}", i);
        const auto own = endpoint(lab::address_of(i), 0);
        UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        if (!fd ||
            ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, link.c_str(), static_cast<socklen_t>(link.size())) <
                0 ||
            ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) < 0 ||
            ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
          lab::throw_errno("a socket of a crowd");
        sockets_.push_back(std::move(fd));
      }
    });
  }
  std::vector<std::string> questions;
  for (const auto& name : names) questions.push_back(question_for(name));
  Lookups found;
  std::thread{[&] {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (cpu >= 0) {
      CPU_SET(static_cast<std::size_t>(cpu), &set);
      ::sched_setaffinity(0, sizeof set, &set);
    }
    found = Round{sockets_, std::move(questions)}.run(seconds, rate);
  }}.join();
  return found;
}

}  // namespace vrouter::bench
