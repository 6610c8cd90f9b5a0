// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/check.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "config/load.h"
#include "firewall/prove.h"

namespace vrouter::router::cli {
namespace {

using Checked = std::expected<config::Config, config::Problems>;

Checked unreadable(const std::filesystem::path& file, int code) {
  return std::unexpected(
      config::Problems{{{file.string(), 0, 0}, fmt::format("can't be read: {}", ::strerrordesc_np(code))}});
}

// A file that is named must be there: the embedded defaults are no answer to a typing error.
Checked check_file(const std::filesystem::path& file) {
  if (std::error_code error; std::filesystem::is_directory(file, error)) return unreadable(file, EISDIR);
  errno = 0;
  std::ifstream stream{file, std::ios::binary};
  if (!stream) return unreadable(file, errno != 0 ? errno : EIO);
  const std::string text{std::istreambuf_iterator<char>{stream}, {}};
  if (stream.bad()) return unreadable(file, EIO);
  return config::parse_config(text, file.string());
}

// The policy's expectations, tried with the guests that the file declares.
Checked proved(Checked loaded) {
  if (!loaded) return loaded;
  std::vector<const config::Guest*> guests;
  for (const auto& guest : loaded->guests) guests.push_back(&guest);
  auto problems = firewall::prove(*loaded, guests, loaded->warnings);
  if (!problems.empty()) return std::unexpected(std::move(problems));
  return loaded;
}

boost::json::object to_json(const config::Problem& problem) {
  return {{"file", problem.where.file},
          {"line", problem.where.line},
          {"column", problem.where.column},
          {"message", problem.message}};
}

std::string words_of(const config::Policy& policy) {
  if (policy.empty()) return {};
  return fmt::format(", {} groups, {} rules, {} expectations hold", policy.groups.size(), policy.rules.size(),
                     policy.expects.size());
}

}  // namespace

int check(const Request& request) {
  std::vector<std::pair<std::string, Checked>> results;
  if (request.files.empty()) {
    auto loaded = proved(config::load_config(request.config_file, request.policy_dir));
    const bool defaults = loaded && loaded->file.empty();
    results.emplace_back(
        defaults ? request.config_file.string() + " (missing: the embedded defaults)" : request.config_file.string(),
        std::move(loaded));
  }
  for (const auto& file : request.files) results.emplace_back(file.string(), check_file(file));

  bool good = true;
  boost::json::array problems, warnings;
  for (const auto& [file, result] : results) {
    if (result) {
      if (!request.json) {
        fmt::print(stdout, "{}: ok, {} networks, {} guests{}\n", file, result->networks.size(), result->guests.size(),
                   words_of(result->policy));
      }
      for (const auto& warning : result->warnings) {
        fmt::print(stderr, "{} (warning)\n", warning.to_string());
        warnings.emplace_back(to_json(warning));
      }
      continue;
    }
    good = false;
    for (const auto& problem : result.error()) {
      fmt::print(stderr, "{}\n", problem.to_string());
      problems.emplace_back(to_json(problem));
    }
  }
  if (request.json) {
    const boost::json::object json{{"ok", good}, {"problems", std::move(problems)}, {"warnings", std::move(warnings)}};
    fmt::print(stdout, "{}\n", boost::json::serialize(json));
  }
  return good ? kDone : kRefused;
}

std::string sentences_json(std::string_view field, const std::vector<std::string>& sentences) {
  boost::json::object json;
  json[field] = boost::json::array(sentences.begin(), sentences.end());
  return boost::json::serialize(json) + "\n";
}

std::string failure_json(std::string_view reason) {
  return boost::json::serialize(
             boost::json::object{{"error", "io.vrouter.NoAnswer"}, {"parameters", {{"reason", reason}}}}) +
         "\n";
}

}  // namespace vrouter::router::cli
