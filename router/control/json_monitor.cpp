// SPDX-License-Identifier: GPL-2.0-or-later
// What a monitor is told, to and from JSON.
#include <utility>

#include "router/control/fields.h"
#include "router/control/json.h"

namespace vrouter::router::control {
namespace {

using boost::json::object;

void set_unless_empty(object& json, std::string_view field, const std::string& text) {
  if (!text.empty()) json[field] = text;
}

template <typename Number>
void set_if_there(object& json, std::string_view field, const std::optional<Number>& number) {
  if (number) json[field] = *number;
}

template <typename Number>
std::optional<Number> optional_count(Fields& fields, std::string_view field) {
  const auto number = fields.optional_number(field);
  return number ? std::optional{static_cast<Number>(*number)} : std::nullopt;
}

object packet_to_json(const PacketView& packet) {
  object json{{"time", packet.time.count()}, {"action", packet.action},           {"rule", packet.rule},
              {"source", packet.source},     {"destination", packet.destination}, {"protocol", packet.protocol}};
  set_unless_empty(json, "file", packet.file);
  if (packet.line != 0) json["line"] = packet.line;
  set_unless_empty(json, "in", packet.in);
  set_unless_empty(json, "out", packet.out);
  set_unless_empty(json, "from_guest", packet.from_guest);
  set_unless_empty(json, "to_guest", packet.to_guest);
  set_if_there(json, "source_port", packet.source_port);
  set_if_there(json, "destination_port", packet.destination_port);
  set_if_there(json, "icmp_type", packet.icmp_type);
  set_if_there(json, "icmp_code", packet.icmp_code);
  return json;
}

Read<PacketView> packet_from_json(const object& json) {
  Fields fields{json};
  PacketView packet;
  packet.time = std::chrono::microseconds{fields.optional_number("time").value_or(0)};
  packet.action = fields.text("action");
  packet.rule = fields.text("rule");
  packet.file = fields.optional_text("file").value_or("");
  packet.line = static_cast<std::uint32_t>(fields.count("line"));
  packet.in = fields.optional_text("in").value_or("");
  packet.out = fields.optional_text("out").value_or("");
  packet.from_guest = fields.optional_text("from_guest").value_or("");
  packet.to_guest = fields.optional_text("to_guest").value_or("");
  packet.source = fields.text("source");
  packet.destination = fields.text("destination");
  packet.protocol = fields.text("protocol");
  packet.source_port = optional_count<std::uint16_t>(fields, "source_port");
  packet.destination_port = optional_count<std::uint16_t>(fields, "destination_port");
  packet.icmp_type = optional_count<std::uint8_t>(fields, "icmp_type");
  packet.icmp_code = optional_count<std::uint8_t>(fields, "icmp_code");
  return fields.result(std::move(packet));
}

}  // namespace

object to_json(const MonitorView& told) {
  object json{{"missed", told.missed}};
  if (told.packet) json["packet"] = packet_to_json(*told.packet);
  if (told.lease) {
    json["lease"] = to_json(*told.lease);
    json["lease_time"] = told.lease_time.count();
  }
  set_unless_empty(json, "notice", told.notice);
  return json;
}

Read<MonitorView> monitor_from_json(const object& json) {
  Fields fields{json};
  MonitorView told;
  told.missed = fields.count("missed");
  told.packet = fields.optional_nested("packet", packet_from_json);
  told.lease = fields.optional_nested("lease", lease_from_json);
  told.lease_time = std::chrono::microseconds{fields.optional_number("lease_time").value_or(0)};
  told.notice = fields.optional_text("notice").value_or("");
  return fields.result(std::move(told));
}

}  // namespace vrouter::router::control
