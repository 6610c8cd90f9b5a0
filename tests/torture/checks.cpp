// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/checks.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <map>
#include <set>
#include <sstream>

namespace vrouter::torture {
namespace {

namespace json = boost::json;

std::string text(const json::value& value) {
  return value.is_string() ? std::string{value.as_string()} : json::serialize(value);
}

std::string check_guest(const json::object& shown, const GuestModel& facts, bool plugged, Standing published) {
  if (text(shown.at("address")) != facts.address) return facts.name + " has " + text(shown.at("address")) + "\n";
  const auto ports = shown.at("publish").as_array().size();
  if (ports != (published == Standing::in ? 1U : 0U)) return fmt::format("{} has {} ports\n", facts.name, ports);
  if (plugged && !shown.at("ready").as_bool()) return facts.name + " is " + text(shown.at("state")) + "\n";
  return {};
}

std::string check_guests(const json::array& shown, const Model& model, const Traffic& traffic, bool file_guest) {
  std::map<std::string, json::object> by_name;
  for (const auto& guest : shown) by_name.emplace(text(guest.at("name")), guest.as_object());
  std::string wrong;
  if ((by_name.erase(Faults::kFileGuest) == 1) != file_guest) wrong += "the file's guest\n";
  for (int i = 0; i < model.guests(); ++i) {
    const auto& facts = model.facts(i);
    const auto found = by_name.find(facts.name);
    const bool expected = model.member(i) == Standing::in;
    if ((found != by_name.end()) != expected) {
      wrong += facts.name + (expected ? " was forgotten\n" : " is a guest again\n");
    } else if (expected) {
      wrong += check_guest(found->second, facts, traffic.plugged(i), model.published(i));
    }
    if (found != by_name.end()) by_name.erase(found);
  }
  for (const auto& [name, guest] : by_name) wrong += "nobody added " + name + "\n";
  return wrong;
}

std::string check_leases(const json::array& shown, const Model& model) {
  std::set<std::string> bound;
  for (const auto& lease : shown) {
    if (text(lease.at("state")) == "bound") bound.insert(text(lease.at("guest")) + " " + text(lease.at("address")));
  }
  std::string wrong;
  for (int i = 0; i < model.guests(); ++i) {
    const auto& facts = model.facts(i);
    if (model.leased(i) && !bound.contains(facts.name + " " + facts.address)) {
      wrong += "the lease of " + facts.name + " was forgotten\n";
    }
  }
  return wrong;
}

}  // namespace

std::string disagreement(const lab::Daemon& daemon, const Model& model, const Traffic& traffic, bool file_guest) {
  const auto guests = json::parse(daemon.vrouter({"--json", "guests"}));
  const auto leases = json::parse(daemon.vrouter({"--json", "leases"}));
  const auto status = json::parse(daemon.vrouter({"--json", "status"}));
  auto wrong = check_guests(guests.at("guests").as_array(), model, traffic, file_guest);
  wrong += check_leases(leases.at("leases").as_array(), model);
  if (const auto& health = status.at_pointer("/status/health"); text(health) != "ok") {
    wrong += "health is " + text(health) + ": " + text(status.at_pointer("/status/problems")) + "\n";
  }
  return wrong;
}

std::string growth(const std::vector<Counted>& old, const std::vector<Counted>& fresh) {
  std::string grown;
  for (const auto& before : fresh) {
    const auto after = std::ranges::find(old, before.name, &Counted::name);
    if (after == old.end()) {
      grown += before.name + " was missing\n";
      continue;
    }
    if (after->descriptors > before.descriptors) {
      grown += fmt::format("{} has {} descriptors, {} when just started\n", before.name, after->descriptors,
                           before.descriptors);
    }
    if (after->rss_kilobytes > before.rss_kilobytes + kGrowthKilobytes) {
      grown += fmt::format("{} takes {} kB, {} when just started\n", before.name, after->rss_kilobytes,
                           before.rss_kilobytes);
    }
  }
  return grown;
}

std::string portrait(const lab::Namespace& host) {
  // Left out: what the kernel counts, and what changes with every new interface's number.
  return host.must(
      "grep -r . /proc/sys/net 2>/dev/null | grep -v 'nf_conntrack_count\\|/stable_secret\\|tcp_fastopen_key' | sort;"
      "ip -o address show | sed 's/^[0-9]*: //; s/valid_lft.*//'; ip route show table all | sort;"
      "ip -6 route show table all | sort; ip rule; ip neighbour show nud permanent;"
      "ip -o link show | sed 's/^[0-9]*: //' | grep -o '^[a-z0-9@]*\\|group [^ ]*\\|<.*UP\\|mtu [0-9]*';"
      "nft list ruleset");
}

std::string differences(const std::string& before, const std::string& after) {
  const auto lines = [](const std::string& all) {
    std::multiset<std::string> split;
    std::istringstream stream{all};
    for (std::string line; std::getline(stream, line);) split.insert(line);
    return split;
  };
  const auto old_lines = lines(before);
  const auto new_lines = lines(after);
  std::string made;
  for (const auto& line : old_lines) made += new_lines.contains(line) ? "" : "- " + line + "\n";
  for (const auto& line : new_lines) made += old_lines.contains(line) ? "" : "+ " + line + "\n";
  return made;
}

}  // namespace vrouter::torture
