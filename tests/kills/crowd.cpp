// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/kills/crowd.h"

#include <arpa/inet.h>

#include <algorithm>

namespace vrouter::kills {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstWait = 150ms, kLongestWait = 1000ms;
constexpr int kTries = 5;
constexpr auto kStep = 1ms;
constexpr int kMostAtOnce = 20;      // of messages in one step
constexpr auto kShortestWish = 60s;  // the server grants no less
constexpr auto kLastsLong = 15s;
// As clones of one image have it: the same for all of them.
const std::vector<std::uint8_t> kSharedId{0xff, 1, 2, 3, 4, 0, 2, 0, 0, 0xab, 0x11};

std::uint32_t number_of(const std::string& address) {
  in_addr parsed{};
  if (::inet_pton(AF_INET, address.c_str(), &parsed) != 1) throw lab::LabError{"not an address: " + address};
  return ntohl(parsed.s_addr);
}

}  // namespace

Crowd::Crowd(const lab::Namespace& where, const std::string& relay_address, const std::string& server,
             std::size_t clients, std::uint32_t seed)
    : relay_{where, relay_address, server},
      relay_address_{number_of(relay_address)},
      generator_{seed},
      clients_(clients) {
  for (std::size_t i = 0; i < clients; ++i) {
    clients_[i].index = i;
    become(clients_[i]);
    clients_[i].next = pause(Clock::now());
  }
  thread_ = std::jthread{[this](const std::stop_token& stop) {
    while (!stop.stop_requested()) run();
  }};
}

Crowd::~Crowd() = default;

void Crowd::run() {
  const auto came = relay_.receive(kStep);
  const std::scoped_lock lock{mutex_};
  for (const auto& bytes : came) {
    if (const auto heard = decode(bytes)) hear(*heard, Clock::now());
  }
  const auto now = Clock::now();
  auto left = kMostAtOnce;
  for (auto& client : clients_) {
    if (client.next > now) continue;
    if (left-- == 0) break;
    act(client, now);
  }
}

// Somebody new on the same chair.
void Crowd::become(Client& client) {
  by_mac_.erase(client.who.mac);
  const auto generation = ++client.generation;
  const auto index = client.index;
  client = Client{.index = index, .generation = generation, .next = client.next};
  client.who.mac = {{0x52, 0x54, static_cast<std::uint8_t>(index >> 8), static_cast<std::uint8_t>(index),
                     static_cast<std::uint8_t>(generation >> 8), static_cast<std::uint8_t>(generation)}};
  if (draw(2) == 0) client.who.client_id = kSharedId;
  if (draw(3) == 0) client.wish = kShortestWish;
  client.rapid = draw(4) == 0;
  by_mac_[client.who.mac] = index;
}

void Crowd::act(Client& client, Time now) {
  const bool has_lease = client.address != 0 && client.until > now;
  if (!has_lease) {
    client.must_reboot = false;
    client.address = 0;
  }
  switch (client.state) {
    case State::idle:
      return begin(client, Doing::discover, State::selecting, now);
    case State::bound:
      if (!has_lease) return begin(client, Doing::discover, State::selecting, now);
      return act_bound(client, now);
    case State::selecting:
    case State::requesting:
      if (client.tries < kTries) return again(client, now);
      client.state = has_lease ? State::bound : State::idle;
      client.next = client.must_reboot ? now : pause(now);
      return;
  }
}

void Crowd::act_bound(Client& client, Time now) {
  if (client.must_reboot) {
    client.wanted = client.address;
    return begin(client, Doing::reboot, State::requesting, now);
  }
  const auto drawn = draw(100);
  if (drawn < 40) return begin(client, Doing::renew, State::requesting, now);
  if (drawn < 60) return begin(client, Doing::rebind, State::requesting, now);
  if (drawn < 72) {
    client.wanted = client.address;
    return begin(client, Doing::reboot, State::requesting, now);
  }
  if (drawn < 84) return begin(client, Doing::discover, State::selecting, now);
  if (drawn < 98) return release(client, now);
  // Without a word: the lease goes on, though nobody is there.
  ++totals_.vanished;
  become(client);
  client.next = pause(now);
}

void Crowd::begin(Client& client, Doing what, State state, Time now) {
  client.doing = what;
  client.state = state;
  client.transaction = static_cast<std::uint32_t>(generator_());
  client.first_sent = now;
  client.tries = 0;
  if (what == Doing::reboot) ++totals_.reboots;
  again(client, now);
}

void Crowd::again(Client& client, Time now) {
  send(client, now);
  client.next = now + std::min<std::chrono::milliseconds>(kFirstWait * (1 << client.tries), kLongestWait);
  ++client.tries;
}

void Crowd::send(Client& client, Time /*now*/) {
  Said said{.type = client.doing == Doing::discover ? Message::discover : Message::request,
            .transaction = client.transaction,
            .mac = client.who.mac,
            .client_id = client.who.client_id,
            .seconds = static_cast<std::uint32_t>(client.wish.count())};
  ++totals_.sent;
  if (client.doing == Doing::renew) {
    said.own = client.address;
    return relay_.send_from(client.address, client.server, encode(said));
  }
  said.relay = relay_address_;
  said.rapid = client.doing == Doing::discover && client.rapid;
  if (client.doing == Doing::take_offer) said.server = client.server;
  if (client.doing == Doing::take_offer || client.doing == Doing::reboot) said.wanted = client.wanted;
  if (client.doing == Doing::rebind) said.own = client.address;
  relay_.forward(encode(said));
}

void Crowd::release(Client& client, Time now) {
  relay_.send_from(client.address, client.server,
                   encode({.type = Message::release,
                           .transaction = static_cast<std::uint32_t>(generator_()),
                           .mac = client.who.mac,
                           .client_id = client.who.client_id,
                           .own = client.address,
                           .server = client.server}));
  ledger_.released(client.who);
  ++totals_.sent;
  ++totals_.releases;
  client.address = 0;
  client.state = State::idle;
  if (draw(2) == 0) become(client);
  client.next = pause(now);
}

void Crowd::hear(const Heard& heard, Time now) {
  const auto known = by_mac_.find(heard.mac);
  if (known == by_mac_.end()) return;
  auto& client = clients_[known->second];
  if (heard.transaction != client.transaction) return;
  const bool selecting = client.state == State::selecting, requesting = client.state == State::requesting;
  switch (heard.type) {
    case Message::offer:
      if (!selecting) return;
      ledger_.offered(client.who, heard.address, now);
      client.wanted = heard.address;
      client.server = heard.server;
      return begin(client, Doing::take_offer, State::requesting, now);
    case Message::ack:
      if (requesting || (selecting && client.rapid)) bind(client, heard, now);
      return;
    case Message::nak:
      if (!requesting) return;
      ++totals_.naks;
      ledger_.refused(client.who,
                      client.doing == Doing::renew || client.doing == Doing::rebind ? client.address : client.wanted,
                      now);
      client.must_reboot = false;
      client.state = State::idle;
      client.address = 0;
      client.next = pause(now);
      return;
    case Message::discover:
    case Message::request:
    case Message::release:
      return;
  }
}

void Crowd::bind(Client& client, const Heard& heard, Time now) {
  const std::chrono::seconds length{heard.seconds};
  ledger_.acknowledged(client.who, heard.address, client.first_sent, now, length);
  ++totals_.acks;
  if (client.doing == Doing::renew) ++totals_.renewals;
  if (client.doing == Doing::reboot) client.must_reboot = false;
  client.state = State::bound;
  client.address = heard.address;
  client.server = heard.server;
  client.until = client.first_sent + length;
  client.next = client.must_reboot ? now : pause(now);
}

void Crowd::reboot(std::size_t count) {
  const std::scoped_lock lock{mutex_};
  const auto now = Clock::now();
  const auto first = draw(static_cast<std::uint32_t>(clients_.size()));
  for (std::size_t i = 0; i < clients_.size() && count > 0; ++i) {
    auto& client = clients_[(first + i) % clients_.size()];
    if (client.address == 0 || client.until < now + kLastsLong) continue;
    client.must_reboot = true;
    if (client.state == State::bound) client.next = now;
    --count;
  }
}

std::size_t Crowd::rebooting() const {
  const std::scoped_lock lock{mutex_};
  return static_cast<std::size_t>(std::ranges::count_if(clients_, &Client::must_reboot));
}

Totals Crowd::totals() const {
  const std::scoped_lock lock{mutex_};
  return totals_;
}

void Crowd::with_ledger(const std::function<void(Ledger&)>& work) {
  const std::scoped_lock lock{mutex_};
  work(ledger_);
}

bool Crowd::failed() const {
  const std::scoped_lock lock{mutex_};
  return !ledger_.failures().empty();
}

}  // namespace vrouter::kills
