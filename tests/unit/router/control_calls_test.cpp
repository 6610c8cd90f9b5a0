// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <regex>
#include <set>

#include "fake_service.h"
#include "router/control/calls.h"
#include "router/control/framing.h"
#include "router/control/interface.h"

namespace vrouter::router::control {
namespace {

boost::asio::awaitable<void> keep_answer(Service& service, Call call, Peer peer, std::optional<std::string>& into) {
  into = co_await answer(service, "0.1.0", std::move(call), peer);
}

class CallsTest : public ::testing::Test {
 protected:
  // The reply without its NUL; nothing for a oneway call.
  std::optional<boost::json::object> ask(std::string_view text) {
    auto call = parse_call(text);
    EXPECT_TRUE(call) << call.error();
    if (!call) return std::nullopt;
    boost::asio::io_context io;
    std::optional<std::string> reply;
    boost::asio::co_spawn(io, keep_answer(service_, std::move(*call), {1000, 42}, reply), boost::asio::detached);
    io.run();
    if (!reply) return std::nullopt;
    EXPECT_EQ(reply->back(), '\0');
    EXPECT_EQ(reply->find('\0'), reply->size() - 1);
    return boost::json::parse(reply->substr(0, reply->size() - 1)).as_object();
  }
  std::string error_of(std::string_view text) {
    const auto reply = ask(text);
    if (!reply || !reply->contains("error")) return "no error";
    return boost::json::value_to<std::string>(reply->at("error")) + " " +
           boost::json::serialize(reply->at("parameters"));
  }

  FakeService service_;
};

TEST_F(CallsTest, AnswersWithParameters) {
  const auto reply = ask(R"({"method":"io.vrouter.AddGuest","parameters":{"tap":"tap0","address":"10.0.5.2"}})");
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->contains("error"));
  const auto& guest = reply->at("parameters").at("guest");
  EXPECT_EQ(guest.at("address"), "10.0.5.2");
  EXPECT_EQ(guest.at("ready"), true);
  EXPECT_EQ(service_.last_peer.uid, 1000U);
  EXPECT_EQ(service_.last_peer.pid, 42);
}

TEST_F(CallsTest, TellsARefusalAndItsReason) {
  service_.fail_next = Failure{FailureKind::refused, "10.0.5.1 is the gateway; take another", {}};
  EXPECT_EQ(error_of(R"({"method":"io.vrouter.AddGuest","parameters":{"tap":"tap0"}})"),
            R"(io.vrouter.Refused {"reason":"10.0.5.1 is the gateway; take another"})");
}

TEST_F(CallsTest, TellsWhatIsNotThere) {
  EXPECT_EQ(error_of(R"({"method":"io.vrouter.ShowGuest","parameters":{"guest":"x"}})"),
            R"(io.vrouter.NotFound {"reason":"there is no guest x; see vrouter guests"})");
}

TEST_F(CallsTest, TellsAnInvalidParameter) {
  EXPECT_TRUE(error_of(R"({"method":"io.vrouter.ShowGuest"})")
                  .starts_with(R"(org.varlink.service.InvalidParameter {"parameter":"guest")"));
  EXPECT_TRUE(error_of(R"({"method":"io.vrouter.ListGuests","parameters":{"all":true}})")
                  .starts_with(R"(org.varlink.service.InvalidParameter {"parameter":"all")"));
  service_.fail_next = Failure{FailureKind::invalid_parameter, "no such network", "network"};
  EXPECT_EQ(error_of(R"({"method":"io.vrouter.AddGuest","parameters":{"tap":"tap0"}})"),
            R"(org.varlink.service.InvalidParameter {"parameter":"network","reason":"no such network"})");
}

TEST_F(CallsTest, TellsUnknownNamesApart) {
  EXPECT_EQ(error_of(R"({"method":"io.vrouter.Fly"})"),
            R"(org.varlink.service.MethodNotFound {"method":"io.vrouter.Fly"})");
  EXPECT_EQ(error_of(R"({"method":"org.varlink.service.Fly"})"),
            R"(org.varlink.service.MethodNotFound {"method":"org.varlink.service.Fly"})");
  EXPECT_EQ(error_of(R"({"method":"com.example.Fly"})"),
            R"(org.varlink.service.InterfaceNotFound {"interface":"com.example"})");
  EXPECT_EQ(error_of(R"({"method":"Fly"})"), R"(org.varlink.service.MethodNotFound {"method":"Fly"})");
  EXPECT_EQ(error_of(R"({"method":"io.vrouter.GetStatus","upgrade":true})"),
            R"(org.varlink.service.MethodNotImplemented {"method":"io.vrouter.GetStatus"})");
}

TEST_F(CallsTest, ReleasesALease) {
  LeaseView lease;
  lease.address = boost::asio::ip::make_address_v4("10.0.5.200");
  lease.dynamic = true;
  service_.leases = {lease};
  const std::string call = R"({"method":"io.vrouter.ReleaseLease","parameters":{"address":"10.0.5.200"}})";
  const auto reply = ask(call);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->at("parameters").at("lease").at("address"), "10.0.5.200");
  EXPECT_EQ(service_.last_peer.pid, 42);
  EXPECT_TRUE(error_of(call).starts_with("io.vrouter.NotFound"));
  EXPECT_TRUE(changes_something(*parse_call(call)));
  EXPECT_TRUE(error_of(R"({"method":"io.vrouter.ReleaseLease","parameters":{"address":"10.0.5"}})")
                  .starts_with(R"(org.varlink.service.InvalidParameter {"parameter":"address")"));
}

TEST_F(CallsTest, AOnewayCallIsDoneAndNotAnswered) {
  EXPECT_FALSE(ask(R"({"method":"io.vrouter.AddGuest","parameters":{"tap":"tap0"},"oneway":true})"));
  EXPECT_TRUE(service_.guests.contains("tap0"));
  EXPECT_FALSE(ask(R"({"method":"io.vrouter.Fly","oneway":true})"));
}

TEST_F(CallsTest, MoreGetsItsSingleAnswer) {
  const auto reply = ask(R"({"method":"io.vrouter.ListGuests","more":true})");
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->contains("continues"));
}

TEST_F(CallsTest, AnExceptionIsARefusalAndTheNextCallWorks) {
  service_.throw_next = "boom";
  EXPECT_EQ(error_of(R"({"method":"io.vrouter.AddGuest","parameters":{"tap":"tap0"}})"),
            R"(io.vrouter.Refused {"reason":"internal error: boom"})");
  EXPECT_EQ(error_of(R"({"method":"io.vrouter.AddGuest","parameters":{"tap":"tap0"}})"), "no error");
}

TEST_F(CallsTest, IntroducesItself) {
  const auto info = ask(R"({"method":"org.varlink.service.GetInfo","parameters":{}})");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->at("parameters").at("product"), "vrouter");
  EXPECT_EQ(info->at("parameters").at("version"), "0.1.0");
  EXPECT_EQ(info->at("parameters").at("interfaces"), (boost::json::array{"org.varlink.service", "io.vrouter"}));
  for (const auto* name : {"io.vrouter", "org.varlink.service"}) {
    const auto described =
        ask(std::string{R"({"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":")"} +
            name + "\"}}");
    ASSERT_TRUE(described);
    const auto text = boost::json::value_to<std::string>(described->at("parameters").at("description"));
    EXPECT_NE(text.find(std::string{"interface "} + name + "\n"), std::string::npos);
  }
  EXPECT_EQ(
      error_of(R"({"method":"org.varlink.service.GetInterfaceDescription","parameters":{"interface":"com.example"}})"),
      R"(org.varlink.service.InterfaceNotFound {"interface":"com.example"})");
}

TEST_F(CallsTest, AnswersEveryMethodItDescribes) {
  const std::string text{kInterface};
  const std::regex method{R"(method (\w+)\()"};
  std::size_t described = 0;
  for (std::sregex_iterator it{text.begin(), text.end(), method}, end; it != end; ++it, ++described) {
    const std::string name = (*it)[1];
    EXPECT_EQ(error_of(R"({"method":"io.vrouter.)" + name + R"(","parameters":{"":0}})")
                  .substr(0, std::string_view{"org.varlink.service.InvalidParameter"}.size()),
              "org.varlink.service.InvalidParameter")
        << name;
  }
  EXPECT_EQ(described, 18U);
}

TEST_F(CallsTest, AnswersHoldTheFieldsTheyDescribe) {
  // The types' fields, as the description has them.
  const std::string text{kInterface};
  const auto fields_of = [&text](const std::string& type) {
    const auto start = text.find("type " + type + " (");
    EXPECT_NE(start, std::string::npos);
    int depth = 0;
    std::set<std::string> fields;
    std::string word;
    for (auto i = text.find('(', start); i < text.size(); ++i) {
      if (text[i] == '(') ++depth;
      if (text[i] == ')' && --depth == 0) break;
      if (text[i] == ':' && depth == 1) fields.insert(word);
      if (std::isalnum(static_cast<unsigned char>(text[i])) != 0 || text[i] == '_') {
        word += text[i];
      } else {
        word.clear();
      }
    }
    return fields;
  };
  const auto status = ask(R"({"method":"io.vrouter.GetStatus"})")->at("parameters").at("status").as_object();
  const auto expect_described = [&](const boost::json::object& object, const std::string& type) {
    const auto known = fields_of(type);
    for (const auto& member : object) EXPECT_TRUE(known.contains(std::string{member.key()})) << type << member.key();
  };
  expect_described(status, "Status");
  expect_described(status.at("dhcp").as_object(), "DhcpStatistics");
  expect_described(status.at("dhcp").at("networks").at("default").as_object(), "DhcpCounts");
  expect_described(status.at("ranges").at(0).as_object(), "Range");
  expect_described(status.at("dns").as_object(), "DnsStatistics");
  LeaseView lease;
  lease.client_id = lease.host_name = lease.dns_name = "a";
  lease.expires_in = std::chrono::seconds{1};
  service_.leases = {lease};
  const auto leases = ask(R"({"method":"io.vrouter.ListLeases"})");
  expect_described(leases->at("parameters").at("leases").at(0).as_object(), "Lease");
  const auto added = ask(R"({"method":"io.vrouter.AddGuest","parameters":{"tap":"tap0","owner":"qemu"}})");
  expect_described(added->at("parameters").at("guest").as_object(), "Guest");
}

class NoCall : public ::testing::TestWithParam<const char*> {};
TEST_P(NoCall, IsSaidToBeNone) {
  const auto call = parse_call(GetParam());
  ASSERT_FALSE(call);
  EXPECT_FALSE(call.error().empty());
}
INSTANTIATE_TEST_SUITE_P(Texts, NoCall,
                         ::testing::Values("", "hello", "[]", "{", R"({"parameters":{}})", R"({"method":7})",
                                           R"({"method":"a.B","parameters":[]})", R"({"method":"a.B","oneway":1})",
                                           R"({"method":"a.B"} {})", "{\"method\":\"\xff\xfe\"}",
                                           "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]"));

TEST(MessageBuffer, CutsAtEachNul) {
  MessageBuffer buffer{10};
  using namespace std::string_view_literals;
  buffer.append("one\0tw"sv);
  EXPECT_EQ(buffer.next(), "one");
  EXPECT_EQ(buffer.next(), std::nullopt);
  EXPECT_FALSE(buffer.empty());
  buffer.append("o\0\0"sv);
  EXPECT_EQ(buffer.next(), "two");
  EXPECT_EQ(buffer.next(), "");
  EXPECT_EQ(buffer.next(), std::nullopt);
  EXPECT_TRUE(buffer.empty());
}

TEST(MessageBuffer, HoldsNoMoreThanItsBound) {
  MessageBuffer buffer{10};
  buffer.append(std::string(10, 'x') + '\0');
  EXPECT_EQ(buffer.next(), std::string(10, 'x'));
  buffer.append(std::string(11, 'x') + '\0');
  EXPECT_EQ(buffer.next(), std::nullopt);
  EXPECT_TRUE(buffer.overflown());
  MessageBuffer unfinished{10};
  unfinished.append(std::string(11, 'x'));
  EXPECT_EQ(unfinished.next(), std::nullopt);
  EXPECT_TRUE(unfinished.overflown());
}

}  // namespace
}  // namespace vrouter::router::control
