// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

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

std::expected<std::string, std::string> read_file(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return std::unexpected("is a directory; name a vrouter.toml");
  std::ifstream stream{path, std::ios::binary};
  std::string text;
  std::array<char, 65536> part{};
  while (stream.good() && text.size() <= kMaxFileBytes) {
    stream.read(part.data(), part.size());
    text.append(part.data(), static_cast<std::size_t>(stream.gcount()));
  }
  if (!stream.is_open() || stream.bad()) {
    return std::unexpected(std::string{"can't be read ("} + std::strerror(errno) +
                           "); mend its path or its permissions");
  }
  if (text.size() > kMaxFileBytes) return std::unexpected("is larger than 64 MiB; name a vrouter.toml");
  return text;
}

// Its files, or why they can't be listed. That it isn't there means that there are none.
std::expected<std::vector<std::string>, std::string> policy_files(const std::filesystem::path& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator entry{directory, error}, end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().extension() == ".toml") files.push_back(entry->path().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) return std::unexpected(error.message());
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::expected<Config, Problems> parse_config(std::string_view toml, const std::string& file) {
  const auto root = parse_document(toml, file);
  if (!root) return std::unexpected(Problems{root.error()});
  Diagnosis diagnosis{file};
  const TableReader reader{diagnosis, *root, "the file", kFileKeys};
  Config config;
  config.file = file;
  if (const auto* host = reader.find("host")) load_host(diagnosis, *host, config.host);
  bool networks_known = !reader.present("networks");
  if (const auto* networks = reader.find("networks")) networks_known = load_networks(diagnosis, *networks, config);
  if (config.networks.empty()) config.networks = default_config().networks;
  if (const auto* dns = reader.find("dns")) load_dns(diagnosis, *dns, config);
  if (const auto* guests = reader.find("guests")) load_guests(diagnosis, *guests, networks_known, config);
  if (diagnosis.count() > 0) return std::unexpected(diagnosis.take_in_file_order());
  return config;
}

std::expected<Config, Problems> load_config(const std::filesystem::path& file,
                                            const std::filesystem::path& policy_dir) {
  auto config = std::expected<Config, Problems>{default_config()};
  std::error_code error;
  // An error here (no search permission on the way) is not "missing": reading then says what it is.
  if (std::filesystem::exists(file, error) || error) {
    if (const auto text = read_file(file)) {
      config = parse_config(*text, file.string());
    } else {
      config = std::unexpected(Problems{{.where = {.file = file.string()}, .message = "the file " + text.error()}});
    }
  }
  Problems policy;
  if (const auto files = policy_files(policy_dir)) {
    for (const auto& name : *files) {
      policy.push_back({.where = {.file = name},
                        .message = "policy files are not understood by this version, which would leave its rules "
                                   "out; remove it"});
    }
  } else {
    policy.push_back(
        {.where = {.file = policy_dir.string()},
         .message = "the policy directory can't be read (" + files.error() + "); mend its path or its permissions"});
  }
  if (policy.empty()) return config;
  if (config) return std::unexpected(std::move(policy));
  config.error().insert(config.error().end(), policy.begin(), policy.end());
  return config;
}

}  // namespace vrouter::config
