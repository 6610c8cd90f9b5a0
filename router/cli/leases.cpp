// SPDX-License-Identifier: GPL-2.0-or-later
// The watch asks each second rather than be woken by a monitor: one of those would cost one of their few places and
// have every refused packet told for nothing. A list that takes the daemon long to make is asked for more seldom.
#include "router/cli/leases.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <tuple>
#include <utility>

#include "router/cli/print.h"
#include "router/cli/run.h"
#include "router/cli/table.h"

namespace vrouter::router::cli {
namespace {

using control::Asked;
using control::Client;
using control::ClientError;
using control::ClientFailure;
using control::LeaseView;
using control::Reply;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kWatchStep{1000};
// Of its time, the daemon gives a watch at most so much: a range of 65,536 addresses takes it a good part of a second.
constexpr int kRestPerCall = 20;
constexpr milliseconds kLongestRest{30'000};
// Ends are told in whole seconds, and the telling takes a moment.
constexpr std::chrono::seconds kSlack{3};

// What the socket returned, without the leases of other networks.
std::string only_network(const std::string& json, const std::string& network) {
  auto answer = boost::json::parse(json).as_object();
  boost::json::array kept;
  for (auto& lease : answer["leases"].as_array()) {
    const auto* of = lease.as_object().if_contains("network");
    if (of != nullptr && of->is_string() && std::string_view{of->get_string()} == network)
      kept.push_back(std::move(lease));
  }
  answer["leases"] = std::move(kept);
  return boost::json::serialize(answer);
}

// A network without a lease is to be told from a name that was misspelt.
std::optional<ClientError> unknown_network(Client& client, const std::string& network) {
  const auto status = client.status();
  if (!status) return status.error();
  std::vector<std::string> names;
  for (const auto& line : status->value.networks) names.push_back(line.substr(0, line.find(' ')));
  if (std::ranges::find(names, network) != names.end()) return std::nullopt;
  return ClientError{
      ClientFailure::refused, fmt::format("there is no network {}; there are {}", network, fmt::join(names, ", ")), {}};
}

Asked<std::vector<LeaseView>> ask_leases(const Request& request, Client& client) {
  auto asked = client.list_leases();
  if (!asked) return asked;
  auto& all = asked->value;
  if (!request.network.empty()) {
    std::erase_if(all, [&](const LeaseView& lease) { return lease.network != request.network; });
    if (all.empty()) {
      if (auto error = unknown_network(client, request.network)) return std::unexpected(std::move(*error));
    }
    if (request.json) asked->json = only_network(asked->json, request.network);
  }
  std::ranges::sort(all, {}, [](const LeaseView& lease) { return std::tie(lease.address, lease.network); });
  return asked;
}

// While it lives, neither Ctrl-C nor a kill ends the program: what a file or a pipe is given is whole.
class Uninterrupted {
 public:
  Uninterrupted() {
    sigset_t both;
    ::sigemptyset(&both);
    ::sigaddset(&both, SIGINT);
    ::sigaddset(&both, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &both, &before_);
  }
  ~Uninterrupted() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }
  Uninterrupted(const Uninterrupted&) = delete;
  Uninterrupted& operator=(const Uninterrupted&) = delete;

 private:
  sigset_t before_{};
};

extern "C" void end_watch(int) {
  ::_exit(kDone);  // all that is to be written is out: see Uninterrupted
}
extern "C" void end_watch_on_terminal(int) {
  // In the midst of a table or not: it wraps again, and the prompt stands on a line of its own, below ^C.
  constexpr std::string_view kOnceMore = "\033[?7h\n";
  static_cast<void>(::write(STDOUT_FILENO, kOnceMore.data(), kOnceMore.size()));
  ::_exit(kDone);
}

void end_on_signals(bool on_terminal) {
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction now{};
    // A shell has what runs in the background ignore Ctrl-C.
    if (::sigaction(signal, nullptr, &now) != 0 || now.sa_handler == SIG_IGN) continue;
    now = {};
    now.sa_handler = on_terminal ? end_watch_on_terminal : end_watch;
    ::sigaction(signal, &now, nullptr);
  }
}

bool is_screen(const Request& request) {
  const char* kind = std::getenv("TERM");
  return !request.json && ::isatty(STDOUT_FILENO) == 1 && kind != nullptr && std::string_view{kind} != "dumb";
}

std::size_t rows_of_terminal() {
  winsize size{};
  return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

// False: whoever reads the output on has ended.
bool write_out(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  return std::fflush(stdout) == 0;
}

bool write_whole(const std::string& text) {
  const Uninterrupted whole;
  return write_out(text);
}

std::string with_time(const Request& request, const Reply<std::vector<LeaseView>>& told) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  if (request.json) {
    boost::json::object line{{"time", std::chrono::duration_cast<std::chrono::microseconds>(now).count()}};
    for (auto& member : boost::json::parse(told.json).as_object()) line.insert_or_assign(member.key(), member.value());
    return boost::json::serialize(line) + "\n";
  }
  const auto since = static_cast<std::time_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count());
  std::tm local{};
  ::localtime_r(&since, &local);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}\n{}\n", local, leases_table(told.value, wants_colour(STDOUT_FILENO)));
}

// False: nobody is there any more to read what is said.
bool rest(milliseconds time) {
  pollfd reader{STDOUT_FILENO, 0, 0};
  return ::poll(&reader, 1, static_cast<int>(time.count())) <= 0;
}

int watch(const Request& request, Client& client) {
  const bool screen = is_screen(request);
  end_on_signals(screen);
  std::optional<LeasesThen> said;
  std::string on_screen;
  for (;;) {
    const auto begun = steady_clock::now();
    auto asked = ask_leases(request, client);
    if (!asked) {
      if (said && asked.error().kind == ClientFailure::broken)
        asked.error().message = "the watch has ended: " + asked.error().message;
      return fail(request, asked.error());
    }
    const auto ended = steady_clock::now();
    if (screen) {
      auto now = in_place(leases_table(asked->value, wants_colour(STDOUT_FILENO)), rows_of_terminal());
      if (now != on_screen && !write_out(now)) return kRefused;
      on_screen = std::move(now);
    }
    LeasesThen told{asked->value, ended};
    const bool changed = !said || !same_but_older(*said, told);
    if (!screen && changed && !write_whole(with_time(request, *asked))) return kRefused;
    if (changed) said = std::move(told);
    const auto took = std::chrono::duration_cast<milliseconds>(ended - begun);
    if (!rest(std::clamp(took * kRestPerCall, kWatchStep, kLongestRest))) return kDone;
  }
}

}  // namespace

bool same_but_older(const LeasesThen& before, const LeasesThen& after) {
  return std::ranges::equal(before.leases, after.leases, [&](LeaseView a, LeaseView b) {
    if (a.expires_in && b.expires_in) {
      const auto moved = (after.at + *b.expires_in) - (before.at + *a.expires_in);
      if (std::chrono::abs(moved) > kSlack) return false;
      a.expires_in = b.expires_in;
    }
    return a == b;
  });
}

std::string in_place(std::string_view table, std::size_t rows) {
  // The last row is left free: the newline before it would scroll the first one away.
  const std::size_t room = std::max<std::size_t>(rows, 3) - 1;
  const auto lines = static_cast<std::size_t>(std::ranges::count(table, '\n'));
  const std::size_t shown = lines <= room ? lines : room - 1;
  // Home; without wrapping, since a row that is two would push others out.
  std::string out = "\033[H\033[?7l";
  for (std::size_t i = 0; i < shown; ++i) {
    const auto end = table.find('\n');
    out.append(table.substr(0, end)).append("\033[K\n");
    table.remove_prefix(end + 1);
  }
  if (shown < lines) out += fmt::format("... and {} more\033[K\n", lines - shown);
  return out + "\033[J\033[?7h";
}

int leases(const Request& request, Client& client) {
  if (request.watch) return watch(request, client);
  const auto asked = ask_leases(request, client);
  if (!asked) return fail(request, asked.error());
  fmt::print(stdout, "{}", request.json ? asked->json + "\n" : leases_table(asked->value, wants_colour(STDOUT_FILENO)));
  return kDone;
}

}  // namespace vrouter::router::cli
