// SPDX-License-Identifier: GPL-2.0-or-later
// [groups] and [sets], and what all files together may hold.
#include "config/load_policy.h"

#include <algorithm>
#include <array>

#include "config/address_sets.h"
#include "config/policy_specs.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kPolicyKeys{
    KeySpec{"groups", Type::table, "{ web = { ingress = \"deny\" } }"},
    KeySpec{"sets", Type::table, "{ office = [\"198.51.100.0/24\"] }"},
    KeySpec{"rules", Type::array, "[{ from = \"world\", to = \"group:web\", allow = \"tcp/80\" }]"},
    KeySpec{"expect", Type::array,
            "[{ from = \"world\", to = \"group:web\", packet = \"tcp/80\", verdict = \"allow\" }]"},
};

constexpr std::array kGroupKeys{
    KeySpec{"egress", Type::string, "\"allow\""},
    KeySpec{"ingress", Type::string, "\"deny\""},
};

// Ten times what is promised to be compiled and loaded within two seconds, and 100,000 prefixes are more than 0.2 s of
// the kernel's time: past it, a slip of a generator is likelier than a wish.
constexpr std::size_t kMaxNamed = 2000;  // groups, and sets
constexpr std::size_t kMaxPrefixes = 100000;
constexpr std::size_t kMaxFileName = 100;  // it goes into names of rules, and with them into comments in the kernel

std::string already(const std::string& what, const Place& where) {
  return what + " is declared already (" + where.to_string() + ')';
}

std::string too_many(const std::string& what) {
  return "there are more than " + std::to_string(kMaxNamed) + ' ' + what + " in all files together; take some out";
}

void read_group(WrittenFile& file, const Member& member, WrittenPolicy& policy) {
  auto& problems = file.problems;
  if (member.value.type != Type::table) {
    problems.add(member.value.at, "a group is a table, not " + std::string{describe(member.value.type)} +
                                      "; write [groups.web] and ingress = \"deny\" below");
    return;
  }
  const auto name = parse_group_name(member.key);
  if (!name) problems.add(member.at, name.error());
  const TableReader reader{problems, member.value, "group " + name.value_or("NAME"), kGroupKeys};
  Group group;
  group.name = name.value_or("");
  group.declared_at = problems.place(member.at);
  reader.read("egress", parse_action, group.egress);
  reader.read("ingress", parse_action, group.ingress);
  if (!name) return;
  if (const auto first = policy.groups.find(*name); first != policy.groups.end()) {
    problems.add(member.at, already("group " + *name, first->second.declared_at) + "; declare it once");
  } else if (policy.groups.size() == kMaxNamed) {
    problems.add(member.at, too_many("groups"));
  } else {
    policy.groups.emplace(*name, std::move(group));
  }
}

void read_prefixes(Diagnosis& problems, const Node& array, WrittenPolicy& policy, AddressSet& set) {
  for (const auto& item : array.items) {
    if (item.type != Type::string) {
      problems.add(item.at, "a set holds strings, not " + std::string{describe(item.type)} +
                                "; write [\"198.51.100.0/24\", \"2001:db8:7::1\"]");
      continue;
    }
    if (policy.prefixes++ == kMaxPrefixes) {
      problems.add(item.at, "there are more than " + std::to_string(kMaxPrefixes) +
                                " prefixes in all sets together; write shorter ones");
    }
    const auto prefix = parse_any_prefix(item.text);
    if (!prefix) {
      problems.add(item.at, prefix.error());
    } else if (const auto* v4 = std::get_if<network_v4>(&*prefix)) {
      set.v4.push_back(*v4);
    } else {
      set.v6.push_back(std::get<network_v6>(*prefix));
    }
  }
  set.v4 = normalised(std::move(set.v4));
  set.v6 = normalised(std::move(set.v6));
}

void read_set(WrittenFile& file, const Member& member, WrittenPolicy& policy) {
  auto& problems = file.problems;
  const auto name = parse_set_name(member.key);
  if (!name) problems.add(member.at, name.error());
  AddressSet set;
  set.name = name.value_or("");
  set.declared_at = problems.place(member.at);
  if (member.value.type == Type::array) {
    read_prefixes(problems, member.value, policy, set);
  } else {
    problems.add(member.value.at, "a set is an array, not " + std::string{describe(member.value.type)} +
                                      "; write [\"198.51.100.0/24\", \"2001:db8:7::1\"]");
  }
  if (!name) return;
  if (const auto first = policy.sets.find(*name); first != policy.sets.end()) {
    problems.add(member.at, already("set " + *name, first->second.declared_at) + "; declare it once");
  } else if (policy.sets.size() == kMaxNamed) {
    problems.add(member.at, too_many("sets"));
  } else {
    policy.sets.emplace(*name, std::move(set));
  }
}

// Rules without a name are called after their file.
bool usable_name(const std::string& file) {
  const auto name = file.substr(file.rfind('/') + 1);
  return name.size() <= kMaxFileName &&
         std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

}  // namespace

bool append_file(const WrittenPolicy& one, WrittenPolicy& policy) {
  const auto known = [](const auto& names, const auto& more) {
    return std::ranges::any_of(more, [&names](const auto& entry) { return names.contains(entry.first); });
  };
  if (known(policy.groups, one.groups) || known(policy.sets, one.sets) || known(policy.rule_names, one.rule_names) ||
      policy.groups.size() + one.groups.size() > kMaxNamed || policy.sets.size() + one.sets.size() > kMaxNamed ||
      policy.prefixes + one.prefixes > kMaxPrefixes || policy.rules.size() + one.rules.size() > kMaxRules ||
      policy.expects.size() + one.expects.size() > kMaxExpects) {
    return false;
  }
  const auto append = [number = policy.files.size()](const auto& from, auto& to) {
    for (const auto& written : from) to.emplace_back(written).file = number;
  };
  append(one.rules, policy.rules);
  append(one.expects, policy.expects);
  policy.files.push_back(one.files.front());
  policy.groups.insert(one.groups.begin(), one.groups.end());
  policy.sets.insert(one.sets.begin(), one.sets.end());
  policy.rule_names.insert(one.rule_names.begin(), one.rule_names.end());
  policy.prefixes += one.prefixes;
  return true;
}

void read_policy_file(const PolicyText& text, WrittenPolicy& policy) {
  const auto& path = text.file;
  const auto root = parse_document(text.text, path);
  auto& file = policy.files.emplace_back(Diagnosis{path}, Diagnosis{path});
  if (!usable_name(path)) {
    file.problems.add({},
                      "rules are named after their file, so its name is at most 100 printable ASCII characters without "
                      "\" and \\; rename it, such as 10-web.toml");
  }
  if (!root) {
    file.problems.add({root.error().where.line, root.error().where.column}, root.error().message);
    policy.names_known = false;
    return;
  }
  const TableReader reader{file.problems, *root, "a policy file", kPolicyKeys};
  if (reader.present("groups") && reader.find("groups") == nullptr) policy.names_known = false;
  if (reader.present("sets") && reader.find("sets") == nullptr) policy.names_known = false;
  if (const auto* groups = reader.find("groups")) {
    for (const auto& member : groups->members) read_group(file, member, policy);
  }
  if (const auto* sets = reader.find("sets")) {
    for (const auto& member : sets->members) read_set(file, member, policy);
  }
  if (const auto* rules = reader.find("rules")) read_rules(*rules, policy);
  if (const auto* expects = reader.find("expect")) read_expects(*expects, policy);
}

}  // namespace vrouter::config
