// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/golden/firewall_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "config/load.h"

namespace vrouter::firewall::testing {
namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream{file}.rdbuf();
  return text.str();
}

Surroundings surroundings_of(const std::filesystem::path& file) {
  Surroundings surroundings;
  std::ifstream lines{file};
  for (std::string what, interface; lines >> what >> interface;) {
    if (what == "guarded4") {
      surroundings.guarded_interfaces.insert(interface);
    } else if (what == "guarded6") {
      surroundings.guarded_interfaces6.insert(interface);
    } else {
      ADD_FAILURE() << file << ": " << what << " is nothing that a host has";
    }
  }
  return surroundings;
}

}  // namespace

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator{VROUTER_SOURCE_DIR "/tests/golden"}) {
    if (std::filesystem::exists(entry.path() / "config.toml")) names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

GoldenCase read_case(const std::string& name) {
  GoldenCase result{std::filesystem::path{VROUTER_SOURCE_DIR "/tests/golden"} / name, {}, {}};
  const auto config = config::parse_config(text_of(result.directory / "config.toml"), name + "/config.toml");
  if (!config) {
    for (const auto& problem : config.error()) ADD_FAILURE() << problem.to_string();
    return result;
  }
  result.ruleset = compile(*config, surroundings_of(result.directory / "surroundings"));
  for (const auto& guest : config->guests) {
    result.ruleset.insert(compile_guest(guest, config->networks.at(guest.network)));
  }
  result.expected = text_of(result.directory / "expected.nft");
  return result;
}

}  // namespace vrouter::firewall::testing
