// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/control/json_dhcp.h"

#include <utility>

#include "config/specs.h"
#include "router/control/json.h"

namespace vrouter::router::control {
namespace {

using boost::json::array;
using boost::json::object;

void set_unless_empty(object& json, std::string_view field, const std::string& text) {
  if (!text.empty()) json[field] = text;
}

config::Parsed<dhcp::LeaseState> parse_lease_state(const std::string& text) {
  using enum dhcp::LeaseState;
  for (const auto state : {offered, bound, released, declined, expired}) {
    if (dhcp::name(state) == text) return state;
  }
  return std::unexpected("\"" + text + "\" is no state of a lease");
}

// Names and members once, for both directions.
template <typename Statistics, typename Visit>
void each_counter(Statistics& s, Visit visit) {
  visit("received", s.received);
  visit("answered", s.answered);
  visit("dropped_malformed", s.dropped_malformed);
  visit("dropped_unknown_interface", s.dropped_unknown_interface);
  visit("dropped_rate_limited", s.dropped_rate_limited);
  visit("dropped_foreign_mac", s.dropped_foreign_mac);
  visit("dropped_not_ours", s.dropped_not_ours);
  visit("send_errors", s.send_errors);
  visit("dropped_uncommitted", s.dropped_uncommitted);
  visit("discover", s.discover);
  visit("request", s.request);
  visit("inform", s.inform);
  visit("release", s.release);
  visit("decline", s.decline);
  visit("offer", s.offer);
  visit("ack", s.ack);
  visit("nak", s.nak);
}

template <typename Counts, typename Visit>
void each_network_counter(Counts& counts, Visit visit) {
  visit("discover", counts.discover);
  visit("request", counts.request);
  visit("inform", counts.inform);
  visit("release", counts.release);
  visit("decline", counts.decline);
  visit("bootp", counts.bootp);
  visit("offer", counts.offer);
  visit("ack", counts.ack);
  visit("nak", counts.nak);
  visit("no_address", counts.no_address);
  visit("conflicts", counts.conflicts);
}

template <typename View, typename Visit>
void each_range_counter(View& range, Visit visit) {
  visit("size", range.size);
  visit("bound", range.bound);
  visit("resting", range.resting);
  visit("unanswered", range.unanswered);
}

auto put_into(object& json) {
  return [&json](std::string_view field, std::uint64_t value) { json[field] = value; };
}
auto take_from(Fields& fields) {
  return [&fields](std::string_view field, std::uint64_t& value) { value = fields.count(field); };
}

Read<dhcp::NetworkCounts> network_from_json(const object& json) {
  Fields fields{json};
  dhcp::NetworkCounts counts;
  each_network_counter(counts, take_from(fields));
  return fields.result(counts);
}

}  // namespace

object counters_to_json(const dhcp::Statistics& statistics) {
  object json;
  each_counter(statistics, put_into(json));
  object networks;
  for (const auto& [network, counts] : statistics.networks) {
    object counted;
    each_network_counter(counts, put_into(counted));
    networks[network] = std::move(counted);
  }
  json["networks"] = std::move(networks);
  return json;
}

Read<dhcp::Statistics> counters_from_json(const object& json) {
  Fields fields{json};
  dhcp::Statistics statistics;
  each_counter(statistics, take_from(fields));
  if (const auto* networks = fields.object("networks")) {
    Fields each{*networks};
    for (const auto& member : *networks) {
      const std::string name{member.key().data(), member.key().size()};
      statistics.networks[name] = each.optional_nested(name, network_from_json).value_or(dhcp::NetworkCounts{});
    }
    if (each.error()) fields.fail("networks." + each.error()->field, each.error()->reason);
  }
  return fields.result(std::move(statistics));
}

array ranges_to_json(const std::vector<RangeView>& ranges) {
  array json;
  for (const auto& range : ranges) {
    object one{{"network", range.network}, {"range", range.range}};
    each_range_counter(range, put_into(one));
    json.emplace_back(std::move(one));
  }
  return json;
}

std::vector<RangeView> read_ranges(Fields& status) {
  std::vector<RangeView> ranges;
  for (const auto* inner : status.objects("ranges")) {
    Fields fields{*inner};
    auto& range = ranges.emplace_back();
    range.network = fields.text("network");
    range.range = fields.text("range");
    each_range_counter(range, take_from(fields));
    if (fields.error()) status.fail("ranges." + fields.error()->field, fields.error()->reason);
  }
  return ranges;
}

object to_json(const LeaseView& lease) {
  object json{{"guest", lease.guest},
              {"tap", lease.tap},
              {"network", lease.network},
              {"dynamic", lease.dynamic},
              {"address", lease.address.to_string()},
              {"client", lease.client.to_string()},
              {"state", dhcp::name(lease.state)}};
  set_unless_empty(json, "client_id", lease.client_id);
  set_unless_empty(json, "host_name", lease.host_name);
  set_unless_empty(json, "dns_name", lease.dns_name);
  if (lease.expires_in) json["expires_in"] = lease.expires_in->count();
  return json;
}

Read<LeaseView> lease_from_json(const object& json) {
  Fields fields{json};
  LeaseView lease;
  lease.guest = fields.text("guest");
  lease.tap = fields.text("tap");
  lease.network = fields.optional_text("network").value_or("");
  lease.dynamic = fields.flag("dynamic");
  lease.address = fields.parsed("address", config::parse_address4);
  lease.client = fields.parsed("client", parse_mac_address);
  lease.client_id = fields.optional_text("client_id").value_or("");
  lease.host_name = fields.optional_text("host_name").value_or("");
  lease.dns_name = fields.optional_text("dns_name").value_or("");
  lease.state = fields.parsed("state", parse_lease_state);
  if (const auto seconds = fields.optional_number("expires_in")) lease.expires_in = std::chrono::seconds{*seconds};
  return fields.result(std::move(lease));
}

Read<address_v4> read_release_lease(const object& parameters) {
  Fields fields{parameters};
  fields.only({"address"});
  const auto address = fields.parsed("address", config::parse_address4);
  return fields.result(address);
}

}  // namespace vrouter::router::control
