// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <string_view>
#include <utility>

#include "config/specs.h"
#include "router/cli/table.h"

namespace vrouter::router::cli {
namespace {

using control::GuestView;
using control::Health;
using control::LeaseView;
using control::StatusView;
using Facts = std::vector<std::pair<std::string, Cell>>;

std::string joined(const std::vector<std::string>& texts) {
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string ports(const config::Guest& guest) {
  std::vector<std::string> texts;
  for (const auto& port : guest.publish) texts.push_back(port.to_string());
  return joined(texts);
}

std::string joined(const std::vector<address>& all) {
  std::vector<std::string> texts;
  for (const auto& one : all) texts.push_back(one.to_string());
  return joined(texts);
}

std::string addresses(const config::Guest& guest) {
  std::vector<std::string> texts;
  if (guest.address) texts.push_back(guest.address->to_string());
  if (guest.address6) texts.push_back(guest.address6->to_string());
  if (guest.shared) texts.emplace_back("by lease");
  return joined(texts);
}

std::string dhcp_text(const config::ClientDhcp& dhcp) {
  std::vector<std::string> texts;
  if (dhcp.mask) texts.push_back(fmt::format("mask /{}", *dhcp.mask));
  for (const auto& option : dhcp.options)
    texts.push_back(fmt::format("option {} {:02x}", option.code, fmt::join(option.value, "")));
  if (!dhcp.boot) return joined(texts);
  for (const auto& [architecture, file] : dhcp.boot->files)
    texts.push_back(fmt::format("boot {} of architecture {}", file, architecture));
  if (!dhcp.boot->file.empty()) texts.push_back("boot " + dhcp.boot->file);
  if (!dhcp.boot->ipxe.empty()) texts.push_back(fmt::format("boot {} of iPXE", dhcp.boot->ipxe));
  if (dhcp.boot->server) texts.push_back("boot from " + dhcp.boot->server->to_string());
  return joined(texts);
}

std::string limits_text(const config::Limits& limits) {
  std::vector<std::string> texts;
  for (const auto& spec : config::kLimitSpecs) {
    if (const auto& value = limits.*(spec.member))
      texts.push_back(fmt::format("{} {}", spec.name, config::limit_text(spec, *value)));
  }
  return joined(texts);
}

Tone tone(const GuestView& view) {
  if (view.ready) return view.warnings.empty() ? Tone::good : Tone::waiting;
  return view.state.starts_with("waiting") ? Tone::waiting : Tone::bad;
}

Tone tone(Health health) {
  switch (health) {
    case Health::ok:
      return Tone::good;
    case Health::degraded:
      return Tone::bad;
    case Health::stopped:
      return Tone::waiting;
  }
  std::unreachable();
}

std::string expiry(const LeaseView& lease) {
  if (!lease.expires_in) return {};
  return lease.expires_in->count() > 0 ? "in " + human_duration(*lease.expires_in) : "expired";
}

// "59m", "2d 3h", "5m ago": in a table, nobody needs the seconds of an hour.
std::string rough_expiry(const LeaseView& lease) {
  if (!lease.expires_in) return {};
  const auto left = *lease.expires_in;
  const bool ended = left.count() <= 0;
  auto rough = std::chrono::abs(left);
  if (rough >= std::chrono::minutes{1}) rough = std::chrono::floor<std::chrono::minutes>(rough);
  if (!ended) return human_duration(rough);
  return lease.state == dhcp::LeaseState::bound ? "expired" : human_duration(rough) + " ago";
}

Tone tone(const LeaseView& lease) {
  switch (lease.state) {
    case dhcp::LeaseState::bound:
      return Tone::good;
    case dhcp::LeaseState::declined:
      return Tone::bad;
    case dhcp::LeaseState::offered:
    case dhcp::LeaseState::released:
    case dhcp::LeaseState::expired:
      return Tone::waiting;
  }
  std::unreachable();
}

// "discover 5, offer 5, no address 2"; what is 0 isn't worth its room.
std::string counts_text(const dhcp::NetworkCounts& counts) {
  using Counts = dhcp::NetworkCounts;
  static constexpr std::array<std::pair<std::string_view, std::uint64_t Counts::*>, dhcp::kNetworkCounters.size()>
      kNames{{{"discover", &Counts::discover},
              {"offer", &Counts::offer},
              {"request", &Counts::request},
              {"ack", &Counts::ack},
              {"nak", &Counts::nak},
              {"inform", &Counts::inform},
              {"release", &Counts::release},
              {"decline", &Counts::decline},
              {"bootp", &Counts::bootp},
              {"conflicts", &Counts::conflicts},
              {"no address", &Counts::no_address}}};
  std::vector<std::string> parts;
  for (const auto& [name, member] : kNames) {
    if (counts.*member != 0) parts.push_back(fmt::format("{} {}", name, counts.*member));
  }
  return joined(parts);
}

// A line for each: "default 10.0.5.200-10.0.5.249: 12 used, 38 free".
void add_ranges(Facts& facts, const std::vector<control::RangeView>& ranges) {
  std::string label = "ranges";
  for (const auto& range : ranges) {
    // A reservation may lie outside, or among what is excluded, so that more are had than the range may give.
    const auto had = range.bound + range.resting;
    const auto free = range.size > had ? range.size - had : 0;
    auto text = fmt::format("{} {}: {} used, {} free", range.network, range.range, range.bound, free);
    if (range.resting != 0) text += fmt::format(", {} resting", range.resting);
    if (range.unanswered != 0) text += fmt::format(", {} requests unanswered", range.unanswered);
    facts.emplace_back(std::exchange(label, {}), Cell{text, free == 0 ? Tone::bad : Tone::plain});
  }
}

// One fact over as many lines as it has sentences.
void add_list(Facts& facts, const std::string& label, const std::vector<std::string>& sentences, Tone tone) {
  std::string once = label;
  for (const auto& sentence : sentences) {
    facts.emplace_back(once, Cell{sentence, tone});
    once.clear();
  }
}

void add_lease(Facts& facts, const LeaseView& lease) {
  std::string text =
      fmt::format("{} to {}, {}", lease.address.to_string(), lease.client.to_string(), dhcp::name(lease.state));
  if (lease.expires_in) text += ", ends " + expiry(lease);
  if (!lease.host_name.empty()) text += fmt::format(", calls itself {}", lease.host_name);
  facts.emplace_back("lease", Cell{text});
}

void add_services(Facts& facts, const StatusView& status) {
  const auto& dhcp = status.dhcp;
  facts.emplace_back(
      "dhcp", Cell{fmt::format("{} received, {} answered, {} dropped, {} send errors", dhcp.received, dhcp.answered,
                               dhcp.dropped_malformed + dhcp.dropped_unknown_interface + dhcp.dropped_rate_limited +
                                   dhcp.dropped_foreign_mac + dhcp.dropped_not_ours + dhcp.dropped_uncommitted,
                               dhcp.send_errors)});
  for (const auto& [network, counts] : dhcp.networks) {
    if (auto text = counts_text(counts); !text.empty()) facts.emplace_back("", Cell{network + ": " + text});
  }
  const auto& dns = status.dns;
  facts.emplace_back(
      "dns",
      Cell{fmt::format("{} queries, {} answered here, {} from the cache, {} forwarded, {} failed, {} dropped",
                       dns.queries_udp + dns.queries_tcp, dns.answered_locally, dns.answered_from_cache, dns.forwarded,
                       dns.failed, dns.dropped_malformed + dns.dropped_unknown_source + dns.dropped_over_budget)});
  std::vector<std::string> upstreams;
  for (const auto& upstream : dns.upstreams) {
    std::string text = fmt::format("{}: {} asked, {} answered, {} timeouts", upstream.server.to_string(),
                                   upstream.asked, upstream.answered, upstream.timeouts);
    if (upstream.rtt_ms > 0) text += fmt::format(", {:.1f} ms", upstream.rtt_ms);
    upstreams.push_back(text);
  }
  if (!status.upstreams_from.empty()) upstreams.push_back("from " + joined(status.upstreams_from));
  add_list(facts, "upstreams", upstreams, Tone::plain);
}

std::string repairs_text(const control::Repairs& repairs) {
  std::vector<std::string> parts;
  const auto add = [&parts](std::uint64_t count, std::string_view kind) {
    if (count != 0) parts.push_back(fmt::format("{} {}", kind, count));
  };
  add(repairs.rules, "rules");
  add(repairs.elements, "elements");
  add(repairs.links, "links");
  add(repairs.addresses, "addresses");
  add(repairs.routes, "routes");
  add(repairs.neighbours, "neighbours");
  add(repairs.sysctls, "sysctls");
  add(repairs.bridge_netfilter, "bridge netfilter");
  return parts.empty() ? "none" : joined(parts);
}

}  // namespace

std::string interface_text(const LeaseView& lease) {
  return lease.tap.empty() ? "relay" : lease.tap;
}

std::string client_text(const LeaseView& lease) {
  auto text = lease.client.to_string();
  if (!lease.host_name.empty()) text += fmt::format(" ({})", printable(lease.host_name));
  return text;
}

std::string human_duration(std::chrono::seconds duration) {
  struct Unit {
    std::int64_t seconds;
    char letter;
  };
  static constexpr std::array kUnits{Unit{86400, 'd'}, Unit{3600, 'h'}, Unit{60, 'm'}, Unit{1, 's'}};
  auto left = duration.count();
  std::string text;
  int shown = 0;
  for (const auto& unit : kUnits) {
    const auto count = left / unit.seconds;
    left %= unit.seconds;
    // Two units say enough: nobody needs the seconds of a week.
    if (count == 0 || shown == 2) continue;
    text += fmt::format("{}{}{}", text.empty() ? "" : " ", count, unit.letter);
    ++shown;
  }
  return text.empty() ? "0s" : text;
}

std::string human_bytes(std::uint64_t bytes) {
  static constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string guests_table(const std::vector<GuestView>& guests, bool colour) {
  std::vector<std::vector<Cell>> rows;
  for (const auto& view : guests) {
    const auto& guest = view.guest;
    rows.push_back({{guest.name, Tone::plain},
                    {guest.tap, Tone::plain},
                    {addresses(guest), Tone::plain},
                    {guest.network, Tone::plain},
                    {view.state, tone(view)},
                    {joined(guest.groups), Tone::plain},
                    {ports(guest), Tone::plain}});
  }
  return render_table({"NAME", "TAP", "ADDRESS", "NETWORK", "STATE", "GROUPS", "PUBLISHED"}, rows, colour);
}

std::string guest_facts(const GuestView& view, bool colour) {
  const auto& guest = view.guest;
  Facts facts{{"name", {guest.name, Tone::plain}},
              {"tap", {guest.tap, Tone::plain}},
              {"address", {addresses(guest), Tone::plain}},
              {"network", {guest.network, Tone::plain}},
              {"state", {view.state, tone(view)}}};
  if (!view.why.empty()) facts.emplace_back("why", Cell{view.why});
  if (guest.mac) facts.emplace_back("mac", Cell{guest.mac->to_string() + ", pinned"});
  if (!guest.groups.empty()) facts.emplace_back("groups", Cell{joined(guest.groups)});
  if (!guest.publish.empty()) facts.emplace_back("published", Cell{ports(guest)});
  if (!guest.floating.empty()) facts.emplace_back("floating", Cell{joined(guest.floating.all())});
  if (!guest.snat.empty()) facts.emplace_back("snat", Cell{joined(guest.snat.all())});
  if (const auto prefixes = config::prefixes_of(guest); !prefixes.empty())
    facts.emplace_back("prefixes", Cell{joined(prefixes)});
  if (!guest.allowed_addresses.empty()) facts.emplace_back("allowed", Cell{joined(guest.allowed_addresses)});
  if (const auto limits = limits_text(guest.limits); !limits.empty()) facts.emplace_back("limits", Cell{limits});
  if (const auto dhcp = dhcp_text(guest.dhcp); !dhcp.empty()) facts.emplace_back("dhcp", Cell{dhcp});
  if (guest.shared) facts.emplace_back("shared", Cell{"its clients have the addresses"});
  facts.emplace_back(
      "declared", Cell{guest.declared_at.file.empty() ? std::string{"by add-guest"} : guest.declared_at.to_string()});
  if (guest.ephemeral) facts.emplace_back("ephemeral", Cell{"forgotten when its TAP goes"});
  if (guest.create_tap) {
    facts.emplace_back("made tap", Cell{guest.owner.empty() ? std::string{"yes"} : "yes, for user " + guest.owner});
  }
  if (view.lease) add_lease(facts, *view.lease);
  if (view.traffic) {
    facts.emplace_back("received", Cell{fmt::format("{} in {} packets", human_bytes(view.traffic->rx_bytes),
                                                    view.traffic->rx_packets)});
    facts.emplace_back(
        "sent", Cell{fmt::format("{} in {} packets", human_bytes(view.traffic->tx_bytes), view.traffic->tx_packets)});
  }
  if (view.denied) {
    const auto text = [](const control::Count& count) {
      return fmt::format("{} packets, {}", count.packets, human_bytes(count.bytes));
    };
    facts.emplace_back("denied out", Cell{text(view.denied->out)});
    facts.emplace_back("denied in", Cell{text(view.denied->in)});
  }
  add_list(facts, "warnings", view.warnings, Tone::waiting);
  return render_facts(facts, colour);
}

std::string rules_table(const std::vector<control::RuleView>& rules, bool colour) {
  std::vector<std::vector<Cell>> rows;
  for (const auto& rule : rules) {
    const auto counted = [&](auto text) { return rule.count ? text(*rule.count) : std::string{}; };
    rows.push_back({{rule.name, Tone::plain},
                    {fmt::format("{}:{}", rule.declared_at.file, rule.declared_at.line), Tone::plain},
                    {rule.limit.empty() ? rule.action : rule.action + " " + rule.limit,
                     rule.action == "allow" ? Tone::good : Tone::bad},
                    {joined(rule.from), Tone::plain},
                    {joined(rule.to), Tone::plain},
                    {rule.services.empty() ? "any" : joined(rule.services), Tone::plain},
                    {counted([](const control::Count& c) { return std::to_string(c.packets); }), Tone::plain},
                    {counted([](const control::Count& c) { return human_bytes(c.bytes); }), Tone::plain}});
  }
  return render_table({"NAME", "DECLARED", "ACTION", "FROM", "TO", "SERVICES", "PACKETS", "BYTES"}, rows, colour);
}

std::string leases_table(const std::vector<LeaseView>& leases, bool colour) {
  std::vector<std::vector<Cell>> rows;
  for (const auto& lease : leases) {
    rows.push_back({{lease.address.to_string(), Tone::plain},
                    {std::string{dhcp::name(lease.state)}, tone(lease)},
                    {rough_expiry(lease), Tone::plain},
                    {lease.client.to_string(), Tone::plain},
                    {lease.host_name, Tone::plain},
                    {lease.guest.empty() ? lease.dns_name : lease.guest, Tone::plain},
                    {interface_text(lease), Tone::plain},
                    {lease.network, Tone::plain}});
  }
  return render_table({"ADDRESS", "STATE", "EXPIRES", "CLIENT", "HOSTNAME", "NAME", "INTERFACE", "NETWORK"}, rows,
                      colour);
}

std::string status_facts(const StatusView& status, bool colour) {
  Facts facts{{"vrouterd", {std::string{name(status.health)}, tone(status.health)}}};
  add_list(facts, "problems", status.problems, Tone::bad);
  add_list(facts, "warnings", status.warnings, Tone::waiting);
  facts.emplace_back("version", Cell{status.version});
  facts.emplace_back("up for", Cell{human_duration(status.uptime)});
  if (status.confirm_within) {
    facts.emplace_back("waiting",
                       Cell{fmt::format("for `vrouter confirm`, {} s left; then what held before holds again",
                                        status.confirm_within->count()),
                            Tone::waiting});
  }
  facts.emplace_back("config", Cell{status.config_file.empty() ? "embedded defaults" : status.config_file});
  facts.emplace_back("uplinks", Cell{joined(status.uplinks)});
  facts.emplace_back("forwarding", Cell{status.forwarding});
  add_list(facts, "networks", status.networks, Tone::plain);
  const auto& policy = status.policy;
  facts.emplace_back(
      "policy", Cell{policy.files.empty() ? std::string{"no policy files"}
                                          : fmt::format("{} rules, {} groups, {} expectations in {}", policy.rules,
                                                        policy.groups, policy.expectations, joined(policy.files))});
  facts.emplace_back("guests", Cell{fmt::format("{}, {} ready", status.guests, status.guests_ready),
                                    status.guests == status.guests_ready ? Tone::plain : Tone::waiting});
  facts.emplace_back("repairs", Cell{repairs_text(status.repairs)});
  add_ranges(facts, status.ranges);
  add_services(facts, status);
  facts.emplace_back("kernel", Cell{status.kernel});
  std::vector<std::string> features;
  for (const auto& feature : status.features) {
    std::string text = fmt::format("{}: {}", feature.name, feature.present ? "yes" : "no");
    if (!feature.detail.empty()) text += fmt::format(" ({})", feature.detail);
    features.push_back(text);
  }
  add_list(facts, "features", features, Tone::plain);
  return render_facts(facts, colour);
}

std::string guest_sentence(const GuestView& view) {
  if (view.guest.shared) {
    return fmt::format("{} on {} is shared by clients of network {}: {}", view.guest.name, view.guest.tap,
                       view.guest.network, view.state);
  }
  return fmt::format("{} on {} has {} in network {}: {}", view.guest.name, view.guest.tap, addresses(view.guest),
                     view.guest.network, view.state);
}

}  // namespace vrouter::router::cli
