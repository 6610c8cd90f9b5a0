// SPDX-License-Identifier: GPL-2.0-or-later
// What the firewall logs, as the daemon hears of it: from a process of its own, or from this one.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/token_bucket.h"
#include "base/unique_fd.h"
#include "router/processes/nflog.h"
#include "router/processes/supervisor.h"

namespace vrouter::router {

class PacketLog {
 public:
  using Sink = std::function<void(const LoggedPacket&)>;
  virtual ~PacketLog() = default;
  // Nothing is told before somebody wants it, nor after nobody does.
  virtual void want(bool wanted) = 0;
  // Packets that were logged while somebody wanted them, and not told; as far as it is known.
  [[nodiscard]] virtual std::uint64_t lost() const = 0;
  [[nodiscard]] virtual Supervisor* supervisor() noexcept { return nullptr; }  // none: there is no process
  [[nodiscard]] virtual const Supervisor* supervisor() const noexcept { return nullptr; }
};

// Of open_packet_log(), in this process.
[[nodiscard]] std::unique_ptr<PacketLog> read_log_here(boost::asio::io_context& io, UniqueFd socket,
                                                       PacketLog::Sink sink);

// In a process of its own. The socket stays here too, or the group would be free for anybody while there is no child:
// what is logged meanwhile waits in it for the next one.
class RemotePacketLog final : public PacketLog {
 public:
  using OpenSupervisor = std::function<std::unique_ptr<Supervisor>(Supervisor::Handlers)>;

  [[nodiscard]] static std::unique_ptr<RemotePacketLog> open(boost::asio::io_context& io, Spawner& spawner,
                                                             UniqueFd socket, Sink sink);
  RemotePacketLog(UniqueFd socket, Sink sink, const OpenSupervisor& open_supervisor);

  void want(bool wanted) override;
  [[nodiscard]] std::uint64_t lost() const override { return of_the_dead_ + reported_ + flooded_; }
  [[nodiscard]] Supervisor* supervisor() noexcept override { return supervisor_.get(); }
  [[nodiscard]] const Supervisor* supervisor() const noexcept override { return supervisor_.get(); }

 private:
  void send_everything();
  std::expected<void, std::string> on_message(std::span<const std::uint8_t> bytes);

  UniqueFd socket_;
  Sink sink_;
  bool wanted_ = false;
  // An honest child keeps to its own, smaller rate; this is for one that doesn't.
  TokenBucket<2 * kPacketsBurst, 2 * kPacketsPerSecond> allowance_;
  std::uint64_t of_the_dead_ = 0, reported_ = 0, flooded_ = 0;
  std::unique_ptr<Supervisor> supervisor_;  // last: its handlers use the rest
};

}  // namespace vrouter::router
