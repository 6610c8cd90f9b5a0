// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room: one varlink call, from its text to the text of its answer. No sockets.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "router/control/service.h"

namespace vrouter::router::control {

// https://varlink.org/Method-Call
struct Call {
  std::string method;
  boost::json::object parameters;
  bool oneway = false;   // no answer, not even an error
  bool more = false;     // several answers are welcome; only Monitor gives them
  bool upgrade = false;  // asks for another protocol on this connection: we have none
};

// The error says why the text is no call; the connection can't go on then.
[[nodiscard]] std::expected<Call, std::string> parse_call(std::string_view message);

// Whether it is one of the calls that change something, and so may wait for the disk.
[[nodiscard]] bool changes_something(const Call& call) noexcept;

// The text of the answer with its NUL; none for a oneway call. Every exception of the service becomes a refusal.
[[nodiscard]] boost::asio::awaitable<std::optional<std::string>> answer(Service& service, std::string version,
                                                                        Call call, Peer peer);

// Monitor, which is answered again and again (varlink's `more`).
[[nodiscard]] bool streams(const Call& call) noexcept;
// What it is to be told; the error is the text of the one answer there is then.
[[nodiscard]] std::expected<std::shared_ptr<Feed>, std::string> open_feed(Service& service, const Call& call);
[[nodiscard]] std::string continued(const MonitorView& told);  // the text of one of its answers

// An io.vrouter.Refused answer with its NUL, for clients that get no further.
[[nodiscard]] std::string refusal(std::string_view reason);

}  // namespace vrouter::router::control
