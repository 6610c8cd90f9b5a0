// SPDX-License-Identifier: GPL-2.0-or-later
#include <boost/asio/use_awaitable.hpp>

#include "dns/name.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"

namespace vrouter::router {

control::Answer<control::FlushedNames> Router::flush_dns(std::string name, control::Peer peer) {
  using control::Failure;
  using control::FailureKind;
  if (auto running = refuse_if_stopped(); !running)
    co_return std::unexpected(Failure{FailureKind::refused, running.error(), {}});
  const auto parsed = dns::Name::from_text(name);
  if (!name.empty() && !parsed) {
    co_return std::unexpected(
        Failure{FailureKind::invalid_parameter,
                "is no name; write one such as www.example.org: labels of 1 to 63 bytes, 253 in all", "name"});
  }
  services_.forget_names(name);
  // Shown as the wire has it: what a user wrote may hold anything.
  const auto shown = name.empty() ? std::string{"all names"} : parsed->to_text();
  log_info("DNS forgot " + shown + " by command (uid " + std::to_string(peer.uid) + ")");
  co_return control::FlushedNames{.name = name};
}

}  // namespace vrouter::router
