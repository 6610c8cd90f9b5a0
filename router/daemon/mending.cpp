// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/mending.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

namespace vrouter::router {
namespace {

constexpr BootClock::duration kNow{};

struct Counter {
  control::Repairs& counts;
  void operator()(const CreateTap&) const { ++counts.links; }
  void operator()(const RemoveTap&) const { ++counts.links; }
  void operator()(const ChangeLink& op) const { ++(op.after.group || op.after.up ? counts.links : counts.sysctls); }
  void operator()(const PutAddress&) const { ++counts.addresses; }
  void operator()(const RemoveAddress&) const { ++counts.addresses; }
  void operator()(const PutRoute&) const { ++counts.routes; }
  void operator()(const RemoveRoute&) const { ++counts.routes; }
  void operator()(const PutNeighbour&) const { ++counts.neighbours; }
  void operator()(const RemoveNeighbour&) const { ++counts.neighbours; }
  void operator()(const WriteSysctl& op) const {
    ++(op.key.starts_with("net/bridge/") ? counts.bridge_netfilter : counts.sysctls);
  }
};

void add(std::string& text, std::size_t count, std::string_view kind) {
  if (count == 0) return;
  text += fmt::format("{}{} {}{}", text.empty() ? "" : ", ", count, kind, count == 1 ? "" : "s");
}

bool changes_structure(const firewall::Transaction& t) {
  return !t.add_tables.empty() || !t.delete_tables.empty() || !t.add_sets.empty() || !t.delete_sets.empty() ||
         !t.add_counters.empty() || !t.delete_counters.empty() || !t.add_chains.empty() || !t.delete_chains.empty() ||
         !t.refill_chains.empty() || !t.adopt_tables.empty();
}

}  // namespace

BootClock::duration Pace::wait(BootTime now) const {
  const auto free = next_ - every_ * (burst_ - 1);
  return std::max(free - now, kNow);
}

void Pace::use(BootTime now) {
  next_ = std::max(next_, now) + every_;
}

BootClock::duration Paces::wait(const std::string& name, BootTime now) const {
  const auto found = paces_.find(name);
  return found == paces_.end() ? kNow : found->second.wait(now);
}

void Paces::use(const std::string& name, BootTime now) {
  if (paces_.size() >= kKept) std::erase_if(paces_, [&](const auto& entry) { return entry.second.rested(now); });
  paces_.try_emplace(name, fresh_).first->second.use(now);
}

void MendLog::tell(const std::string& name, const std::string& line, BootTime now) {
  if (lines_.wait(name, now) > kNow || all_lines_.wait(now) > kNow) {
    ++untold_;
    return;
  }
  lines_.use(name, now);
  all_lines_.use(now);
  write_("mended: " + line);
}

void MendLog::mended(const std::string& name, const Operation& operation, BootTime now) {
  std::visit(Counter{counts_}, operation);
  tell(name, describe(operation), now);
}

void MendLog::mended_rules(const firewall::Transaction& transaction, const std::string& after, BootTime now) {
  ++(changes_structure(transaction) ? counts_.rules : counts_.elements);
  tell("rules", describe(transaction) + (after.empty() ? "" : ", after " + after), now);
}

void MendLog::sum_up(BootTime now) {
  if (untold_ == 0 || summaries_.wait(now) > kNow) return;
  summaries_.use(now);
  write_(fmt::format(
      "mended: {} more since the last such line, not told one by one; `vrouter status` counts all by kind", untold_));
  untold_ = 0;
}

bool mends(const Operation& operation) {
  const auto* put = std::get_if<PutNeighbour>(&operation);
  return put == nullptr || put->neighbour.state == NeighbourState::permanent || !put->before ||
         put->before->mac != put->neighbour.mac;
}

std::string describe(const firewall::Transaction& t) {
  std::string text;
  for (const auto family : t.add_tables) {
    text += fmt::format("{} table {} {}", text.empty() ? "made" : " and", firewall::name(family), firewall::kTableName);
  }
  if (!text.empty()) return text + " again";
  std::string back;
  add(back, t.add_chains.size() + t.refill_chains.size(), "chain");
  add(back, t.add_sets.size(), "set");
  add(back, t.add_counters.size(), "counter");
  add(back, t.add_elements.size(), "element");
  std::string out;
  add(out, t.delete_chains.size(), "chain");
  add(out, t.delete_sets.size(), "set");
  add(out, t.delete_counters.size(), "counter");
  add(out, t.delete_elements.size(), "element");
  if (!back.empty()) text = "put back " + back;
  if (!out.empty()) text += (text.empty() ? "took out " : ", and took out ") + out;
  return text.empty() ? "took vrouter's tables over again" : text + " of vrouter's tables";
}

}  // namespace vrouter::router
