// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/bench/storm.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address_v4.hpp>
#include <queue>
#include <random>

#include "tests/bench/dhcp_client.h"
#include "tests/scale/crowd.h"

namespace vrouter::bench {
namespace {

using lab::Clock;
using namespace std::chrono_literals;

constexpr auto kFirstWait = 4s, kLongestWait = 64s;
constexpr auto kJitter = 1000ms;
constexpr int kEvents = 1024;
constexpr std::size_t kFrameRoom = 2048;

MacAddress mac_of(std::size_t number) {
  return {{0x52, 0x54, 0x01, static_cast<std::uint8_t>(number >> 16), static_cast<std::uint8_t>(number >> 8),
           static_cast<std::uint8_t>(number)}};
}

struct Guest {
  explicit Guest(std::size_t number)
      : client{mac_of(number), static_cast<std::uint32_t>(0x10000000 + number)},
        address{boost::asio::ip::make_address_v4(lab::address_of(static_cast<int>(number))).to_uint()},
        sending{client.discover()} {}

  DhcpClient client;
  std::uint32_t address;
  std::vector<std::uint8_t> sending;  // until it is answered
  Message waits_for = Message::offer;
  Clock::time_point begin{}, again{};
  std::chrono::seconds wait = kFirstWait;
  bool bound = false;
};

class Storm {
 public:
  Storm(std::span<const UniqueFd> taps, lab::Milliseconds within)
      : taps_{taps}, within_{within}, epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (!epoll_) lab::throw_errno("epoll_create1");
    guests_.reserve(taps.size());
    for (std::size_t i = 0; i < taps.size(); ++i) {
      guests_.emplace_back(i);
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, taps[i].get(), &event) < 0) lab::throw_errno("epoll_ctl");
    }
  }

  StormOutcome run(lab::Milliseconds limit) {
    begin_ = Clock::now();
    while (outcome_.bound + outcome_.strangers < static_cast<int>(guests_.size()) && Clock::now() < begin_ + limit) {
      send_first_ones();
      send_again();
      listen();
    }
    return std::move(outcome_);
  }

 private:
  void send_first_ones() {
    for (; started_ < guests_.size(); ++started_) {
      const auto now = Clock::now();
      if (now < begin_ + within_ * started_ / guests_.size()) return;
      guests_[started_].begin = now;
      send(started_, now);
      if (started_ + 1 == guests_.size()) outcome_.sending = lab::milliseconds_since(begin_);
    }
  }

  void send_again() {
    const auto now = Clock::now();
    while (!waits_.empty() && waits_.top().at <= now) {
      const auto [at, number] = waits_.top();
      waits_.pop();
      auto& guest = guests_[number];
      if (guest.bound || guest.again != at) continue;  // answered since
      ++outcome_.retransmissions;
      guest.wait = std::min<std::chrono::seconds>(guest.wait * 2, kLongestWait);
      send(number, now);
    }
  }

  void listen() {
    std::array<epoll_event, kEvents> events{};
    const bool more_to_send = started_ < guests_.size();
    const int n = ::epoll_wait(epoll_.get(), events.data(), kEvents, more_to_send ? 0 : 10);
    std::array<std::uint8_t, kFrameRoom> frame{};
    for (int i = 0; i < n; ++i) {
      const auto number = static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64);
      const auto length = ::read(taps_[number].get(), frame.data(), frame.size());
      if (length > 0) take(number, std::span{frame}.first(static_cast<std::size_t>(length)));
    }
  }

  void take(std::size_t number, std::span<const std::uint8_t> frame) {
    auto& guest = guests_[number];
    const auto reply = guest.client.read(frame);
    if (!reply || guest.bound || guest.begin == Clock::time_point{}) return;
    if (reply->type == Message::nak || reply->address != guest.address) {
      guest.bound = true;
      ++outcome_.strangers;
    } else if (reply->type != guest.waits_for) {
      return;
    } else if (reply->type == Message::offer) {
      guest.sending = guest.client.request(*reply);
      guest.waits_for = Message::ack;
      guest.wait = kFirstWait;
      send(number, Clock::now());
    } else {
      guest.bound = true;
      ++outcome_.bound;
      outcome_.four_way.push_back(lab::milliseconds_since(guest.begin));
    }
  }

  void send(std::size_t number, Clock::time_point now) {
    auto& guest = guests_[number];
    // What a TAP refuses is lost, as on any wire.
    [[maybe_unused]] const auto written = ::write(taps_[number].get(), guest.sending.data(), guest.sending.size());
    guest.again = now + guest.wait + std::chrono::milliseconds{jitter_(random_)};
    waits_.push({guest.again, number});
  }

  struct Wait {
    Clock::time_point at;
    std::size_t number;
    bool operator>(const Wait& other) const { return at > other.at; }
  };

  std::span<const UniqueFd> taps_;
  lab::Milliseconds within_;
  UniqueFd epoll_;
  std::vector<Guest> guests_;
  std::priority_queue<Wait, std::vector<Wait>, std::greater<>> waits_;
  std::size_t started_ = 0;
  Clock::time_point begin_;
  StormOutcome outcome_;
  std::mt19937 random_{1};
  std::uniform_int_distribution<long> jitter_{-kJitter.count(), kJitter.count()};
};

}  // namespace

StormOutcome storm(std::span<const UniqueFd> taps, lab::Milliseconds within, lab::Milliseconds limit) {
  return Storm{taps, within}.run(limit);
}

}  // namespace vrouter::bench
