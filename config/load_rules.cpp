// SPDX-License-Identifier: GPL-2.0-or-later
// [[rules]] and [[expect]], as they stand there.
#include <array>

#include "config/load_policy.h"
#include "config/policy_specs.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kRuleKeys{
    KeySpec{"name", Type::string, "\"web to db\""},
    KeySpec{.name = "from", .type = Type::array, .example = "\"group:web\"", .or_string = true},
    KeySpec{.name = "to", .type = Type::array, .example = "\"group:db\"", .or_string = true},
    KeySpec{.name = "allow", .type = Type::array, .example = "\"tcp/80\"", .or_string = true},
    KeySpec{.name = "deny", .type = Type::array, .example = "\"tcp/80\"", .or_string = true},
    KeySpec{.name = "reject", .type = Type::array, .example = "\"tcp/80\"", .or_string = true},
    KeySpec{"log", Type::boolean, "true"},
    KeySpec{"limit", Type::string, "\"10/minute\""},
};

constexpr std::array kExpectKeys{
    KeySpec{"from", Type::string, "\"world\""},
    KeySpec{"to", Type::string, "\"group:web\""},
    KeySpec{"packet", Type::string, "\"tcp/80\""},
    KeySpec{"verdict", Type::string, "\"allow\""},
};

// Every pair of ends with every service may become an element in the kernel.
constexpr std::size_t kMaxListed = 256;

// Whether the array holds only tables, and no more of them than there may be, counted over all files.
bool is_table(Diagnosis& problems, const Node& item, std::string_view key) {
  if (item.type == Type::table) return true;
  problems.add(item.at, std::string{key} + " holds tables, not " + std::string{describe(item.type)} + "; write [[" +
                            std::string{key} + "]] and its keys below");
  return false;
}

bool too_many(Diagnosis& problems, const Node& item, std::string_view key, std::size_t before, std::size_t most) {
  if (before < most) return false;
  problems.add(item.at, "there are more than " + std::to_string(most) + " [[" + std::string{key} +
                            "]] in all files together; say more with one, by groups and sets");
  return true;
}

// The values of a list that may be one text. False: something in it was reported.
template <typename Value, typename Into>
bool read_words(Diagnosis& problems, const TableReader& reader, std::string_view key,
                Parsed<Value> (*parse)(std::string_view), std::string_view example, std::vector<Into>& into) {
  const auto* node = reader.find(key);
  if (node == nullptr) return !reader.present(key);
  const auto before = problems.count();
  for (auto& [value, at] : reader.read_list(key, parse)) into.push_back({std::move(value), at});
  if (node->type == Type::array && node->items.empty()) {
    problems.add(node->at, std::string{key} + " is empty; write " + std::string{key} + " = " + std::string{example});
  } else if (node->items.size() > kMaxListed) {
    problems.add(node->at, std::string{key} + " lists more than " + std::to_string(kMaxListed) +
                               "; make a group or a set of them, or ranges of ports");
  }
  return problems.count() == before;
}

bool read_ends(Diagnosis& problems, const TableReader& reader, Written<PolicyRule>& rule) {
  bool good = read_words(problems, reader, "from", parse_peer, "\"any\"", rule.from);
  good = read_words(problems, reader, "to", parse_peer, "\"any\"", rule.to) && good;
  if (!reader.present("from") && !reader.present("to")) {
    return reader.complain(reader.at(), "a rule needs from or to; write to = \"group:web\", or from = \"any\" for all");
  }
  const WrittenPeer any{.peer = {}, .at = reader.at()};
  if (!reader.present("from")) rule.from.push_back(any);
  if (!reader.present("to")) rule.to.push_back(any);
  return good;
}

// "22" is a protocol by its number, and hardly ever what was meant.
void doubt_number(WrittenFile& file, const Node& word) {
  const auto number = parse_services(word.text);
  if (!number || number->size() != 1 || number->front().to_string() != word.text) return;
  if (word.text.find_first_not_of("0123456789") != std::string::npos) return;
  file.warnings.add(
      word.at, word.text + " is IP protocol " + word.text + ", not a port; if a port is meant, write tcp/" + word.text);
}

void doubt_numbers(WrittenFile& file, const Node& node) {
  if (node.type == Type::string) doubt_number(file, node);
  for (const auto& item : node.items) doubt_number(file, item);
}

bool read_services(WrittenFile& file, const TableReader& reader, std::string_view key, Written<PolicyRule>& rule) {
  auto& problems = file.problems;
  bool good = read_words(problems, reader, key, parse_services, "\"any\"", rule.services);
  for (const auto& [services, at] : rule.services) {
    if (!services.empty() || rule.services.size() == 1) continue;
    good = reader.complain(at, "any is all traffic already; write it alone, or leave it out");
  }
  if (const auto* node = reader.find(key)) doubt_numbers(file, *node);
  return good;
}

// Exactly one of the three keys, and its services.
bool read_verdict(WrittenFile& file, const TableReader& reader, Written<PolicyRule>& rule) {
  std::string said;
  for (const auto action : {Action::allow, Action::deny, Action::reject}) {
    const std::string key{name(action)};
    if (!reader.present(key)) continue;
    if (!said.empty()) {
      return reader.complain(reader.at(key), "a rule has one of allow, deny and reject, and this has " + said +
                                                 " and " + key + "; make two rules of it");
    }
    said = key;
    rule.said.action = action;
  }
  if (said.empty()) {
    return reader.complain(reader.at(), "a rule needs allow, deny or reject; write allow = \"tcp/80\", or \"any\"");
  }
  return read_services(file, reader, said, rule);
}

bool read_limit(const TableReader& reader, PolicyRule& rule) {
  if (!reader.present("limit")) return true;
  if (!reader.read("limit", parse_rate_limit, rule.limit)) return false;
  if (rule.action == Action::allow) return true;
  return reader.complain(reader.at("limit"), "a limit says how much is allowed, and this rule has " +
                                                 std::string{name(rule.action)} + "; take the limit out");
}

void read_name(WrittenFile& file, const TableReader& reader, std::size_t number, WrittenPolicy& policy,
               PolicyRule& rule) {
  const auto& path = file.problems.file();
  rule.name = "rule " + std::to_string(number) + " of " + path.substr(path.rfind('/') + 1);
  reader.read("name", parse_rule_name, rule.name);
  const auto [first, added] = policy.rule_names.try_emplace(rule.name, rule.declared_at);
  if (added) return;
  reader.complain(reader.at("name"), "there is a rule " + config::quoted(rule.name) + " already (" +
                                         first->second.to_string() + "); give this another name");
}

void read_rule(const Node& table, std::size_t number, WrittenPolicy& policy) {
  auto& file = policy.files.back();
  const TableReader reader{file.problems, table, "[[rules]]", kRuleKeys};
  Written<PolicyRule> rule{.file = policy.files.size() - 1};
  rule.said.declared_at = file.problems.place(table.at);
  read_name(file, reader, number, policy, rule.said);
  rule.good = read_ends(file.problems, reader, rule);
  rule.good = read_verdict(file, reader, rule) && rule.good;
  if (const auto* log = reader.find("log")) rule.said.log = log->boolean;
  read_limit(reader, rule.said);
  policy.rules.push_back(std::move(rule));
}

// The one value of a key that must be there.
template <typename Value>
bool read_needed(const TableReader& reader, std::string_view key, Parsed<Value> (*parse)(std::string_view),
                 std::string_view example, Value& into) {
  if (reader.present(key)) return reader.read(key, parse, into);
  return reader.complain(reader.at(), "an expectation needs " + std::string{key} + "; write " + std::string{key} +
                                          " = " + std::string{example});
}

void read_expect(const Node& table, WrittenPolicy& policy) {
  auto& problems = policy.files.back().problems;
  const TableReader reader{problems, table, "[[expect]]", kExpectKeys};
  Written<Expect> expect{.file = policy.files.size() - 1};
  auto& said = expect.said;
  said.declared_at = problems.place(table.at);
  const bool from = read_needed(reader, "from", parse_peer, "\"world\"", said.from);
  const bool to = read_needed(reader, "to", parse_peer, "\"group:web\"", said.to);
  const bool packet = read_needed(reader, "packet", parse_packet, "\"tcp/80\"", said.packet);
  const bool verdict = read_needed(reader, "verdict", parse_action, "\"allow\"", said.verdict);
  if (from) expect.from.push_back({said.from, reader.at("from")});
  if (to) expect.to.push_back({said.to, reader.at("to")});
  if (packet) expect.services.push_back({{said.packet}, reader.at("packet")});
  expect.good = from && to && packet && verdict;
  policy.expects.push_back(std::move(expect));
}

}  // namespace

void read_rules(const Node& array, WrittenPolicy& policy) {
  auto& problems = policy.files.back().problems;
  std::size_t number = 0;
  for (const auto& item : array.items) {
    ++number;
    if (!is_table(problems, item, "rules")) continue;
    if (too_many(problems, item, "rules", policy.rules.size(), kMaxRules)) return;
    read_rule(item, number, policy);
  }
}

void read_expects(const Node& array, WrittenPolicy& policy) {
  auto& problems = policy.files.back().problems;
  for (const auto& item : array.items) {
    if (!is_table(problems, item, "expect")) continue;
    if (too_many(problems, item, "expect", policy.expects.size(), kMaxExpects)) return;
    read_expect(item, policy);
  }
}

}  // namespace vrouter::config
