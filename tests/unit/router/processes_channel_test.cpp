// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>
#include <numeric>

#include "router/processes/channel.h"
#include "router/processes/packet.h"

namespace vrouter::router {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::uint8_t> bytes(std::size_t size, std::uint8_t first = 1) {
  std::vector<std::uint8_t> all(size);
  std::iota(all.begin(), all.end(), first);
  return all;
}

// One end is a Channel, the other the bare socket, so that rules can be broken.
class ChannelTest : public ::testing::Test {
 protected:
  void open(Channel::Accepts accepts = Channel::Accepts::messages) {
    auto pair = open_channel_pair();
    ASSERT_TRUE(pair) << pair.error().to_string();
    peer_ = std::move(pair->second);
    channel_ = Channel::open(io_, std::move(pair->first), accepts,
                             {[this](Message message) {
                                received_.push_back(std::move(message));
                                if (on_message_) on_message_();
                              },
                              [this](const std::string& why) {
                                closed_.push_back(why);
                                if (on_closed_) on_closed_();
                              },
                              [this] { ++drained_; }});
  }

  // `done` isn't asked again once it has said yes.
  bool run_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      io_.restart();
      io_.run_one_for(10ms);
    }
    return true;
  }
  void run_what_is_ready() {
    io_.restart();
    while (io_.poll_one() != 0) continue;
  }

  void peer_sends(std::span<const std::uint8_t> message, int fd = -1) {
    ASSERT_TRUE(send_packet(peer_.get(), message, fd));
  }
  // What the peer finds; none when there is nothing now.
  std::optional<std::vector<std::uint8_t>> peer_receives(UniqueFd* fd = nullptr) {
    std::vector<std::uint8_t> buffer(kMaxMessage);
    auto packet = receive_packet(peer_.get(), buffer, Descriptors::one);
    if (!packet) return std::nullopt;
    EXPECT_FALSE(packet->cut);
    if (fd != nullptr) *fd = std::move(packet->fd);
    buffer.resize(packet->size);
    return buffer;
  }

  boost::asio::io_context io_;
  UniqueFd peer_;
  std::unique_ptr<Channel> channel_;
  std::vector<Message> received_;
  std::vector<std::string> closed_;
  int drained_ = 0;
  std::function<void()> on_message_, on_closed_;
};

TEST_F(ChannelTest, KeepsMessagesWholeAndInOrder) {
  open();
  for (const std::size_t size : {std::size_t{1}, std::size_t{300}, kMaxMessage}) peer_sends(bytes(size));
  ASSERT_TRUE(run_until([this] { return received_.size() == 3; }));
  EXPECT_EQ(received_[0].bytes, bytes(1));
  EXPECT_EQ(received_[1].bytes, bytes(300));
  EXPECT_EQ(received_[2].bytes, bytes(kMaxMessage));
  for (const std::size_t size : {std::size_t{1}, kMaxMessage}) {
    ASSERT_EQ(channel_->send({bytes(size), {}}), Channel::Sent::yes);
    EXPECT_EQ(peer_receives(), bytes(size)) << "sent at once, without the loop";
  }
  EXPECT_EQ(channel_->queued_bytes(), 0U);
}

TEST_F(ChannelTest, CarriesADescriptorDown) {
  open(Channel::Accepts::messages_with_fd);
  const UniqueFd event{::eventfd(7, EFD_NONBLOCK)};
  peer_sends(bytes(4), event.get());
  peer_sends(bytes(5));
  ASSERT_TRUE(run_until([this] { return received_.size() == 2; }));
  ASSERT_TRUE(received_[0].fd);
  EXPECT_FALSE(received_[1].fd);
  std::uint64_t value = 0;
  ASSERT_EQ(::read(received_[0].fd.get(), &value, sizeof value), 8);
  EXPECT_EQ(value, 7U);
  EXPECT_NE(::fcntl(received_[0].fd.get(), F_GETFD) & FD_CLOEXEC, 0);

  ASSERT_EQ(channel_->send({bytes(3), UniqueFd{::dup(event.get())}}), Channel::Sent::yes);
  UniqueFd got;
  EXPECT_EQ(peer_receives(&got), bytes(3));
  EXPECT_TRUE(got);
}

TEST_F(ChannelTest, RefusesADescriptorWhereNoneMayCome) {
  open();
  const UniqueFd event{::eventfd(0, EFD_CLOEXEC)};
  const UniqueFd next{::dup(event.get())};
  peer_sends(bytes(4), event.get());
  peer_sends(bytes(4));
  ASSERT_TRUE(run_until([this] { return !closed_.empty(); }));
  run_what_is_ready();
  EXPECT_THAT(closed_, ElementsAre(HasSubstr("it sent a descriptor")));
  EXPECT_THAT(received_, IsEmpty());
  // The number that a received descriptor would have taken is the channel's own, closed with it.
  EXPECT_EQ(channel_->send({bytes(1), {}}), Channel::Sent::full);
}

TEST_F(ChannelTest, RefusesEmptyAndOverlongMessages) {
  open();
  ASSERT_EQ(::send(peer_.get(), "", 0, 0), 0);
  ASSERT_TRUE(run_until([this] { return !closed_.empty(); }));
  EXPECT_THAT(closed_, ElementsAre("it sent an empty message"));
  closed_.clear();
  open();
  peer_sends(bytes(kMaxMessage + 1));
  ASSERT_TRUE(run_until([this] { return !closed_.empty(); }));
  EXPECT_THAT(closed_, ElementsAre(HasSubstr("a message longer than any")));
  EXPECT_THAT(received_, IsEmpty());
}

TEST_F(ChannelTest, TellsOnceThatThePeerIsGoneAfterAllThatItSaid) {
  open();
  peer_sends(bytes(2));
  // With something of ours unread: the kernel then reports a reset before what it has kept.
  ASSERT_EQ(channel_->send({bytes(9), {}}), Channel::Sent::yes);
  peer_.reset();
  ASSERT_TRUE(run_until([this] { return !closed_.empty(); }));
  run_what_is_ready();
  EXPECT_THAT(received_, ::testing::SizeIs(1));
  EXPECT_THAT(closed_, ElementsAre(std::string{kPeerGone}));
}

TEST_F(ChannelTest, NeverTellsOfTheEndFromWithinSend) {
  open();
  peer_.reset();
  EXPECT_EQ(channel_->send({bytes(1), {}}), Channel::Sent::yes);
  EXPECT_THAT(closed_, IsEmpty());
  ASSERT_TRUE(run_until([this] { return !closed_.empty(); }));
  EXPECT_THAT(closed_, ElementsAre(std::string{kPeerGone}));
}

TEST_F(ChannelTest, BreaksOnAMessageOfOursThatIsNone) {
  for (const std::size_t size : {std::size_t{0}, kMaxMessage + 1}) {
    closed_.clear();
    open();
    EXPECT_EQ(channel_->send({bytes(size), {}}), Channel::Sent::full);
    EXPECT_THAT(closed_, IsEmpty());
    ASSERT_TRUE(run_until([this] { return !closed_.empty(); }));
    EXPECT_THAT(closed_, ElementsAre(HasSubstr("it was to be sent " + std::to_string(size) + " bytes")));
  }
}

TEST_F(ChannelTest, QueuesForASlowPeerUpToItsBoundAndTellsWhenAllIsOut) {
  open();
  std::size_t taken = 0;
  while (channel_->send({bytes(60'000, static_cast<std::uint8_t>(taken)), {}}) == Channel::Sent::yes) {
    ++taken;
    ASSERT_LE(channel_->queued_bytes(), Channel::kMaxQueued);
    ASSERT_LT(taken, 1000U);
  }
  EXPECT_GE(taken * 60'000, Channel::kMaxQueued - 120'000);
  EXPECT_EQ(channel_->send({bytes(60'000), {}}), Channel::Sent::full);
  run_what_is_ready();
  EXPECT_EQ(drained_, 0);
  for (std::size_t i = 0; i < taken; ++i) {
    std::optional<std::vector<std::uint8_t>> got;
    ASSERT_TRUE(run_until([&] { return (got = peer_receives()).has_value(); })) << i;
    ASSERT_EQ(*got, bytes(60'000, static_cast<std::uint8_t>(i))) << i;
    if (i + 1 < taken / 2) {
      ASSERT_EQ(drained_, 0) << i;
    }
  }
  ASSERT_TRUE(run_until([this] { return drained_ == 1; }));
  EXPECT_EQ(channel_->queued_bytes(), 0U);
  EXPECT_EQ(channel_->send({bytes(3), {}}), Channel::Sent::yes);
  EXPECT_EQ(peer_receives(), bytes(3));
  run_what_is_ready();
  EXPECT_EQ(drained_, 1);
}

TEST_F(ChannelTest, BoundsTinyMessagesByTheirNumberToo) {
  open();
  std::size_t taken = 0;
  while (channel_->send({{1}, {}}) == Channel::Sent::yes) ASSERT_LT(++taken, 1'000'000U);
  EXPECT_LT(taken, 200'000U);
}

TEST_F(ChannelTest, KeepsOrderWhileSomeOfItWaits) {
  open();
  std::uint8_t next = 0;
  while (channel_->queued_bytes() == 0) ASSERT_EQ(channel_->send({bytes(60'000, next++), {}}), Channel::Sent::yes);
  ASSERT_TRUE(peer_receives());  // there is room now, but not for what comes after what waits
  ASSERT_EQ(channel_->send({{200}, {}}), Channel::Sent::yes);
  for (std::uint8_t i = 1; i < next; ++i) {
    std::optional<std::vector<std::uint8_t>> got;
    ASSERT_TRUE(run_until([&] { return (got = peer_receives()).has_value(); }));
    EXPECT_EQ(got->front(), i);
  }
  std::optional<std::vector<std::uint8_t>> last;
  ASSERT_TRUE(run_until([&] { return (last = peer_receives()).has_value(); }));
  EXPECT_EQ(last->front(), 200);
  EXPECT_EQ(drained_, 0) << "nothing was refused, so nothing is owed";
}

TEST_F(ChannelTest, MayBeDestroyedByItsHandlers) {
  open();
  on_message_ = [this] { channel_.reset(); };
  for (int i = 0; i < 5; ++i) peer_sends(bytes(2));
  ASSERT_TRUE(run_until([this] { return !received_.empty(); }));
  run_what_is_ready();
  EXPECT_EQ(received_.size(), 1U);
  EXPECT_THAT(closed_, IsEmpty());

  open();
  on_closed_ = [this] { channel_.reset(); };
  peer_.reset();
  ASSERT_TRUE(run_until([this] { return !closed_.empty(); }));
  EXPECT_FALSE(channel_);
}

TEST_F(ChannelTest, CallsNobodyOnceItIsDestroyed) {
  open();
  peer_sends(bytes(2));
  EXPECT_EQ(channel_->send({bytes(kMaxMessage + 1), {}}), Channel::Sent::full);  // closed() is on its way
  channel_.reset();
  run_what_is_ready();
  EXPECT_THAT(received_, IsEmpty());
  EXPECT_THAT(closed_, IsEmpty());
  std::uint8_t byte = 0;
  (void)receive_packet(peer_.get(), {&byte, 1}, Descriptors::none);  // the reset
  const auto end = receive_packet(peer_.get(), {&byte, 1}, Descriptors::none);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->size, 0U) << "its end is still open";
}

TEST_F(ChannelTest, LeavesTheLoopToOthersWhileAPeerFloodsIt) {
  open();
  std::size_t waiting = 0;
  while (send_packet(peer_.get(), bytes(1))) ++waiting;
  ASSERT_GT(waiting, 64U) << "the socket's buffer is too small to show anything";
  io_.restart();
  ASSERT_EQ(io_.run_one_for(1s), 1U);
  EXPECT_LE(received_.size(), 32U);
  EXPECT_GE(received_.size(), 1U);
  ASSERT_TRUE(run_until([&] { return received_.size() == waiting; }));
}

}  // namespace
}  // namespace vrouter::router
