// SPDX-License-Identifier: GPL-2.0-or-later
// The service for clients that get their addresses out of ranges: on shared links and behind relays. Without sockets:
// datagrams, results and time go in, replies, commits and probes come out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/token_bucket.h"
#include "dhcp/answer.h"
#include "dhcp/commits.h"
#include "dhcp/datagram.h"
#include "dhcp/pool.h"

namespace vrouter::dhcp {

// A rack that comes back after a power cut: 1,000 clients with two messages each at once; then 200 clients a second,
// which is 24,000 offers in the time that one is kept. At 80 links that all flood it is still what one thread answers.
inline constexpr unsigned kBurstPerLink = 2000, kMessagesPerLink = 400;
// A relay speaks for a whole site and is the operator's own; the bound only keeps a mad one from the others.
inline constexpr unsigned kBurstPerRelay = 40'000, kMessagesPerRelay = 40'000;
// Renewals of clients behind relays, for each network: 36 million clients that renew each half hour.
inline constexpr unsigned kBurstOfRenewals = 20'000, kRenewalsPerSecond = 20'000;

// Questions under way; each keeps its request, 1.5 kB. At half a second each: 2,000 new clients a second.
inline constexpr std::size_t kMaxProbes = 1024;
// A client that meets so many addresses in use asks again, later.
inline constexpr unsigned kMaxConflicts = 8;
// An address that its last client left so lately is taken for free: nobody else has been given it.
inline constexpr std::chrono::minutes kHeldLately{10};

class Ranges {
 public:
  using ProbeSink = std::function<void(const Probe&)>;
  // Without a sink for probes nobody is asked.
  Ranges(Statistics& statistics, ProbeSink probe)
      : statistics_{statistics}, commits_{statistics}, ask_{std::move(probe)} {}

  // A pool that comes back unchanged keeps its offers and what waits.
  void apply(const Update& update);

  enum class Admission { unknown, limited, admitted };
  [[nodiscard]] bool is_link(unsigned ifindex) const { return links_.contains(ifindex); }
  // Before anything is parsed: whether it comes from where clients of a pool are, within its rate.
  [[nodiscard]] Admission admit(const Datagram& datagram, BootTime now);
  // Of an admitted datagram. Writes the answer into `buffer`; nothing: no answer, or not yet.
  [[nodiscard]] std::optional<Outgoing> handle(const Datagram& datagram, const Request& request, BootTime now,
                                               std::span<std::uint8_t, kMaxReply> buffer);

  [[nodiscard]] std::size_t proposed() const noexcept { return commits_.proposed(); }
  [[nodiscard]] std::vector<Commit> take_commits() { return commits_.take(); }
  void committed(std::span<const CommitResult> results, BootTime now, const Send& send) {
    commits_.committed(results, now, send);
  }
  void heard(const Probe& probe, const MacAddress& by, BootTime now);
  // Answers whoever waited for a probe that nobody answered by `now`.
  void finish_probes(BootTime now, const Send& send);
  [[nodiscard]] std::optional<BootTime> next_probe_end() const;

  [[nodiscard]] std::size_t size() const noexcept { return ranges_.size(); }
  [[nodiscard]] std::size_t waiting() const noexcept { return commits_.size(); }
  [[nodiscard]] std::size_t probing() const noexcept { return probes_.size(); }

 private:
  struct Range {
    explicit Range(const Pool& pool) : table{pool} {}
    LeaseTable table;
    NetworkCounts* counts = nullptr;
    std::vector<address_v4> routers;  // of clients behind relays
    // What some are told (Pool::tailored), by link and by reserved address. They point into the table's pool.
    std::unordered_map<unsigned, const Settings*> of_link;
    std::unordered_map<std::uint32_t, const Settings*> of_address;
    [[nodiscard]] const Settings& settings(unsigned ifindex, const address_v4& address) const;
    TokenBucket<kBurstOfRenewals, kRenewalsPerSecond> renewals;
  };
  struct Link {
    Range* range = nullptr;
    TokenBucket<kBurstPerLink, kMessagesPerLink> bucket;
  };
  struct Relay {
    std::vector<Range*> ranges;
    TokenBucket<kBurstPerRelay, kMessagesPerRelay> bucket;
  };
  // One message in its place.
  struct Visit {
    Range& range;
    unsigned ifindex;  // of the shared link; 0: behind a relay
    const Request& request;
    address_v4 source, local;
    BootTime now;
    [[nodiscard]] const Pool& pool() const noexcept { return range.table.pool(); }
    [[nodiscard]] Asker asker() const noexcept {
      const auto id = request.client_id.span();
      return {range.table.identity(request.hardware, id), id, ifindex};
    }
  };
  struct Probing {
    Range* range = nullptr;
    unsigned ifindex = 0;
    Request request;
    address_v4 local;
    BootTime end;
    unsigned conflicts = 0;
    [[nodiscard]] Visit visit(BootTime now) const { return {*range, ifindex, request, {}, local, now}; }
  };
  using Buffer = std::span<std::uint8_t, kMaxReply>;
  using MaybeSent = std::optional<Outgoing>;

  void upsert(const Pool& pool);
  void remove(const std::string& network);
  void learn_all(const Update& update);
  void index();
  [[nodiscard]] Range* range_of(const address_v4& address) const;
  [[nodiscard]] Range* range_of(const Datagram& datagram, const Request& request) const;
  [[nodiscard]] Range* relayed_range(const Datagram& datagram, const Request& request) const;

  [[nodiscard]] MaybeSent discover(const Visit& visit, Buffer buffer);
  [[nodiscard]] MaybeSent look_for_address(const Visit& visit, Buffer buffer);
  [[nodiscard]] MaybeSent give(const Visit& visit, const address_v4& address, Buffer buffer);
  [[nodiscard]] MaybeSent request(const Visit& visit, Buffer buffer);
  [[nodiscard]] MaybeSent refuse(const Visit& visit, Buffer buffer);
  [[nodiscard]] MaybeSent inform(const Visit& visit, Buffer buffer);
  void decline(const Visit& visit);
  void propose_end(const Visit& visit, const LeaseRecord& record, LeaseState state);
  void end_lease(const Visit& visit, const address_v4& address, LeaseState state);
  void bind(const Visit& visit, const address_v4& address, Buffer buffer);

  void forget_other_than(const Visit& visit, const address_v4& address);
  bool waits_for_probe(const Visit& visit, std::optional<address_v4> address);
  [[nodiscard]] bool must_ask(const Visit& visit, const address_v4& address) const;
  [[nodiscard]] bool ask(const Visit& visit, const address_v4& address, unsigned conflicts);
  void rest(Range& range, unsigned ifindex, const address_v4& address, const MacAddress& by, BootTime now);
  void drop_probes(const Range& range);
  [[nodiscard]] Terms terms(const Visit& visit, const address_v4& address) const;
  [[nodiscard]] Outgoing encode(const Visit& visit, const SentReply& reply, Buffer buffer) const;
  [[nodiscard]] MaybeSent send_now(const Visit& visit, const SentReply& reply, Buffer buffer);

  Statistics& statistics_;
  CommitLine commits_;
  ProbeSink ask_;
  std::map<std::string, std::unique_ptr<Range>> ranges_;  // by network
  std::unordered_map<unsigned, Link> links_;
  std::unordered_map<std::uint32_t, Relay> relays_;
  std::map<std::uint32_t, Range*> by_first_;  // by the first address of the range
  std::unordered_map<std::uint32_t, Range*> reserved_;
  std::unordered_map<std::uint32_t, Probing> probes_;  // by address
  std::set<std::pair<BootTime, std::uint32_t>> probe_ends_;
};

}  // namespace vrouter::dhcp
