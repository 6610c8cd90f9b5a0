// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "config/load_dns_records.h"
#include "config/load_policy.h"
#include "config/loader.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kFileKeys{
    KeySpec{"host", Type::table, "{ forwarding = \"interfaces\" }"},
    KeySpec{"networks", Type::table, "{ default = { prefix = \"10.0.5.0/24\" } }"},
    KeySpec{"dhcp", Type::table, "{ groups = { web = { ntp = [\"192.0.2.1\"] } } }"},
    KeySpec{"dns", Type::table, "{ upstreams = [\"192.0.2.53\"] }"},
    KeySpec{"guests", Type::array, "[{ name = \"web1\", tap = \"tap0\", address = \"10.0.5.2\" }]"},
};

// Ten thousand guests take about 2 MB; this only keeps a wrong path (a disk image) from filling the memory.
constexpr std::size_t kMaxFileBytes = 64U << 20;

// The rules and prefixes that a policy may have take about 4 MB.
constexpr std::size_t kMaxPolicyBytes = 16U << 20;

std::expected<std::string, std::string> read_file(const std::filesystem::path& path, std::size_t most,
                                                  const std::string& instead) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return std::unexpected("is a directory; " + instead);
  std::ifstream stream{path, std::ios::binary};
  std::string text;
  std::array<char, 65536> part{};
  while (stream.good() && text.size() <= most) {
    stream.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (!stream.is_open() || stream.bad()) {
    return std::unexpected(std::string{"can't be read ("} + std::strerror(errno) +
                           "); mend its path or its permissions");
  }
  if (text.size() > most) return std::unexpected("is larger than " + std::to_string(most >> 20) + " MiB; " + instead);
  return text;
}

// Its files, or why they can't be listed. That it isn't there means that there are none.
std::expected<std::vector<std::string>, std::string> policy_files(const std::filesystem::path& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry{directory, error}, end; !error && entry != end;
       entry.increment(error)) {
    const auto& path = entry->path();
    if (path.extension() == ".toml" && !path.filename().string().starts_with('.')) files.push_back(path.string());
  }
  if (error && error != std::errc::no_such_file_or_directory) return std::unexpected(error.message());
  std::ranges::sort(files);
  return files;
}

void add_unreadable(const std::string& file, std::string why, WrittenPolicy& policy) {
  policy.files.emplace_back(Diagnosis{file}, Diagnosis{file}).problems.add({}, std::move(why));
  policy.names_known = false;
}

// A file's text, and what it says by itself if there is nothing to say of it.
struct ReadText {
  std::string text;
  std::optional<WrittenPolicy> said{};
};
using ReadTexts = std::map<std::string, ReadText>;

// What is the same as in `before` is taken from there.
ReadText read_unless_known(const std::string& file, std::string text, ReadTexts& before) {
  if (const auto known = before.find(file); known != before.end() && known->second.text == text) {
    return std::move(known->second);
  }
  WrittenPolicy alone;
  read_policy_file({file, text}, alone);
  const auto& said = alone.files.front();
  const bool good = alone.names_known && said.problems.count() == 0 && said.warnings.count() == 0;
  return {std::move(text), good ? std::optional{std::move(alone)} : std::nullopt};
}

void read_policy_directory(const std::filesystem::path& directory, WrittenPolicy& policy, ReadTexts& read) {
  auto before = std::exchange(read, {});
  const auto files = policy_files(directory);
  if (!files) {
    add_unreadable(directory.string(),
                   "the policy directory can't be read (" + files.error() + "); mend its path or its permissions",
                   policy);
    return;
  }
  std::size_t bytes = 0;
  for (const auto& file : *files) {
    auto text = read_file(file, kMaxPolicyBytes, "move it out of the policy directory");
    if (text) bytes += text->size();
    if (!text) {
      add_unreadable(file, "the file " + text.error(), policy);
    } else if (bytes > kMaxPolicyBytes) {
      add_unreadable(file, "with this file the policy is larger than 16 MiB; say more with less, by groups and sets",
                     policy);
      return;
    } else {
      const auto& now = read.emplace(file, read_unless_known(file, *std::move(text), before)).first->second;
      if (!now.said || !append_file(*now.said, policy)) read_policy_file({file, now.text}, policy);
    }
  }
}

void append(Problems& to, Problems more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// What the policy files say, once all that they may name is known; `problems` are those of the file before them.
std::expected<Config, Problems> with_policy(Config config, Problems problems, bool networks_known,
                                            WrittenPolicy& policy) {
  resolve_policy(policy, networks_known, config);
  for (auto& each : policy.files) append(problems, each.problems.take_in_file_order());
  for (auto& each : policy.files) append(policy.warnings, each.warnings.take_in_file_order());
  if (!problems.empty()) return std::unexpected(std::move(problems));
  config.warnings = policy.warnings;
  return config;
}

// The whole of it: the settings, then what the policy names, then the guests, which name groups, then the policy, which
// names guests. `policy` is null where nothing is known of it. `settings` becomes what there is without the policy, if
// nothing is wrong with that.
std::expected<Config, Problems> assemble(const Node& root, const std::string& file, WrittenPolicy* policy,
                                         std::optional<Config>* settings = nullptr) {
  Diagnosis diagnosis{file};
  const TableReader reader{diagnosis, root, "the file", kFileKeys};
  Config config;
  config.file = file;
  if (const auto* host = reader.find("host")) load_host(diagnosis, *host, config.host);
  Known known{.networks = !reader.present("networks"), .groups = policy != nullptr && policy->names_known};
  if (policy != nullptr) config.policy.groups = policy->groups;
  Reserving reserving{.groups = known.groups ? &config.policy.groups : nullptr};
  if (const auto* networks = reader.find("networks"))
    known.networks = load_networks(diagnosis, *networks, reserving, config);
  if (config.networks.empty()) config.networks = default_config().networks;
  if (const auto* dns = reader.find("dns")) load_dns(diagnosis, *dns, reserving, config);
  if (const auto* dhcp = reader.find("dhcp")) load_dhcp_groups(diagnosis, *dhcp, reserving, config);
  if (const auto* guests = reader.find("guests")) load_guests(diagnosis, *guests, known, config);
  check_dns_records(diagnosis, config);
  auto problems = diagnosis.take_in_file_order();
  if (settings != nullptr && problems.empty() && known.networks && known.groups) settings->emplace(config);
  if (policy != nullptr) return with_policy(std::move(config), std::move(problems), known.networks, *policy);
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return config;
}

// The file is no TOML, or can't be read: then only what the policy files say by themselves can be wrong.
std::unexpected<Problems> policy_alone(Problem problem, WrittenPolicy& policy) {
  return std::unexpected(with_policy({}, {std::move(problem)}, false, policy).error());
}

std::expected<Config, Problems> assemble(std::string_view toml, const std::string& file, WrittenPolicy& policy,
                                         std::optional<Config>* settings = nullptr) {
  const auto root = parse_document(toml, file);
  if (!root) return policy_alone(root.error(), policy);
  return assemble(*root, file, &policy, settings);
}

bool same_names(const std::map<std::string, Group>& a, const std::map<std::string, Group>& b) {
  return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x.first == y.first; });
}

}  // namespace

std::expected<Config, Problems> parse_config(std::string_view toml, const std::string& file) {
  const auto root = parse_document(toml, file);
  if (!root) return std::unexpected(Problems{root.error()});
  return assemble(*root, file, nullptr);
}

std::expected<Config, Problems> parse_config(std::string_view toml, const std::string& file,
                                             std::span<const PolicyText> policy) {
  WrittenPolicy written;
  for (const auto& text : policy) read_policy_file(text, written);
  return assemble(toml, file, written);
}

std::expected<Config, Problems> load_config(const std::filesystem::path& file,
                                            const std::filesystem::path& policy_dir) {
  return Files{file, policy_dir}.load();
}

// The settings are those of all but the policy: guests name groups, so that the same text can be right with some and
// wrong with others.
struct Files::Parsed {
  ReadTexts policy;
  std::string text;
  std::optional<Config> settings;  // of `text`; its policy has those groups, and nothing else
};

Files::Files(std::filesystem::path file, std::filesystem::path policy_dir)
    : file_{std::move(file)}, policy_dir_{std::move(policy_dir)}, parsed_{std::make_unique<Parsed>()} {}
Files::Files(Files&&) noexcept = default;
Files& Files::operator=(Files&&) noexcept = default;
Files::~Files() = default;

std::expected<Config, Problems> Files::load() {
  WrittenPolicy policy;
  auto loaded = load(policy);
  warnings_ = std::move(policy.warnings);
  return loaded;
}

std::expected<Config, Problems> Files::load(WrittenPolicy& policy) {
  read_policy_directory(policy_dir_, policy, parsed_->policy);
  std::error_code error;
  // An error here (no search permission on the way) is not "missing": reading then says what it is.
  const bool missing = !std::filesystem::exists(file_, error) && !error;
  std::expected<std::string, std::string> text;
  if (!missing) text = read_file(file_, kMaxFileBytes, "name a vrouter.toml");
  if (!text) return policy_alone({.where = {.file = file_.string()}, .message = "the file " + text.error()}, policy);
  const auto name = missing ? std::string{} : file_.string();
  auto& settings = parsed_->settings;
  if (settings && settings->file == name && parsed_->text == *text && policy.names_known &&
      same_names(settings->policy.groups, policy.groups)) {
    return with_policy(*settings, {}, true, policy);
  }
  settings.reset();
  parsed_->text = *std::move(text);
  return assemble(parsed_->text, name, policy, &settings);
}

}  // namespace vrouter::config
