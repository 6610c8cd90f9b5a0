// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/traffic.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "tests/lab/lib/sockets.h"
#include "tests/lab/lib/tap.h"

namespace vrouter::torture {
namespace {

constexpr long kTickNanoseconds = 5'000'000;
constexpr std::uint64_t kTicksPerTurn = 4;  // a guest's turn comes every 20 ms
constexpr std::uint64_t kTrialTurns = 10, kGatewayTurns = 25, kNameTurns = 50, kLeaseTurns = 50, kPortTurns = 100;
constexpr std::uint16_t kEchoPort = 7777, kSiblingPort = 7778, kFirstSourcePort = 40000, kDnsPort = 30053;
constexpr std::size_t kVirtioHeader = 10, kFrameRoom = 4096;
constexpr int kReadsPerTurn = 64;
constexpr int kReceiveBuffer = 8 << 20;  // a reader that waits for a core must not be the one that loses packets
constexpr int kEcho = -1, kTimer = -2, kCallers = 1000;  // what epoll says besides a guest's number

sockaddr_in to_sockaddr(const std::string& address, std::uint16_t port) {
  sockaddr_in made{};
  made.sin_family = AF_INET;
  made.sin_port = htons(port);
  if (::inet_pton(AF_INET, address.c_str(), &made.sin_addr) != 1) throw lab::LabError{"no address: " + address};
  return made;
}

UniqueFd datagram_socket() {
  UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!fd) lab::throw_errno("socket");
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  return fd;
}

std::string_view text(const lab::Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

Traffic::Traffic(const lab::Namespace& host, const lab::Namespace& world, Model& model)
    : host_{host}, world_{world}, model_{model}, ledger_{model}, players_(static_cast<std::size_t>(model.guests())) {
  epoll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  timer_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!epoll_ || !timer_) lab::throw_errno("epoll or timer");
  world_.enter([&] {
    echo_ = datagram_socket();
    probe_ = datagram_socket();
    const auto here = to_sockaddr("0.0.0.0", kEchoPort);
    if (::bind(echo_.get(), reinterpret_cast<const sockaddr*>(&here), sizeof here) < 0) lab::throw_errno("bind");
    for (int i = 0; i < model_.guests(); ++i) player(i).caller = open_caller(i);
  });
  watch(echo_.get(), kEcho);
  watch(timer_.get(), kTimer);
  for (int i = 0; i < model_.guests(); ++i) watch(player(i).caller.get(), kCallers + i);
  const itimerspec every{{0, kTickNanoseconds}, {0, kTickNanoseconds}};
  ::timerfd_settime(timer_.get(), 0, &every, nullptr);
}

Traffic::~Traffic() {
  {
    const std::lock_guard lock{mutex_};
    ending_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Traffic::watch(int fd, int what) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = what;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) lab::throw_errno("epoll_ctl");
}

UniqueFd Traffic::open_caller(int guest) const {
  auto fd = datagram_socket();
  const auto there = to_sockaddr(kHostAddress, model_.facts(guest).port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there) < 0) lab::throw_errno("connect");
  return fd;
}

void Traffic::forget_published_flow(int guest) {
  UniqueFd fresh;
  world_.enter([&] { fresh = open_caller(guest); });
  const std::lock_guard lock{mutex_};
  player(guest).caller = std::move(fresh);
  watch(player(guest).caller.get(), kCallers + guest);
}

void Traffic::plug(int guest) {
  auto tap = lab::open_tap(host_, model_.facts(guest).tap);
  ifreq request{};
  if (::ioctl(tap.get(), SIOCGIFHWADDR, &request) < 0) lab::throw_errno("SIOCGIFHWADDR");
  const std::lock_guard lock{mutex_};
  auto& mine = player(guest);
  std::memcpy(mine.router.bytes.data(), request.ifr_hwaddr.sa_data, mine.router.bytes.size());
  mine.tap = std::move(tap);
  watch(mine.tap.get(), guest);
}

void Traffic::unplug(int guest) {
  const std::lock_guard lock{mutex_};
  player(guest).tap.reset();
}

bool Traffic::plugged(int guest) const {
  const std::lock_guard lock{mutex_};
  return static_cast<bool>(players_.at(static_cast<std::size_t>(guest)).tap);
}

void Traffic::start() {
  {
    const std::lock_guard lock{mutex_};
    sending_ = true;
  }
  thread_ = std::thread{[this] { run(); }};
}

void Traffic::finish() {
  {
    const std::lock_guard lock{mutex_};
    sending_ = false;
  }
  std::this_thread::sleep_for(kPatience + kSlack);
  const std::lock_guard lock{mutex_};
  ledger_.judge(Clock::now());
  model_.end_outages();
}

void Traffic::run() {
  std::array<epoll_event, 64> events{};
  for (;;) {
    const auto n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    const std::lock_guard lock{mutex_};
    if (ending_) return;
    for (int i = 0; i < n; ++i) {
      const auto what = events[static_cast<std::size_t>(i)].data.fd;
      if (what == kTimer) {
        std::uint64_t missed = 0;
        // Ticks that were missed are left out: catching up would make bursts that no guest makes.
        if (::read(timer_.get(), &missed, sizeof missed) == sizeof missed) tick(Clock::now());
      } else if (what == kEcho) {
        read_echo();
      } else if (what >= kCallers) {
        read_caller(what - kCallers);
      } else {
        read_tap(what);
      }
    }
  }
}

void Traffic::tick(Time now) {
  ++ticks_;
  if (ticks_ % 20 == 0) ledger_.judge(now);
  if (!sending_) return;
  for (int guest = 0; guest < model_.guests(); ++guest) {
    if (static_cast<std::uint64_t>(guest) % kTicksPerTurn != ticks_ % kTicksPerTurn) continue;
    if (player(guest).tap) guest_turn(guest, now);
    world_turn(guest, now);
  }
}

lab::Ethernet Traffic::header(int guest) const {
  return {players_.at(static_cast<std::size_t>(guest)).router, model_.facts(guest).mac};
}

void Traffic::send(int guest, std::span<const std::uint8_t> frame) {
  std::array<std::uint8_t, kVirtioHeader> zeroes{};
  const std::array<iovec, 2> parts{iovec{zeroes.data(), zeroes.size()},
                                   iovec{const_cast<std::uint8_t*>(frame.data()), frame.size()}};
  // A TAP that is down or gone refuses it: then it is lost, and judged like any other.
  [[maybe_unused]] const auto ignored = ::writev(player(guest).tap.get(), parts.data(), static_cast<int>(parts.size()));
}

void Traffic::udp_to(int guest, const std::string& to, std::uint16_t from_port, std::uint16_t to_port,
                     const std::string& payload) {
  send(guest, lab::udp(header(guest), {model_.facts(guest).address, to}, from_port, to_port, payload));
}

void Traffic::guest_turn(int guest, Time now) {
  const auto turn = ticks_ / kTicksPerTurn + static_cast<std::uint64_t>(guest) * 7;  // not all at once
  const auto& facts = model_.facts(guest);
  // New flows all the time: what an old one's conntrack entry lets through proves little.
  const auto port = static_cast<std::uint16_t>(kFirstSourcePort + turn / kPortTurns % 10000);
  const auto number = ledger_.sent(guest, Flow::world, now);
  udp_to(guest, kWorldAddress, port, kEchoPort, write_note({Purpose::world, guest, number}));
  if (turn % kTrialTurns == 0) try_what_it_may_not(guest);
  if (turn % kGatewayTurns == 0) {
    const auto sequence = static_cast<std::uint16_t>(ledger_.sent(guest, Flow::gateway, now));
    send(guest, lab::ping(header(guest), {facts.address, kGateway}, 77, sequence));
    ledger_.sent(guest, Flow::arp, now);
    send(guest, lab::arp({kBroadcastMac, facts.mac},
                         {.operation = 1, .sender_mac = facts.mac, .sender = facts.address, .target = kGateway}));
  }
  if (turn % kNameTurns == 0) {
    const auto id = static_cast<std::uint16_t>(ledger_.sent(guest, Flow::dns, now));
    // The host's own table, and the world's through the cache.
    const auto name = turn % (2 * kNameTurns) == 0 ? facts.name + ".guests.internal" : kWorldName;
    udp_to(guest, kGateway, static_cast<std::uint16_t>(kDnsPort + id % 1000), 53, dns_question(id, name));
  }
  if (turn % kLeaseTurns == 0) {
    const auto transaction = ledger_.sent(guest, Flow::dhcp, now);
    udp_to(guest, kGateway, 68, 67, dhcp_renewal(transaction, facts.mac, facts.address));
  }
}

void Traffic::try_what_it_may_not(int guest) {
  const auto trial = player(guest).trial++;
  const auto other =
      static_cast<int>((static_cast<std::uint32_t>(guest) + 1 + trial) % static_cast<std::uint32_t>(model_.guests()));
  if (other == guest) return;
  const auto port = static_cast<std::uint16_t>(kFirstSourcePort + trial % 20000);
  const std::array<std::string, 4> sources{model_.facts(other).address, "10.0.5.250", kHostAddress, "198.51.100.7"};
  const auto forged = write_note({Purpose::spoofed, guest, trial});
  send(guest, lab::udp(header(guest), {sources[trial % sources.size()], kWorldAddress}, port, kEchoPort, forged));
  udp_to(guest, model_.facts(other).address, port, kSiblingPort, write_note({Purpose::sibling, guest, trial}));
}

void Traffic::world_turn(int guest, Time now) {
  const auto turn = ticks_ / kTicksPerTurn + static_cast<std::uint64_t>(guest) * 7;
  if (turn % kTrialTurns != 0) return;
  const auto& facts = model_.facts(guest);
  const auto inner = to_sockaddr(facts.address, kSiblingPort);
  const auto trial = write_note({Purpose::unsolicited, guest, static_cast<std::uint32_t>(turn)});
  ::sendto(probe_.get(), trial.data(), trial.size(), 0, reinterpret_cast<const sockaddr*>(&inner), sizeof inner);
  if (!player(guest).tap) return;
  const auto call = write_note({Purpose::published, guest, ledger_.sent(guest, Flow::published, now)});
  // Twice: an ICMP error for an earlier one is told by the first.
  if (::send(player(guest).caller.get(), call.data(), call.size(), 0) < 0) {
    ::send(player(guest).caller.get(), call.data(), call.size(), 0);
  }
}

void Traffic::read_tap(int guest) {
  std::array<std::uint8_t, kFrameRoom> buffer{};
  for (int i = 0; i < kReadsPerTurn && player(guest).tap; ++i) {
    const auto n = ::read(player(guest).tap.get(), buffer.data(), buffer.size());
    if (n <= static_cast<ssize_t>(kVirtioHeader)) {
      // Deleted under us: it would be readable for ever.
      if (n < 0 && errno != EAGAIN) player(guest).tap.reset();
      return;
    }
    const auto seen = lab::dissect(std::span{buffer}.first(static_cast<std::size_t>(n)).subspan(kVirtioHeader));
    if (seen) on_frame(guest, *seen);
  }
}

void Traffic::on_frame(int guest, const lab::Seen& seen) {
  // As a card does: what is meant for another station isn't seen.
  if (seen.ethernet.to != model_.facts(guest).mac && !seen.ethernet.to.is_group()) return;
  if (seen.type == lab::kEtherArp) return on_arp(guest, seen);
  if (seen.type != lab::kEtherIpv4) return;
  if (seen.protocol == lab::kProtocolIcmp && seen.icmp_type == 0 && seen.from == kGateway) {
    ledger_.answered_last(guest, Flow::gateway);
  } else if (seen.protocol == lab::kProtocolUdp) {
    on_udp(guest, seen);
  }
}

void Traffic::on_arp(int guest, const lab::Seen& seen) {
  const auto& facts = model_.facts(guest);
  if (seen.arp_operation == 2 && seen.from == kGateway) ledger_.answered_last(guest, Flow::arp);
  if (seen.arp_operation != 1 || seen.to != facts.address) return;
  send(guest, lab::arp({seen.arp_sender_mac, facts.mac}, {.operation = 2,
                                                          .sender_mac = facts.mac,
                                                          .sender = facts.address,
                                                          .target_mac = seen.arp_sender_mac,
                                                          .target = seen.from}));
}

void Traffic::on_udp(int guest, const lab::Seen& seen) {
  if (seen.from == kGateway && seen.from_port == 53) {
    const auto answer = read_dns_answer(text(seen.payload));
    if (answer && answer->rcode == 0) ledger_.answered(guest, Flow::dns, answer->id);
  } else if (seen.from_port == 67 && seen.to_port == 68) {
    const auto answer = read_dhcp_answer(text(seen.payload));
    if (!answer || answer->type != 5 || answer->address != model_.facts(guest).address) return;
    ledger_.answered(guest, Flow::dhcp, answer->transaction);
    model_.note_lease(guest);
  } else if (const auto note = read_note(text(seen.payload))) {
    on_note(guest, seen, *note);
  }
}

void Traffic::on_note(int guest, const lab::Seen& seen, const Note& note) {
  if (note.guest < 0 || note.guest >= model_.guests()) return;
  const auto now = Clock::now();
  if (note.purpose == Purpose::world && note.guest == guest) {
    ledger_.answered(guest, Flow::world, note.sequence);
  } else if (note.purpose == Purpose::published && note.guest == guest) {
    model_.judge_reached(guest, now);
    udp_to(guest, seen.from, seen.to_port, seen.from_port, write_note(note));
  } else if (note.purpose == Purpose::sibling) {
    model_.judge_arrived(note.guest, now, "reached " + model_.facts(guest).name);
  } else if (note.purpose == Purpose::unsolicited) {
    model_.judge_arrived(guest, now, "was reached by the world at its inner address");
  } else {
    model_.judge_arrived(guest, now, fmt::format("was sent what {} is to get", model_.facts(note.guest).name));
  }
}

void Traffic::read_echo() {
  std::array<char, 256> buffer{};
  for (int i = 0; i < kReadsPerTurn; ++i) {
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    const auto n =
        ::recvfrom(echo_.get(), buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&peer), &length);
    if (n < 0) return;
    const std::string_view payload{buffer.data(), static_cast<std::size_t>(n)};
    const auto note = read_note(payload);
    if (!note || note->guest < 0 || note->guest >= model_.guests()) continue;
    std::array<char, INET_ADDRSTRLEN> from{};
    ::inet_ntop(AF_INET, &peer.sin_addr, from.data(), from.size());
    const auto now = Clock::now();
    if (note->purpose != Purpose::world) {
      model_.judge_arrived(note->guest, now, fmt::format("sent with another's source, the world saw {}", from.data()));
    } else if (std::string_view{from.data()} != kHostAddress) {
      model_.judge_arrived(note->guest, now, fmt::format("reached the world as {}, without NAT", from.data()));
    } else {
      model_.judge_left(note->guest, now);
    }
    ::sendto(echo_.get(), payload.data(), payload.size(), 0, reinterpret_cast<const sockaddr*>(&peer), length);
  }
}

void Traffic::read_caller(int guest) {
  std::array<char, 256> buffer{};
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const auto n = ::recv(player(guest).caller.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == ECONNREFUSED) continue;
    if (n < 0) return;
    const auto note = read_note({buffer.data(), static_cast<std::size_t>(n)});
    if (note) ledger_.answered(guest, Flow::published, note->sequence);
  }
}

std::string Traffic::totals() const {
  const std::lock_guard lock{mutex_};
  std::string made = fmt::format("{:<24} {:>10} {:>10}\n", "traffic", "sent", "answered");
  for (std::size_t f = 0; f < kFlows; ++f) {
    const auto& totals = ledger_.totals(static_cast<Flow>(f));
    made += fmt::format("{:<24} {:>10} {:>10}\n", name(static_cast<Flow>(f)), totals.sent, totals.answered);
  }
  return made;
}

}  // namespace vrouter::torture
