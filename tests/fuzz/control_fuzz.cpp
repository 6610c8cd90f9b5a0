// SPDX-License-Identifier: GPL-2.0-or-later
// What a client may send: the stream is cut into messages, each is read as a call, and its parameters as those of
// every method. What is accepted must mean the same when it is written again.
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdint>
#include <string_view>

#include "router/control/calls.h"
#include "router/control/framing.h"
#include "router/control/json.h"

namespace {

using namespace vrouter::router::control;

constexpr std::size_t kBound = 4096;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void read_parameters(const boost::json::object& parameters) {
  if (const auto guest = read_add_guest(parameters)) {
    const auto again = read_add_guest(add_guest_parameters(*guest));
    require(again.has_value() && *again == *guest);
    require(!guest->tap.empty() && guest->tap.size() <= 15);
  } else {
    require(!guest.error().reason.empty());
  }
  if (const auto wanted = read_port(parameters)) {
    const auto again = read_port({{"guest", wanted->guest}, {"port", wanted->port.to_string()}});
    require(again.has_value() && again->port == wanted->port && again->guest == wanted->guest);
  }
  if (const auto text = read_text(parameters, "guest")) require(text->find('\0') == std::string::npos);
  require(refuse_all(parameters).has_value() == parameters.empty());
  if (const auto view = guest_from_json(parameters)) {
    const auto again = guest_from_json(to_json(*view));
    require(again.has_value() && *again == *view);
  }
  if (const auto view = status_from_json(parameters)) {
    const auto once = to_json(*view);
    const auto again = status_from_json(once);
    require(again.has_value() && boost::json::serialize(to_json(*again)) == boost::json::serialize(once));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte says how the stream is cut into reads: the messages must not depend on it.
  const std::size_t step = std::size_t{data[0]} + 1;
  const std::string_view stream{reinterpret_cast<const char*>(data + 1), size - 1};
  MessageBuffer buffer{kBound};
  std::size_t taken = 0;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    buffer.append(stream.substr(at, step));
    while (const auto message = buffer.next()) {
      require(message->size() <= kBound && stream.substr(taken, message->size()) == *message);
      taken += message->size() + 1;
      require(taken <= stream.size() && stream[taken - 1] == '\0');
      if (const auto call = parse_call(*message)) {
        require(call->method.find('\0') == std::string::npos);
        read_parameters(call->parameters);
      } else {
        require(!call.error().empty());
      }
    }
    if (buffer.overflown()) return 0;
  }
  require(stream.find('\0', taken) == std::string_view::npos);
  return 0;
}
