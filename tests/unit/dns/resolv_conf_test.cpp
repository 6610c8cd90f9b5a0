// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/resolv_conf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

namespace vrouter::dns {
namespace {

using boost::asio::ip::make_address;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST(ResolvConf, TakesEveryServerAndPassesOverTheRest) {
  EXPECT_THAT(
      parse_resolv_conf(
          "# hello\n; old\nsearch a.example\noptions ndots:5 edns0 trust-ad no-such:1\nsortlist 1.2.3.4\n"
          "nameserver 192.0.2.1\n  nameserver\t192.0.2.2 # second\nnameserver 2001:db8::1\r\nnameserver 192.0.2.3\n"
          "nameserver 192.0.2.4\nnameserver 192.0.2.1\nnameserver\nnameserver dns.example\nnameserverx 192.0.2.9\n"
          "nameserver fe80::1%nosuchif0\nnameserver 192.0.2.5"),
      ElementsAre(make_address("192.0.2.1"), make_address("192.0.2.2"), make_address("2001:db8::1"),
                  make_address("192.0.2.3"), make_address("192.0.2.4"), make_address("192.0.2.5")));
  EXPECT_THAT(parse_resolv_conf(""), IsEmpty());
  EXPECT_THAT(parse_resolv_conf("nameserver fe80::1%lo\n"), ElementsAre(make_address("fe80::1%lo")));
}

TEST(ResolvConf, LooksBehindTheHostsStub) {
  EXPECT_THAT(choose_upstreams("nameserver 127.0.0.53\n", "nameserver 192.0.2.1\nnameserver 192.0.2.2\n"),
              ElementsAre(make_address("192.0.2.1"), make_address("192.0.2.2")));
  EXPECT_THAT(choose_upstreams("nameserver 192.0.2.7\n", "nameserver 192.0.2.1\n"),
              ElementsAre(make_address("192.0.2.7")));
  EXPECT_THAT(choose_upstreams("nameserver 127.0.0.1\n", ""), ElementsAre(make_address("127.0.0.1")));
  EXPECT_THAT(choose_upstreams("nameserver ::1\nnameserver 192.0.2.7\n", ""), ElementsAre(make_address("192.0.2.7")));
}

class ResolvConfWatch : public ::testing::Test {
 protected:
  void SetUp() override {
    directory = fs::temp_directory_path() / ("vrouter-resolv-" + std::to_string(::getpid()));
    fs::create_directories(directory / "etc");
  }
  void TearDown() override { fs::remove_all(directory); }
  static void write(const fs::path& path, const std::string& server) {
    std::ofstream{path} << "nameserver " << server << "\n";
  }
  void open() {
    watcher = ResolvConfWatcher::open(io, {directory / "etc/resolv.conf", directory / "run/resolve/resolv.conf"},
                                      [this](const std::vector<address>& s) { seen = s; })
                  .value();
  }
  bool sees(const char* server) {
    const auto end = std::chrono::steady_clock::now() + 5s;
    const std::vector expected{make_address(server)};
    while (seen != expected && std::chrono::steady_clock::now() < end) io.run_one_for(50ms);
    return seen == expected && watcher->servers() == expected;
  }
  fs::path directory;
  boost::asio::io_context io;
  std::vector<address> seen;
  std::unique_ptr<ResolvConfWatcher> watcher;
};

TEST_F(ResolvConfWatch, FollowsWritesAndRenames) {
  write(directory / "etc/resolv.conf", "192.0.2.1");
  open();
  EXPECT_THAT(watcher->servers(), ElementsAre(make_address("192.0.2.1")));
  write(directory / "etc/resolv.conf", "192.0.2.2");
  EXPECT_TRUE(sees("192.0.2.2"));
  write(directory / "etc/new", "192.0.2.3");
  fs::rename(directory / "etc/new", directory / "etc/resolv.conf");
  EXPECT_TRUE(sees("192.0.2.3"));
}

TEST_F(ResolvConfWatch, FollowsLinksTheirTargetsAndDirectoriesThatComeLater) {
  open();
  EXPECT_THAT(watcher->servers(), IsEmpty());
  fs::create_directories(directory / "vpn");
  write(directory / "vpn/a", "192.0.2.1");
  fs::create_symlink("../vpn/a", directory / "etc/resolv.conf");
  EXPECT_TRUE(sees("192.0.2.1"));
  write(directory / "vpn/b", "192.0.2.2");  // renamed over the target, elsewhere
  fs::rename(directory / "vpn/b", directory / "vpn/a");
  EXPECT_TRUE(sees("192.0.2.2"));
  write(directory / "etc/new", "127.0.0.53");
  fs::rename(directory / "etc/new", directory / "etc/resolv.conf");
  EXPECT_TRUE(sees("127.0.0.53"));
  fs::create_directories(directory / "run/resolve");
  io.run_for(50ms);
  write(directory / "run/resolve/resolv.conf", "192.0.2.9");
  EXPECT_TRUE(sees("192.0.2.9"));
}

TEST_F(ResolvConfWatch, MayGoAwayWithAnEventUnread) {
  open();
  write(directory / "etc/resolv.conf", "192.0.2.1");
  watcher.reset();
  io.run_for(50ms);
  EXPECT_THAT(seen, IsEmpty());
}

}  // namespace
}  // namespace vrouter::dns
