// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/control/calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <exception>
#include <utility>

#include "router/control/fields.h"
#include "router/control/interface.h"
#include "router/control/json.h"

namespace vrouter::router::control {
namespace {

using boost::asio::awaitable;
using boost::json::array;
using boost::json::object;

// How deep a call may nest: AddGuest needs 3.
constexpr std::size_t kMaxDepth = 16;

// An error as it goes on the wire, or the parameters of the answer.
struct WireError {
  std::string name;
  object parameters;
};
using Outcome = std::expected<object, WireError>;

std::unexpected<WireError> service_error(std::string_view name, std::string_view field, std::string_view value) {
  return std::unexpected(WireError{fmt::format("{}.{}", kServiceInterfaceName, name), {{field, value}}});
}

// The standard knows only the parameter's name; who reads the error wants to know what is wrong with it.
std::unexpected<WireError> invalid_parameter(std::string_view parameter, std::string_view reason) {
  return std::unexpected(WireError{fmt::format("{}.InvalidParameter", kServiceInterfaceName),
                                   {{"parameter", parameter}, {"reason", reason}}});
}

std::unexpected<WireError> wire_error(const FieldError& error) {
  return invalid_parameter(error.field, error.reason);
}

std::unexpected<WireError> wire_error(const Failure& failure) {
  switch (failure.kind) {
    case FailureKind::refused:
      return std::unexpected(WireError{fmt::format("{}.Refused", kInterfaceName), {{"reason", failure.message}}});
    case FailureKind::not_found:
      return std::unexpected(WireError{fmt::format("{}.NotFound", kInterfaceName), {{"reason", failure.message}}});
    case FailureKind::invalid_parameter:
      return invalid_parameter(failure.parameter, failure.message);
  }
  std::unreachable();
}

object body(const GuestView& view) {
  return {{"guest", to_json(view)}};
}
object body(const LeaseView& view) {
  return {{"lease", to_json(view)}};
}
object body(const StatusView& view) {
  return {{"status", to_json(view)}};
}
object body(const ReloadView& view) {
  return to_json(view);
}
object body(const ExplainView& view) {
  return to_json(view);
}
object body(std::chrono::seconds left) {
  return {{"left", left.count()}};
}
object body(const FlushedNames& flushed) {
  object json;
  if (!flushed.name.empty()) json["name"] = flushed.name;
  return json;
}
object body(const std::string& ruleset) {
  return {{"ruleset", ruleset}};
}
object body(const std::vector<std::string>& done) {
  return {{"done", to_json(done)}};
}

object body(const std::vector<GuestView>& views) {
  array guests;
  guests.reserve(views.size());
  for (const auto& view : views) guests.emplace_back(to_json(view));
  return {{"guests", std::move(guests)}};
}

object body(const std::vector<RuleView>& views) {
  array rules;
  rules.reserve(views.size());
  for (const auto& view : views) rules.emplace_back(to_json(view));
  return {{"rules", std::move(rules)}};
}

object body(const std::vector<LeaseView>& views) {
  array leases;
  leases.reserve(views.size());
  for (const auto& view : views) leases.emplace_back(to_json(view));
  return {{"leases", std::move(leases)}};
}

template <typename T>
Outcome outcome(const Result<T>& result) {
  if (!result) return wire_error(result.error());
  return body(*result);
}

awaitable<Outcome> add_guest(Service& service, object parameters, Peer peer) {
  auto wanted = read_add_guest(parameters);
  if (!wanted) co_return wire_error(wanted.error());
  co_return outcome(co_await service.add_guest(std::move(*wanted), peer));
}

awaitable<Outcome> remove_guest(Service& service, object parameters, Peer peer) {
  auto which = read_text(parameters, "guest");
  if (!which) co_return wire_error(which.error());
  co_return outcome(co_await service.remove_guest(std::move(*which), peer));
}

awaitable<Outcome> show_guest(Service& service, object parameters, Peer) {
  auto which = read_text(parameters, "guest");
  if (!which) co_return wire_error(which.error());
  co_return outcome(co_await service.show_guest(std::move(*which)));
}

awaitable<Outcome> publish(Service& service, object parameters, Peer peer) {
  auto wanted = read_port(parameters);
  if (!wanted) co_return wire_error(wanted.error());
  co_return outcome(co_await service.publish(std::move(wanted->guest), wanted->port, peer));
}

awaitable<Outcome> unpublish(Service& service, object parameters, Peer peer) {
  auto wanted = read_port(parameters);
  if (!wanted) co_return wire_error(wanted.error());
  co_return outcome(co_await service.unpublish(std::move(wanted->guest), wanted->port, peer));
}

awaitable<Outcome> change_guest(Service& service, object parameters, Peer peer) {
  auto wanted = read_change_guest(parameters);
  if (!wanted) co_return wire_error(wanted.error());
  co_return outcome(co_await service.change_guest(std::move(wanted->guest), std::move(wanted->groups), peer));
}

awaitable<Outcome> release_lease(Service& service, object parameters, Peer peer) {
  const auto which = read_release_lease(parameters);
  if (!which) co_return wire_error(which.error());
  co_return outcome(co_await service.release_lease(*which, peer));
}

awaitable<Outcome> flush_dns(Service& service, object parameters, Peer peer) {
  auto name = read_flush_dns(parameters);
  if (!name) co_return wire_error(name.error());
  co_return outcome(co_await service.flush_dns(std::move(*name), peer));
}

awaitable<Outcome> reload(Service& service, object parameters, Peer peer) {
  const auto within = read_reload(parameters);
  if (!within) co_return wire_error(within.error());
  co_return outcome(co_await service.reload(*within, peer));
}

awaitable<Outcome> explain(Service& service, object parameters, Peer) {
  auto asked = read_explain(parameters);
  if (!asked) co_return wire_error(asked.error());
  co_return outcome(co_await service.explain(std::move(asked->from), std::move(asked->to), asked->packet));
}

// The calls without parameters, by the member that answers them.
template <auto member>
awaitable<Outcome> without_parameters(Service& service, object parameters, Peer) {
  if (const auto none = refuse_all(parameters); !none) co_return wire_error(none.error());
  co_return outcome(co_await (service.*member)());
}
template <auto member>
awaitable<Outcome> change_without_parameters(Service& service, object parameters, Peer peer) {
  if (const auto none = refuse_all(parameters); !none) co_return wire_error(none.error());
  co_return outcome(co_await (service.*member)(peer));
}

struct Method {
  std::string_view name;
  bool changes;
  awaitable<Outcome> (*run)(Service&, object, Peer);
};
constexpr std::array kMethods{Method{"AddGuest", true, add_guest},
                              Method{"RemoveGuest", true, remove_guest},
                              Method{"ListGuests", false, without_parameters<&Service::list_guests>},
                              Method{"ShowGuest", false, show_guest},
                              Method{"GetStatus", false, without_parameters<&Service::status>},
                              Method{"ListLeases", false, without_parameters<&Service::list_leases>},
                              Method{"ReleaseLease", true, release_lease},
                              Method{"FlushDns", true, flush_dns},
                              Method{"Publish", true, publish},
                              Method{"Unpublish", true, unpublish},
                              Method{"GetRuleset", false, without_parameters<&Service::ruleset>},
                              Method{"Explain", false, explain},
                              Method{"ListRules", false, without_parameters<&Service::rules>},
                              Method{"ChangeGuest", true, change_guest},
                              Method{"Reload", true, reload},
                              Method{"Confirm", true, change_without_parameters<&Service::confirm>},
                              Method{"Teardown", true, change_without_parameters<&Service::teardown>}};

Outcome describe(const object& parameters) {
  const auto wanted = read_text(parameters, "interface");
  if (!wanted) return wire_error(wanted.error());
  if (*wanted == kInterfaceName) return object{{"description", kInterface}};
  if (*wanted == kServiceInterfaceName) return object{{"description", kServiceInterface}};
  return service_error("InterfaceNotFound", "interface", *wanted);
}

Outcome about(const object& parameters, const std::string& version) {
  if (const auto none = refuse_all(parameters); !none) return wire_error(none.error());
  return object{{"vendor", "vrouter"},
                {"product", "vrouter"},
                {"version", version},
                {"url", ""},
                {"interfaces", array{kServiceInterfaceName, kInterfaceName}}};
}

awaitable<Outcome> dispatch(Service& service, std::string version, Call call, Peer peer) {
  const auto dot = call.method.rfind('.');
  if (dot == std::string::npos) co_return service_error("MethodNotFound", "method", call.method);
  const auto interface = std::string_view{call.method}.substr(0, dot);
  const auto method = std::string_view{call.method}.substr(dot + 1);
  if (call.upgrade) co_return service_error("MethodNotImplemented", "method", call.method);
  if (interface == kServiceInterfaceName) {
    if (method == "GetInfo") co_return about(call.parameters, version);
    if (method == "GetInterfaceDescription") co_return describe(call.parameters);
    co_return service_error("MethodNotFound", "method", call.method);
  }
  // Whoever wants the answers of Monitor says so, and is answered elsewhere.
  if (interface == kInterfaceName && method == "Monitor") {
    if (const auto which = read_monitor(call.parameters); !which) co_return wire_error(which.error());
    co_return std::unexpected(WireError{fmt::format("{}.ExpectedMore", kServiceInterfaceName), {}});
  }
  if (interface != kInterfaceName) co_return service_error("InterfaceNotFound", "interface", interface);
  for (const auto& known : kMethods) {
    if (known.name == method) co_return co_await known.run(service, std::move(call.parameters), peer);
  }
  co_return service_error("MethodNotFound", "method", call.method);
}

std::string to_message(const Outcome& outcome) {
  const object reply = outcome ? object{{"parameters", *outcome}}
                               : object{{"error", outcome.error().name}, {"parameters", outcome.error().parameters}};
  std::string text = boost::json::serialize(reply);
  text.push_back('\0');
  return text;
}

}  // namespace

std::expected<Call, std::string> parse_call(std::string_view message) {
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::error_code error;
  const auto json = boost::json::parse({message.data(), message.size()}, error, {}, options);
  if (error) return std::unexpected("it is not JSON: " + error.message());
  if (!json.is_object()) return std::unexpected("it is not a JSON object");
  Fields fields{json.get_object()};
  Call call;
  call.method = fields.text("method");
  if (const auto* parameters = fields.object("parameters")) call.parameters = *parameters;
  call.oneway = fields.flag("oneway");
  call.more = fields.flag("more");
  call.upgrade = fields.flag("upgrade");
  if (fields.error()) return std::unexpected("its " + fields.error()->field + " " + fields.error()->reason);
  return call;
}

bool changes_something(const Call& call) noexcept {
  return std::ranges::any_of(kMethods, [&](const Method& method) {
    return method.changes && call.method.size() == kInterfaceName.size() + 1 + method.name.size() &&
           call.method.starts_with(kInterfaceName) && call.method.ends_with(method.name);
  });
}

bool streams(const Call& call) noexcept {
  constexpr std::string_view kMethod = ".Monitor";
  return !call.oneway && !call.upgrade && call.method.size() == kInterfaceName.size() + kMethod.size() &&
         call.method.starts_with(kInterfaceName) && call.method.ends_with(kMethod);
}

std::expected<std::shared_ptr<Feed>, std::string> open_feed(Service& service, const Call& call) {
  const auto refused = [](const std::unexpected<WireError>& error) { return std::unexpected(to_message(error)); };
  if (!call.more) {
    return refused(std::unexpected(WireError{fmt::format("{}.ExpectedMore", kServiceInterfaceName), {}}));
  }
  auto which = read_monitor(call.parameters);
  if (!which) return refused(wire_error(which.error()));
  auto feed = service.monitor(std::move(*which));
  if (!feed) return refused(wire_error(feed.error()));
  return std::move(*feed);
}

std::string continued(const MonitorView& told) {
  std::string text = boost::json::serialize(object{{"parameters", to_json(told)}, {"continues", true}});
  text.push_back('\0');
  return text;
}

awaitable<std::optional<std::string>> answer(Service& service, std::string version, Call call, Peer peer) {
  const bool oneway = call.oneway;
  Outcome outcome;
  try {
    outcome = co_await dispatch(service, std::move(version), std::move(call), peer);
  } catch (const std::exception& thrown) {
    // One call that failed in an unforeseen way must not take the others down with it.
    outcome = wire_error(Failure{FailureKind::refused, fmt::format("internal error: {}", thrown.what()), {}});
  }
  if (oneway) co_return std::nullopt;
  co_return to_message(outcome);
}

std::string refusal(std::string_view reason) {
  return to_message(wire_error(Failure{FailureKind::refused, std::string{reason}, {}}));
}

}  // namespace vrouter::router::control
