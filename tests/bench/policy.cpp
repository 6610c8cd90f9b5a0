// SPDX-License-Identifier: GPL-2.0-or-later
// The policy of many tenants over ten thousand guests: put in force whole, changed by one rule, a guest moved from one
// group to another. By the product, and by its firewall alone in this process.
#include <filesystem>
#include <functional>
#include <thread>

#include "config/load.h"
#include "firewall/compile.h"
#include "firewall/nft/port.h"
#include "tests/bench/bench.h"
#include "tests/bench/command.h"
#include "tests/bench/stage.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::bench {
namespace {

using lab::LabError;
using lab::timed;

constexpr double kMaxLoad = 2000, kMaxOneRule = 50, kMaxGroups = 1;  // ms, issue 4

template <typename T>
T value_of(std::expected<T, KernelError> result) {
  if (!result) throw LabError{result.error().to_string()};
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::string in_words(const Tenants& tenants) {
  return std::to_string(tenants.rules) + " rules, " + std::to_string(tenants.groups) + " groups, " +
         std::to_string(tenants.guests) + " guests";
}

// The firewall of the product without its daemon.
class Firewall {
 public:
  explicit Firewall(const Tenants& tenants) : tenants_{tenants} {
    read(policy_of(tenants));
    host_.enter([this] { nft_ = value_of(firewall::open_nft()); });
    surroundings_.guarded_interfaces = {"eth0"};
    surroundings_.own_table = nft_->features().owner_persist;
  }

  [[nodiscard]] config::Guest guest_in(int group, int number) const {
    auto guest = tenant_in(group, number);
    guest.name = guest.tap;
    guest.network = network().name;
    return guest;
  }

  [[nodiscard]] firewall::Ruleset compile() {
    profiles_ = firewall::Profiles{config_};
    std::vector<config::Guest> guests;
    for (int i = 0; i < tenants_.guests; ++i) guests.push_back(guest_in(tenants_.group_of(i), i));
    for (const auto& guest : guests) profiles_.add(guest, network());
    auto rules = firewall::compile(config_, surroundings_, profiles_);
    for (const auto& guest : guests) rules.insert(firewall::compile_guest(guest, network(), profiles_));
    return rules;
  }
  void install(const firewall::Ruleset& rules) {
    value_of(nft_->apply(firewall::diff(rules, value_of(nft_->observe()))));
  }
  void teardown() { value_of(nft_->teardown()); }

  // Milliseconds from a policy with one rule changed, already read, until the kernel has said yes to what differs.
  [[nodiscard]] double change_one_rule(int port) {
    auto files = policy_of(tenants_);
    const auto [name, text] = with_one_rule_changed(tenants_, tenants_.groups / 2, port);
    for (auto& [file, old] : files) {
      if (file == name) old = text;
    }
    read(files);
    return timed([&] {
      auto rules = firewall::compile(config_, surroundings_, profiles_, &cache_);
      const auto change = firewall::change_rules(rules_, rules);
      if (!change || change->empty()) throw LabError{"a changed rule changed nothing"};
      value_of(nft_->apply(*change));
      rules_ = std::move(rules);
    });
  }
  void begin_to_change() { rules_ = firewall::compile(config_, surroundings_, profiles_, &cache_); }

  // Milliseconds until the kernel has said yes to the guest's elements in the next group in the place of its own.
  [[nodiscard]] double change_groups(int number) {
    const auto elements_in = [&](int group) {
      return firewall::compile_guest(guest_in(group % tenants_.groups, number), network(), profiles_);
    };
    const auto group = tenants_.group_of(number);
    const auto change = firewall::change_elements(elements_in(group), elements_in(group + 1));
    if (change.empty()) throw LabError{"other groups, and the same elements"};
    return timed([&] { value_of(nft_->apply(change)); });
  }

 private:
  [[nodiscard]] const config::Network& network() const { return config_.networks.at("default"); }
  void read(const PolicyFiles& files) {
    std::vector<config::PolicyText> texts;
    for (const auto& [name, text] : files) texts.push_back({name, text});
    auto parsed = config::parse_config(lab::kCrowdNetwork, "vrouter.toml", texts);
    if (!parsed) throw LabError{parsed.error().front().to_string()};
    config_ = std::move(*parsed);
  }

  Tenants tenants_;
  lab::Namespace host_{"host"};
  config::Config config_;
  std::unique_ptr<firewall::NftPort> nft_;
  firewall::Surroundings surroundings_;
  firewall::Profiles profiles_;
  firewall::CompileCache cache_;
  firewall::Ruleset rules_;  // without the guests' elements
};

void in_this_process(const Sizes& sizes, Report& report) {
  Firewall firewall{sizes.tenants};
  std::vector<double> compiled, loaded, both;
  for (int i = 0; i < sizes.starts; ++i) {
    firewall.teardown();
    firewall::Ruleset rules;
    compiled.push_back(timed([&] { rules = firewall.compile(); }));
    loaded.push_back(timed([&] { firewall.install(rules); }));
    both.push_back(compiled.back() + loaded.back());
  }
  report.at_most(in_words(sizes.tenants) + ", compiled and loaded in one transaction, median", lab::median(both), "ms",
                 kMaxLoad);
  report.value("of which compiling", lab::median(compiled), "ms");
  report.value("of which the kernel: compared with what is there, and loaded", lab::median(loaded), "ms");
  std::vector<double> one_rule;
  firewall.begin_to_change();
  for (int i = 0; i < sizes.reloads; ++i) one_rule.push_back(firewall.change_one_rule(6000 + i));
  report.at_most("one rule changed, compiled and loaded in one transaction, median", lab::median(one_rule), "ms",
                 kMaxOneRule);
  std::vector<double> changed;
  for (const int number : lab::spread(sizes.adds, sizes.tenants.guests)) {
    changed.push_back(firewall.change_groups(number));
  }
  report.at_most("a guest's change of groups, the kernel's transaction, median", lab::median(changed), "ms",
                 kMaxGroups);
  report.value("the same, 99 %", lab::percentile(changed, 99), "ms");
}

void write(Stage& stage, const PolicyFiles& files) {
  for (const auto& [name, text] : files) stage.daemon->set_policy(name, text);
}

double command(const Stage& stage, std::vector<std::string> words) {
  std::vector<std::string> line{lab::built_program("vrouter"), "--socket",
                                stage.host.path(stage.daemon->socket_path()).string()};
  std::ranges::move(words, std::back_inserter(line));
  return command_time(line);
}

double reload(const Stage& stage) {
  return command(stage, {"reload"});
}

// Between two states of the files, `before` and `after`: milliseconds of each reload to `after`.
void whole_policy(Stage& stage, int times, const std::string& what, const Tenants& tenants,
                  const std::function<void()>& before, const std::function<void()>& after, Report& report) {
  auto client = lab::connect_to(stage.host, *stage.daemon);
  std::vector<double> took;
  for (int i = 0; i < times; ++i) {
    before();
    reload(stage);
    after();
    took.push_back(reload(stage));
    if (lab::must(client.rules()).size() < static_cast<std::size_t>(tenants.rules)) {
      throw LabError{"the rules are not in force: the reload would have been of something else"};
    }
  }
  report.at_most("`vrouter reload`, " + what + ", median", lab::median(took), "ms", kMaxLoad);
}

void one_rule(Stage& stage, const Sizes& sizes, const std::string& whose, Report& report) {
  const int group = sizes.tenants.groups / 2;
  int port = 6000;
  std::vector<double> took;
  const auto change = [&] {
    const auto [name, text] = with_one_rule_changed(sizes.tenants, group, ++port);
    stage.daemon->set_policy(name, text);
  };
  for (int i = 0; i < sizes.reloads; ++i) {
    change();
    // Whoever looks at the rules still, for the second walk over the connections, would be in the way of the next.
    std::this_thread::sleep_for(sizes.rest);
    took.push_back(reload(stage));
  }
  change();
  auto client = lab::connect_to(stage.host, *stage.daemon);
  if (lab::must(client.reload()).changes.empty()) throw LabError{"a changed rule changed nothing"};
  report.at_most("`vrouter reload` after a change of one rule, " + whose + ", median", lab::median(took), "ms",
                 kMaxOneRule);
  report.value("the same, at most", lab::percentile(took, 100), "ms");
}

void other_groups(const Stage& stage, const Sizes& sizes, Report& report) {
  const auto& tenants = sizes.tenants;
  auto client = lab::connect_to(stage.host, *stage.daemon);
  // Another one each time: who is there already stays, and that costs nothing.
  const auto group = [&](int number, int steps) {
    return "g" + std::to_string((tenants.group_of(number) + steps) % tenants.groups);
  };
  const auto ask = [&](int number, int steps) {
    return timed(
        [&] { static_cast<void>(lab::must(client.change_guest(lab::tap_of(number), {group(number, steps)}))); });
  };
  std::vector<double> asked, typed, in_a_row;
  for (const int number : lab::spread(sizes.repairs, tenants.guests)) {
    std::this_thread::sleep_for(sizes.rest);
    asked.push_back(ask(number, 1));
    std::this_thread::sleep_for(sizes.rest);
    typed.push_back(command(stage, {"change-guest", lab::tap_of(number), "--group", group(number, 2)}));
  }
  for (const int number : lab::spread(sizes.processes, tenants.guests)) in_a_row.push_back(ask(number, 3));
  report.value("change-guest over the socket, no fsync, until connections are cut, median", lab::median(asked), "ms");
  report.value("the same, one right after the other", lab::median(in_a_row), "ms");
  report.value("`vrouter change-guest`, the whole process, no fsync, median", lab::median(typed), "ms");
}

void guests_by_command(const Sizes& sizes, Report& report) {
  const auto& tenants = sizes.tenants;
  Stage stage{tenants.guests, 0};
  const auto groups = [&] { write(stage, groups_of(tenants)); };
  groups();
  stage.populate([&](int number) { return tenant_of(tenants, number); });
  whole_policy(
      stage, sizes.starts, "from groups without rules to all, guests added by command", tenants, groups,
      [&] { write(stage, policy_of(tenants)); }, report);
  one_rule(stage, sizes, "guests added by command", report);
  other_groups(stage, sizes, report);
}

void guests_by_file(const Sizes& sizes, Report& report) {
  const auto& tenants = sizes.tenants;
  Stage stage{tenants.guests, 0};
  const auto nothing = [&] {
    stage.daemon->set_config(config_with_guests(tenants, false));
    std::filesystem::remove_all(stage.host.path(stage.daemon->policy_dir()));
  };
  const auto policy = [&] {
    stage.daemon->set_config(config_with_guests(tenants, true));
    write(stage, policy_of(tenants));
  };
  nothing();
  stage.daemon->start(60s);
  whole_policy(stage, sizes.starts, "from no policy and guests in no group to all, guests declared", tenants, nothing,
               policy, report);
  one_rule(stage, sizes, "guests declared", report);
}

}  // namespace

void policy(const Sizes& sizes, Report& report) {
  in_this_process(sizes, report);
  guests_by_command(sizes, report);
  guests_by_file(sizes, report);
  report.note("`vrouter reload` is the whole process; it answers when the connections that are denied now are cut.");
}

}  // namespace vrouter::bench
