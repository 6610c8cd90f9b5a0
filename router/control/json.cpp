// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/control/json.h"

#include <boost/json/array.hpp>
#include <limits>
#include <utility>

#include "config/policy_specs.h"
#include "config/specs.h"
#include "router/control/fields.h"
#include "router/control/json_dhcp.h"
#include "router/control/json_guest.h"

namespace vrouter::router::control {
namespace {

using boost::json::array;
using boost::json::object;
using control::to_json;  // else the overloads below would hide the public ones

template <typename Text>
void set_unless_empty(object& json, std::string_view field, const Text& text) {
  if (!text.empty()) json[field] = text;
}

config::Parsed<Health> parse_health(const std::string& text) {
  for (const auto health : {Health::ok, Health::degraded, Health::stopped}) {
    if (name(health) == text) return health;
  }
  return std::unexpected("\"" + text + "\" is no state of vrouterd");
}

object to_json(const config::Place& place) {
  return {{"file", place.file}, {"line", place.line}, {"column", place.column}};
}

Read<config::Place> place_from_json(const object& json) {
  Fields fields{json};
  config::Place place;
  place.file = fields.text("file");
  place.line = static_cast<std::uint32_t>(fields.count("line"));
  place.column = static_cast<std::uint32_t>(fields.count("column"));
  return fields.result(std::move(place));
}

object to_json(const Traffic& traffic) {
  return {{"rx_bytes", traffic.rx_bytes},
          {"rx_packets", traffic.rx_packets},
          {"tx_bytes", traffic.tx_bytes},
          {"tx_packets", traffic.tx_packets}};
}

object to_json(const Count& count) {
  return {{"packets", count.packets}, {"bytes", count.bytes}};
}

Read<Count> count_from_json(const object& json) {
  Fields fields{json};
  const Count count{fields.count("packets"), fields.count("bytes")};
  return fields.result(count);
}

object to_json(const DeniedView& denied) {
  return {{"out", to_json(denied.out)}, {"in", to_json(denied.in)}};
}

Read<DeniedView> denied_from_json(const object& json) {
  Fields fields{json};
  const DeniedView denied{fields.optional_nested("out", count_from_json).value_or(Count{}),
                          fields.optional_nested("in", count_from_json).value_or(Count{})};
  return fields.result(denied);
}

object to_json(const PolicyView& policy) {
  return {{"files", to_json(policy.files)},
          {"rules", policy.rules},
          {"groups", policy.groups},
          {"expectations", policy.expectations}};
}

Read<PolicyView> policy_from_json(const object& json) {
  Fields fields{json};
  PolicyView policy{fields.texts("files"), fields.count("rules"), fields.count("groups"), fields.count("expectations")};
  return fields.result(std::move(policy));
}

Read<Traffic> traffic_from_json(const object& json) {
  Fields fields{json};
  Traffic traffic;
  traffic.rx_bytes = fields.count("rx_bytes");
  traffic.rx_packets = fields.count("rx_packets");
  traffic.tx_bytes = fields.count("tx_bytes");
  traffic.tx_packets = fields.count("tx_packets");
  return fields.result(traffic);
}

// Names and members once, for both directions.
template <typename Statistics, typename Visit>
void each_dns_counter(Statistics& s, Visit visit) {
  visit("queries_udp", s.queries_udp);
  visit("queries_tcp", s.queries_tcp);
  visit("answered_locally", s.answered_locally);
  visit("answered_from_cache", s.answered_from_cache);
  visit("answered_stale", s.answered_stale);
  visit("forwarded", s.forwarded);
  visit("failed", s.failed);
  visit("cache_entries", s.cache.entries);
  visit("cache_bytes", s.cache.bytes);
  visit("cache_limit", s.cache.limit);
  visit("cache_evicted", s.cache_evicted);
  visit("refused_rebinding", s.refused_rebinding);
  visit("refused_by_list", s.refused_by_list);
  visit("admitted", s.admitted);
  visit("refused_admission", s.refused_admission);
  visit("failed_admission", s.failed_admission);
  visit("dropped_malformed", s.dropped_malformed);
  visit("dropped_unknown_source", s.dropped_unknown_source);
  visit("dropped_over_budget", s.dropped_over_budget);
  visit("mismatched_replies", s.mismatched_replies);
}

template <typename Counts, typename Visit>
void each_repair_counter(Counts& repairs, Visit visit) {
  visit("links", repairs.links);
  visit("addresses", repairs.addresses);
  visit("routes", repairs.routes);
  visit("neighbours", repairs.neighbours);
  visit("sysctls", repairs.sysctls);
  visit("bridge_netfilter", repairs.bridge_netfilter);
  visit("rules", repairs.rules);
  visit("elements", repairs.elements);
}

object to_json(const Repairs& repairs) {
  object json;
  each_repair_counter(repairs, [&json](std::string_view field, std::uint64_t value) { json[field] = value; });
  return json;
}

Read<Repairs> repairs_from_json(const object& json) {
  Fields fields{json};
  Repairs repairs;
  each_repair_counter(repairs,
                      [&fields](std::string_view field, std::uint64_t& value) { value = fields.count(field); });
  return fields.result(repairs);
}

config::Parsed<dns::UpstreamTrouble> parse_trouble(std::string_view text) {
  for (auto i = 0U; i <= static_cast<unsigned>(dns::kLastUpstreamTrouble); ++i) {
    const auto trouble = static_cast<dns::UpstreamTrouble>(i);
    if (text == name(trouble)) return trouble;
  }
  return std::unexpected("\"" + std::string{text} + "\" is no trouble of a server");
}

object to_json(const dns::UpstreamStatus& upstream) {
  return {{"server", upstream.server.to_string()}, {"asked", upstream.asked},     {"answered", upstream.answered},
          {"timeouts", upstream.timeouts},         {"refused", upstream.refused}, {"rtt_ms", upstream.rtt_ms},
          {"trouble", dns::name(upstream.trouble)}};
}

object to_json(const dns::Statistics& statistics) {
  object json;
  each_dns_counter(statistics, [&json](std::string_view field, std::uint64_t value) { json[field] = value; });
  array upstreams;
  for (const auto& upstream : statistics.upstreams) upstreams.emplace_back(to_json(upstream));
  json["upstreams"] = std::move(upstreams);
  array lists;
  for (const auto& [name, entries, skipped] : statistics.lists)
    lists.emplace_back(object{{"name", name}, {"entries", entries}, {"skipped", skipped}});
  json["lists"] = std::move(lists);
  return json;
}

Read<dns::Statistics> dns_from_json(const object& json) {
  Fields fields{json};
  dns::Statistics statistics;
  each_dns_counter(statistics,
                   [&fields](std::string_view field, std::uint64_t& value) { value = fields.count(field); });
  for (const auto* inner : fields.objects("upstreams")) {
    Fields upstream{*inner};
    dns::UpstreamStatus status;
    status.server = upstream.parsed("server", config::parse_dns_server);
    status.asked = upstream.count("asked");
    status.answered = upstream.count("answered");
    status.timeouts = upstream.count("timeouts");
    status.refused = upstream.count("refused");
    status.rtt_ms = upstream.real("rtt_ms");
    status.trouble = upstream.parsed("trouble", parse_trouble);
    if (upstream.error()) fields.fail("upstreams." + upstream.error()->field, upstream.error()->reason);
    statistics.upstreams.push_back(status);
  }
  for (const auto* inner : fields.objects("lists")) {
    Fields list{*inner};
    dns::ListStatus status;
    status.name = list.text("name");
    status.entries = list.count("entries");
    status.skipped = list.count("skipped");
    if (list.error()) fields.fail("lists." + list.error()->field, list.error()->reason);
    statistics.lists.push_back(std::move(status));
  }
  return fields.result(std::move(statistics));
}

object to_json(const Feature& feature) {
  object json{{"name", feature.name}, {"present", feature.present}};
  set_unless_empty(json, "detail", feature.detail);
  return json;
}

}  // namespace

std::string_view name(Health health) noexcept {
  switch (health) {
    case Health::ok:
      return "ok";
    case Health::degraded:
      return "degraded";
    case Health::stopped:
      return "stopped";
  }
  std::unreachable();
}

array to_json(const std::vector<std::string>& texts) {
  return array(texts.begin(), texts.end());
}

Read<std::vector<std::string>> texts_from_json(const object& json, std::string_view field) {
  Fields fields{json};
  auto texts = fields.texts(field);
  return fields.result(std::move(texts));
}

object to_json(const GuestView& view) {
  object json;
  put_guest(json, view.guest);
  if (!view.guest.declared_at.file.empty()) json["declared_at"] = to_json(view.guest.declared_at);
  json["ready"] = view.ready;
  json["state"] = view.state;
  set_unless_empty(json, "why", view.why);
  if (view.lease) json["lease"] = to_json(*view.lease);
  if (view.traffic) json["traffic"] = to_json(*view.traffic);
  if (view.denied) json["denied"] = to_json(*view.denied);
  json["warnings"] = to_json(view.warnings);
  return json;
}

Read<GuestView> guest_from_json(const object& json) {
  Fields fields{json};
  GuestView view;
  view.guest = read_guest(fields);
  view.guest.declared_at = fields.optional_nested("declared_at", place_from_json).value_or(config::Place{});
  view.ready = fields.flag("ready");
  view.state = fields.text("state");
  view.why = fields.optional_text("why").value_or("");
  view.lease = fields.optional_nested("lease", lease_from_json);
  view.traffic = fields.optional_nested("traffic", traffic_from_json);
  view.denied = fields.optional_nested("denied", denied_from_json);
  view.warnings = fields.texts("warnings");
  return fields.result(std::move(view));
}

object to_json(const StatusView& status) {
  object json{{"health", name(status.health)},
              {"problems", to_json(status.problems)},
              {"warnings", to_json(status.warnings)},
              {"version", status.version},
              {"kernel", status.kernel},
              {"uptime", status.uptime.count()},
              {"uplinks", to_json(status.uplinks)},
              {"forwarding", status.forwarding},
              {"networks", to_json(status.networks)},
              {"policy", to_json(status.policy)},
              {"guests", status.guests},
              {"guests_ready", status.guests_ready},
              {"repairs", to_json(status.repairs)},
              {"upstreams_from", to_json(status.upstreams_from)},
              {"dns_addresses", to_json(status.dns_addresses)},
              {"ranges", ranges_to_json(status.ranges)},
              {"dhcp", counters_to_json(status.dhcp)},
              {"dns", to_json(status.dns)}};
  set_unless_empty(json, "config_file", status.config_file);
  if (status.confirm_within) json["confirm_within"] = status.confirm_within->count();
  array features;
  for (const auto& feature : status.features) features.emplace_back(to_json(feature));
  json["features"] = std::move(features);
  return json;
}

Read<StatusView> status_from_json(const object& json) {
  Fields fields{json};
  StatusView status;
  status.health = fields.parsed("health", parse_health);
  status.problems = fields.texts("problems");
  status.warnings = fields.texts("warnings");
  status.version = fields.text("version");
  status.kernel = fields.optional_text("kernel").value_or("");
  status.uptime = std::chrono::seconds{fields.optional_number("uptime").value_or(0)};
  status.config_file = fields.optional_text("config_file").value_or("");
  if (const auto seconds = fields.optional_number("confirm_within")) {
    status.confirm_within = std::chrono::seconds{*seconds};
  }
  status.uplinks = fields.texts("uplinks");
  status.forwarding = fields.optional_text("forwarding").value_or("");
  status.networks = fields.texts("networks");
  status.policy = fields.optional_nested("policy", policy_from_json).value_or(PolicyView{});
  status.guests = fields.count("guests");
  status.guests_ready = fields.count("guests_ready");
  for (const auto* inner : fields.objects("features")) {
    Fields feature{*inner};
    status.features.push_back(
        {feature.text("name"), feature.flag("present"), feature.optional_text("detail").value_or("")});
    if (feature.error()) fields.fail("features." + feature.error()->field, feature.error()->reason);
  }
  status.repairs = fields.optional_nested("repairs", repairs_from_json).value_or(Repairs{});
  status.upstreams_from = fields.texts("upstreams_from");
  status.dns_addresses = fields.texts("dns_addresses");
  status.ranges = read_ranges(fields);
  status.dhcp = fields.optional_nested("dhcp", counters_from_json).value_or(dhcp::Statistics{});
  status.dns = fields.optional_nested("dns", dns_from_json).value_or(dns::Statistics{});
  return fields.result(std::move(status));
}

object to_json(const ReloadView& reload) {
  object json{{"changes", to_json(reload.changes)}, {"warnings", to_json(reload.warnings)}};
  if (reload.confirm_within) json["confirm_within"] = reload.confirm_within->count();
  return json;
}

Read<ReloadView> reload_from_json(const object& json) {
  Fields fields{json};
  ReloadView reload{fields.texts("changes"), fields.texts("warnings"), {}};
  if (const auto seconds = fields.optional_number("confirm_within")) {
    reload.confirm_within = std::chrono::seconds{*seconds};
  }
  return fields.result(std::move(reload));
}

Read<std::chrono::seconds> left_from_json(const object& json) {
  Fields fields{json};
  const std::chrono::seconds left{fields.optional_number("left").value_or(0)};
  return fields.result(left);
}

object to_json(const ExplainSide& said) {
  object json{{"side", said.side}, {"verdict", said.verdict}, {"chain", said.chain}};
  set_unless_empty(json, "rule", said.rule);
  set_unless_empty(json, "comment", said.comment);
  if (!said.declared_at.file.empty()) json["declared_at"] = to_json(said.declared_at);
  return json;
}

ExplainSide side_from_json(Fields& fields) {
  ExplainSide said;
  said.side = fields.text("side");
  said.verdict = fields.text("verdict");
  said.chain = fields.optional_text("chain").value_or("");
  said.rule = fields.optional_text("rule").value_or("");
  said.comment = fields.optional_text("comment").value_or("");
  said.declared_at = fields.optional_nested("declared_at", place_from_json).value_or(config::Place{});
  return said;
}

object to_json(const ExplainView& explained) {
  array sides;
  for (const auto& said : explained.sides) sides.emplace_back(to_json(said));
  return {{"from", explained.from},       {"to", explained.to},           {"packet", explained.packet},
          {"verdict", explained.verdict}, {"summary", explained.summary}, {"steps", to_json(explained.steps)},
          {"sides", std::move(sides)}};
}

Read<ExplainView> explain_from_json(const object& json) {
  Fields fields{json};
  ExplainView explained{fields.text("from"),
                        fields.text("to"),
                        fields.text("packet"),
                        fields.text("verdict"),
                        fields.text("summary"),
                        fields.texts("steps"),
                        {}};
  for (const auto* inner : fields.objects("sides")) {
    Fields side{*inner};
    explained.sides.push_back(side_from_json(side));
    if (side.error()) fields.fail("sides." + side.error()->field, side.error()->reason);
  }
  return fields.result(std::move(explained));
}

object to_json(const RuleView& rule) {
  object json{{"name", rule.name},      {"declared_at", to_json(rule.declared_at)},
              {"action", rule.action},  {"from", to_json(rule.from)},
              {"to", to_json(rule.to)}, {"services", to_json(rule.services)},
              {"log", rule.log},        {"limit", rule.limit}};
  if (rule.count) json["count"] = to_json(*rule.count);
  return json;
}

Read<RuleView> rule_from_json(const object& json) {
  Fields fields{json};
  RuleView rule;
  rule.name = fields.text("name");
  rule.declared_at = fields.optional_nested("declared_at", place_from_json).value_or(config::Place{});
  rule.action = fields.text("action");
  rule.from = fields.texts("from");
  rule.to = fields.texts("to");
  rule.services = fields.texts("services");
  rule.log = fields.flag("log");
  rule.limit = fields.text("limit");
  rule.count = fields.optional_nested("count", count_from_json);
  return fields.result(std::move(rule));
}

Read<std::string> read_text(const object& parameters, std::string_view field) {
  Fields fields{parameters};
  fields.only({field});
  auto text = fields.text(field);
  return fields.result(std::move(text));
}

Read<PortOfGuest> read_port(const object& parameters) {
  Fields fields{parameters};
  fields.only({"guest", "port"});
  PortOfGuest wanted;
  wanted.guest = fields.text("guest");
  wanted.port = fields.parsed("port", config::parse_publish);
  return fields.result(std::move(wanted));
}

Read<GroupsOfGuest> read_change_guest(const object& parameters) {
  Fields fields{parameters};
  fields.only({"guest", "groups"});
  GroupsOfGuest wanted{fields.text("guest"), fields.texts("groups")};
  // Left out, it would take the guest out of every group, which must be said.
  if (!parameters.contains("groups")) fields.fail("groups", "is missing; [] takes the guest out of every group");
  return fields.result(std::move(wanted));
}

Read<std::optional<std::chrono::seconds>> read_reload(const object& parameters) {
  Fields fields{parameters};
  fields.only({"confirm_within"});
  std::optional<std::chrono::seconds> within;
  if (const auto seconds = fields.optional_number("confirm_within")) {
    within = std::chrono::seconds{*seconds};
    if (*within < kLeastConfirm || *within > kMostConfirm) {
      fields.fail("confirm_within", "takes " + std::to_string(kLeastConfirm.count()) + " to " +
                                        std::to_string(kMostConfirm.count()) + " seconds");
    }
  }
  return fields.result(within);
}

Read<AskedToExplain> read_explain(const object& parameters) {
  Fields fields{parameters};
  fields.only({"from", "to", "packet"});
  AskedToExplain asked;
  asked.from = fields.text("from");
  asked.to = fields.text("to");
  asked.packet = fields.parsed("packet", config::parse_packet);
  return fields.result(std::move(asked));
}

Read<std::string> read_monitor(const object& parameters) {
  Fields fields{parameters};
  fields.only({"guest"});
  auto guest = fields.optional_text("guest").value_or("");
  return fields.result(std::move(guest));
}

Read<void> refuse_all(const object& parameters) {
  Fields fields{parameters};
  fields.only({});
  if (fields.error()) return std::unexpected(*fields.error());
  return {};
}

Read<FlushedNames> flushed_from_json(const object& json) {
  Fields fields{json};
  FlushedNames flushed{.name = fields.optional_text("name").value_or("")};
  return fields.result(std::move(flushed));
}

Read<std::string> read_flush_dns(const object& parameters) {
  Fields fields{parameters};
  fields.only({"name"});
  auto name = fields.optional_text("name").value_or("");
  return fields.result(std::move(name));
}

}  // namespace vrouter::router::control
