// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>

#include "base/kernel_error.h"
#include "base/token_bucket.h"
#include "base/unique_fd.h"
#include "dhcp/server.h"
#include "router/processes/dhcp_verbs.h"
#include "router/processes/supervisor.h"

namespace vrouter::router {

// What the child is to know, kept by whoever calls apply(). A change of it and the apply() that tells of the change
// belong together, without a return to the loop between: claims are held against it.
class BindingTable {
 public:
  virtual ~BindingTable() = default;
  [[nodiscard]] virtual const dhcp::Binding* by_ifindex(unsigned ifindex) const = 0;  // null: none; read at once
  [[nodiscard]] virtual dhcp::Update snapshot() const = 0;
};

// A machine takes up to five leases within seconds of its start (firmware, boot loader, initrd, installer, system),
// then two an hour. What comes faster is a client gone wild or a child that is no longer ours: each event costs a
// neighbour entry and a line in the log, and telling nobody of it harms nobody, since the bindings are static.
inline constexpr unsigned kLeaseBurst = 10;
inline constexpr unsigned kLeasesPerSecond = 1;
// Of all interfaces together: every guest of a full host at once, then a hundred times what 10,000 renewals take. What
// comes faster is no boot storm.
inline constexpr unsigned kLeaseBurstOfAll = 65'536;
inline constexpr unsigned kLeasesPerSecondOfAll = 500;

// Leases of ranges that wait for the disk: ten times what a second of a busy /16 brings.
inline constexpr std::size_t kMostCommits = 131'072;
// Between two that reached the daemon: more than a child can have made while nobody read its line.
inline constexpr std::uint64_t kMostSkipped = std::uint64_t{1} << 32;
// Questions by ARP: each costs a change of the rules and a frame to a shared link.
inline constexpr unsigned kProbeBurst = 512;
inline constexpr unsigned kProbesPerSecond = 200;
inline constexpr std::size_t kMostNetworks = 65'536;

// The DHCP service in a process of its own, seen from the daemon.
class RemoteDhcp final : public dhcp::Server {
 public:
  using OpenSupervisor = std::function<std::unique_ptr<Supervisor>(Supervisor::Handlers)>;
  using Clock = std::function<BootTime()>;

  // Has a socket made for the service's user, binds it and starts the child; errors are those of dhcp::bind_socket().
  // The socket outlives every child: what comes while there is none waits in it. All must outlive the server.
  [[nodiscard]] static std::expected<std::unique_ptr<RemoteDhcp>, KernelError> open(boost::asio::io_context& io,
                                                                                    Spawner& spawner,
                                                                                    const BindingTable& table,
                                                                                    Handlers handlers);
  RemoteDhcp(UniqueFd socket, const BindingTable& table, Handlers handlers, const OpenSupervisor& open_supervisor,
             Clock clock = BootClock::now);

  void apply(const dhcp::Update& update) override;
  void committed(const std::vector<dhcp::CommitResult>& results) override;
  void heard(const dhcp::Probe& probe, const MacAddress& by) override;
  // Of all children since the start, the present one's as it last told them, at most 100 ms ago.
  [[nodiscard]] dhcp::Statistics statistics() const override;

  struct Dropped {
    std::uint64_t too_many = 0;   // above kLeasesPerSecond
    std::uint64_t overtaken = 0;  // by a change of the table, or by time
    bool operator==(const Dropped&) const = default;
  };
  [[nodiscard]] const Dropped& dropped() const noexcept { return dropped_; }
  [[nodiscard]] Supervisor& supervisor() noexcept { return *supervisor_; }
  [[nodiscard]] const Supervisor& supervisor() const noexcept { return *supervisor_; }

 private:
  // A snapshot on its way. One larger than the line's queue goes out in parts, each when the one before was read.
  struct Sending {
    std::vector<dhcp_verbs::Order> orders;
    std::size_t next = 0;
  };

  void on_started();
  void on_drained();
  std::expected<void, std::string> on_message(std::span<const std::uint8_t> bytes);
  std::expected<void, std::string> on_report(const dhcp_verbs::Lease& claim);
  std::expected<void, std::string> on_report(dhcp::Statistics& statistics);
  std::expected<void, std::string> on_report(dhcp_verbs::Commits& commits);
  std::expected<void, std::string> on_report(dhcp_verbs::Ask& ask);
  void send_table();
  [[nodiscard]] bool send(const dhcp_verbs::Order& order, UniqueFd fd = {});
  [[nodiscard]] bool in_step() const noexcept { return !behind_ && !sending_; }

  UniqueFd socket_;
  const BindingTable& table_;
  Handlers handlers_;
  Clock clock_;

  bool behind_ = true;  // the table holds what no message told, nor the snapshot on its way
  std::optional<Sending> sending_;
  std::uint64_t orders_ = 0;                                                             // sent to this child
  std::unordered_map<unsigned, TokenBucket<kLeaseBurst, kLeasesPerSecond>> allowances_;  // by ifindex
  TokenBucket<kLeaseBurstOfAll, kLeasesPerSecondOfAll> allowance_;
  TokenBucket<kProbeBurst, kProbesPerSecond> probe_allowance_;
  // Commits are numbered on from child to child, so that the results of a dead one's reach nobody.
  std::uint64_t of_the_dead_commits_ = 0, last_commit_ = 0;
  std::size_t under_way_ = 0;
  dhcp::Statistics of_the_dead_, last_reported_;
  Dropped dropped_;
  std::unique_ptr<Supervisor> supervisor_;  // last: its handlers use the rest
};

}  // namespace vrouter::router
