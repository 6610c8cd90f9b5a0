// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/log_job.h"

#include <memory>
#include <utility>

#include "router/processes/job_line.h"
#include "router/processes/log_verbs.h"
#include "router/processes/nflog.h"

namespace vrouter::router {
namespace {

namespace verbs = log_verbs;

class LogJob {
 public:
  explicit LogJob(UniqueFd end)
      : line_{"log",
              std::move(end),
              {.message = [this](Message message) { receive(std::move(message)); },
               .drained = {},
               .report = [this] { return report_lost(); }}} {}

  int run() { return line_.run(); }

 private:
  void receive(Message message) {
    const auto order = verbs::decode_order(message.bytes);
    if (!order) return line_.fail(order.error());
    if (const auto* want = std::get_if<verbs::Want>(&*order)) {
      wanted_ = want->wanted;
      if (reader_) reader_->want(wanted_);
      return;
    }
    if (!message.fd) {
      return line_.fail(
          "the log's socket came without its descriptor: the daemon has none to spare; raise LimitNOFILE=");
    }
    reader_ = std::make_unique<PacketLogReader>(line_.io(), std::move(message.fd), [this](const LoggedPacket& logged) {
      return line_.send(verbs::encode(logged));
    });
    reader_->want(wanted_);
  }

  bool report_lost() {
    const verbs::Lost lost{reader_ ? reader_->lost() : 0};
    if (lost == reported_) return false;
    if (line_.send(verbs::encode(lost))) reported_ = lost;
    return true;
  }

  JobLine line_;  // first: the rest lives on its loop
  std::unique_ptr<PacketLogReader> reader_;
  bool wanted_ = false;
  verbs::Lost reported_;
};

}  // namespace

int run_log(UniqueFd channel) {
  return LogJob{std::move(channel)}.run();
}

}  // namespace vrouter::router
