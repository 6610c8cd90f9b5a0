// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/job_line.h"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace vrouter::router {

JobLine::JobLine(std::string service, UniqueFd end, Handlers handlers)
    : service_{std::move(service)},
      handlers_{std::move(handlers)},
      channel_{Channel::open(io_, std::move(end), Channel::Accepts::messages_with_fd,
                             {.message =
                                  [this](Message message) {
                                    if (!status_) handlers_.message(std::move(message));
                                  },
                              .closed = [this](const std::string& why) { closed(why); },
                              .drained = handlers_.drained})},
      report_again_{io_} {}

int JobLine::run() {
  while (!status_ && io_.run_one() != 0) report();
  return status_.value_or(1);
}

void JobLine::fail(std::string_view why) {
  if (status_) return;
  status_ = 1;
  fmt::print(stderr, "vrouterd: {}: ends, since the daemon's line is not as it should be: {}\n", service_, why);
}

bool JobLine::send(std::vector<std::uint8_t> message) {
  return channel_->send({std::move(message), {}}) == Channel::Sent::yes;
}

void JobLine::closed(const std::string& why) {
  if (why != kPeerGone) return fail(why);
  if (!status_) status_ = 0;
}

// What changed is told at once if nothing was for a while, else when that while is over.
void JobLine::report() {
  if (reported_lately_ || !handlers_.report()) return;
  reported_lately_ = true;
  report_again_.expires_after(kStatisticsEvery);
  report_again_.async_wait([this](const boost::system::error_code&) { reported_lately_ = false; });
}

}  // namespace vrouter::router
