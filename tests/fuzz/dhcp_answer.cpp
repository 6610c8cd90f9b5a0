// SPDX-License-Identifier: GPL-2.0-or-later
// A story of guests, told in bytes: messages from four TAPs (one of them unknown), time that passes, bindings that come
// and go; and, from 0x80 on, a range with its clients. Models that know only who may hold what judge every reply, every
// event and every commit.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "base/wire_reader.h"
#include "dhcp/responder.h"
#include "tests/fuzz/dhcp_pool_world.h"
#include "tests/unit/dhcp/packets.h"

using namespace vrouter;        // NOLINT(google-build-using-namespace)
using namespace vrouter::dhcp;  // NOLINT(google-build-using-namespace)

namespace {

using dhcp::testing::require;

constexpr unsigned kTaps = 3, kInterfaces = 4;

class Story {
 public:
  explicit Story(WireReader in) : in_{in} {}

  void tell() {
    apply_binding(1);
    apply_binding(2);
    for (int step = 0; step < 200 && !in_.empty(); ++step) {
      const auto choice = in_.u8();
      if (choice >= 0x80) {
        world_.step(choice, in_);
        continue;
      }
      switch (choice % 8) {
        case 0:
          apply_binding(1 + in_.u8() % kTaps);
          break;
        case 1:
          remove(1 + in_.u8() % kInterfaces);
          break;
        case 2:
          pass_time();
          break;
        case 3:
          raw_message();
          break;
        default:
          made_message();
          break;
      }
    }
    responder_.expire(now_ + std::chrono::hours{24 * 365 * 200});
    require(held_.empty() && !responder_.next_expiry());
  }

 private:
  static Binding binding_of(unsigned ifindex, std::uint8_t look) {
    auto b = dhcp::testing::binding();
    b.ifindex = ifindex;
    b.guest = b.tap = "tap" + std::to_string(ifindex);
    // Two addresses per TAP and none shared: whoever is told another's has robbed it.
    b.address = address_v4{0x0a000500u + ifindex * 2 + (look & 1)};
    if ((look & 2) != 0) b.pinned_mac = dhcp::testing::kGuestMac;
    if ((look & 4) != 0) b.settings.own().addressing = config::Addressing::subnet;
    if ((look & 8) != 0)
      b.settings.own().options = {{43, dhcp::testing::Bytes(look * 4u, 1)}, {121, {0, 10, 0, 5, 1}}, {53, {9}}};
    b.settings.own().mtu = static_cast<std::uint16_t>(look * 12);
    b.settings.own().lease_time = std::chrono::seconds{look * 10};
    return b;
  }

  void apply_binding(unsigned ifindex) {
    const auto look = in_.u8();
    auto b = binding_of(ifindex, look);
    if (const auto old = bindings_.find(ifindex); old != bindings_.end() && old->second.address != b.address) {
      held_.erase(ifindex);
    }
    const bool snapshot = look >= 250;
    if (snapshot) {
      std::erase_if(held_, [&](const auto& lease) { return lease.first != ifindex; });
      bindings_.clear();
    }
    bindings_[ifindex] = b;
    responder_.apply({.snapshot = snapshot, .upserts = {b}, .removed_ifindexes = {}});
    if (snapshot) world_.forget();
    require(responder_.size() == bindings_.size());
  }

  void remove(unsigned ifindex) {
    bindings_.erase(ifindex);
    held_.erase(ifindex);
    responder_.apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {ifindex}});
    require(responder_.size() == bindings_.size());
  }

  void pass_time() {
    const auto steps = in_.u8();
    now_ += steps >= 0xf0 ? std::chrono::milliseconds{(steps - 0xf0) * 100} : std::chrono::seconds{steps * 20};
    responder_.expire(now_);
    world_.finish();
    for (const auto& [ifindex, end] : held_) require(end > now_);
    require(!responder_.next_expiry() || *responder_.next_expiry() > now_);
  }

  void raw_message() {
    const auto ifindex = 1 + in_.u8() % kInterfaces;
    const auto bytes = in_.take(std::min<std::size_t>(in_.u16(), in_.rest().size()));
    hand_in(ifindex, {bytes.begin(), bytes.end()});
  }

  void made_message() {
    const auto ifindex = 1 + in_.u8() % kInterfaces;
    const auto shape = in_.u16();
    dhcp::testing::RequestBytes request{static_cast<std::uint8_t>(in_.u8() % 10)};
    const auto address = [&] { return address_v4{0x0a000500u + in_.u8() % 10}; };
    if ((shape & 1) != 0) request.ciaddr = address();
    if ((shape & 2) != 0) request.add(50, dhcp::testing::octets(address()));
    if ((shape & 4) != 0)
      request.add(54, dhcp::testing::octets((shape & 8) != 0 ? address() : dhcp::testing::ip("10.0.5.1")));
    if ((shape & 16) != 0) request.add(61, dhcp::testing::Bytes(in_.u8(), 5));
    if ((shape & 32) != 0) request.add(80, {});
    if ((shape & 64) != 0) request.flags = 0x8000;
    if ((shape & 128) != 0) request.giaddr = address();
    if ((shape & 256) != 0) request.chaddr = dhcp::testing::kOtherMac;
    if ((shape & 512) != 0) request.add(57, {in_.u8(), in_.u8()});
    if ((shape & 1024) != 0) request.add(77, dhcp::testing::text("iPXE"));
    if ((shape & 2048) != 0) request.add(12, {in_.u8(), in_.u8(), in_.u8()});
    hand_in(ifindex, request.bytes());
  }

  void hand_in(unsigned ifindex, const dhcp::testing::Bytes& bytes) {
    std::array<std::uint8_t, kMaxReply> buffer{};
    current_ = ifindex;
    events_seen_ = 0;
    const auto sent = responder_.handle({ifindex, dhcp::testing::ip("0.0.0.0"), bytes, false}, now_, buffer);
    require(events_seen_ <= 1);
    current_ = 0;
    if (!sent) return;
    const address_v4 client_address{WireReader{std::span{bytes}.subspan(12)}.u32()};
    judge(ifindex, *sent, client_address, std::span{buffer}.first(sent->size));
  }

  void judge(unsigned ifindex, const Outgoing& sent, const address_v4& client_address,
             std::span<const std::uint8_t> message) {
    require(bindings_.contains(ifindex));
    const auto& b = bindings_.at(ifindex);
    const auto reply = dhcp::testing::read_reply(message);
    require(reply.well_formed && reply.op == 2 && reply.giaddr.is_unspecified());
    require(reply.at(54) == dhcp::testing::octets(b.settings->gateway));
    require(reply.yiaddr.is_unspecified() || reply.yiaddr == b.address);
    require(sent.from == b.settings->gateway);
    // By unicast only to a client that has the address already.
    const bool has_it = client_address == b.address && reply.type() != 6;
    require(sent.to == (has_it ? b.address : address_v4::broadcast()));
    require(!b.pinned_mac || std::ranges::equal(b.pinned_mac->bytes, std::span{reply.chaddr}.first(6)));
    const bool grants = reply.has(51);
    require(reply.type() == 2 || reply.type() == 5 || reply.type() == 6);
    require(grants == (reply.yiaddr == b.address));
    if (reply.type() == 6) require(!grants);
    if (reply.type() == 2) require(grants && events_seen_ == 0);
    if (reply.type() == 5) require(grants == (events_seen_ == 1) && (!grants || held_.contains(ifindex)));
  }

  void hear(const LeaseEvent& event) {
    ++events_seen_;
    if (event.state == LeaseState::expired) {
      for (const auto& [ifindex, b] : bindings_) {
        if (b.guest != event.guest) continue;
        require(held_.contains(ifindex) && held_.at(ifindex) == event.expires);
        held_.erase(ifindex);
        return;
      }
      require(false);  // nobody's lease has ended
    }
    require(current_ != 0 && bindings_.contains(current_));
    const auto& b = bindings_.at(current_);
    require(event.guest == b.guest && event.tap == b.tap && event.address == b.address);
    require(!b.pinned_mac || *b.pinned_mac == event.client);
    if (event.state == LeaseState::bound) {
      require(event.expires > now_);
      held_[current_] = event.expires;
    } else {
      require(event.state == LeaseState::released || event.state == LeaseState::declined);
      held_.erase(current_);
    }
  }

  WireReader in_;
  Responder responder_{[this](const LeaseEvent& event) { hear(event); }};
  BootTime now_{std::chrono::hours{1}};
  dhcp::testing::PoolWorld world_{responder_, now_};
  std::map<unsigned, Binding> bindings_;
  std::map<unsigned, BootTime> held_;  // ifindex -> end of its lease
  unsigned current_ = 0;
  int events_seen_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Story{WireReader{{data, size}}}.tell();
  return 0;
}
