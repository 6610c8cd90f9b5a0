// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/options.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <string_view>
#include <utility>

#include "config/dhcp_options.h"
#include "config/policy_specs.h"
#include "config/specs.h"
#include "dns/presentation.h"
#include "router/cli/dns_query.h"
#include "router/control/views.h"

namespace vrouter::router::cli {
namespace {

constexpr auto kDefaultSocket = "/run/vrouter/vrouter.sock";
constexpr auto kDefaultConfig = "/etc/vrouter/vrouter.toml";
constexpr auto kDefaultPolicyDir = "/etc/vrouter/policy.d";
constexpr auto kDefaultStateDir = "/var/lib/vrouter";
// A TAP appears when its hypervisor starts; who waits longer than a day has forgotten it.
constexpr int kMaxWait = 86400;

// The words as they were said; what they mean is judged once all of them are there.
struct Words {
  std::string socket, config_file, policy_dir, state_dir;
  bool json = false;
  std::string tap, addresses, name, mac, network, owner;
  std::vector<std::string> groups, publish, floating, snat, prefixes, allowed, limits;
  bool create_tap = false, ephemeral = false, shared = false;
  std::optional<int> dhcp_mask;
  bool no_groups = false;
  int wait = 0, confirm = 0;
  std::string guest, port;
  std::string from, to, packet = "tcp/443";
  std::string of_network, address;
  std::string record_type;
  bool watch = false, tcp = false;
  std::vector<std::string> files;
};

constexpr auto kGuestHelp = "TAP, name or address of a guest";
constexpr auto kEndHelp = "A guest (TAP, name or address), another address, host or world";
constexpr auto kPortHelp = "[HOSTADDR:]PORT[-PORT][:GUESTPORT][/tcp|udp|sctp]";

void add_add_guest(CLI::App& app, Words& words) {
  auto* command = app.add_subcommand("add-guest", "Give the guest on TAP its address, and the network with it");
  command->add_option("TAP", words.tap, "TAP of the guest; it may appear later")->required();
  command->add_option("ADDRESS", words.addresses, "ADDRESS[,ADDRESS6]; without it one is taken from the pool");
  command->add_option("--name", words.name, "Name of the guest, one DNS label (default: the TAP's)");
  command->add_option("--mac", words.mac, "Let nothing through from another MAC address");
  command->add_option("--network", words.network, "Network (default: the one the address lies in)");
  command->add_option("--group", words.groups, "Group of the policy; may be said several times")
      ->allow_extra_args(false);
  command->add_option("--publish", words.publish, std::string{"Publish "} + kPortHelp + "; several times too")
      ->allow_extra_args(false);
  const auto several = [command](const char* option, std::vector<std::string>& into, const char* help) {
    command->add_option(option, into, help)->allow_extra_args(false);
  };
  several("--floating", words.floating, "Address that the guest has in the world, both ways; one of each family");
  several("--snat", words.snat, "Address that what the guest starts has in the world; one of each family");
  several("--prefix", words.prefixes, "Prefix routed to the guest; may be said several times");
  several("--allow-address", words.allowed, "Address that the guest may have besides its own; several times too");
  command
      ->add_option("--limit", words.limits,
                   "KEY=VALUE: egress.packets, egress.bits, ingress.packets, ingress.bits, new_connections, "
                   "connections; several times too")
      ->allow_extra_args(false);
  command->add_flag("--shared", words.shared,
                    "Several clients are behind it, a bridge or a switch: they get addresses of the network's range");
  command->add_option("--dhcp-mask", words.dhcp_mask, "Prefix length that it is told, for guests that take no /32");
  command->add_flag("--create-tap", words.create_tap, "Make the TAP, and remove it with the guest");
  command->add_option("--owner", words.owner, "User who may open the TAP made")->needs("--create-tap");
  command->add_flag("--ephemeral", words.ephemeral, "Forget the guest when its TAP goes");
  command->add_flag("--wait{30}", words.wait, "Return when the guest is ready, or fail after SECONDS (--wait=SECONDS)");
}

void add_leases(CLI::App& app, Words& words) {
  auto* command = app.add_subcommand("leases", "List the DHCP leases, or end one of a range");
  auto* network = command->add_option("--network", words.of_network, "Only those of this network");
  auto* watch = command->add_flag("--watch", words.watch, "Show them anew whenever something changes, until Ctrl-C");
  auto* release = command->add_subcommand("release", "End the lease that somebody of a range has");
  release->add_option("ADDRESS", words.address, "The address that becomes free")->required();
  release->excludes(network)->excludes(watch);
}

void add_dns(CLI::App& app, Words& words) {
  auto* command = app.add_subcommand("dns", "Show how DNS does: queries, cache, servers; ask it; or empty its cache");
  auto* flush = command->add_subcommand("flush", "Forget what the cache knows");
  flush->add_option("NAME", words.name, "Only of this name, whatever the type");
  auto* query = command->add_subcommand("query", "Ask for a name, as a resolver of this host does");
  query->add_option("NAME", words.name, "The name; of an address, the name that it has")->required();
  query->add_option("TYPE", words.record_type, "A, AAAA, MX, ... or TYPE65280 (default: A; of an address PTR)");
  query->add_flag("--tcp", words.tcp, "Over TCP from the start, not only where the answer is too long");
}

void add_commands(CLI::App& app, Words& words) {
  add_add_guest(app, words);
  const auto with_guest = [&app, &words](const char* name, const char* help) {
    auto* command = app.add_subcommand(name, help);
    command->add_option("GUEST", words.guest, kGuestHelp)->required();
    return command;
  };
  with_guest("remove-guest", "Take the guest's network away and forget it");
  app.add_subcommand("guests", "List the guests");
  with_guest("show", "Show all that is known of one guest");
  app.add_subcommand("status", "Show how vrouterd is, and what is wrong");
  add_leases(app, words);
  add_dns(app, words);
  with_guest("publish", "Make a port of the guest reachable at the host's addresses")
      ->add_option("SPEC", words.port, kPortHelp)
      ->required();
  with_guest("unpublish", "Close a published port")->add_option("SPEC", words.port, kPortHelp)->required();
  auto* change = with_guest("change-guest", "Put a guest that was added by command into other groups");
  auto* group = change->add_option("--group", words.groups, "A group that it is in from now on; several times too")
                    ->allow_extra_args(false);
  change->add_flag("--no-groups", words.no_groups, "It is in no group")->excludes(group);
  app.add_subcommand("ruleset", "Print the rules in force, in nft syntax");
  auto* explain = app.add_subcommand("explain", "Say whether a connection passes, and which rules decide");
  explain->add_option("FROM", words.from, kEndHelp)->required();
  explain->add_option("TO", words.to, kEndHelp)->required();
  explain->add_option("PACKET", words.packet, "PROTOCOL/PORT, such as tcp/443, or icmp/echo-request")
      ->capture_default_str();
  app.add_subcommand("rules", "List the policy's rules and what each has decided on");
  app.add_subcommand("monitor", "Show what the firewall refuses and what becomes of leases, until Ctrl-C")
      ->add_option("--guest", words.guest, std::string{"Only from or to this one: "} + kGuestHelp);
  app.add_subcommand("reload", "Read the files again; apply them in one transaction or not at all")
      ->add_option("--confirm", words.confirm,
                   "Go back to what held before unless `vrouter confirm` follows within SECONDS")
      ->type_name("SECONDS");
  app.add_subcommand("confirm", "Keep the files that `vrouter reload --confirm` put in force");
  auto* check = app.add_subcommand("check", "Check the configuration; needs neither root nor vrouterd");
  check->add_option("FILES", words.files, "Files to check instead of the installed ones");
  check->add_option("--config", words.config_file, "Configuration file")->capture_default_str();
  check->add_option("--policy-dir", words.policy_dir, "Directory of the policy files")->capture_default_str();
  auto* teardown = app.add_subcommand("teardown", "Remove all that vrouterd made and restore what it changed");
  teardown->add_option("--config", words.config_file, "Without a daemon: its configuration")->capture_default_str();
  teardown->add_option("--state-dir", words.state_dir, "Without a daemon: its state")->capture_default_str();
}

struct Named {
  std::string_view word;
  Command command;
};
constexpr Named kCommands[] = {{"add-guest", Command::add_guest},
                               {"remove-guest", Command::remove_guest},
                               {"guests", Command::guests},
                               {"show", Command::show},
                               {"status", Command::status},
                               {"leases", Command::leases},
                               {"dns", Command::dns},
                               {"publish", Command::publish},
                               {"unpublish", Command::unpublish},
                               {"change-guest", Command::change_guest},
                               {"ruleset", Command::ruleset},
                               {"explain", Command::explain},
                               {"rules", Command::rules},
                               {"monitor", Command::monitor},
                               {"reload", Command::reload},
                               {"confirm", Command::confirm},
                               {"check", Command::check},
                               {"teardown", Command::teardown}};

// The first word that is no option, where it is no command either.
std::string unknown_command(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word{argv[i]};
    if (word.starts_with('-')) {
      i += word == "--socket" ? 1 : 0;
      continue;
    }
    const bool known = std::ranges::any_of(kCommands, [&](const Named& named) { return named.word == word; });
    return known ? std::string{} : std::string{word};
  }
  return {};
}

Leave usage(const std::string& command, const std::string& sentence) {
  return {kUsage, fmt::format("vrouter: {}\nSee vrouter {} --help\n", sentence, command)};
}

// Keeps the value, or the first sentence of what is wrong.
template <typename T>
void take(config::Parsed<T> parsed, auto& into, std::string_view what, std::string& wrong) {
  if (parsed) {
    into = std::move(*parsed);
  } else if (wrong.empty()) {
    wrong = fmt::format("{}: {}", what, parsed.error());
  }
}

void read_groups(const Words& words, std::vector<std::string>& groups, std::string& wrong) {
  for (const auto& group : words.groups) {
    if (const auto comma = group.find(','); comma != std::string::npos && wrong.empty()) {
      wrong = fmt::format("--group: \"{}\" is more than one group; say each by itself: --group {} --group {}", group,
                          group.substr(0, comma), group.substr(comma + 1));
    }
    take(config::parse_group_name(group), groups.emplace_back(), "--group", wrong);
  }
}

std::string read_guest(const Words& words, config::Guest& guest) {
  std::string wrong;
  take(config::parse_interface_name(words.tap), guest.tap, "TAP", wrong);
  if (!words.addresses.empty()) {
    config::GuestAddresses addresses;
    take(config::parse_guest_addresses(words.addresses), addresses, "ADDRESS", wrong);
    guest.address = addresses.address;
    guest.address6 = addresses.address6;
  }
  if (!words.name.empty()) take(config::parse_guest_name(words.name), guest.name, "--name", wrong);
  if (!words.mac.empty()) take(parse_mac_address(words.mac), guest.mac, "--mac", wrong);
  read_groups(words, guest.groups, wrong);
  for (const auto& port : words.publish) {
    take(config::parse_publish(port), guest.publish.emplace_back(), "--publish", wrong);
  }
  const auto take_outside = [&wrong](const auto& said, config::Addresses& into, const char* option) {
    for (const auto& text : said) {
      address one;
      take(config::parse_address(text), one, option, wrong);
      if (wrong.empty() && !into.add(one)) wrong = fmt::format("{}: give at most one address of each family", option);
    }
  };
  take_outside(words.floating, guest.floating, "--floating");
  take_outside(words.snat, guest.snat, "--snat");
  for (const auto& text : words.prefixes) {
    config::AnyPrefix prefix;
    take(config::parse_prefix(text), prefix, "--prefix", wrong);
    config::add_prefix(guest, prefix);
  }
  for (const auto& text : words.allowed) {
    take(config::parse_address(text), guest.allowed_addresses.emplace_back(), "--allow-address", wrong);
  }
  for (const auto& limit : words.limits) {
    const auto read = config::read_limit(limit, guest.limits);
    if (!read && wrong.empty()) wrong = "--limit: " + read.error();
  }
  if (const auto mask = words.dhcp_mask) {
    if (wrong.empty() && (*mask < config::kLeastMask || *mask > config::kMostMask))
      wrong = fmt::format("--dhcp-mask: takes {} to {}", config::kLeastMask, config::kMostMask);
    guest.dhcp.mask = static_cast<std::uint8_t>(*mask);
  }
  guest.shared = words.shared;
  if (wrong.empty() && guest.shared && guest.address)
    wrong = "--shared: the clients behind it have addresses, and it has none; leave ADDRESS out";
  guest.network = words.network;
  guest.create_tap = words.create_tap;
  guest.owner = words.owner;
  guest.ephemeral = words.ephemeral;
  return wrong;
}

std::string read_question(const Words& words, std::optional<std::uint16_t>& type) {
  if (!words.record_type.empty()) {
    type = dns::parse_type(words.record_type);
    if (!type)
      return fmt::format(
          "TYPE: \"{}\" is no type of record: say A, AAAA, CNAME, MX, NS, PTR, SOA, SRV, TXT, HTTPS, ... or "
          "its number as TYPE65280",
          words.record_type);
  }
  if (question_of(words.name, type)) return {};
  return fmt::format("NAME: \"{}\" is no name: labels of 1 to 63 bytes with dots between them, 253 in all", words.name);
}

std::expected<Request, Leave> read_words(const CLI::App& app, const Words& words) {
  const auto* said = app.get_subcommands().front();
  Request request;
  for (const auto& [word, command] : kCommands) {
    if (said->get_name() == word) request.command = command;
  }
  request.socket = words.socket;
  request.json = words.json;
  request.from = words.from;
  request.to = words.to;
  request.guest = words.guest;
  request.network = words.of_network;
  request.watch = words.watch;
  request.files.assign(words.files.begin(), words.files.end());
  request.config_file = words.config_file;
  request.policy_dir = words.policy_dir;
  request.state_dir = words.state_dir;
  std::string wrong;
  if (request.command == Command::add_guest) wrong = read_guest(words, request.wanted);
  if (request.command == Command::change_guest) {
    read_groups(words, request.wanted.groups, wrong);
    if (words.groups.empty() && !words.no_groups) wrong = "say the groups: --group GROUP, or --no-groups";
  }
  if (request.command == Command::reload && said->count("--confirm") > 0) {
    const std::chrono::seconds within{words.confirm};
    if (within < control::kLeastConfirm || within > control::kMostConfirm) {
      wrong = fmt::format("--confirm: takes {} to {} seconds", control::kLeastConfirm.count(),
                          control::kMostConfirm.count());
    }
    request.confirm_within = within;
  }
  if (said->get_name() == "leases" && !said->get_subcommands().empty()) {
    request.command = Command::release_lease;
    take(config::parse_address4(words.address), request.address, "ADDRESS", wrong);
  }
  if (said->get_name() == "dns" && !said->get_subcommands().empty()) {
    const bool asks = said->get_subcommands().front()->get_name() == "query";
    request.command = asks ? Command::query_dns : Command::flush_dns;
    request.name = words.name;
    request.tcp = words.tcp;
    if (asks) wrong = read_question(words, request.record_type);
  }
  if (request.command == Command::check) request.policy_dir_named = said->count("--policy-dir") > 0;
  if (request.command == Command::explain) take(config::parse_packet(words.packet), request.packet, "PACKET", wrong);
  if (!words.port.empty()) take(config::parse_publish(words.port), request.port, "SPEC", wrong);
  if (request.command == Command::add_guest && said->count("--wait") > 0) {
    if (words.wait < 1 || words.wait > kMaxWait) wrong = fmt::format("--wait: takes 1 to {} seconds", kMaxWait);
    request.wait = std::chrono::seconds{words.wait};
  }
  if (!wrong.empty()) return std::unexpected(usage(said->get_name(), wrong));
  return request;
}

}  // namespace

std::expected<Request, Leave> parse_command_line(int argc, const char* const* argv) {
  Words words;
  words.socket = kDefaultSocket;
  words.config_file = kDefaultConfig;
  words.policy_dir = kDefaultPolicyDir;
  words.state_dir = kDefaultStateDir;
  CLI::App app{"vrouter: the router and firewall of this host's guests", "vrouter"};
  app.set_version_flag("--version", std::string{"vrouter "} + VROUTER_VERSION);
  app.add_option("--socket", words.socket, "Control socket of vrouterd")
      ->envname("VROUTER_SOCKET")
      ->capture_default_str();
  app.add_flag("--json", words.json, "Print what the control socket returned");
  app.require_subcommand(1);
  app.fallthrough();  // --json and --socket after the command too
  app.footer("Exit status: 0 done; 1 refused (the reason is on stderr); 2 usage; 3 no daemon.");
  add_commands(app, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto said = app.get_subcommands();
    if (said.empty()) return std::unexpected(Leave{kDone, app.help()});
    const auto inner = said.front()->get_subcommands();
    if (inner.empty()) return std::unexpected(Leave{kDone, said.front()->help(app.get_name())});
    const auto before = fmt::format("{} {}", app.get_name(), said.front()->get_name());
    return std::unexpected(Leave{kDone, inner.front()->help(before)});
  } catch (const CLI::CallForVersion& version) {
    return std::unexpected(Leave{kDone, std::string{version.what()} + "\n"});
  } catch (const CLI::ParseError& error) {
    const auto said = app.get_subcommands();
    if (said.empty()) {
      if (const auto word = unknown_command(argc, argv); !word.empty())
        return std::unexpected(
            Leave{kUsage, fmt::format("vrouter: there is no command {}\nSee vrouter --help\n", word)});
      return std::unexpected(Leave{kUsage, fmt::format("vrouter: {}\nSee vrouter --help\n", error.what())});
    }
    return std::unexpected(usage(said.front()->get_name(), error.what()));
  }
  return read_words(app, words);
}

}  // namespace vrouter::router::cli
