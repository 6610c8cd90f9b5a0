// SPDX-License-Identifier: GPL-2.0-or-later
// Asks the daemon, blocking, on plain sockets: for the command line and for tests.
#pragma once

#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "router/control/views.h"

namespace vrouter::router::control {

enum class ClientFailure {
  no_daemon,  // nobody listens
  refused,    // the daemon said no, or the kernel did when the socket was opened
  not_found,  // the daemon knows no such guest or lease
  broken      // the daemon went away, took too long, or said what this client doesn't understand
};

struct ClientError {
  ClientFailure kind = ClientFailure::broken;
  std::string message;  // with the remedy
  std::string json;     // what the socket returned, if it did
};

template <typename T>
struct Reply {
  T value;
  std::string json;  // the reply's parameters, as the socket returned them
};
template <typename T>
using Asked = std::expected<Reply<T>, ClientError>;

class Client {
 public:
  [[nodiscard]] static std::expected<Client, ClientError> connect(const std::filesystem::path& socket,
                                                                  std::chrono::milliseconds timeout);

  [[nodiscard]] Asked<GuestView> add_guest(const config::Guest& wanted);
  [[nodiscard]] Asked<GuestView> remove_guest(const std::string& which);
  [[nodiscard]] Asked<std::vector<GuestView>> list_guests();
  [[nodiscard]] Asked<GuestView> show_guest(const std::string& which);
  [[nodiscard]] Asked<StatusView> status();
  [[nodiscard]] Asked<std::vector<LeaseView>> list_leases();
  [[nodiscard]] Asked<FlushedNames> flush_dns(const std::string& name);  // empty: all
  [[nodiscard]] Asked<LeaseView> release_lease(address_v4 which);        // as it was
  [[nodiscard]] Asked<GuestView> publish(const std::string& which, const config::Publish& port);
  [[nodiscard]] Asked<GuestView> unpublish(const std::string& which, const config::Publish& port);
  [[nodiscard]] Asked<std::string> ruleset();
  [[nodiscard]] Asked<ExplainView> explain(const std::string& from, const std::string& to, const std::string& packet);
  [[nodiscard]] Asked<ReloadView> reload(std::optional<std::chrono::seconds> confirm_within = {});
  [[nodiscard]] Asked<std::chrono::seconds> confirm();  // the time that was left
  [[nodiscard]] Asked<GuestView> change_guest(const std::string& which, const std::vector<std::string>& groups);
  [[nodiscard]] Asked<std::vector<std::string>> teardown();

  [[nodiscard]] Asked<std::vector<RuleView>> rules();
  // Gives each message as it comes, with its JSON, until the daemon ends it, which is the error, or `take` says false.
  [[nodiscard]] std::expected<void, ClientError> monitor(
      const std::string& guest, const std::function<bool(const MonitorView&, const std::string& json)>& take);

  // Any method: `parameters` and the answer are JSON objects.
  [[nodiscard]] std::expected<std::string, ClientError> call(std::string_view method, std::string_view parameters);

 private:
  Client(UniqueFd fd, std::chrono::milliseconds timeout) : fd_{std::move(fd)}, timeout_{timeout} {}
  std::expected<void, ClientError> send(std::string_view bytes);
  // A whole message; with `forever`, without a limit to the waiting.
  std::expected<std::string, ClientError> receive(bool forever = false);

  UniqueFd fd_;
  std::chrono::milliseconds timeout_;
  std::string received_;  // past the last whole message
};

}  // namespace vrouter::router::control
