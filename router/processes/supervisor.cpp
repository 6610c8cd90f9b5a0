// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: a child is here from its launch until the spawner says that it has ended, however it was found to be bad: its
// line closed, its message was none of the verbs, it doesn't read. In each of these cases it is killed, which makes the
// spawner say so, and only then is the next one launched. So there are never two of a kind.
#include "router/processes/supervisor.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace vrouter::router {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Fault = RestartDelay::Fault;

std::string after(milliseconds delay) {
  return delay.count() == 0 ? "at once" : fmt::format("in {} ms", delay.count());
}

// Shared with its pending handlers through weak pointers.
class Keeper : public std::enable_shared_from_this<Keeper> {
 public:
  Keeper(boost::asio::io_context& io, Spawner& spawner, Service service, Supervisor::Handlers handlers)
      : io_{io}, spawner_{spawner}, service_{service}, handlers_{std::move(handlers)}, restart_{io}, catch_up_{io} {}

  void start() {
    boost::asio::post(io_, [weak = weak_from_this()] {
      if (const auto self = weak.lock(); self && !self->stopped_) self->launch();
    });
  }

  void stop() {
    stopped_ = true;
    restart_.cancel();
    catch_up_.cancel();
    channel_.reset();
    // Its line has closed, which ends an honest child; another doesn't care.
    if (pid_ != 0) (void)spawner_.kill(pid_);
    pid_ = 0;
  }

  bool send(Message message) {
    if (!channel_) return false;
    if (channel_->send(std::move(message)) == Channel::Sent::yes) return true;
    if (std::exchange(behind_, true)) return false;
    catch_up_.expires_after(kCatchUp);
    catch_up_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self || self->stopped_ || !self->behind_) return;
      self->end_child(fmt::format("has not read what it was sent for {} s", kCatchUp.count()), Fault::misbehaved);
    });
    return false;
  }

  void on_gone(const ChildGone& gone) {
    if (gone.service != service_ || gone.pid != pid_ || pid_ == 0) return;
    const auto fault = std::exchange(fault_, Fault::died);
    if (fault == Fault::died) problem_ = gone.to_string();
    forget_child();
    restart_later(Clock::now() - launched_, fault);
  }

  [[nodiscard]] pid_t pid() const { return channel_ ? pid_ : 0; }
  [[nodiscard]] std::string problem() const {
    if (channel_) return {};
    if (problem_.empty()) return fmt::format("vrouterd: {} is being started", name(service_));
    return problem_ + (pid_ != 0 ? ": it is being ended" : ": it is started again " + after(delay_));
  }
  [[nodiscard]] std::uint64_t restarts() const { return restarts_; }

 private:
  void launch() {
    launched_ = Clock::now();
    auto pair = open_channel_pair();
    if (!pair) return refused(pair.error());
    auto child = spawner_.launch(service_, std::move(pair->second));
    if (!child) return refused(child.error());
    pid_ = *child;
    problem_.clear();
    behind_ = false;
    channel_ = Channel::open(io_, std::move(pair->first), Channel::Accepts::messages,
                             {[this](Message message) { receive(message); },
                              [this](const std::string& why) {
                                end_child("was cut off: " + why, why == kPeerGone ? Fault::died : Fault::misbehaved);
                              },
                              [this] {
                                behind_ = false;
                                catch_up_.cancel();
                                if (handlers_.drained) handlers_.drained();
                              }});
    if (handlers_.started) handlers_.started();
  }

  void receive(const Message& message) {
    const auto self = shared_from_this();  // the handler may destroy the supervisor
    const auto understood = handlers_.message(message.bytes);
    if (understood || stopped_ || !channel_) return;
    end_child("broke the rules: " + understood.error(), Fault::misbehaved);
  }

  // Of no more use. on_gone() follows, or has come already.
  void end_child(const std::string& why, Fault fault) {
    if (pid_ == 0) return;
    fault_ = fault;
    problem_ = fmt::format("vrouterd: {} (pid {}) {}", name(service_), pid_, why);
    channel_.reset();
    catch_up_.cancel();
    const auto killed = spawner_.kill(pid_);
    // ESRCH: it ended by itself and the news is on its way. Else the spawner is lost, which ends the daemon.
    (void)killed;
  }

  void forget_child() {
    channel_.reset();
    catch_up_.cancel();
    pid_ = 0;
  }

  void refused(const KernelError& error) {
    problem_ = error.to_string();
    restart_later({}, Fault::misbehaved);
  }

  void restart_later(Clock::duration lived, Fault fault) {
    delay_ = backoff_.next(lived, fault);
    restart_.expires_after(delay_);
    restart_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self || self->stopped_) return;
      ++self->restarts_;
      self->launch();
    });
  }

  boost::asio::io_context& io_;
  Spawner& spawner_;
  Service service_;
  Supervisor::Handlers handlers_;
  boost::asio::steady_timer restart_, catch_up_;
  std::unique_ptr<Channel> channel_;
  pid_t pid_ = 0;
  Clock::time_point launched_;
  RestartDelay backoff_;
  Fault fault_ = Fault::died;
  milliseconds delay_{0};
  std::string problem_;
  std::uint64_t restarts_ = 0;
  bool behind_ = false;
  bool stopped_ = false;
};

class SpawningSupervisor final : public Supervisor {
 public:
  explicit SpawningSupervisor(std::shared_ptr<Keeper> keeper) : keeper_{std::move(keeper)} { keeper_->start(); }
  SpawningSupervisor(const SpawningSupervisor&) = delete;
  SpawningSupervisor& operator=(const SpawningSupervisor&) = delete;
  ~SpawningSupervisor() override { keeper_->stop(); }

  bool send(Message message) override { return keeper_->send(std::move(message)); }
  [[nodiscard]] pid_t pid() const override { return keeper_->pid(); }
  [[nodiscard]] std::string problem() const override { return keeper_->problem(); }
  [[nodiscard]] std::uint64_t restarts() const override { return keeper_->restarts(); }
  void on_gone(const ChildGone& gone) override { keeper_->on_gone(gone); }

 private:
  std::shared_ptr<Keeper> keeper_;
};

}  // namespace

milliseconds RestartDelay::next(Clock::duration lived, Fault fault) noexcept {
  if (lived >= kGrownUp) last_ = milliseconds{-1};
  if (last_.count() < 0 && fault == Fault::died) {
    last_ = kRestartFirst;
  } else if (last_ < kRestartSecond) {
    last_ = kRestartSecond;
  } else {
    last_ = std::min(last_ * 2, kRestartSlowest);
  }
  return last_;
}

std::unique_ptr<Supervisor> Supervisor::open(boost::asio::io_context& io, Spawner& spawner, Service service,
                                             Handlers handlers) {
  return std::make_unique<SpawningSupervisor>(std::make_shared<Keeper>(io, spawner, service, std::move(handlers)));
}

}  // namespace vrouter::router
