// SPDX-License-Identifier: GPL-2.0-or-later
// A Router over a kernel and a disk made of maps, where any one call can be made to fail.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/load.h"
#include "fake_kernel.h"
#include "firewall/nft/fake.h"
#include "router/daemon/router.h"
#include "temporary_directory.h"

namespace vrouter::router {

// All that the router asks of kernel and disk, counted; call number `fail_at` is refused, and with `lasting` all
// after it too.
class Faults {
 public:
  int calls = 0;
  std::optional<int> fail_at;
  bool lasting = false;
  std::string refused;       // the first of them
  std::string only;          // no others, unless empty
  std::string subject;       // KernelError::subject of what is refused
  bool lose_answer = false;  // of the next change of the rules: it is made, and nobody hears so

  void arm(int call, bool from_there_on) {
    calls = 0;
    fail_at = call;
    lasting = from_there_on;
    refused.clear();
  }
  void off() { fail_at.reset(); }
  std::optional<KernelError> next(const std::string& what) {
    const int call = calls++;
    if (!only.empty() && what != only) return std::nullopt;
    if (!fail_at || call < *fail_at || (call > *fail_at && !lasting)) return std::nullopt;
    if (refused.empty()) refused = what;
    return KernelError{what, ENOMEM, "the test says so", subject};
  }
};

// What outlives a daemon: the kernel and the disk.
struct World {
  Faults faults;
  FakeKernel net;
  FakeSysctls sysctls;
  firewall::FakeNft nft;
  state::Stored disk;
  std::function<void()> after_each;  // change of the kernel's
  bool disk_hangs = false;
  std::vector<std::move_only_function<void()>> hung;  // commits whose end nobody has heard of
  void disk_wakes() {
    disk_hangs = false;
    for (auto& done : std::exchange(hung, {})) done();
  }
};

class FaultyNet final : public KernelPort {
 public:
  explicit FaultyNet(World& world) : world_{world} {}
  Result<std::vector<Link>> links() override { return call("dump links", &FakeKernel::links); }
  Result<std::vector<InterfaceAddress>> addresses() override { return call("dump addresses", &FakeKernel::addresses); }
  Result<std::vector<Route>> routes() override { return call("dump routes", &FakeKernel::routes); }
  Result<std::vector<Neighbour>> neighbours() override { return call("dump neighbours", &FakeKernel::neighbours); }
  // In an outage look-ups work: the events that would tell of a TAP are not played here.
  Result<Link> link(const std::string& name) override {
    return world_.faults.lasting ? world_.net.link(name) : call("look up " + name, &FakeKernel::link, name);
  }
  Result<LinkTraffic> traffic(const std::string& name) override { return world_.net.traffic(name); }
  Result<void> change_link(std::uint32_t index, const std::string& name, const LinkChange& change) override {
    return call("change " + name, &FakeKernel::change_link, index, name, change);
  }
  Result<void> create_tap(const std::string& name, std::optional<uid_t> owner) override {
    return call("create TAP " + name, &FakeKernel::create_tap, name, owner);
  }
  Result<void> remove_link(std::uint32_t index, const std::string& name) override {
    return call("remove " + name, &FakeKernel::remove_link, index, name);
  }
  Result<void> put_address(const InterfaceAddress& a) override {
    return call("put address", &FakeKernel::put_address, a);
  }
  Result<void> remove_address(const InterfaceAddress& a) override {
    return call("remove address", &FakeKernel::remove_address, a);
  }
  Result<void> put_route(const Route& r) override { return call("put route", &FakeKernel::put_route, r); }
  Result<void> remove_route(const Route& r) override { return call("remove route", &FakeKernel::remove_route, r); }
  Result<void> solicit(std::uint32_t ifindex, const address_v4& address) override {
    return call("solicit", &FakeKernel::solicit, ifindex, address);
  }
  Result<void> put_neighbour(const Neighbour& n) override {
    return call("put neighbour", &FakeKernel::put_neighbour, n);
  }
  Result<void> remove_neighbour(const Neighbour& n) override {
    return call("remove neighbour", &FakeKernel::remove_neighbour, n);
  }

 private:
  template <typename T, typename... Parameters, typename... Given>
  Result<T> call(const std::string& what, Result<T> (FakeKernel::*member)(Parameters...), Given&&... given) {
    if (auto error = world_.faults.next(what)) return std::unexpected(*error);
    auto done = (world_.net.*member)(std::forward<Given>(given)...);
    if (world_.after_each) world_.after_each();
    return done;
  }
  World& world_;
};

class FaultySysctls final : public Sysctls {
 public:
  explicit FaultySysctls(World& world) : world_{world} {}
  Result<std::string> read(const std::string& key) const override { return world_.sysctls.read(key); }
  Result<void> write(const std::string& key, const std::string& value) override {
    if (auto error = world_.faults.next("write " + key)) return std::unexpected(*error);
    return world_.sysctls.write(key, value);
  }

 private:
  World& world_;
};

class FaultyNft final : public firewall::NftPort {
 public:
  explicit FaultyNft(World& world) : world_{world} {}
  [[nodiscard]] firewall::Features features() const override { return world_.nft.features(); }
  [[nodiscard]] Result<firewall::Observed> observe() override {
    if (auto error = world_.faults.next("dump rules")) return std::unexpected(*error);
    return world_.nft.observe();
  }
  [[nodiscard]] Result<void> apply(const firewall::Transaction& transaction) override {
    if (auto error = world_.faults.next("change rules")) return std::unexpected(*error);
    auto applied = world_.nft.apply(transaction);
    if (world_.after_each) world_.after_each();
    if (std::exchange(world_.faults.lose_answer, false))
      return std::unexpected(KernelError{"change rules", ENOBUFS, ""});
    return applied;
  }
  [[nodiscard]] Result<void> teardown() override {
    if (auto error = world_.faults.next("remove tables")) return std::unexpected(*error);
    return world_.nft.teardown();
  }
  [[nodiscard]] Result<firewall::Foreign> foreign() override { return world_.nft.foreign(); }

 private:
  World& world_;
};

class FaultyStore final : public state::Store {
 public:
  explicit FaultyStore(World& world) : world_{world}, loaded_{world.disk} {}
  [[nodiscard]] const state::Stored& loaded() const noexcept override { return loaded_; }
  void forget_loaded() noexcept override { loaded_ = {}; }
  void commit(state::Change change, boost::asio::io_context& io, Completion done) override {
    auto tell = [&io, done = std::move(done), result = commit_now(std::move(change))]() mutable {
      boost::asio::post(io,
                        [done = std::move(done), result = std::move(result)]() mutable { done(std::move(result)); });
    };
    if (world_.disk_hangs) {
      world_.hung.emplace_back(std::move(tell));
    } else {
      tell();
    }
  }
  [[nodiscard]] state::Committed commit_now(state::Change change) override {
    if (auto error = world_.faults.next("commit")) return std::unexpected("state.db: the disk is full");
    auto& disk = world_.disk;
    for (const auto& tap : change.remove_guests) {
      disk.guests.erase(tap);
      disk.leases.erase(tap);
    }
    for (const auto& key : change.remove_originals) disk.originals.erase(key);
    for (const auto& tap : change.remove_leases) disk.leases.erase(tap);
    for (const auto& guest : change.put_guests) disk.guests.insert_or_assign(guest.tap, guest);
    for (const auto& [key, value] : change.put_originals) disk.originals.try_emplace(key, value);
    for (const auto& lease : change.put_leases) disk.leases.insert_or_assign(lease.tap, lease);
    if (change.stopped) disk.stopped = *change.stopped;
    if (change.damaged) disk.damaged = *change.damaged;
    return {};
  }

 private:
  World& world_;
  state::Stored loaded_;
};

using Portrait = std::set<std::string>;

// Everything that a command may change, a line each.
[[nodiscard]] inline Portrait portrait(const World& world) {
  Portrait lines;
  for (const auto& [index, link] : world.net.link_table) {
    std::string conf;
    for (const Conf key : kAllConf) conf += fmt::format(" {}={}", name(key), link.conf[key]);
    for (const Conf6 key : kAllConf6) conf += fmt::format(" {}6={}", name(key), link.conf6[key].value_or(-1));
    lines.insert(fmt::format("link {} {} group {} {}{}", index, link.name, link.group, link.up ? "up" : "down", conf));
  }
  for (const auto& a : world.net.address_table)
    lines.insert(fmt::format("address {} on {}", a.local.to_string(), a.ifindex));
  for (const auto& r : world.net.route_table) {
    lines.insert(fmt::format("route {} on {} protocol {} source {}", r.destination.to_string(), r.ifindex, r.protocol,
                             r.source ? r.source->to_string() : "-"));
  }
  for (const auto& n : world.net.neighbour_table) {
    lines.insert(fmt::format("neighbour {} on {} {} {}", n.address.to_string(), n.ifindex, n.mac.to_string(),
                             std::to_underlying(n.state)));
  }
  for (const auto& [key, value] : world.sysctls.values) {
    const bool of_link = key.starts_with("net/ipv6/conf/") && !key.contains("/all/") && !key.contains("/default/");
    if (!of_link) lines.insert("sysctl " + key + "=" + value);  // links show those
  }
  for (const auto& [family, table] : world.nft.kernel.tables)
    lines.insert(fmt::format("table {} of {} chains", firewall::name(family), table.chains.size()));
  for (const auto& [set, elements] : world.nft.kernel.elements) {
    for (const auto& [key, data] : elements) {
      lines.insert(fmt::format("element of {} {}: {:02x} = {:02x}", firewall::name(set.family), set.set,
                               fmt::join(key.first, ""), fmt::join(data.value, "")));
    }
  }
  for (const auto& [tap, guest] : world.disk.guests) {
    std::string ports;
    for (const auto& port : guest.publish) ports += " " + port.to_string();
    lines.insert("disk: guest " + guest.name + " on " + tap + ports);
  }
  for (const auto& [key, value] : world.disk.originals) lines.insert("disk: before us " + key + " = " + value);
  lines.insert(world.disk.stopped ? "disk: stopped" : "disk: running");
  return lines;
}

[[nodiscard]] inline std::string difference(const Portrait& before, const Portrait& after) {
  std::string text;
  for (const auto& line : before) text += after.contains(line) ? "" : "- " + line + "\n";
  for (const auto& line : after) text += before.contains(line) ? "" : "+ " + line + "\n";
  return text;
}

// A host with lo, the uplink eth0 and the TAPs tap0, tap1 and tap2, and vrouterd on it. Events and connection
// tracking are the real ones of an empty network namespace, which tell nothing.
class Machine {
 public:
  Machine() {
    world.net.add_link(1, "lo", "");
    world.net.add_link(2, "eth0", "veth").up = true;
    for (std::uint32_t i = 0; i < 3; ++i) world.net.add_link(3 + i, "tap" + std::to_string(i), "tun");
    world.sysctls.links = &world.net;
    Route out;
    out.ifindex = 2;
    out.protocol = 3;  // RTPROT_BOOT
    out.gateway = boost::asio::ip::make_address("192.0.2.254");
    world.net.route_table.push_back(out);
    out.destination = network_v6{};
    out.metric = kUserMetric6;
    out.gateway = boost::asio::ip::make_address("fe80::254");
    world.net.route_table.push_back(out);
    write("vrouter.toml", "");
    write("resolv.conf", "nameserver 192.0.2.53\n");
  }

  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((directory_ / name).parent_path());
    std::ofstream{directory_ / name} << text;
  }

  [[nodiscard]] Attempt<> start() {
    router.reset();
    io = std::make_unique<boost::asio::io_context>(1);
    Paths paths{.config = directory_ / "vrouter.toml",
                .policy_dir = directory_ / "policy.d",
                .state_dir = directory_.path(),
                .runtime_dir = directory_.path(),
                .resolv_conf = directory_ / "resolv.conf"};
    auto config = config::load_config(paths.config, paths.policy_dir);
    if (!config) return std::unexpected(config.error().front().to_string());
    Dataplane::Ports ports{std::make_unique<FaultyNet>(world), std::make_unique<FaultySysctls>(world),
                           std::make_unique<FaultyNft>(world)};
    Router::Parts parts;
    parts.paths = std::move(paths);
    parts.users = users;
    parts.config = std::move(*config);
    parts.store = std::make_unique<FaultyStore>(world);
    parts.ports = std::move(ports);
    router = std::make_unique<Router>(*io, std::move(parts));
    auto started = router->start();
    settle();
    return started;
  }
  // As kill -9 does it: what is under way is never finished.
  void kill() {
    io->stop();
    router.reset();
    io.reset();
  }

  template <typename T>
  control::Result<T> run(control::Answer<T> command) {
    auto answer = boost::asio::co_spawn(*io, std::move(command), boost::asio::use_future);
    while (answer.wait_for(std::chrono::seconds{0}) != std::future_status::ready) io->run_one();
    auto result = answer.get();
    settle();
    return result;
  }
  // Begins it and doesn't wait; the answer is dropped.
  template <typename T>
  void begin(control::Answer<T> command) {
    boost::asio::co_spawn(*io, std::move(command), boost::asio::detached);
    settle();
  }
  // Runs what is due now: repairs, and commits that nobody waits for.
  void settle() const {
    while (io->poll() > 0) {
    }
  }

  // Lets time pass, for what is tried again after a while.
  template <typename Condition>
  void run_until(Condition condition, std::chrono::seconds limit = std::chrono::seconds{5}) const {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!condition() && std::chrono::steady_clock::now() < end) io->run_one_for(std::chrono::milliseconds{50});
  }

  [[nodiscard]] std::uint32_t index_of(const std::string& tap) { return world.net.link(tap).value().index; }
  [[nodiscard]] bool is_ready(const std::string& tap) {
    const auto shown = run(router->show_guest(tap));
    return shown && shown->ready;
  }
  // Somebody takes the TAP out of the guests' group, and the kernel tells.
  void spoil(const std::string& tap) {
    auto& link = world.net.link_table.at(index_of(tap));
    link.group = 0;
    router->on_event(LinkChanged{link});
  }
  void lose(const std::string& tap) {
    const auto index = index_of(tap);
    world.net.link_table.erase(index);
    router->on_event(LinkGone{index, tap});
  }

  World world;
  std::optional<firewall::ServiceUsers> users;  // DHCP and DNS run in this process all the same
  std::unique_ptr<boost::asio::io_context> io;
  std::unique_ptr<Router> router;

 private:
  TemporaryDirectory directory_;
};

[[nodiscard]] inline config::Guest guest_on(const std::string& tap) {
  config::Guest guest;
  guest.tap = tap;
  return guest;
}

[[nodiscard]] inline config::Publish port(std::uint16_t host, std::uint16_t guest) {
  return {.host = std::nullopt, .first = host, .last = host, .guest_first = guest};
}

inline void begin(Machine& machine) {
  const auto started = machine.start();
  ASSERT_TRUE(started) << started.error();
}

inline void add(Machine& machine, config::Guest guest) {
  const auto added = machine.run(machine.router->add_guest(std::move(guest), {}));
  ASSERT_TRUE(added) << added.error().message;
}

}  // namespace vrouter::router
