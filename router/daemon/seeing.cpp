// SPDX-License-Identifier: GPL-2.0-or-later
// What the firewall refuses, as it is counted and logged; and what other tables of this host do to guests.
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <chrono>

#include "base/clock.h"
#include "config/protocols.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"

namespace vrouter::router {

using control::Failure;
using control::FailureKind;

namespace {

// Somebody else who logs to our group could have us read the rules for each of its packets.
constexpr std::chrono::seconds kDecisionsEvery{1};
// A tool that sets up its firewall makes many chains one after the other.
constexpr std::chrono::milliseconds kOthersRest{200};

control::Count count_of(const firewall::Tallies& tallies, const std::string& name) {
  const auto found = tallies.find(name);
  return found == tallies.end() ? control::Count{} : control::Count{found->second.packets, found->second.bytes};
}

// A packet between two guests is counted on both sides, so the sides aren't added; what goes to this host or comes from
// it is counted once, apart.
control::Count count_of_rule(const firewall::Tallies& tallies, const firewall::RuleCounters& names) {
  const auto sent = count_of(tallies, names.egress), received = count_of(tallies, names.ingress);
  const auto to_host = count_of(tallies, names.to_host), from_host = count_of(tallies, names.from_host);
  return {std::max(sent.packets, received.packets) + to_host.packets + from_host.packets,
          std::max(sent.bytes, received.bytes) + to_host.bytes + from_host.bytes};
}

template <typename T>
std::vector<std::string> texts(const std::vector<T>& values) {
  std::vector<std::string> all;
  for (const auto& value : values) all.push_back(value.to_string());
  return all;
}

control::RuleView default_view(const config::Group& group, bool egress, const firewall::Tallies& tallies) {
  const auto action = egress ? group.egress : group.ingress;
  const std::string own = "group:" + group.name, any = "any";
  control::RuleView view{.name = fmt::format("default of group {}, {}", group.name, egress ? "egress" : "ingress"),
                         .declared_at = group.declared_at,
                         .action = std::string{config::name(action)},
                         .from = {egress ? own : any},
                         .to = {egress ? any : own},
                         .services = {},
                         .log = false,
                         .limit = {},
                         .count = std::nullopt};
  if (action != config::Action::allow) view.count = count_of(tallies, firewall::default_counter(group, egress));
  return view;
}

std::string protocol_text(std::uint8_t number) {
  const auto name = config::protocol_name(number);
  return name.empty() ? std::to_string(number) : std::string{name};
}

}  // namespace

// --- what the firewall logs ------------------------------------------------------------------------------------------

// Any process may log to the group, so what no rule of ours says is nothing to us.
const firewall::Decision* Router::decision_of(const std::string& prefix) {
  const auto known = decisions_.find(prefix);
  if (known != decisions_.end()) return &known->second;
  const auto now = BootClock::now();
  if (decisions_read_ != BootTime{} && now - decisions_read_ < kDecisionsEvery) return nullptr;
  decisions_read_ = now;
  decisions_.clear();
  for (const auto& text : firewall::log_prefixes(plane_.rules())) {
    if (auto decision = firewall::read_log_prefix(text)) decisions_.emplace(text, std::move(*decision));
  }
  const auto read = decisions_.find(prefix);
  return read == decisions_.end() ? nullptr : &read->second;
}

void Router::on_packet(const LoggedPacket& logged) {
  const auto* decision = decision_of(logged.prefix);
  if (decision == nullptr) {
    // Of ours, and not known yet: rules that have just come, or just gone.
    if (firewall::read_log_prefix(logged.prefix)) monitors_.tell_missed(1);
    return;
  }
  const auto& packet = logged.packet;
  control::PacketView view;
  view.time =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
  view.action = decision->action;
  view.rule = decision->words;
  view.file = decision->file;
  view.line = decision->line;
  const auto name_of = [this](std::uint32_t index, std::string& interface, std::string& guest) {
    const auto* link = index == 0 ? nullptr : plane_.observed().link(index);
    if (link == nullptr) return;
    interface = link->name;
    if (const auto* known = guests_.by_tap(link->name)) guest = known->name;
  };
  name_of(logged.in, view.in, view.from_guest);
  name_of(logged.out, view.out, view.to_guest);
  view.source = packet.source.to_string();
  view.destination = packet.destination.to_string();
  view.protocol = protocol_text(packet.protocol);
  if (packet.ports) {
    view.source_port = packet.ports->source;
    view.destination_port = packet.ports->destination;
  }
  if (packet.icmp) {
    view.icmp_type = packet.icmp->type;
    view.icmp_code = packet.icmp->code;
  }
  if (const auto lost = packet_log_->lost(); lost > packets_lost_) {
    monitors_.tell_missed(lost - std::exchange(packets_lost_, lost));
  }
  monitors_.tell(view);
}

void Router::on_gone(const ChildGone& gone) {
  services_.on_gone(gone);
  if (gone.service == router::Service::log && packet_log_ && packet_log_->supervisor() != nullptr) {
    packet_log_->supervisor()->on_gone(gone);
  }
}

std::vector<std::string> Router::packet_log_problems() const {
  std::vector<std::string> all;
  if (!packet_log_problem_.empty()) all.push_back(packet_log_problem_);
  const auto* supervisor = packet_log_ ? packet_log_->supervisor() : nullptr;
  if (supervisor != nullptr && !supervisor->problem().empty()) all.push_back(supervisor->problem());
  return all;
}

control::Result<std::shared_ptr<control::Feed>> Router::monitor(std::string which) {
  std::string tap;
  if (!which.empty()) {
    const auto* guest = guests_.find(which);
    if (guest == nullptr) {
      return std::unexpected(
          Failure{FailureKind::not_found, "no guest is called " + which + "; `vrouter guests` lists them", {}});
    }
    tap = guest->tap;
  }
  return monitors_.open(std::move(tap), packet_log_problem_);
}

// --- what it counts --------------------------------------------------------------------------------------------------

control::DeniedView Router::denied(const std::string& tap) {
  const auto denied = plane_.nft().denied();
  if (!denied) return {};
  return {.out = count_of(denied->from, tap), .in = count_of(denied->to, tap)};
}

control::Answer<std::vector<control::RuleView>> Router::rules() {
  const auto counted = plane_.nft().counted();
  if (!counted) co_return std::unexpected(Failure{FailureKind::refused, counted.error().to_string(), {}});
  std::vector<control::RuleView> shown;
  const auto& policy = config_.policy;
  for (const auto& rule : policy.rules) {
    shown.push_back({.name = rule.name,
                     .declared_at = rule.declared_at,
                     .action = std::string{config::name(rule.action)},
                     .from = texts(rule.from),
                     .to = texts(rule.to),
                     .services = texts(rule.services),
                     .log = rule.log,
                     .limit = rule.limit ? rule.limit->to_string() : std::string{},
                     .count = count_of_rule(*counted, firewall::counters_of(rule))});
  }
  for (const auto& [name, group] : policy.groups) {
    for (const bool egress : {true, false}) shown.push_back(default_view(group, egress, *counted));
  }
  co_return shown;
}

control::PolicyView Router::policy_view() const {
  const auto& policy = config_.policy;
  std::set<std::string> files;
  const auto add = [&files](const config::Place& place) {
    if (!place.file.empty()) files.insert(place.file);
  };
  for (const auto& [name, group] : policy.groups) add(group.declared_at);
  for (const auto& [name, set] : policy.sets) add(set.declared_at);
  for (const auto& rule : policy.rules) add(rule.declared_at);
  for (const auto& expect : policy.expects) add(expect.declared_at);
  return {{files.begin(), files.end()}, policy.rules.size(), policy.groups.size(), policy.expects.size()};
}

// --- other tables ----------------------------------------------------------------------------------------------------

void Router::look_at_others_soon() {
  if (std::exchange(others_waiting_, true)) return;
  others_timer_.expires_after(kOthersRest);
  others_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    others_waiting_ = false;
    look_at_others();
  });
}

// What is in guests' way is said once, and once more when it is gone.
void Router::look_at_others() {
  if (stopped_) return;
  const auto foreign = plane_.nft().foreign();
  if (!foreign) return;
  const auto sentences = firewall::obstacles(*foreign, firewall::kAnyTap);
  std::set<std::string> now{sentences.begin(), sentences.end()};
  for (const auto& sentence : now) {
    if (!others_told_.contains(sentence)) log_warning(sentence);
  }
  for (const auto& sentence : others_told_) {
    if (!now.contains(sentence)) log_info("no longer in guests' way: " + sentence.substr(0, sentence.find(": ")));
  }
  others_told_ = std::move(now);
}

}  // namespace vrouter::router
