// SPDX-License-Identifier: GPL-2.0-or-later
// The service with one pool, and a daemon that answers when the test says so.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "dhcp/responder.h"
#include "tests/unit/dhcp/pools.h"

namespace vrouter::dhcp::testing {

class RangesTest : public ::testing::Test {
 protected:
  struct Sent {
    Outgoing outgoing;
    ReplyView reply;
  };

  RangesTest() { apply({.snapshot = true, .upserts = {}, .removed_ifindexes = {}, .pools = {pool()}}); }

  void apply(const Update& update) { responder_.apply(update); }
  void change(const std::function<void(Pool&)>& what) {
    what(pool_);
    apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {}, .pools = {pool_}});
  }
  void tell(const Lease& lease) {
    apply({.snapshot = false, .upserts = {}, .removed_ifindexes = {}, .leases = {lease}});
  }

  static RequestBytes from(unsigned client, RequestBytes request) {
    request.chaddr = mac(client);
    return request;
  }
  static RequestBytes relayed(RequestBytes request, const char* relay = "192.0.2.7") {
    request.giaddr = ip(relay);
    return request;
  }
  // What is answered at once.
  std::vector<Sent> handle(const RequestBytes& request, unsigned ifindex = kBridge, const char* source = "0.0.0.0",
                           const char* local = "0.0.0.0", std::uint16_t port = 67) {
    return handle_bytes(request.bytes(), ifindex, source, local, port);
  }
  std::vector<Sent> handle_bytes(const Bytes& bytes, unsigned ifindex = kBridge, const char* source = "0.0.0.0",
                                 const char* local = "0.0.0.0", std::uint16_t port = 67) {
    std::array<std::uint8_t, kMaxReply> buffer{};
    const auto sent = responder_.handle({ifindex, ip(source), bytes, false, port, ip(local)}, now_, buffer);
    commits_ = responder_.take_commits();
    for (const auto& commit : commits_) all_commits_.push_back(commit);
    if (!sent) return {};
    return {read(*sent, std::span{buffer}.first(sent->size))};
  }
  // From a relay, by an interface that is nobody's.
  std::vector<Sent> handle_relayed(const RequestBytes& request, const char* source = "192.0.2.7",
                                   std::uint16_t port = 67) {
    return handle(request, 3, source, "10.9.0.1", port);
  }
  static Sent read(const Outgoing& outgoing, std::span<const std::uint8_t> bytes) {
    auto reply = read_reply(bytes);
    EXPECT_TRUE(reply.well_formed);
    return {outgoing, std::move(reply)};
  }
  std::vector<Sent> answer(const std::vector<CommitResult>& results) {
    std::vector<Sent> sent;
    responder_.committed(results, now_,
                         [&](const Outgoing& o, std::span<const std::uint8_t> b) { sent.push_back(read(o, b)); });
    return sent;
  }
  std::vector<Sent> done() { return answer({{commits_.at(0).id, true}}); }
  std::vector<Sent> refused() { return answer({{commits_.at(0).id, false}}); }
  std::vector<Sent> pass(std::chrono::milliseconds time) {
    now_ += time;
    std::vector<Sent> sent;
    responder_.finish_probes(now_,
                             [&](const Outgoing& o, std::span<const std::uint8_t> b) { sent.push_back(read(o, b)); });
    commits_ = responder_.take_commits();
    return sent;
  }

  // The address that the client is offered; empty: none.
  std::string offered(unsigned client, unsigned ifindex = kBridge) {
    const auto sent = handle(from(client, discover()), ifindex);
    return sent.empty() || sent[0].reply.type() != 2 ? "" : sent[0].reply.yiaddr.to_string();
  }
  static RequestBytes select(const std::string& address) { return selecting(address.c_str(), "10.9.0.1"); }
  // The whole exchange.
  std::string bound(unsigned client, unsigned ifindex = kBridge) {
    const auto address = offered(client, ifindex);
    if (address.empty()) return "";
    EXPECT_TRUE(handle(from(client, select(address)), ifindex).empty());
    const auto sent = done();
    return sent.size() == 1 && sent[0].reply.type() == 5 ? sent[0].reply.yiaddr.to_string() : "";
  }
  static RequestBytes release(const std::string& address) {
    auto r = RequestBytes{7}.add_ip(54, "10.9.0.1");
    r.ciaddr = ip(address.c_str());
    return r;
  }
  static RequestBytes decline(const std::string& address) {
    return RequestBytes{4}.add_ip(54, "10.9.0.1").add_ip(50, address.c_str());
  }
  [[nodiscard]] const Statistics& statistics() const { return responder_.statistics(); }
  [[nodiscard]] const NetworkCounts& counts() const { return statistics().networks.at("office"); }

  std::vector<LeaseEvent> events_;
  std::vector<Probe> probes_;
  Responder responder_{[this](const LeaseEvent& e) { events_.push_back(e); },
                       [this](const Probe& p) { probes_.push_back(p); }};
  BootTime now_{std::chrono::seconds{100'000}};
  Pool pool_ = pool();
  std::vector<Commit> commits_;  // of the last message
  std::vector<Commit> all_commits_;
};

}  // namespace vrouter::dhcp::testing
