// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/control/client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "router/control/fields.h"
#include "router/control/json.h"

namespace vrouter::router::control {
namespace {

using boost::json::object;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

// 100,000 guests with all they can show take some 60 MiB; beyond this it isn't vrouterd that answers.
constexpr std::size_t kMaxReply = 256U << 20U;

std::unexpected<ClientError> broken(std::string message) {
  return std::unexpected(ClientError{ClientFailure::broken, std::move(message), {}});
}

std::unexpected<ClientError> not_connected(const std::string& socket, int code) {
  if (code == ENOENT || code == ECONNREFUSED) {
    return std::unexpected(
        ClientError{ClientFailure::no_daemon,
                    fmt::format("no vrouterd listens on {}: start it (systemctl start vrouterd), or name its socket "
                                "with --socket or VROUTER_SOCKET",
                                socket),
                    {}});
  }
  if (code == EACCES || code == EPERM) {
    return std::unexpected(
        ClientError{ClientFailure::refused,
                    fmt::format("{}: permission denied: run this as root or as a member of group vrouter", socket),
                    {}});
  }
  if (code == EAGAIN) return broken(fmt::format("{}: vrouterd takes no clients: see its log", socket));
  return broken(fmt::format("{}: {}", socket, ::strerrordesc_np(code)));
}

timeval to_timeval(milliseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {seconds.count(), std::chrono::duration_cast<std::chrono::microseconds>(time - seconds).count()};
}

// The reply's error, in words.
ClientError read_error(const std::string& name, const object& parameters) {
  Fields fields{parameters};
  const auto reason = fields.optional_text("reason");
  ClientError error{ClientFailure::refused, {}, {}};
  if (name == "io.vrouter.NotFound") error.kind = ClientFailure::not_found;
  if (name == "io.vrouter.Refused" || name == "io.vrouter.NotFound") {
    error.message = reason.value_or(name);
  } else if (name == "org.varlink.service.InvalidParameter") {
    error.message = fmt::format("{}: {}", fields.optional_text("parameter").value_or("a parameter"),
                                reason.value_or("is not what vrouterd expects"));
  } else if (name == "org.varlink.service.MethodNotFound" || name == "org.varlink.service.InterfaceNotFound") {
    error.kind = ClientFailure::broken;
    error.message = "this vrouterd doesn't know the command: it is older than this vrouter; restart it";
  } else {
    error.kind = ClientFailure::broken;
    error.message = fmt::format("vrouterd says {} {}", name, boost::json::serialize(parameters));
  }
  return error;
}

std::expected<object, ClientError> call_object(Client& client, std::string_view method, const object& parameters) {
  const auto text = client.call(method, boost::json::serialize(parameters));
  if (!text) return std::unexpected(text.error());
  return boost::json::parse(*text).as_object();
}

template <typename T>
Asked<T> read_reply(const object& json, Read<T> value) {
  if (!value) {
    return broken(fmt::format("vrouterd's answer can't be read: {} {}", value.error().field, value.error().reason));
  }
  return Reply<T>{std::move(*value), boost::json::serialize(json)};
}

// The one object `field` of the answer.
template <typename T>
Asked<T> ask_one(Client& client, std::string_view method, const object& parameters, std::string_view field,
                 Read<T> (*read)(const object&)) {
  const auto json = call_object(client, method, parameters);
  if (!json) return std::unexpected(json.error());
  Fields fields{*json};
  const auto* inner = fields.object(field);
  if (inner == nullptr) return read_reply<T>(*json, std::unexpected(FieldError{std::string{field}, "is missing"}));
  return read_reply<T>(*json, read(*inner));
}

template <typename T>
Asked<std::vector<T>> ask_many(Client& client, std::string_view method, std::string_view field,
                               Read<T> (*read)(const object&)) {
  const auto json = call_object(client, method, {});
  if (!json) return std::unexpected(json.error());
  Fields fields{*json};
  std::vector<T> values;
  for (const auto* inner : fields.objects(field)) {
    auto value = read(*inner);
    if (!value) return read_reply<std::vector<T>>(*json, std::unexpected(value.error()));
    values.push_back(std::move(*value));
  }
  return read_reply<std::vector<T>>(*json, fields.result(std::move(values)));
}

}  // namespace

std::expected<Client, ClientError> Client::connect(const std::filesystem::path& socket, milliseconds timeout) {
  const std::string path = socket.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) return not_connected(path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!fd) return not_connected(path, errno);
  // Bounds connect() too, which waits while the daemon's backlog is full (unix(7), socket(7)).
  const timeval limit = to_timeval(timeout);
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0) return not_connected(path, errno);
  // sockaddr's types are made to be cast (unix(7)).
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return not_connected(path, errno);
  }
  return Client{std::move(fd), timeout};
}

std::expected<void, ClientError> Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      return broken("vrouterd doesn't take the request: it hangs; see its log");
    } else if (errno != EINTR) {
      // It may have said why before it closed: let the reader find that.
      return {};
    }
  }
  return {};
}

std::expected<std::string, ClientError> Client::receive(bool forever) {
  const auto deadline = steady_clock::now() + timeout_;
  std::array<char, 64U << 10U> bytes;
  std::size_t searched = 0;
  for (;;) {
    if (const auto end = received_.find('\0', searched); end != std::string::npos) {
      std::string message = received_.substr(0, end);
      received_.erase(0, end + 1);
      return message;
    }
    searched = received_.size();
    if (searched > kMaxReply) return broken("vrouterd's answer is longer than any answer can be");
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    pollfd readable{fd_.get(), POLLIN, 0};
    const int ready = ::poll(&readable, 1, forever ? -1 : static_cast<int>(std::max(left, milliseconds{0}).count()));
    if (ready == 0) return broken(fmt::format("vrouterd hasn't answered for {} ms: see its log", timeout_.count()));
    const auto size = ready < 0 ? -1 : ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return broken("vrouterd closed the connection without an answer: see its log");
    received_.append(bytes.data(), static_cast<std::size_t>(size));
  }
}

namespace {

std::string request_of(std::string_view method, std::string_view parameters, bool more) {
  std::string request = fmt::format(R"({{"method":{},"parameters":{}{}}})",
                                    boost::json::serialize(boost::json::string_view{method.data(), method.size()}),
                                    parameters, more ? R"(,"more":true)" : "");
  request.push_back('\0');
  return request;
}

// The parameters of a reply, or its error in words.
std::expected<object, ClientError> read_message(const std::string& message) {
  boost::json::error_code error;
  const auto reply = boost::json::parse(message, error);
  if (error || !reply.is_object()) return broken("what answers there isn't vrouterd: its answer is no JSON object");
  Fields fields{reply.get_object()};
  const auto failed = fields.optional_text("error");
  const auto* answered = fields.object("parameters");
  if (fields.error()) return broken("vrouterd's answer can't be read: " + fields.error()->reason);
  const object none;
  if (failed) {
    auto refused = read_error(*failed, answered != nullptr ? *answered : none);
    refused.json = boost::json::serialize(reply);
    return std::unexpected(std::move(refused));
  }
  return answered != nullptr ? *answered : none;
}

}  // namespace

std::expected<std::string, ClientError> Client::call(std::string_view method, std::string_view parameters) {
  if (auto sent = send(request_of(method, parameters, false)); !sent) return std::unexpected(std::move(sent.error()));
  auto message = receive();
  if (!message) return std::unexpected(std::move(message.error()));
  const auto answered = read_message(*message);
  if (!answered) return std::unexpected(answered.error());
  return boost::json::serialize(*answered);
}

std::expected<void, ClientError> Client::monitor(
    const std::string& guest, const std::function<bool(const MonitorView&, const std::string& json)>& take) {
  object parameters;
  if (!guest.empty()) parameters["guest"] = guest;
  if (auto sent = send(request_of("io.vrouter.Monitor", boost::json::serialize(parameters), true)); !sent) return sent;
  for (bool begun = false;; begun = true) {
    // The first message comes at once, the others when there is something to tell.
    auto message = receive(begun);
    if (!message && begun) return broken("vrouterd ended the monitor: it was stopped, or restarted");
    if (!message) return std::unexpected(std::move(message.error()));
    const auto answered = read_message(*message);
    if (!answered) return std::unexpected(answered.error());
    const auto told = monitor_from_json(*answered);
    if (!told)
      return broken(fmt::format("vrouterd's answer can't be read: {} {}", told.error().field, told.error().reason));
    if (!take(*told, boost::json::serialize(*answered))) return {};
  }
}

Asked<std::vector<RuleView>> Client::rules() {
  return ask_many(*this, "io.vrouter.ListRules", "rules", rule_from_json);
}

Asked<GuestView> Client::add_guest(const config::Guest& wanted) {
  return ask_one(*this, "io.vrouter.AddGuest", add_guest_parameters(wanted), "guest", guest_from_json);
}

Asked<GuestView> Client::remove_guest(const std::string& which) {
  return ask_one(*this, "io.vrouter.RemoveGuest", {{"guest", which}}, "guest", guest_from_json);
}

Asked<std::vector<GuestView>> Client::list_guests() {
  return ask_many(*this, "io.vrouter.ListGuests", "guests", guest_from_json);
}

Asked<GuestView> Client::show_guest(const std::string& which) {
  return ask_one(*this, "io.vrouter.ShowGuest", {{"guest", which}}, "guest", guest_from_json);
}

Asked<StatusView> Client::status() {
  return ask_one(*this, "io.vrouter.GetStatus", {}, "status", status_from_json);
}

Asked<std::vector<LeaseView>> Client::list_leases() {
  return ask_many(*this, "io.vrouter.ListLeases", "leases", lease_from_json);
}

Asked<FlushedNames> Client::flush_dns(const std::string& name) {
  object said;
  if (!name.empty()) said["name"] = name;
  const auto json = call_object(*this, "io.vrouter.FlushDns", std::move(said));
  if (!json) return std::unexpected(json.error());
  return read_reply(*json, flushed_from_json(*json));
}

Asked<LeaseView> Client::release_lease(address_v4 which) {
  return ask_one(*this, "io.vrouter.ReleaseLease", {{"address", which.to_string()}}, "lease", lease_from_json);
}

Asked<GuestView> Client::publish(const std::string& which, const config::Publish& port) {
  return ask_one(*this, "io.vrouter.Publish", {{"guest", which}, {"port", port.to_string()}}, "guest", guest_from_json);
}

Asked<GuestView> Client::unpublish(const std::string& which, const config::Publish& port) {
  return ask_one(*this, "io.vrouter.Unpublish", {{"guest", which}, {"port", port.to_string()}}, "guest",
                 guest_from_json);
}

Asked<std::string> Client::ruleset() {
  const auto json = call_object(*this, "io.vrouter.GetRuleset", {});
  if (!json) return std::unexpected(json.error());
  Fields fields{*json};
  auto text = fields.text("ruleset");
  return read_reply(*json, fields.result(std::move(text)));
}

Asked<ExplainView> Client::explain(const std::string& from, const std::string& to, const std::string& packet) {
  const auto json = call_object(*this, "io.vrouter.Explain", {{"from", from}, {"to", to}, {"packet", packet}});
  if (!json) return std::unexpected(json.error());
  return read_reply(*json, explain_from_json(*json));
}

Asked<ReloadView> Client::reload(std::optional<std::chrono::seconds> confirm_within) {
  object parameters;
  if (confirm_within) parameters["confirm_within"] = confirm_within->count();
  const auto json = call_object(*this, "io.vrouter.Reload", parameters);
  if (!json) return std::unexpected(json.error());
  return read_reply(*json, reload_from_json(*json));
}

Asked<std::chrono::seconds> Client::confirm() {
  const auto json = call_object(*this, "io.vrouter.Confirm", {});
  if (!json) return std::unexpected(json.error());
  return read_reply(*json, left_from_json(*json));
}

Asked<GuestView> Client::change_guest(const std::string& which, const std::vector<std::string>& groups) {
  return ask_one(*this, "io.vrouter.ChangeGuest", {{"guest", which}, {"groups", to_json(groups)}}, "guest",
                 guest_from_json);
}

Asked<std::vector<std::string>> Client::teardown() {
  const auto json = call_object(*this, "io.vrouter.Teardown", {});
  if (!json) return std::unexpected(json.error());
  return read_reply(*json, texts_from_json(*json, "done"));
}

}  // namespace vrouter::router::control
