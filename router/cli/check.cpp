// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "config/document.h"
#include "config/load.h"
#include "dns/list_files.h"
#include "firewall/prove.h"

namespace vrouter::router::cli {
namespace {

struct Checked {
  std::string what;  // the file, or files
  std::expected<config::Config, config::Problems> result;
  config::Problems warnings;
  std::size_t untried = 0;  // expectations
};

// A file that is named must be there: the embedded defaults are no answer to a typing error.
std::expected<std::string, config::Problem> read(const std::filesystem::path& file) {
  const auto unreadable = [&](int code) {
    return std::unexpected(
        config::Problem{{file.string(), 0, 0}, fmt::format("can't be read: {}", ::strerrordesc_np(code))});
  };
  if (std::error_code error; std::filesystem::is_directory(file, error)) return unreadable(EISDIR);
  errno = 0;
  std::ifstream stream{file, std::ios::binary};
  if (!stream) return unreadable(errno != 0 ? errno : EIO);
  std::string text{std::istreambuf_iterator<char>{stream}, {}};
  if (stream.bad()) return unreadable(EIO);
  return text;
}

// The policy's expectations, tried with the guests that the file declares.
void prove(Checked& checked) {
  if (!checked.result) return;
  std::vector<const config::Guest*> guests;
  for (const auto& guest : checked.result->guests) guests.push_back(&guest);
  config::Problems untried;
  auto problems = firewall::prove(*checked.result, guests, untried);
  checked.untried = untried.size();
  checked.warnings.insert(checked.warnings.end(), untried.begin(), untried.end());
  if (!problems.empty()) checked.result = std::unexpected(std::move(problems));
}

// What a start or a reload would say of the lists' files. Where the files of the configuration were named, it may be
// another host's: there its lists' files need not be.
void try_lists(Checked& checked, bool of_this_host) {
  if (!checked.result) return;
  config::Problems problems;
  std::size_t taken = 0;
  for (const auto& [name, list] : checked.result->dns.lists) {
    auto read = dns::read_list(name, list, taken);
    if (!read) {
      (of_this_host ? problems : checked.warnings).push_back(std::move(read.error()));
    } else {
      std::ranges::move(read->warnings, std::back_inserter(checked.warnings));
    }
  }
  if (!problems.empty()) checked.result = std::unexpected(std::move(problems));
}

Checked check_installed(const Request& request) {
  config::Files files{request.config_file, request.policy_dir};
  Checked checked{request.config_file.string(), files.load(), files.warnings()};
  if (checked.result && checked.result->file.empty()) checked.what += " (missing: the embedded defaults)";
  std::error_code error;
  if (request.policy_dir_named && !std::filesystem::exists(request.policy_dir, error)) {
    checked.warnings.push_back(
        {{request.policy_dir.string(), 0, 0}, "there is no such policy directory, so no policy was checked"});
  }
  prove(checked);
  try_lists(checked, true);
  return checked;
}

// By what it says, and where it says nothing by where it lies.
bool is_policy(const std::filesystem::path& file, const std::string& text) {
  const auto root = config::parse_document(text, file.string());
  for (const auto& member : root ? root->members : std::vector<config::Member>{}) {
    for (const auto* key : {"groups", "sets", "rules", "expect"}) {
      if (member.key == key) return true;
    }
    for (const auto* key : {"host", "networks", "dns", "dhcp", "guests"}) {
      if (member.key == key) return false;
    }
  }
  return file.parent_path().filename() == "policy.d";
}

// Files that are named: those of a policy together, beside the one configuration that is named, or else the installed.
std::vector<Checked> check_named(const Request& request) {
  std::vector<Checked> all;
  std::vector<config::PolicyText> policy;
  std::vector<config::PolicyText> configs;
  for (const auto& file : request.files) {
    auto text = read(file);
    if (!text) {
      all.push_back({file.string(), std::unexpected(config::Problems{text.error()}), {}});
    } else if (is_policy(file, *text)) {
      policy.push_back({.file = file.string(), .text = *std::move(text)});
    } else {
      configs.push_back({.file = file.string(), .text = *std::move(text)});
    }
  }
  if (policy.empty() || configs.size() > 1) {
    for (const auto& one : configs) {
      all.push_back({one.file, config::parse_config(one.text, one.file), {}});
      try_lists(all.back(), false);
    }
  }
  if (policy.empty()) return all;
  config::PolicyText with;
  if (configs.size() == 1) with = configs.front();
  if (configs.empty()) {
    std::error_code error;
    const bool installed = std::filesystem::exists(request.config_file, error);
    if (auto text = installed ? read(request.config_file) : std::string{}) {
      with = {.file = installed ? request.config_file.string() : "", .text = *std::move(text)};
    }
  }
  std::string what = configs.size() == 1 ? with.file : "";
  for (const auto& file : policy) what += (what.empty() ? "" : ", ") + file.file;
  Checked checked{what, config::parse_config(with.text, with.file, policy), {}};
  if (checked.result) checked.warnings = checked.result->warnings;
  prove(checked);
  try_lists(checked, false);
  all.push_back(std::move(checked));
  return all;
}

boost::json::object to_json(const config::Problem& problem) {
  return {{"file", problem.where.file},
          {"line", problem.where.line},
          {"column", problem.where.column},
          {"message", problem.message}};
}

std::string words_of(const Checked& checked) {
  const auto& policy = checked.result->policy;
  if (policy.empty() && policy.expects.empty()) return {};
  auto text = fmt::format(", {} groups, {} rules, {} expectations hold", policy.groups.size(), policy.rules.size(),
                          policy.expects.size() - checked.untried);
  if (checked.untried > 0) text += fmt::format(", {} untried", checked.untried);
  return text;
}

}  // namespace

int check(const Request& request) {
  std::vector<Checked> all;
  if (request.files.empty()) {
    all.push_back(check_installed(request));
  } else {
    all = check_named(request);
  }
  bool good = true;
  boost::json::array problems, warnings;
  for (const auto& checked : all) {
    if (checked.result && !request.json) {
      fmt::print(stdout, "{}: ok, {} networks, {} guests{}\n", checked.what, checked.result->networks.size(),
                 checked.result->guests.size(), words_of(checked));
    }
    for (const auto& warning : checked.warnings) {
      fmt::print(stderr, "{} (warning)\n", warning.to_string());
      warnings.emplace_back(to_json(warning));
    }
    if (checked.result) continue;
    good = false;
    for (const auto& problem : checked.result.error()) {
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
