// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/golden/firewall_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
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

struct Host {
  Surroundings surroundings;
  std::vector<config::DnsServer> upstreams;
};

Host host_of(const std::filesystem::path& file) {
  Host host;
  ServiceUsers users;
  std::ifstream lines{file};
  for (std::string what, value; lines >> what >> value;) {
    if (what == "guarded4") {
      host.surroundings.guarded_interfaces.insert(value);
    } else if (what == "guarded6") {
      host.surroundings.guarded_interfaces6.insert(value);
    } else if (what == "dhcp_user") {
      users.dhcp = static_cast<uid_t>(std::stoul(value));
    } else if (what == "dns_user") {
      users.dns = static_cast<uid_t>(std::stoul(value));
    } else if (what == "upstream") {
      host.upstreams.push_back(config::parse_dns_server(value).value());
    } else {
      ADD_FAILURE() << file << ": " << what << " is nothing that a host has";
    }
  }
  if (users != ServiceUsers{}) host.surroundings.users = users;
  return host;
}

// As the daemon makes them of leases: their names, groups and limits are those of the link.
std::vector<config::Guest> lessees_of(const std::filesystem::path& file, const config::Config& config) {
  std::vector<config::Guest> lessees;
  std::ifstream lines{file};
  for (std::string tap, its, mac, group; lines >> tap >> its >> mac >> group;) {
    const auto shared = std::ranges::find(config.guests, tap, &config::Guest::tap);
    if (shared == config.guests.end() || !shared->shared || !parse_mac_address(mac)) {
      ADD_FAILURE() << file << ": " << tap << " is no shared link, or " << mac << " no MAC";
      continue;
    }
    config::Guest lessee;
    lessee.name = shared->name;
    lessee.tap = tap;
    lessee.network = shared->network;
    lessee.address = boost::asio::ip::make_address_v4(its);
    lessee.mac = *parse_mac_address(mac);
    lessee.groups = group == "-" ? shared->groups : std::vector{group};
    lessees.push_back(lessee);
  }
  return lessees;
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
  GoldenCase result{std::filesystem::path{VROUTER_SOURCE_DIR "/tests/golden"} / name, {}, {}, {}};
  std::vector<config::PolicyText> policy;
  if (const auto file = result.directory / "policy.toml"; std::filesystem::exists(file)) {
    policy.push_back({"policy.d/policy.toml", text_of(file)});
  }
  const auto config = config::parse_config(text_of(result.directory / "config.toml"), name + "/config.toml", policy);
  if (!config) {
    for (const auto& problem : config.error()) ADD_FAILURE() << problem.to_string();
    return result;
  }
  const auto host = host_of(result.directory / "surroundings");
  Profiles profiles{*config};
  for (const auto& guest : config->guests) profiles.add(guest, config->networks.at(guest.network));
  const auto lessees = lessees_of(result.directory / "lessees", *config);
  for (const auto& lessee : lessees) profiles.add(lessee, config->networks.at(lessee.network));
  result.ruleset = compile(*config, host.surroundings, profiles);
  result.ruleset.insert(upstream_elements(host.upstreams));
  for (const auto& guest : config->guests) {
    result.ruleset.insert(compile_guest(guest, config->networks.at(guest.network), profiles));
  }
  for (const auto& lessee : lessees) {
    result.ruleset.insert(compile_lessee(lessee, config->networks.at(lessee.network), profiles));
  }
  result.config = *config;
  result.expected = text_of(result.directory / "expected.nft");
  return result;
}

}  // namespace vrouter::firewall::testing
