// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "firewall/domains.h"

namespace vrouter::firewall {
namespace {

std::string_view past(Ruling ruling) {
  switch (ruling) {
    case Ruling::accept:
      return "allowed";
    case Ruling::drop:
      return "denied";
    case Ruling::reject:
      return "rejected";
  }
  std::abort();
}

// The rule that meant it, not the chain that tells the sender.
const RulePlace* meant(const Step& step) {
  const RulePlace* found = nullptr;
  for (const auto& place : step.way) {
    if (place.chain->name != "deny") found = &place;
  }
  return found;
}

std::string_view side(const Step& step) {
  const std::string_view base = step.base->name;
  if (base == "raw_pre") return "anti-spoofing";
  if (base == "fwd_egress") return "the sender's side";
  if (base == "fwd_ingress") return "the receiver's side";
  if (base == "input") return "this host's side";
  if (base == "host_out") return "the receiver's side";
  return {};
}

std::string by(const Step& step) {
  const auto* place = meant(step);
  if (place == nullptr || place->rule().comment.empty()) return {};
  return fmt::format(" by \"{}\"", place->rule().comment);
}

// Of the sender's own address nothing is said where it is right, and of a side that nothing was asked.
bool is_silent(const Step& step) {
  return step.ruling == Ruling::accept && (step.base->name == "raw_pre" || meant(step) == nullptr);
}

// The first rule that would speak if the sender had been told the address by one of its names; of what is refused.
const RulePlace* unless_told(const Journey& journey) {
  const auto* refusal = journey.refusal();
  return refusal == nullptr || refusal->unless_told.empty() ? nullptr : &refusal->unless_told.front();
}

std::string once_told(const RulePlace& place) {
  std::string names;
  for (const auto& domain : domains_of(place.rule())) names += (names.empty() ? "domain:" : ", domain:") + domain;
  return fmt::format("\"{}\" speaks of it once DNS has told the sender this address of {}", place.rule().comment,
                     names);
}

// The rule that translated it says which.
bool came_by_floating(const Journey& journey) {
  return std::ranges::any_of(journey.steps, [](const Step& step) {
    return step.base->base->type == ChainType::nat && step.comment() == "a guest's floating address";
  });
}

std::string translated_by(const Journey& journey, std::string_view redirected_by) {
  if (!journey.redirected()) return came_by_floating(journey) ? "floating address" : "published";
  return redirected_by.empty() ? "redirected" : fmt::format("redirected by \"{}\"", redirected_by);
}

std::string_view verdict_of(Ruling ruling) {
  switch (ruling) {
    case Ruling::accept:
      return "allow";
    case Ruling::drop:
      return "deny";
    case Ruling::reject:
      return "reject";
  }
  std::abort();
}

std::string end(const address& at, const Packet& packet, bool source) {
  const auto port = source ? packet.source_port : packet.destination_port;
  const bool ports = config::has_ports(packet.protocol) && !source;
  if (!ports) return at.to_string();
  return at.is_v6() ? fmt::format("[{}]:{}", at.to_string(), port) : fmt::format("{}:{}", at.to_string(), port);
}

// vrouter leaves it alone: "allowed" would sound as if the host had nothing to say.
bool is_nobodys(const Journey& journey) {
  return journey.passes() && journey.sent.iifgroup != kGuestGroup && journey.sent.oifgroup != kGuestGroup &&
         journey.arrived.iifgroup != kGuestGroup && journey.arrived.oifgroup != kGuestGroup;
}

}  // namespace

std::string verdict(const Journey& journey) {
  if (is_nobodys(journey)) return "unjudged";
  return std::string{journey.lost.empty() ? verdict_of(journey.ruling) : "unroutable"};
}

std::string sentence(const Journey& journey) {
  if (!journey.lost.empty()) return "not routed: " + std::string{journey.lost};
  const auto* refusal = journey.refusal();
  if (is_nobodys(journey))
    return "not judged: neither end is a guest, and what else passes this host is for its own rules to say";
  if (refusal == nullptr) return "allowed";
  const auto where = side(*refusal);
  const auto* later = unless_told(journey);
  return std::string{past(journey.ruling)} + by(*refusal) + (where.empty() ? "" : fmt::format(" on {}", where)) +
         (later == nullptr ? "" : "; " + once_told(*later));
}

std::vector<SideSaid> sides(const Journey& journey) {
  std::vector<SideSaid> said;
  for (const auto& step : journey.steps) {
    const std::string_view base = step.base->name;
    const auto* place = meant(step);
    if (side(step).empty() || is_silent(step)) continue;
    const auto* who = base == "raw_pre"      ? "anti-spoofing"
                      : base == "fwd_egress" ? "sender"
                      : base == "input"      ? "host"
                                             : "receiver";
    said.push_back({who, std::string{verdict_of(step.ruling)}, place == nullptr ? "" : place->rule().comment,
                    place == nullptr ? step.base->name : place->chain->name});
  }
  return said;
}

std::vector<std::string> steps(const Journey& journey, std::string_view redirected_by) {
  std::vector<std::string> said;
  if (journey.destination_translated()) {
    said.push_back(fmt::format("{}: {} becomes {}", translated_by(journey, redirected_by),
                               end(journey.sent.destination, journey.sent, false),
                               end(journey.arrived.destination, journey.arrived, false)));
  }
  for (const auto& step : journey.steps) {
    const auto where = side(step);
    if (where.empty() || is_silent(step)) continue;
    said.push_back(fmt::format("{}: {}{} (chain {})", where, past(step.ruling), by(step),
                               meant(step) == nullptr ? step.base->name : meant(step)->chain->name));
  }
  if (const auto* refusal = journey.refusal()) {
    for (const auto& place : refusal->unless_told) said.push_back("names: " + once_told(place));
  }
  if (!journey.lost.empty()) said.push_back("routing: " + std::string{journey.lost});
  if (journey.passes() && journey.source_translated()) {
    said.push_back(fmt::format(
        "source address: {} becomes {}", journey.sent.source.to_string(),
        journey.arrived.source.is_unspecified() ? std::string{"this host's own"} : journey.arrived.source.to_string()));
  }
  return said;
}

}  // namespace vrouter::firewall
