// SPDX-License-Identifier: GPL-2.0-or-later
// Private to the room: values <-> JSON, as io.vrouter.varlink describes it. Replies are read with tolerance (a newer
// daemon may say more), parameters are not: a misspelt one would otherwise be silently without effect.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <expected>
#include <initializer_list>
#include <string>
#include <string_view>

#include "router/control/views.h"

namespace vrouter::router::control {

// The first field that isn't what the interface says.
struct FieldError {
  std::string field;   // "publish"
  std::string reason;  // what is wrong and what is wanted
};
template <typename T>
using Read = std::expected<T, FieldError>;

[[nodiscard]] boost::json::object to_json(const LeaseView& lease);
[[nodiscard]] boost::json::object to_json(const GuestView& guest);
[[nodiscard]] boost::json::object to_json(const StatusView& status);
[[nodiscard]] boost::json::object to_json(const ReloadView& reload);
[[nodiscard]] boost::json::object to_json(const ExplainView& explained);
[[nodiscard]] boost::json::object to_json(const RuleView& rule);
[[nodiscard]] boost::json::object to_json(const MonitorView& told);
[[nodiscard]] boost::json::array to_json(const std::vector<std::string>& texts);

[[nodiscard]] Read<LeaseView> lease_from_json(const boost::json::object& json);
[[nodiscard]] Read<GuestView> guest_from_json(const boost::json::object& json);
[[nodiscard]] Read<StatusView> status_from_json(const boost::json::object& json);
[[nodiscard]] Read<ReloadView> reload_from_json(const boost::json::object& json);
[[nodiscard]] Read<ExplainView> explain_from_json(const boost::json::object& json);
[[nodiscard]] Read<RuleView> rule_from_json(const boost::json::object& json);
[[nodiscard]] Read<MonitorView> monitor_from_json(const boost::json::object& json);
[[nodiscard]] Read<std::chrono::seconds> left_from_json(const boost::json::object& json);
[[nodiscard]] Read<std::vector<std::string>> texts_from_json(const boost::json::object& json, std::string_view field);

// The parameters of the calls.
[[nodiscard]] boost::json::object add_guest_parameters(const config::Guest& wanted);
[[nodiscard]] Read<config::Guest> read_add_guest(const boost::json::object& parameters);
[[nodiscard]] Read<std::string> read_text(const boost::json::object& parameters, std::string_view field);
struct PortOfGuest {
  std::string guest;
  config::Publish port;
};
[[nodiscard]] Read<PortOfGuest> read_port(const boost::json::object& parameters);
struct GroupsOfGuest {
  std::string guest;
  std::vector<std::string> groups;
};
[[nodiscard]] Read<GroupsOfGuest> read_change_guest(const boost::json::object& parameters);
[[nodiscard]] Read<std::optional<std::chrono::seconds>> read_reload(const boost::json::object& parameters);
struct AskedToExplain {
  std::string from, to;
  config::Service packet;
};
[[nodiscard]] Read<AskedToExplain> read_explain(const boost::json::object& parameters);
[[nodiscard]] Read<FlushedNames> flushed_from_json(const boost::json::object& json);
[[nodiscard]] Read<std::string> read_flush_dns(const boost::json::object& parameters);  // empty: all
[[nodiscard]] Read<address_v4> read_release_lease(const boost::json::object& parameters);
[[nodiscard]] Read<std::string> read_monitor(const boost::json::object& parameters);  // the guest; empty: all
[[nodiscard]] Read<void> refuse_all(const boost::json::object& parameters);           // for calls without parameters

}  // namespace vrouter::router::control
