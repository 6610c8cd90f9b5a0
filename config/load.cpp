// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

#include "config/load_policy.h"
#include "config/loader.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kFileKeys{
    KeySpec{"host", Type::table, "{ forwarding = \"interfaces\" }"},
    KeySpec{"networks", Type::table, "{ default = { prefix = \"10.0.5.0/24\" } }"},
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

void read_policy_directory(const std::filesystem::path& directory, WrittenPolicy& policy) {
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
      read_policy_file({.file = file, .text = *std::move(text)}, policy);
    }
  }
}

void append(Problems& to, Problems more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

// The whole of it: the settings, then what the policy names, then the guests, which name groups, then the policy, which
// names guests. `policy` is null where nothing is known of it.
std::expected<Config, Problems> assemble(const Node& root, const std::string& file, WrittenPolicy* policy) {
  Diagnosis diagnosis{file};
  const TableReader reader{diagnosis, root, "the file", kFileKeys};
  Config config;
  config.file = file;
  if (const auto* host = reader.find("host")) load_host(diagnosis, *host, config.host);
  Known known{.networks = !reader.present("networks"), .groups = policy != nullptr && policy->names_known};
  if (const auto* networks = reader.find("networks")) known.networks = load_networks(diagnosis, *networks, config);
  if (config.networks.empty()) config.networks = default_config().networks;
  if (const auto* dns = reader.find("dns")) load_dns(diagnosis, *dns, config);
  if (policy != nullptr) config.policy.groups = policy->groups;
  if (const auto* guests = reader.find("guests")) load_guests(diagnosis, *guests, known, config);
  if (policy != nullptr) resolve_policy(*policy, known.networks, config);
  auto problems = diagnosis.take_in_file_order();
  if (policy != nullptr) {
    for (auto& each : policy->files) append(problems, each.problems.take_in_file_order());
    for (auto& each : policy->files) append(config.warnings, each.warnings.take_in_file_order());
  }
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return config;
}

// The file is no TOML, or can't be read: then only what the policy files say by themselves can be wrong.
Problems with_policy(Problem problem, WrittenPolicy& policy) {
  Problems problems{std::move(problem)};
  Config nothing;
  resolve_policy(policy, false, nothing);
  for (auto& each : policy.files) append(problems, each.problems.take_in_file_order());
  return problems;
}

std::expected<Config, Problems> assemble(std::string_view toml, const std::string& file, WrittenPolicy& policy) {
  const auto root = parse_document(toml, file);
  if (!root) return std::unexpected(with_policy(root.error(), policy));
  return assemble(*root, file, &policy);
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
  WrittenPolicy policy;
  read_policy_directory(policy_dir, policy);
  std::error_code error;
  // An error here (no search permission on the way) is not "missing": reading then says what it is.
  if (!std::filesystem::exists(file, error) && !error) return assemble("", "", policy);
  const auto text = read_file(file, kMaxFileBytes, "name a vrouter.toml");
  if (text) return assemble(*text, file.string(), policy);
  return std::unexpected(
      with_policy({.where = {.file = file.string()}, .message = "the file " + text.error()}, policy));
}

}  // namespace vrouter::config
