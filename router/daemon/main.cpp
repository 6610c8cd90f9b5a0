// SPDX-License-Identifier: GPL-2.0-or-later
// vrouterd: forks its spawner, makes its control socket, gives up what privilege it no longer needs, and only then
// reads the files, opens the state and the kernel, brings the host into the desired state, and serves. Stopping leaves
// the data plane as it is; `vrouter teardown` is what gives the host back.
#include <net/if.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "config/load.h"
#include "router/control/server.h"
#include "router/daemon/log.h"
#include "router/daemon/memory.h"
#include "router/daemon/notify.h"
#include "router/daemon/offline.h"
#include "router/daemon/router.h"
#include "router/daemon/version.h"
#include "router/processes/dhcp_job.h"
#include "router/processes/dns_job.h"
#include "router/processes/log_job.h"
#include "router/processes/privileges.h"
#include "router/processes/spawner.h"

namespace vrouter::router {
namespace {

namespace asio = boost::asio;

int fail(const std::string& message) {
  log_error("vrouterd did not start, and what runs on this host was left as it was: " + message);
  return 1;
}

// DHCP, DNS and the log's reader in processes of their own. Before anything is read: a child is a copy of what is here
// now.
struct Separation {
  std::unique_ptr<Spawner> spawner;
  firewall::ServiceUsers users;
};

std::expected<Separation, std::string> separate(const Paths& paths) {
  const auto dhcp = user_of(Service::dhcp);
  if (!dhcp) return std::unexpected(dhcp.error());
  const auto dns = user_of(Service::dns);
  if (!dns) return std::unexpected(dns.error());
  const auto log = user_of(Service::log);
  if (!log) return std::unexpected(log.error());
  auto spawner = Spawner::fork(
      {.jobs = {run_dhcp, run_dns, run_log}, .users = {*dhcp, *dns, *log}, .root = paths.runtime_dir / "empty"});
  if (!spawner) {
    return std::unexpected(spawner.error().to_string() +
                           "; vrouterd starts its services as users of their own, which takes root");
  }
  return Separation{std::move(*spawner), {.dhcp = dhcp->uid, .dns = dns->uid}};
}

// A group that the files declare no more is no reason to serve nobody: its guests are closed until it is again.
config::Guest without_lost_groups(config::Guest guest, const config::Policy& policy) {
  std::erase_if(guest.groups, [&](const std::string& group) {
    if (policy.groups.contains(group)) return false;
    log_warning("guest " + guest.name + " is in group " + group +
                ", which no policy file declares: nothing passes to or from it; declare [groups." + group +
                "], or remove the guest");
    return true;
  });
  return guest;
}

std::string name_of_link(unsigned ifindex) {
  std::array<char, IF_NAMESIZE> name{};
  return ::if_indextoname(ifindex, name.data()) == nullptr ? std::string{} : std::string{name.data()};
}

std::expected<Router::Parts, std::string> open_parts(const Paths& paths) {
  config::Files files{paths.config, paths.policy_dir};
  auto config = files.load();
  std::string problems;
  const auto add = [&](const config::Problems& more) {
    for (const auto& problem : more) problems += (problems.empty() ? "" : "\n") + problem.to_string();
  };
  if (!config) {
    add(config.error());
    return std::unexpected(problems);
  }
  auto lists = read_dns_lists(config->dns);
  if (!lists) return std::unexpected(lists.error());
  auto store = state::Store::open_anyhow(paths.database());
  if (!store) return std::unexpected(store.error().message);
  config::GuestTable added;
  for (const auto& [tap, guest] : (*store)->loaded().guests) added.insert(without_lost_groups(guest, config->policy));
  if (const auto collisions = config::check_against(*config, added); !collisions.empty()) {
    add(collisions);
    return std::unexpected(problems +
                           "\nchange the file back and start vrouterd; then its commands can remove those guests");
  }
  state::LeaseStore::Options lease_options;
  lease_options.sync = std::getenv("VROUTER_BENCH_NO_FSYNC") == nullptr;  // `./dev bench dhcp` only
  lease_options.link_name = name_of_link;
  auto leases = state::LeaseStore::open_anyhow(paths.leases(), std::move(lease_options));
  if (!leases) return std::unexpected(leases.error().message);
  auto ports = Dataplane::open_ports();
  if (!ports)
    return std::unexpected(ports.error().to_string() +
                           "; vrouterd needs CAP_NET_ADMIN: run it as root or by its systemd unit");
  return Router::Parts{paths,
                       std::move(*config),
                       std::move(*store),
                       std::move(*leases),
                       std::move(*ports),
                       nullptr,
                       std::nullopt,
                       open_packet_log(firewall::kLogGroup),
                       std::move(files),
                       *std::move(lists)};
}

// SIGHUP is `vrouter reload`, as service managers expect.
asio::awaitable<void> reload_on_hangup(asio::signal_set& signals, Router& router) {
  for (;;) {
    co_await signals.async_wait(asio::use_awaitable);
    auto reloaded = co_await router.reload(std::nullopt, {});
    if (!reloaded) log_error(reloaded.error().message);
  }
}

int serve(const Paths& paths, std::optional<Separation> separation) {
  auto endpoint = control::Endpoint::open(paths.socket());
  if (!endpoint) return fail(endpoint.error());
  if (auto dropped = keep_only_network_capabilities(); !dropped) return fail(dropped.error().to_string());
  auto parts = open_parts(paths);
  if (!parts) return fail(parts.error());
  asio::io_context io{1};
  const auto spawner = separation ? std::move(separation->spawner) : nullptr;  // goes before the loop it is watched on
  if (spawner) {
    parts->spawner = spawner.get();
    parts->users = separation->users;
  }
  int status = 0;
  auto router = std::make_unique<Router>(io, std::move(*parts));
  if (spawner) {
    spawner->watch(
        io, [&router](const ChildGone& gone) { router->on_gone(gone); },
        [&] {
          log_error(
              "the spawner of vrouterd's services ended; without it none can be started again, so vrouterd ends "
              "too, to be started anew");
          status = 1;
          io.stop();
        });
  }
  if (auto started = router->start(); !started) return fail(started.error());
  auto control =
      control::Server::open(io, *router, std::move(*endpoint), {.socket = {}, .version = kVersion, .log = log_warning});

  asio::signal_set stop{io, SIGTERM, SIGINT};
  stop.async_wait([&](const boost::system::error_code& error, int) {
    if (!error) io.stop();
  });
  asio::signal_set hangup{io, SIGHUP};
  asio::co_spawn(io, reload_on_hangup(hangup, *router), asio::detached);
  const MemoryKeeper memory{io};
  log_info(std::string{"vrouterd "} + kVersion + ": " + router->summary());
  notify_ready(router->summary());
  io.run();
  notify_stopping();
  log_info("stopping; the guests' traffic goes on without us");
  control.reset();
  return status;
}

int start(const Paths& paths, bool single_process) {
  if (single_process) return serve(paths, std::nullopt);
  auto separation = separate(paths);
  if (!separation) return fail(separation.error());
  return serve(paths, std::move(*separation));
}

// One sentence a line, for `vrouter teardown` to show.
int give_host_back(const Paths& paths) {
  const auto done = teardown_offline(paths.config, paths.state_dir);
  if (!done) {
    std::fprintf(stderr, "%s\n", done.error().c_str());
    return 1;
  }
  for (const auto& sentence : *done) std::puts(sentence.c_str());
  return 0;
}

int run(int argc, char** argv) {
  Paths paths;
  bool debug = false;
  CLI::App app{"vrouterd: gateway and firewall for the guests of this host"};
  app.set_version_flag("--version", std::string{"vrouterd "} + kVersion);
  app.add_option("--config", paths.config, "What the operator says (default: embedded defaults where it is missing)")
      ->capture_default_str();
  app.add_option("--policy-dir", paths.policy_dir, "Directory of policy files")->capture_default_str();
  app.add_option("--state-dir", paths.state_dir, "Where guests, leases and the host's original settings are kept")
      ->capture_default_str();
  app.add_option("--runtime-dir", paths.runtime_dir, "Where the control socket is")->capture_default_str();
  app.add_option("--resolv-conf", paths.resolv_conf,
                 "Whose name servers guests' questions go to, unless vrouter.toml names them")
      ->capture_default_str();
  app.add_flag("--debug", debug, "Log every change that is made to the host");
  bool single_process = false;
  app.add_flag("--single-process", single_process,
               "Serve DHCP and DNS, and read what the firewall logs, in this process, with all its privileges: for "
               "debugging only");
  bool teardown = false;
  app.add_flag("--teardown", teardown,
               "Serve nothing: give the host back as it was before vrouterd, as `vrouter teardown` does when no daemon "
               "runs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (teardown) return give_host_back(paths);
  open_log(debug);
  return start(paths, single_process);
}

}  // namespace
}  // namespace vrouter::router

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  return vrouter::router::run(argc, argv);
}
