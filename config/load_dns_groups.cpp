// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load_dns_groups.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "config/text.h"
#include "config/undeclared_group.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::size_t kMaxNamed = 8;  // in one message

constexpr std::array kListKeys{
    KeySpec{.name = "files", .type = Type::array, .example = "[\"/etc/vrouter/lists/ads.txt\"]", .or_string = true},
};
constexpr std::array kGroupKeys{
    KeySpec{.name = "block", .type = Type::array, .example = "[\"ads\"]", .or_string = true},
    KeySpec{.name = "allow", .type = Type::array, .example = "[\"exceptions\"]", .or_string = true},
    KeySpec{"other_resolvers", Type::string, "\"redirect\""},
};

Parsed<std::string> parse_list_file(std::string_view text) {
  if (text.starts_with('/') && !text.ends_with('/') && !text.contains('\0')) return std::string{text};
  return std::unexpected(quoted(text) + " is no file's full path; write one such as /etc/vrouter/lists/ads.txt");
}

// As groups are called.
Parsed<std::string> parse_list_name(std::string_view text) {
  if (parse_group_name(text)) return std::string{text};
  return std::unexpected(quoted(text) + " is no name of a list; write 1 to 63 letters, digits, '-' and '_'");
}

std::string lists_text(const std::map<std::string, DnsList>& lists) {
  std::string text;
  std::size_t count = 0;
  for (const auto& [name, list] : lists) {
    if (count++ == kMaxNamed) return text + ", ...";
    if (!text.empty()) text += ", ";
    text += name;
  }
  return text;
}

class Loader {
 public:
  Loader(Diagnosis& diagnosis, Config& config) : diagnosis_{diagnosis}, config_{config} {}

  void load_list(const Member& member);
  void load_group(const Member& member, const Reserving& reserving);

 private:
  [[nodiscard]] bool is_table(const Member& member, std::string_view what, std::string_view example);
  std::vector<std::string> read_names(const TableReader& reader, std::string_view key);

  Diagnosis& diagnosis_;
  Config& config_;
};

bool Loader::is_table(const Member& member, std::string_view what, std::string_view example) {
  if (member.value.type == Type::table) return true;
  diagnosis_.add(member.value.at, std::string{what} + " is a table, not " + std::string{describe(member.value.type)} +
                                      "; write " + std::string{example});
  return false;
}

void Loader::load_list(const Member& member) {
  if (!is_table(member, "a list", "[dns.lists.ads] and files = [\"/etc/vrouter/lists/ads.txt\"] below")) return;
  const auto name = parse_list_name(member.key);
  if (!name) {
    diagnosis_.add(member.at, name.error());
    return;
  }
  if (config_.dns.lists.size() == kMaxDnsLists) {
    diagnosis_.add(member.at, "there are more than " + std::to_string(kMaxDnsLists) +
                                  " lists; name several files in one, where the same groups are kept from them");
    return;
  }
  // Even of a list that is wrong, so that those who name it aren't told that there is none.
  auto& list = config_.dns.lists[*name];
  list.at = diagnosis_.place(member.at);
  const TableReader reader{diagnosis_, member.value, "dns.lists." + *name, kListKeys};
  for (auto& [file, at] : reader.read_list("files", parse_list_file)) {
    if (std::ranges::find(list.files, file) != list.files.end()) {
      reader.complain(at, file + " stands twice in files; name it once");
    } else if (list.files.size() == kMaxDnsListFiles) {
      reader.complain(at, "files holds " + std::to_string(kMaxDnsListFiles) + " at most; join some of them");
      return;
    } else {
      list.files.push_back(std::move(file));
    }
  }
  const auto* files = reader.find("files");
  if (reader.present("files") && (files == nullptr || files->type == Type::string || !files->items.empty())) return;
  reader.complain(reader.present("files") ? reader.at("files") : member.at,
                  "the list " + *name + " needs files; write files = [\"/etc/vrouter/lists/" + *name + ".txt\"]");
}

std::vector<std::string> Loader::read_names(const TableReader& reader, std::string_view key) {
  const auto& lists = config_.dns.lists;
  std::vector<std::string> names;
  for (auto& [name, at] : reader.read_list(key, parse_list_name)) {
    if (!lists.contains(name)) {
      const auto declare = "declare [dns.lists." + name + "]";
      reader.complain(at, "there is no list " + quoted(name) + "; " +
                              (lists.empty() ? declare : "name one of: " + lists_text(lists) + "; or " + declare));
    } else if (std::ranges::find(names, name) != names.end()) {
      reader.complain(at, name + " stands twice in " + std::string{key} + "; name it once");
    } else {
      names.push_back(std::move(name));
    }
  }
  return names;
}

void Loader::load_group(const Member& member, const Reserving& reserving) {
  if (!is_table(member, "what holds for a group", "[dns.groups.web] and block = [\"ads\"] below")) return;
  const auto name = parse_group_name(member.key);
  if (!name) {
    diagnosis_.add(member.at, name.error());
    return;
  }
  if (const auto why = reserving.groups == nullptr ? std::nullopt : undeclared_group(*reserving.groups, *name)) {
    diagnosis_.add(member.at, why->first + "; " + why->second);
  }
  const TableReader reader{diagnosis_, member.value, "dns.groups." + *name, kGroupKeys};
  auto& group = config_.dns.groups[*name];
  group.at = diagnosis_.place(member.at);
  group.block = read_names(reader, "block");
  group.allow = read_names(reader, "allow");
  static constexpr OtherResolvers kAll[] = {OtherResolvers::allow, OtherResolvers::redirect, OtherResolvers::refuse};
  reader.choose("other_resolvers", kAll, group.other_resolvers);
  for (const auto& list : group.allow) {
    if (std::ranges::find(group.block, list) == group.block.end()) continue;
    reader.complain(reader.at("allow"),
                    "the list " + list + " can't be blocked and allowed alike; leave it out of block or of allow");
  }
  if (!group.allow.empty() && !reader.present("block")) {
    reader.complain(reader.at("allow"),
                    "allow says what block lets pass, and there is none; write block = [\"ads\"] beside it");
  }
}

}  // namespace

void load_dns_groups(Diagnosis& diagnosis, const Node* lists, const Node* groups, const Reserving& reserving,
                     Config& config) {
  Loader loader{diagnosis, config};
  if (lists != nullptr) {
    for (const auto& member : lists->members) loader.load_list(member);
  }
  if (groups == nullptr) return;
  for (const auto& member : groups->members) loader.load_group(member, reserving);
}

}  // namespace vrouter::config
