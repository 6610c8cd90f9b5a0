// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/packet_log.h"

#include <fcntl.h>

#include <utility>

#include "base/clock.h"
#include "router/processes/log_verbs.h"

namespace vrouter::router {
namespace {

namespace verbs = log_verbs;

class LocalPacketLog final : public PacketLog {
 public:
  LocalPacketLog(boost::asio::io_context& io, UniqueFd socket, Sink sink)
      : reader_{io, std::move(socket), [sink = std::move(sink)](const LoggedPacket& logged) {
                  sink(logged);
                  return true;
                }} {}
  void want(bool wanted) override { reader_.want(wanted); }
  [[nodiscard]] std::uint64_t lost() const override { return reader_.lost(); }

 private:
  PacketLogReader reader_;
};

}  // namespace

std::unique_ptr<PacketLog> read_log_here(boost::asio::io_context& io, UniqueFd socket, PacketLog::Sink sink) {
  return std::make_unique<LocalPacketLog>(io, std::move(socket), std::move(sink));
}

std::unique_ptr<RemotePacketLog> RemotePacketLog::open(boost::asio::io_context& io, Spawner& spawner, UniqueFd socket,
                                                       Sink sink) {
  return std::make_unique<RemotePacketLog>(std::move(socket), std::move(sink), [&](Supervisor::Handlers handlers) {
    return Supervisor::open(io, spawner, Service::log, std::move(handlers));
  });
}

RemotePacketLog::RemotePacketLog(UniqueFd socket, Sink sink, const OpenSupervisor& open_supervisor)
    : socket_{std::move(socket)},
      sink_{std::move(sink)},
      supervisor_{open_supervisor({.started =
                                       [this] {
                                         of_the_dead_ += std::exchange(reported_, 0);
                                         send_everything();
                                       },
                                   .message = [this](std::span<const std::uint8_t> bytes) { return on_message(bytes); },
                                   .drained = [this] { send_everything(); }})} {}

// Two orders: a line that is too full for them is one whose child hangs.
void RemotePacketLog::send_everything() {
  if (!supervisor_) return;
  supervisor_->send({verbs::encode(verbs::Want{wanted_}), {}});
  supervisor_->send({verbs::encode(verbs::Read{}), UniqueFd{::fcntl(socket_.get(), F_DUPFD_CLOEXEC, 0)}});
}

void RemotePacketLog::want(bool wanted) {
  wanted_ = wanted;
  if (supervisor_) supervisor_->send({verbs::encode(verbs::Want{wanted}), {}});
}

std::expected<void, std::string> RemotePacketLog::on_message(std::span<const std::uint8_t> bytes) {
  if (!allowance_.take(BootClock::now())) {
    ++flooded_;
    return {};
  }
  const auto report = verbs::decode_report(bytes);
  if (!report) return std::unexpected(report.error());
  if (const auto* lost = std::get_if<verbs::Lost>(&*report)) {
    if (lost->packets < reported_) return std::unexpected("it counts backwards");
    reported_ = lost->packets;
    return {};
  }
  if (wanted_) sink_(std::get<LoggedPacket>(*report));
  return {};
}

}  // namespace vrouter::router
