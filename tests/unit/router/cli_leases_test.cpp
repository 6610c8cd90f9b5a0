// SPDX-License-Identifier: GPL-2.0-or-later
// `vrouter leases` as a person or a script runs it, once or watching.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <boost/json/parse.hpp>
#include <optional>

#include "base/unique_fd.h"
#include "cli_program.h"
#include "router/cli/options.h"

namespace vrouter::router::cli {
namespace {

using control::LeaseView;
using control::RunningServer;
using ::testing::HasSubstr;

LeaseView lease_of(const char* network, const char* address) {
  return {.guest = "",
          .tap = "br0",
          .network = network,
          .dynamic = true,
          .address = boost::asio::ip::make_address_v4(address),
          .client = MacAddress{{0x52, 0x54, 0, 1, 2, 4}},
          .client_id = "",
          .host_name = "debian",
          .dns_name = "printer",
          .expires_in = std::chrono::seconds{3600}};
}

constexpr auto kLeasesHeader = "ADDRESS     STATE  EXPIRES  CLIENT             HOSTNAME  NAME     INTERFACE  NETWORK\n";
constexpr auto kLeaseInLab = "10.0.6.200  bound  1h       52:54:00:01:02:04  debian    printer  br0        lab\n";

class Leases : public Program {
 protected:
  void put(std::vector<LeaseView> leases) {
    server_.on_loop([&] { server_.service.leases = std::move(leases); });
  }
  std::vector<std::string> watch(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"--socket", server_.socket.string(), "leases", "--watch"});
    return more;
  }
  // What the program has said once `enough` holds of it; all that it has said where that takes too long.
  std::string said(const std::function<bool(const std::string&)>& enough) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    for (;;) {
      auto text = read_file(out_);
      if (enough(text) || std::chrono::steady_clock::now() > deadline) return text;
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
  }
  static bool is_whole(const std::string& text) { return text.ends_with("\n\n"); }

  std::filesystem::path out_ = directory_ / "watch.out", err_ = directory_ / "watch.err";
};

TEST_F(Leases, AreListedByAddressAndOfOneNetwork) {
  put({lease_of("lab", "10.0.6.200"), lease_of("default", "10.0.5.99")});
  EXPECT_EQ(ask({"leases"}).out,
            std::string{kLeasesHeader} +
                "10.0.5.99   bound  1h       52:54:00:01:02:04  debian    printer  br0        default\n" + kLeaseInLab);
  EXPECT_EQ(ask({"leases", "--network", "lab"}).out, std::string{kLeasesHeader} + kLeaseInLab);
  const auto leases = boost::json::parse(ask({"--json", "leases", "--network", "lab"}).out).at("leases").as_array();
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0].at("address"), "10.0.6.200");
}

TEST_F(Leases, AMisspeltNetworkIsNoEmptyOne) {
  EXPECT_EQ(ask({"leases", "--network", "lab"}).status, kDone);
  const auto wrong = ask({"leases", "--network", "lap"});
  EXPECT_EQ(wrong.status, kRefused);
  EXPECT_EQ(wrong.err, "vrouter: there is no network lap; there are default, lab\n");
}

TEST_F(Leases, AreReleased) {
  auto own = lease_of("default", "10.0.5.2");
  own.dynamic = false;
  own.guest = "web1";
  put({lease_of("lab", "10.0.6.200"), own});
  const auto released = ask({"leases", "release", "10.0.6.200"});
  EXPECT_EQ(released.status, kDone) << released.err;
  EXPECT_THAT(released.out,
              ::testing::StartsWith("the lease of 10.0.6.200 has ended, which 52:54:00:01:02:04 (debian) had"));
  const auto again = ask({"--json", "leases", "release", "10.0.6.200"});
  EXPECT_EQ(again.status, kRefused);
  EXPECT_EQ(boost::json::parse(again.out).at("error"), "io.vrouter.NotFound");
  EXPECT_THAT(ask({"leases", "release", "10.0.5.2"}).err, HasSubstr("own address of guest web1"));
}

TEST_F(Leases, AreShownAgainWhenSomethingChanges) {
  put({lease_of("lab", "10.0.6.200")});
  Started watching{watch(), out_, err_};
  const std::string table = std::string{"\n"} + kLeasesHeader + kLeaseInLab + "\n";
  EXPECT_THAT(said(is_whole), ::testing::EndsWith(table));
  auto passed = lease_of("lab", "10.0.6.200");
  passed.expires_in = std::chrono::seconds{3599};
  put({passed});
  // Long enough for it to look again, and to say nothing.
  std::this_thread::sleep_for(std::chrono::milliseconds{1500});
  EXPECT_THAT(read_file(out_), ::testing::EndsWith(table));
  const auto before = read_file(out_).size();
  passed.state = dhcp::LeaseState::released;
  put({passed});
  const auto after = said([&](const std::string& text) { return text.size() > before && is_whole(text); });
  EXPECT_THAT(after.substr(before), HasSubstr("\n10.0.6.200  released "));
  EXPECT_THAT(after.substr(before), ::testing::MatchesRegex("[0-9]+-[0-9]+-[0-9]+ ..:..:..\nADDRESS(.|\n)*"));
  watching.signal(SIGINT);
  EXPECT_EQ(watching.wait(), kDone);
  EXPECT_EQ(read_file(err_), "");
}

TEST_F(Leases, AreShownAgainAsJsonALine) {
  put({lease_of("lab", "10.0.6.200"), lease_of("default", "10.0.5.99")});
  Started watching{watch({"--json", "--network", "lab"}), out_, err_};
  const auto line = said([](const std::string& text) { return text.ends_with('\n'); });
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const auto json = boost::json::parse(line);
  EXPECT_GT(json.at("time").as_int64(), 1'700'000'000'000'000);
  EXPECT_EQ(json.at("leases").as_array().size(), 1U);
}

TEST_F(Leases, AWatchEndsWithItsDaemon) {
  std::optional<RunningServer> server{std::in_place};
  Started watching{{"--socket", server->socket.string(), "leases", "--watch"}, out_, err_};
  said(is_whole);
  server.reset();
  EXPECT_EQ(watching.wait(), kRefused);
  EXPECT_THAT(read_file(err_), HasSubstr("vrouter: the watch has ended: vrouterd closed the connection"));
}

TEST_F(Leases, AWatchEndsWithWhoeverReadsIt) {
  ASSERT_EQ(::mkfifo(out_.c_str(), 0600), 0);
  UniqueFd reader{::open(out_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  Started watching{watch(), out_, err_};
  char byte = 0;
  while (::read(reader.get(), &byte, 1) < 1) std::this_thread::sleep_for(std::chrono::milliseconds{10});
  reader = UniqueFd{};
  EXPECT_EQ(watching.wait(), kDone);
}

// What a terminal of 5 rows is sent.
class Terminal {
 public:
  Terminal() : master_{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)} {
    winsize size{};
    size.ws_row = 5;
    size.ws_col = 80;
    if (::grantpt(master_.get()) != 0 || ::unlockpt(master_.get()) != 0 ||
        ::ioctl(master_.get(), TIOCSWINSZ, &size) != 0) {
      throw std::runtime_error{"no terminal"};
    }
  }
  [[nodiscard]] std::filesystem::path path() const { return ::ptsname(master_.get()); }
  void type(char key) const { EXPECT_EQ(::write(master_.get(), &key, 1), 1); }
  // What came by the first `end`.
  std::string read_until(std::string_view end) {
    for (char byte = 0; text_.find(end) == std::string::npos;) {
      pollfd readable{master_.get(), POLLIN, 0};
      if (::poll(&readable, 1, 20'000) != 1 || ::read(master_.get(), &byte, 1) != 1) break;
      text_ += byte;
    }
    const auto until = std::min(text_.find(end), text_.size());
    auto read = text_.substr(0, until);
    text_.erase(0, until + end.size());
    return read;
  }

 private:
  UniqueFd master_;
  std::string text_;
};

TEST_F(Leases, AreShownInPlaceOnATerminal) {
  put({lease_of("lab", "10.0.6.200")});
  Terminal terminal;
  ::setenv("TERM", "xterm", 1);
  ::setenv("NO_COLOR", "1", 1);
  Started watching{watch(), terminal.path(), err_};
  EXPECT_EQ(terminal.read_until("\033[?7h"),
            "\033[H\033[?7lADDRESS     STATE  EXPIRES  CLIENT             HOSTNAME  NAME     INTERFACE  NETWORK\033[K"
            "\r\n10.0.6.200  bound  1h       52:54:00:01:02:04  debian    printer  br0        lab\033[K\r\n\033[J");
  put(std::vector<LeaseView>(9, lease_of("lab", "10.0.6.200")));
  EXPECT_THAT(terminal.read_until("\033[?7h"), ::testing::EndsWith("... and 7 more\033[K\r\n\033[J"));
  terminal.type('\x03');
  EXPECT_EQ(terminal.read_until("\r\n"), "^C\033[?7h");
  EXPECT_EQ(watching.wait(), kDone);
}

// Tells what it was given, and is over.
class LeaseFeed final : public control::Feed {
 public:
  explicit LeaseFeed(std::vector<control::MonitorView> told) : told_{std::move(told)} {}
  boost::asio::awaitable<std::optional<control::MonitorView>> next() override {
    if (next_ == told_.size()) co_return std::nullopt;
    co_return told_[next_++];
  }
  void close() override { next_ = told_.size(); }

 private:
  std::vector<control::MonitorView> told_;
  std::size_t next_ = 0;
};

TEST_F(Leases, AMonitorTellsWhatBecomesOfThem) {
  control::MonitorView told;
  told.lease = lease_of("lab", "10.0.6.200");
  told.lease_time = std::chrono::microseconds{1'700'000'000'123'456};
  server_.on_loop([&] {
    server_.service.open_feed = [told] {
      return std::make_shared<LeaseFeed>(std::vector{control::MonitorView{}, told});
    };
  });
  EXPECT_THAT(ask({"monitor"}).out,
              ::testing::MatchesRegex("..:..:..\\.123 lease  bound 10.0.6.200 52:54:00:01:02:04 debian br0\n"));
  const auto json = ask({"--json", "monitor"}).out;
  EXPECT_EQ(boost::json::parse(json.substr(0, json.find('\n'))).at("lease").at("address"), "10.0.6.200");
}

}  // namespace
}  // namespace vrouter::router::cli
