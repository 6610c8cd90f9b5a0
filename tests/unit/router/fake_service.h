// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/packaged_task.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <future>
#include <map>
#include <string>
#include <thread>
#include <utility>

#include "router/control/server.h"
#include "router/control/service.h"
#include "temporary_directory.h"

namespace vrouter::router::control {

// A daemon of a map: it refuses what the map shows to be wrong, and fails on demand.
class FakeService final : public Service {
 public:
  std::map<std::string, GuestView> guests;
  std::optional<Failure> fail_next;
  std::string throw_next;
  int shows_until_ready = 0;                      // how often a guest is shown as waiting before it is ready
  std::optional<std::chrono::seconds> waits_for;  // to be confirmed
  Peer last_peer;
  int calls = 0;

  Answer<GuestView> add_guest(config::Guest wanted, Peer peer) override {
    last_peer = peer;
    ++calls;
    if (!throw_next.empty()) throw std::runtime_error{std::exchange(throw_next, {})};
    if (auto failed = std::exchange(fail_next, std::nullopt)) co_return std::unexpected(*failed);
    if (guests.contains(wanted.tap)) {
      co_return std::unexpected(Failure{FailureKind::refused, wanted.tap + " is taken already; take another TAP", {}});
    }
    GuestView view;
    view.guest = std::move(wanted);
    if (view.guest.name.empty()) view.guest.name = view.guest.tap;
    if (view.guest.network.empty()) view.guest.network = "default";
    if (!view.guest.address) view.guest.address = boost::asio::ip::make_address_v4("10.0.5.100");
    view.ready = shows_until_ready == 0;
    view.state = view.ready ? "ready" : "waiting for " + view.guest.tap;
    if (!view.ready) view.why = "there is no interface " + view.guest.tap;
    guests[view.guest.tap] = view;
    co_return view;
  }
  Answer<GuestView> remove_guest(std::string which, Peer) override {
    const auto found = guests.find(which);
    if (found == guests.end()) co_return unknown(which);
    auto view = found->second;
    guests.erase(found);
    co_return view;
  }
  Answer<std::vector<GuestView>> list_guests() override {
    std::vector<GuestView> views;
    for (const auto& [tap, view] : guests) views.push_back(view);
    co_return views;
  }
  Answer<GuestView> show_guest(std::string which) override {
    const auto found = guests.find(which);
    if (found == guests.end()) co_return unknown(which);
    auto& view = found->second;
    if (!view.ready && --shows_until_ready <= 0) {
      view.ready = true;
      view.state = "ready";
      view.why.clear();
    }
    co_return view;
  }
  Answer<StatusView> status() override {
    StatusView status;
    status.version = "0.1.0";
    status.health = Health::degraded;
    status.problems = {"the state database can't be read; put a backup in its place"};
    status.uplinks = {"eth0"};
    status.guests = guests.size();
    status.networks = {"default 10.0.5.0/24 nat", "lab 10.0.6.0/24 routed"};
    status.ranges = {{"default", "10.0.5.200-10.0.5.249", 50, 12, 2, 0}};
    status.dhcp.networks["default"].discover = 7;
    co_return status;
  }
  Answer<std::vector<LeaseView>> list_leases() override { co_return leases; }
  Answer<FlushedNames> flush_dns(std::string name, Peer peer) override {
    last_peer = peer;
    if (name.find(' ') != std::string::npos)
      co_return std::unexpected(Failure{FailureKind::invalid_parameter, "is no name", "name"});
    co_return FlushedNames{.name = std::move(name)};
  }
  Answer<LeaseView> release_lease(address_v4 which, Peer peer) override {
    last_peer = peer;
    const auto had = std::ranges::find(leases, which, &LeaseView::address);
    if (had == leases.end()) {
      co_return std::unexpected(
          Failure{FailureKind::not_found, "nobody has " + which.to_string() + " by lease; see vrouter leases", {}});
    }
    if (!had->dynamic) {
      co_return std::unexpected(
          Failure{FailureKind::refused, which.to_string() + " is the own address of guest " + had->guest, {}});
    }
    const auto was = *had;
    leases.erase(had);
    co_return was;
  }
  Answer<GuestView> publish(std::string which, config::Publish port, Peer) override {
    const auto found = guests.find(which);
    if (found == guests.end()) co_return unknown(which);
    found->second.guest.publish.push_back(port);
    co_return found->second;
  }
  Answer<GuestView> unpublish(std::string which, config::Publish port, Peer) override {
    const auto found = guests.find(which);
    if (found == guests.end() || std::erase(found->second.guest.publish, port) == 0) co_return unknown(which);
    co_return found->second;
  }
  Answer<std::string> ruleset() override { co_return ruleset_text; }
  Answer<ExplainView> explain(std::string from, std::string to, config::Service packet) override {
    if (!guests.contains(from)) co_return unknown(from);
    co_return ExplainView{
        from,
        to,
        packet.to_string(),
        "reject",
        "rejected by \"no mail\" (mail.toml:3) on the sender's side",
        {"the sender's side: rejected by \"no mail\" (mail.toml:3) (chain r_no_mail_eg)"},
        {{"sender", "reject", "no mail", {"mail.toml", 3, 1}, "no mail (mail.toml:3)", "r_no_mail_eg"}}};
  }
  Answer<std::vector<RuleView>> rules() override { co_return rule_views; }
  Result<std::shared_ptr<Feed>> monitor(std::string which) override {
    if (!which.empty() && !guests.contains(which)) return unknown(which);
    if (!open_feed) return std::unexpected(Failure{FailureKind::refused, "there is no feed", {}});
    return open_feed();
  }
  Answer<ReloadView> reload(std::optional<std::chrono::seconds> confirm_within, Peer peer) override {
    last_peer = peer;
    if (auto failed = std::exchange(fail_next, std::nullopt)) co_return std::unexpected(*failed);
    waits_for = confirm_within;
    co_return ReloadView{{"guest web1 is new"}, {"table filter drops what is forwarded"}, confirm_within};
  }
  Answer<std::chrono::seconds> confirm(Peer) override {
    if (!waits_for) {
      co_return std::unexpected(Failure{FailureKind::refused, "nothing waits to be confirmed", {}});
    }
    co_return *std::exchange(waits_for, std::nullopt);
  }
  Answer<GuestView> change_guest(std::string which, std::vector<std::string> groups, Peer) override {
    const auto found = guests.find(which);
    if (found == guests.end()) co_return unknown(which);
    found->second.guest.groups = std::move(groups);
    co_return found->second;
  }
  Answer<std::vector<std::string>> teardown(Peer) override {
    if (teardown_after.count() > 0) {
      boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor, teardown_after};
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    co_return std::vector<std::string>{"removed table inet vrouter"};
  }

  std::vector<LeaseView> leases;
  std::vector<RuleView> rule_views;
  std::function<std::shared_ptr<Feed>()> open_feed;
  std::string ruleset_text = "table inet vrouter {\n}\n";
  std::chrono::milliseconds teardown_after{0};

 private:
  static std::unexpected<Failure> unknown(const std::string& which) {
    return std::unexpected(Failure{FailureKind::not_found, "there is no guest " + which + "; see vrouter guests", {}});
  }
};

// A control socket with a loop of its own, for clients that block.
class RunningServer {
 public:
  explicit RunningServer(std::function<void(ServerOptions&)> adjust = {}) {
    ServerOptions options;
    options.socket = directory_ / "vrouter.sock";
    options.group = "no-such-group";
    options.version = "0.1.0";
    options.log = [this](std::string_view sentence) { log.emplace_back(sentence); };
    if (adjust) adjust(options);
    socket = options.socket;
    auto opened = Server::open(io_, service, std::move(options));
    if (!opened) throw std::runtime_error{opened.error()};
    server_ = std::move(*opened);
    thread_ = std::thread{[this] { io_.run(); }};
  }
  ~RunningServer() {
    if (io_.stopped()) {
      thread_.join();
      server_.reset();
      return;
    }
    on_loop([this] { server_.reset(); });
    work_.reset();
    thread_.join();
  }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  // Stops the loop with calls still under way, as a daemon that ends does.
  void abandon() { io_.stop(); }

  // What the loop's thread owns is looked at there.
  template <typename F>
  std::invoke_result_t<F> on_loop(F look) {
    return boost::asio::post(io_, std::packaged_task<std::invoke_result_t<F>()>{std::move(look)}).get();
  }
  std::size_t clients() {
    return on_loop([this] { return server_->clients(); });
  }
  // A client's end is noticed a moment after it.
  void wait_for_clients(std::size_t wanted) {
    while (clients() != wanted) std::this_thread::yield();
  }

  FakeService service;
  std::vector<std::string> log;
  std::filesystem::path socket;

 private:
  TemporaryDirectory directory_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

}  // namespace vrouter::router::control
