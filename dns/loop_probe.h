// SPDX-License-Identifier: GPL-2.0-or-later
// Finds servers that lead back to us: a resolver on this host or in a guest that asks our gateway what we ask it sends
// every question round until somebody's patience ends. Its address tells nothing, so each server is asked for a name
// that nobody else can know; when that is asked of us, its server isn't asked any more until it no longer comes back.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "dns/codec.h"

namespace vrouter::dns {

inline constexpr std::chrono::seconds kProbeAfter{3};   // of a change: listeners and rules are in place by then
inline constexpr std::chrono::seconds kProbeAgain{30};  // of servers that were found to lead back

class LoopProbe {
 public:
  struct Calls {
    std::function<void(const config::DnsServer&, const QuestionKey&)> ask;  // whatever comes of it
    std::function<void(const config::DnsServer&, bool leads_back)> found;
  };
  LoopProbe(boost::asio::io_context& io, Calls calls) : timer_{io}, calls_{std::move(calls)} {}

  // The servers that are asked from now on; each is tried.
  void set(std::vector<config::DnsServer> servers);
  // What somebody asks us. True: it is ours, come back.
  [[nodiscard]] bool heard(const Name& name);

 private:
  struct Tried {
    Name name;  // lower case
    bool came_back = false;
  };
  void arm(std::chrono::seconds after);
  void try_all();

  boost::asio::steady_timer timer_;
  Calls calls_;
  std::map<config::DnsServer, Tried> tried_;
};

}  // namespace vrouter::dns
