// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

#include "config/specs.h"
#include "router/cli/check.h"
#include "router/cli/dns.h"
#include "router/cli/dns_query.h"
#include "router/cli/leases.h"
#include "router/cli/monitor.h"
#include "router/cli/print.h"
#include "router/cli/table.h"
#include "router/control/client.h"

namespace vrouter::router::cli {
namespace {

using control::Asked;
using control::Client;
using control::ClientError;
using control::ClientFailure;
using control::GuestView;

// A call that changes something waits for the disk and the kernel; longer than this is a hang.
constexpr std::chrono::seconds kCallTimeout{30};
// Thousands of guests are taken down or applied anew in one call.
constexpr std::chrono::seconds kLongCallTimeout{300};
// How often --wait looks: well below what a person notices, well above what a look costs.
constexpr std::chrono::milliseconds kWaitStep{100};

void say(std::string_view text) {
  fmt::print(stdout, "{}", text);
}

void warn(const std::vector<std::string>& warnings) {
  for (const auto& warning : warnings) fmt::print(stderr, "vrouter: warning: {}\n", warning);
}

// What was asked for, as the socket gave it or as `human` shows it.
template <typename T>
int show(const Request& request, const Asked<T>& asked, auto human) {
  if (!asked) return fail(request, asked.error());
  say(request.json ? asked->json + "\n" : human(asked->value));
  return kDone;
}

int changed(const Request& request, const Asked<GuestView>& asked, std::string_view what) {
  const int status =
      show(request, asked, [what](const GuestView& view) { return fmt::format("{}{}\n", what, guest_sentence(view)); });
  if (asked) warn(asked->value.warnings);
  return status;
}

// Looks until the guest is ready; the last view otherwise.
Asked<GuestView> wait_until_ready(Client& client, const std::string& tap, std::chrono::seconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  for (;;) {
    auto shown = client.show_guest(tap);
    if (!shown || shown->value.ready || std::chrono::steady_clock::now() >= deadline) return shown;
    std::this_thread::sleep_for(kWaitStep);
  }
}

int add_guest(const Request& request, Client& client) {
  auto added = client.add_guest(request.wanted);
  if (added && request.wait && !added->value.ready) {
    added = wait_until_ready(client, request.wanted.tap, *request.wait);
  }
  const int status = changed(request, added, "");
  if (status != kDone || !request.wait || added->value.ready) return status;
  const auto& view = added->value;
  fmt::print(stderr, "vrouter: {} is added, but not ready after {} s: {}\n", view.guest.name, request.wait->count(),
             view.why.empty() ? view.state : view.why);
  return kRefused;
}

int show_lists(const Request& request, Client& client) {
  const bool colour = wants_colour(STDOUT_FILENO);
  switch (request.command) {
    case Command::guests:
      return show(request, client.list_guests(), [=](const auto& guests) { return guests_table(guests, colour); });
    case Command::show:
      return show(request, client.show_guest(request.guest), [=](const auto& g) { return guest_facts(g, colour); });
    case Command::status:
      return show(request, client.status(), [=](const auto& status) { return status_facts(status, colour); });
    case Command::dns:
      return show(request, client.status(), [=](const auto& status) { return dns_text(status.dns, colour); });
    case Command::rules:
      return show(request, client.rules(), [=](const auto& rules) { return rules_table(rules, colour); });
    default:
      return show(request, client.ruleset(), [](const std::string& text) { return text; });
  }
}

std::string lines(const std::vector<std::string>& sentences, std::string_view otherwise) {
  if (sentences.empty()) return fmt::format("{}\n", otherwise);
  return fmt::format("{}\n", fmt::join(sentences, "\n"));
}

int reload(const Request& request, Client& client) {
  const auto asked = client.reload(request.confirm_within);
  const int status = show(request, asked, [](const control::ReloadView& view) {
    auto text = lines(view.changes, "nothing to change");
    if (view.confirm_within) {
      text += fmt::format(
          "waiting for `vrouter confirm`: run it within {}, or what held before holds again (try from a connection of "
          "its own whether all is well)\n",
          human_duration(*view.confirm_within));
    }
    return text;
  });
  if (asked) warn(asked->value.warnings);
  return status;
}

std::string groups_sentence(const Request& request) {
  const auto& groups = request.wanted.groups;
  return groups.empty() ? "in no group now; " : fmt::format("in {} now; ", fmt::join(groups, ", "));
}

std::string release_sentence(const control::LeaseView& lease) {
  return fmt::format(
      "the lease of {} has ended, which {} had; it isn't told, and has no network until it asks for an address again\n",
      lease.address.to_string(), client_text(lease));
}

// Like `host`, it tells by its status: 0 there is such a record, 1 not.
int query_dns(const Request& request, Client& client) {
  const auto failed = [&](const std::string& why) {
    if (request.json) say(failure_json(why));
    fmt::print(stderr, "vrouter: {}\n", why);
    return kRefused;
  };
  const auto status = client.status();
  if (!status) return fail(request, status.error());
  if (status->value.dns_addresses.empty())
    return failed("DNS is served nowhere: vrouterd was torn down; `vrouter reload`");
  const auto server = config::parse_address(status->value.dns_addresses.front());
  if (!server) return failed("the daemon serves DNS at \"" + printable(status->value.dns_addresses.front()) + "\"");
  const auto answer = ask_dns(*server, *question_of(request.name, request.record_type), request.tcp);
  if (!answer) return failed(answer.error());
  say(request.json ? answer_json(*answer) + "\n" : answer_text(*answer, wants_colour(STDOUT_FILENO)));
  return answer->found() ? kDone : kRefused;
}

// Like `test`, it tells by its status: 0 allowed, 1 not.
int explain(const Request& request, Client& client) {
  const auto asked = client.explain(request.from, request.to, request.packet.to_string());
  const int status = show(request, asked, [](const control::ExplainView& view) {
    std::string text = fmt::format("{} from {} to {}: {}\n", view.packet, view.from, view.to, view.summary);
    for (const auto& step : view.steps) text += fmt::format("  {}\n", step);
    return text;
  });
  return status == kDone && asked->value.verdict != "allow" ? kRefused : status;
}

int ask(const Request& request, Client& client) {
  switch (request.command) {
    case Command::add_guest:
      return add_guest(request, client);
    case Command::remove_guest:
      return show(request, client.remove_guest(request.guest), [](const GuestView& view) {
        return fmt::format("{} on {} is removed\n", view.guest.name, view.guest.tap);
      });
    case Command::publish:
      return changed(request, client.publish(request.guest, request.port),
                     fmt::format("{} is published; ", request.port.to_string()));
    case Command::unpublish:
      return changed(request, client.unpublish(request.guest, request.port),
                     fmt::format("{} is closed; ", request.port.to_string()));
    case Command::change_guest:
      return changed(request, client.change_guest(request.guest, request.wanted.groups), groups_sentence(request));
    case Command::reload:
      return reload(request, client);
    case Command::confirm:
      return show(request, client.confirm(), [](std::chrono::seconds left) {
        return fmt::format("the files are confirmed, with {} left\n", human_duration(left));
      });
    case Command::teardown:
      return show(request, client.teardown(), [](const auto& done) { return lines(done, "nothing to remove"); });
    case Command::explain:
      return explain(request, client);
    case Command::monitor:
      return monitor(request, client);
    case Command::leases:
      return leases(request, client);
    case Command::release_lease:
      return show(request, client.release_lease(request.address), release_sentence);
    case Command::query_dns:
      return query_dns(request, client);
    case Command::flush_dns:
      return show(request, client.flush_dns(request.name), flushed_sentence);
    case Command::dns:
    case Command::guests:
    case Command::show:
    case Command::status:
    case Command::rules:
    case Command::ruleset:
      return show_lists(request, client);
    case Command::check:
      break;  // asks no daemon
  }
  std::unreachable();
}

int teardown_offline(const Request& request, const Hooks& hooks) {
  const auto done = hooks.teardown_offline(request.config_file, request.state_dir);
  if (!done) {
    if (request.json) say(failure_json(done.error()));
    fmt::print(stderr, "vrouter: {}\n", done.error());
    return kRefused;
  }
  say(request.json ? sentences_json("done", *done) : lines(*done, "nothing to remove"));
  return kDone;
}

bool is_long(Command command) {
  return command == Command::reload || command == Command::confirm || command == Command::teardown;
}

}  // namespace

int fail(const Request& request, const ClientError& error) {
  if (request.json) say(error.json.empty() ? failure_json(error.message) : error.json + "\n");
  fmt::print(stderr, "vrouter: {}\n", error.message);
  return error.kind == ClientFailure::no_daemon ? kNoDaemon : kRefused;
}

int run(const Request& request, const Hooks& hooks) {
  if (request.command == Command::check) return check(request);
  auto client = Client::connect(request.socket, is_long(request.command) ? kLongCallTimeout : kCallTimeout);
  if (client) return ask(request, *client);
  const bool no_daemon = client.error().kind == ClientFailure::no_daemon;
  if (no_daemon && request.command == Command::teardown && hooks.teardown_offline) {
    return teardown_offline(request, hooks);
  }
  return fail(request, client.error());
}

}  // namespace vrouter::router::cli
