// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/torture/faults.h"

#include <fmt/format.h>
#include <signal.h>

#include <boost/json.hpp>
#include <filesystem>
#include <thread>

#include "tests/torture/census.h"

namespace vrouter::torture {
namespace {

constexpr std::uint16_t kGuestPort = 7779;
// router/processes/supervisor.h: the first restart at once, then ever later while they die younger than this.
constexpr Span kYoung = 10s;
constexpr Span kSecondRestart = 100ms;
constexpr Scope kServices{.dns = true, .dhcp = true};
constexpr Scope kEverything{.data = true, .dns = true, .dhcp = true};

Scope only(int guest) {
  auto scope = kEverything;
  scope.guest = guest;
  return scope;
}

Span pause_of(const Draw& draw, int most) {
  return Span{static_cast<int>(draw.pause % static_cast<std::uint32_t>(most))};
}

}  // namespace

Draw draw(std::mt19937& generator) {
  Draw drawn{};
  drawn.action = static_cast<std::uint32_t>(generator());
  drawn.who = static_cast<std::uint32_t>(generator());
  drawn.how = static_cast<std::uint32_t>(generator());
  drawn.pause = static_cast<std::uint32_t>(generator());
  return drawn;
}

Faults::Faults(const lab::Namespace& host, lab::Daemon& daemon, Model& model, Traffic& traffic, bool owner_wanted,
               Say say)
    : host_{host},
      daemon_{daemon},
      model_{model},
      traffic_{traffic},
      owner_wanted_{owner_wanted},
      say_{std::move(say)} {}

const std::vector<Faults::Choice>& Faults::choices() {
  static const std::vector<Choice> all{
      {4, &Faults::kill_and_start},    {3, &Faults::stop_and_start},   {5, &Faults::kill_child},
      {4, &Faults::kill_and_change},   {4, &Faults::flush_ruleset},    {4, &Faults::damage_table},
      {4, &Faults::delete_route},      {4, &Faults::damage_neighbour}, {3, &Faults::delete_gateway},
      {3, &Faults::change_group},      {4, &Faults::flap_link},        {5, &Faults::replug},
      {3, &Faults::toggle_forwarding}, {2, &Faults::flap_uplink},      {2, &Faults::storm},
      {3, &Faults::fill_disk},         {3, &Faults::slow_disk},        {12, &Faults::toggle_guest},
      {6, &Faults::toggle_published},  {4, &Faults::reload},           {3, &Faults::reload_nonsense},
  };
  return all;
}

void Faults::act(const Draw& draw) {
  std::uint32_t sum = 0;
  for (const auto& choice : choices()) sum += static_cast<std::uint32_t>(choice.weight);
  auto left = draw.action % sum;
  for (const auto& choice : choices()) {
    if (left < static_cast<std::uint32_t>(choice.weight)) return (this->*choice.action)(draw);
    left -= static_cast<std::uint32_t>(choice.weight);
  }
}

int Faults::any_guest(const Draw& draw) const {
  return static_cast<int>(draw.who % static_cast<std::uint32_t>(model_.guests()));
}

int Faults::any_unkept(const Draw& draw) const {
  return static_cast<int>(draw.who % static_cast<std::uint32_t>(model_.guests() - kKeptTaps));
}

std::string Faults::config(int variant, bool owner_wanted) {
  std::string text;
  if (!owner_wanted) text += "[host]\ntable_owner = false\n";
  text += "[networks.default]\nprefix = \"10.0.5.0/24\"\ngateway = \"10.0.5.1\"\n";
  if (variant == 1) text += "dhcp = { lease_time = \"2h\" }\n";
  if (variant == 2) text += "mtu = 1400\n";
  if (variant == kVariantWithGuest) {
    text += fmt::format("[[guests]]\nname = \"{}\"\ntap = \"tapd\"\naddress = \"10.0.5.240\"\n", kFileGuest);
  }
  return text;
}

// --- the daemon ----------------------------------------------------------------------------------------------------

void Faults::start() {
  const auto began = Clock::now();
  daemon_.start(kStart);
  const auto now = Clock::now();
  for (const auto& pending : pending_) model_.close(pending.id, now + pending.bar);
  pending_.clear();
  deaths_.clear();
  const auto status = boost::json::parse(daemon_.vrouter({"--json", "status"}));
  owned_ = false;
  for (const auto& feature : status.at_pointer("/status/features").as_array()) {
    if (feature.at("name").as_string() == "table owner") owned_ = owner_wanted_ && feature.at("present").as_bool();
  }
  say_(fmt::format("started in {} ms", std::chrono::duration_cast<Span>(now - began).count()));
}

void Faults::kill9() {
  pending_.push_back({model_.excuse("kill -9 of vrouterd", kServices), kServiceBack});
  model_.forget_leases_since(Clock::now() - kRepair);
  daemon_.kill9();
}

void Faults::kill_and_start(const Draw& draw) {
  say_("kill -9 of vrouterd");
  kill9();
  std::this_thread::sleep_for(pause_of(draw, 500));
  start();
}

void Faults::stop_and_start(const Draw& draw) {
  say_("stop of vrouterd");
  pending_.push_back({model_.excuse("stop of vrouterd", kServices), kServiceBack});
  const auto status = daemon_.stop();
  if (status != 0) model_.fail(fmt::format("vrouterd ended with status {} when stopped", status));
  std::this_thread::sleep_for(pause_of(draw, 500));
  start();
}

void Faults::kill_child(const Draw& draw) {
  const auto processes = census(daemon_.pid());
  if (processes.size() < 2) return say_("kill -9 of a child: it has none");
  const auto& child = processes[1 + draw.who % (processes.size() - 1)];
  say_("kill -9 of " + child.name);
  if (child.name.starts_with("vrouterd: spawn")) return spawner_died(child.pid);
  const auto id = model_.excuse("kill -9 of " + child.name, kServices);
  ::kill(child.pid, SIGKILL);
  auto& deaths = deaths_[child.name];
  const auto now = Clock::now();
  deaths.young = now - deaths.last < kYoung ? deaths.young + 1 : 0;
  deaths.last = now;
  model_.close(id, now + kServiceBack + (deaths.young == 0 ? Span{0} : kSecondRestart * (1 << (deaths.young - 1))));
}

// It ends with its spawner, and its service manager starts it again.
void Faults::spawner_died(pid_t pid) {
  pending_.push_back({model_.excuse("kill -9 of the spawner", kServices), kServiceBack});
  model_.forget_leases_since(Clock::now() - kRepair);
  ::kill(pid, SIGKILL);
  if (!lab::wait_until([&] { return !daemon_.running(); }, kRepair)) {
    model_.fail("vrouterd lives on without its spawner");
    daemon_.kill9();
  }
  start();
}

void Faults::kill_and_change(const Draw& draw) {
  static constexpr std::array kChanges{&Faults::flush_ruleset,    &Faults::damage_table,   &Faults::delete_route,
                                       &Faults::damage_neighbour, &Faults::delete_gateway, &Faults::change_group,
                                       &Faults::flap_link,        &Faults::replug};
  say_("kill -9 of vrouterd, then");
  kill9();
  owned_ = false;  // an orphan is anybody's
  (this->*kChanges[draw.how % kChanges.size()])(draw);
  std::this_thread::sleep_for(pause_of(draw, 300));
  start();
}

// --- the host ------------------------------------------------------------------------------------------------------

void Faults::foreign(const std::string& why, const Scope& scope, const std::function<void()>& change, Span bar) {
  say_(why);
  const auto id = model_.excuse(why + (daemon_.running() ? "" : ", vrouterd dead"), scope);
  change();
  if (daemon_.running()) {
    model_.close(id, Clock::now() + bar);
  } else {
    pending_.push_back({id, bar});
  }
}

void Faults::foreign_line(const std::string& why, const Scope& scope, const std::string& line) {
  // What is there to be deleted depends on what came before; its status tells nothing.
  foreign(why, scope, [&] { static_cast<void>(host_.sh(line)); });
}

Scope Faults::rules_gone() const {
  if (owned_) return {};
  auto scope = kEverything;
  scope.open = true;
  return scope;
}

void Faults::flush_ruleset(const Draw&) {
  foreign_line("nft flush ruleset", rules_gone(), "nft flush ruleset");
}

void Faults::damage_table(const Draw& draw) {
  static constexpr std::array kLines{
      "nft delete table inet vrouter", "nft delete table arp vrouter",
      "for c in $(nft list chains inet | awk '/table inet/ {t=$3} t == \"vrouter\" && /chain/ {print $2}'); do "
      "nft flush chain inet vrouter $c; done",
      "for s in $(nft list sets inet | awk '/table inet/ {t=$3} t == \"vrouter\" && /set/ {print $2}'); do "
      "nft flush set inet vrouter $s; done"};
  static constexpr std::array kNames{"nft delete table inet vrouter", "nft delete table arp vrouter",
                                     "nft flush chain, each", "nft flush set, each"};
  const auto which = draw.how % kLines.size();
  foreign_line(kNames.at(which), rules_gone(), kLines.at(which));
}

void Faults::delete_route(const Draw& draw) {
  const auto guest = any_guest(draw);
  foreign_line("ip route del", only(guest), "ip route del " + model_.facts(guest).address + "/32");
}

void Faults::damage_neighbour(const Draw& draw) {
  const auto guest = any_guest(draw);
  const auto& facts = model_.facts(guest);
  // Nobody would take it away again: the host would not be what it was.
  if (model_.member(guest) != Standing::in) return say_("ip neigh: not a guest now");
  if (draw.how % 2 == 0) {
    foreign_line("ip neigh del", only(guest), "ip neigh del " + facts.address + " dev " + facts.tap);
  } else {
    foreign_line("ip neigh replace, a wrong MAC", only(guest),
                 "ip neigh replace " + facts.address + " lladdr 02:00:00:00:00:01 nud permanent dev " + facts.tap);
  }
}

void Faults::delete_gateway(const Draw&) {
  foreign_line("ip addr del of the gateway", kEverything, fmt::format("ip addr flush dev lo to {}", kGateway));
}

void Faults::change_group(const Draw& draw) {
  const auto guest = any_unkept(draw);
  foreign_line("ip link set group 0", only(guest), "ip link set " + model_.facts(guest).tap + " group 0");
}

void Faults::flap_link(const Draw& draw) {
  const auto guest = any_unkept(draw);
  const auto& tap = model_.facts(guest).tap;
  foreign("ip link set down, up", only(guest), [&] {
    static_cast<void>(host_.sh("ip link set " + tap + " down"));
    std::this_thread::sleep_for(pause_of(draw, 300));
    static_cast<void>(host_.sh("ip link set " + tap + " up"));
  });
}

void Faults::replug(const Draw& draw) {
  const auto guest = any_unkept(draw);
  foreign("TAP closed and opened again", only(guest), [&] {
    if (draw.how % 4 == 0) static_cast<void>(host_.sh("ip link del " + model_.facts(guest).tap));
    traffic_.unplug(guest);
    std::this_thread::sleep_for(pause_of(draw, 300));
    traffic_.plug(guest);
  });
}

void Faults::toggle_forwarding(const Draw& draw) {
  auto scope = kEverything;
  scope.open = true;  // for as long as the host forwards for everybody
  foreign("sysctl ip_forward=1, then 0", scope, [&] {
    host_.set_sysctl("net/ipv4/ip_forward", "1");
    std::this_thread::sleep_for(pause_of(draw, 100));
    host_.set_sysctl("net/ipv4/ip_forward", "0");
  });
}

void Faults::flap_uplink(const Draw& draw) {
  const auto flap = [&] {
    host_.must("ip link set eth0 down");
    std::this_thread::sleep_for(pause_of(draw, 300));
    host_.must(fmt::format("ip link set eth0 up; ip route replace default via {}", kWorldAddress));
  };
  foreign("uplink down, up", kEverything, flap, kRepair + kNeighbourAskedAgain);
}

// More events than the socket's buffer holds: what was lost has to be found by a dump.
void Faults::storm(const Draw&) {
  foreign_line("2,000 foreign routes come and go", {},
               "ip link add storm type dummy && ip link set storm up && seq 0 1999 | awk '{printf \"route add "
               "10.200.%d.%d/32 dev storm\\n\", $1 / 250, $1 % 250}' | ip -batch -; ip link del storm");
}

void Faults::fill_disk(const Draw& draw) {
  say_("disk full");
  const auto id = model_.excuse("disk full", {.dhcp = true});
  const auto filler = daemon_.state_dir() + "/filler";
  static_cast<void>(host_.sh("dd if=/dev/zero of=" + filler + " bs=4k 2>/dev/null"));
  change_membership(any_guest(draw), true);
  std::this_thread::sleep_for(pause_of(draw, 400));
  host_.must("rm " + filler);
  model_.close(id, Clock::now() + kServiceBack);
}

void Faults::slow_disk(const Draw& draw) {
  say_("disk slow: it hangs for 500 ms");
  const auto id = model_.excuse("disk slow", {.dhcp = true});
  host_.write_file(kHeldDiskFile, "");
  {
    const std::jthread release{[this] {
      std::this_thread::sleep_for(500ms);
      std::filesystem::remove(host_.path(kHeldDiskFile));
    }};
    change_membership(any_guest(draw), false);
  }
  model_.close(id, Clock::now() + kServiceBack);
}

// --- the operator --------------------------------------------------------------------------------------------------

bool Faults::answered(const std::string& what, const lab::Finished& finished, bool may_be_refused) {
  if (finished.ok()) return true;
  say_(what + ": " + finished.to_string());
  if (!may_be_refused || finished.status != 1) model_.fail(what + ": " + finished.to_string());
  return false;
}

void Faults::add_guest(int guest, bool publish) {
  const auto& facts = model_.facts(guest);
  lab::Arguments command{"add-guest", facts.tap, facts.address, "--name", facts.name};
  if (facts.pinned) command.insert(command.end(), {"--mac", facts.mac.to_string()});
  if (publish) command.insert(command.end(), {"--publish", fmt::format("{}:{}/udp", facts.port, kGuestPort)});
  model_.set_member(guest, Clock::now(), Standing::changing);
  if (publish) model_.set_published(guest, Clock::now(), Standing::changing);
  daemon_.vrouter(command);
  model_.set_member(guest, Clock::now() + kRepair, Standing::in);
  if (publish) model_.set_published(guest, Clock::now() + kRepair, Standing::in);
}

void Faults::change_membership(int guest, bool may_be_refused) {
  const auto& facts = model_.facts(guest);
  const bool was = model_.member(guest) == Standing::in;
  lab::Arguments command{"remove-guest", facts.name};
  if (!was) {
    command = {"add-guest", facts.tap, facts.address, "--name", facts.name};
    if (facts.pinned) command.insert(command.end(), {"--mac", facts.mac.to_string()});
  }
  say_(command[0] + " " + facts.name);
  model_.set_member(guest, Clock::now(), Standing::changing);
  const auto finished = daemon_.cli(command);
  const bool done = answered(command[0] + " " + facts.name, finished, may_be_refused);
  const auto now = Clock::now();
  const bool is = done ? !was : was;
  if (!is && done) model_.set_published(guest, now, Standing::out);
  model_.set_member(guest, is ? now + kRepair : now, is ? Standing::in : Standing::out);
}

void Faults::toggle_guest(const Draw& draw) {
  change_membership(any_guest(draw), false);
}

void Faults::toggle_published(const Draw& draw) {
  const auto guest = any_guest(draw);
  if (model_.member(guest) != Standing::in) return say_("publish: not a guest now");
  const bool was = model_.published(guest) == Standing::in;
  const auto& facts = model_.facts(guest);
  const auto what = fmt::format("{} {} {}", was ? "unpublish" : "publish", facts.name, facts.port);
  say_(what);
  model_.set_published(guest, Clock::now(), Standing::changing);
  const auto finished =
      daemon_.cli({was ? "unpublish" : "publish", facts.name, fmt::format("{}:{}/udp", facts.port, kGuestPort)});
  const bool is = answered(what, finished, false) ? !was : was;
  traffic_.forget_published_flow(guest);
  const auto now = Clock::now();
  model_.set_published(guest, is ? now + kRepair : now, is ? Standing::in : Standing::out);
}

void Faults::reload(const Draw& draw) {
  const auto variant = static_cast<int>(draw.how % kVariants);
  say_(fmt::format("reload, variant {}", variant));
  daemon_.set_config(config(variant, owner_wanted_));
  if (answered("reload", daemon_.cli({"reload"}), false)) variant_ = variant;
}

void Faults::reload_nonsense(const Draw& draw) {
  static constexpr std::array kNonsense{"[[guests]]\nname = \"x\"\ncolour = \"red\"\n", "[networks.default\n",
                                        "[networks.default]\nprefix = \"10.0.5.0/33\"\n"};
  say_("reload of nonsense");
  daemon_.set_config(kNonsense.at(draw.how % kNonsense.size()));
  const auto finished = daemon_.cli({"reload"});
  if (finished.status != 1) model_.fail("reload of nonsense: " + finished.to_string());
  daemon_.set_config(config(variant_, owner_wanted_));
  answered("reload after nonsense", daemon_.cli({"reload"}), false);
}

}  // namespace vrouter::torture
