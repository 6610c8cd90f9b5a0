// SPDX-License-Identifier: GPL-2.0-or-later
// What the daemon implements so that the control socket has something to ask.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "router/control/views.h"

namespace vrouter::router::control {

// Who asks, by SO_PEERCRED. Filtering access is the socket's mode; this is for the log line of a change.
struct Peer {
  uid_t uid = 0;
  pid_t pid = 0;
};

enum class FailureKind {
  refused,            // io.vrouter.Refused: the request is understood and can't be done
  not_found,          // io.vrouter.NotFound: no such guest or published port
  invalid_parameter,  // org.varlink.service.InvalidParameter: `parameter` is not what its type says
};

struct Failure {
  FailureKind kind = FailureKind::refused;
  std::string message;    // one sentence with the remedy; several lines where a file has several problems
  std::string parameter;  // only with invalid_parameter
};

template <typename T>
using Result = std::expected<T, Failure>;
template <typename T>
using Answer = boost::asio::awaitable<Result<T>>;

// What comes as it happens, until either side ends it.
class Feed {
 public:
  virtual ~Feed() = default;
  // The next message; nothing once it is over. One at a time.
  virtual boost::asio::awaitable<std::optional<MonitorView>> next() = 0;
  virtual void close() = 0;  // a next() under way ends
};

// Each holds a client's place and a queue; who needs more reads one of them on.
inline constexpr std::size_t kMaxMonitors = 8;

// Every call runs on the server's io_context. Several may be under way at once: one per client.
class Service {
 public:
  virtual ~Service() = default;

  // `wanted` holds what was said and leaves the rest empty (name, network, address): config::GuestTable completes it.
  virtual Answer<GuestView> add_guest(config::Guest wanted, Peer peer) = 0;
  // `which` is a TAP, a name or an address, in that order. The view is of the guest as it was.
  virtual Answer<GuestView> remove_guest(std::string which, Peer peer) = 0;
  virtual Answer<std::vector<GuestView>> list_guests() = 0;
  virtual Answer<GuestView> show_guest(std::string which) = 0;
  virtual Answer<StatusView> status() = 0;
  virtual Answer<std::vector<LeaseView>> list_leases() = 0;
  // Ends the lease that somebody of a range has, as if its client had; the view is of the lease as it was.
  virtual Answer<LeaseView> release_lease(address_v4 which, Peer peer) = 0;
  // What the DNS cache knows of the name is forgotten; all that it knows where the name is empty. Answers what was
  // said.
  virtual Answer<FlushedNames> flush_dns(std::string name, Peer peer) = 0;
  virtual Answer<GuestView> publish(std::string which, config::Publish port, Peer peer) = 0;
  virtual Answer<GuestView> unpublish(std::string which, config::Publish port, Peer peer) = 0;
  virtual Answer<std::string> ruleset() = 0;  // nft syntax
  // Each end is a guest (TAP, name or address), another address, "host" or "world"; `packet` is such as "tcp/443".
  virtual Answer<ExplainView> explain(std::string from, std::string to, config::Service packet) = 0;
  virtual Answer<std::vector<RuleView>> rules() = 0;
  // Packets that the firewall logs from now on, of one guest or, with an empty `which`, of all.
  virtual Result<std::shared_ptr<Feed>> monitor(std::string which) = 0;
  // With `confirm_within`, what held before holds again unless confirm() follows in that time.
  virtual Answer<ReloadView> reload(std::optional<std::chrono::seconds> confirm_within, Peer peer) = 0;
  virtual Answer<std::chrono::seconds> confirm(Peer peer) = 0;  // the time that was left
  // Of a guest added by command: the groups that it is in from now on.
  virtual Answer<GuestView> change_guest(std::string which, std::vector<std::string> groups, Peer peer) = 0;
  virtual Answer<std::vector<std::string>> teardown(Peer peer) = 0;  // what was undone, a sentence each
};

}  // namespace vrouter::router::control
