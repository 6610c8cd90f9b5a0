// SPDX-License-Identifier: GPL-2.0-or-later
// Which servers a name goes to, and how they have been doing. Pure: time is an argument.
//
// Servers are asked in the operator's order as long as those in front do well, because the first is often the only one
// that knows the inside names and because guests don't notice a few milliseconds behind our cache. Two things move a
// server back: silence, and being slower than the fastest by what people do notice (100 ms). It is in front again when
// it has answered, or is within 50 ms. Round trips of servers that get no questions are measured beside real ones.
//
// The first has min(250 ms, srtt + 4 rttvar) before the next is asked too, and never less than 150 ms, which is what a
// resolver commonly needs for a name it hasn't cached: a dead first server costs its guest that, once. Late is not
// dead: a server that answered anything since is only slow on this name and keeps its place. The dead are found out by
// probes beside real questions, ever rarer. Where all of a name's servers have been silent for several questions, one
// question a second tries them, once each, and the others fail at once: nobody waits for the hopeless, and servers that
// come back meet no storm.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "dns/name.h"
#include "dns/tables.h"

namespace vrouter::dns {

// A question's servers, best first.
struct Plan {
  std::vector<config::DnsServer> servers{};
  std::optional<std::size_t> probe{};       // of those, the one to ask beside the first, to see how it does
  std::chrono::milliseconds patience{250};  // how long the first has before the next is asked too
  bool repeat = true;                       // whether to ask again when all have been asked: UDP loses datagrams
};

// What the operator should know of the upstreams, with the remedies; `own` are the addresses that we listen on.
[[nodiscard]] std::vector<std::string> upstream_problems(const Upstreams& upstreams, const std::vector<address>& own);

class UpstreamTable {
 public:
  // Servers that are addresses of ours would send our own questions back to us: they are left out, and named by
  // upstream_problems().
  void set(const Upstreams& upstreams, const std::vector<address>& own);

  // The labels of the operator's longest forward zone around the name; 0 where none is.
  [[nodiscard]] unsigned forward_labels(const Name& name) const;
  // A forward zone without servers gives an empty plan: what is meant for the inside never goes outside. So do servers
  // of which there is no hope just now.
  [[nodiscard]] Plan plan(const Name& name, BootTime now);

  void asked(const config::DnsServer& server);
  void answered(const config::DnsServer& server, BootTime sent, BootTime now, bool refused);
  void late(const config::DnsServer& server, BootTime sent,
            BootTime now);  // its patience is over, an answer may yet come
  void silent(const config::DnsServer& server, BootTime sent,
              BootTime now);  // nothing came, or the network says there is nobody
  void trouble(const config::DnsServer& server, UpstreamTrouble what);  // none: it can be asked
  void leads_back(const config::DnsServer& server, bool does);          // while it does, it is in no plan
  [[nodiscard]] std::vector<UpstreamStatus> status() const;

 private:
  struct Health {
    UpstreamStatus counts;
    unsigned failures = 0;  // in a row, lateness among them; 0: up
    unsigned silences = 0;  // since the last answer, each asked after the one before was given up
    unsigned samples = 0;   // of the round trip, as many as make it credible
    double rttvar_ms = 0;   // RFC 6298's
    bool slow = false;
    std::optional<BootTime> next_probe{};
    BootTime last_answer{}, last_failure{}, last_silence{};
  };
  struct Route {
    Name suffix;
    std::vector<config::DnsServer> servers;
  };
  [[nodiscard]] const Route* route(const Name& name) const;
  void judge_speed(const std::vector<config::DnsServer>& servers);
  [[nodiscard]] bool hopeless(const std::vector<config::DnsServer>& servers, BootTime now);
  void choose_probe(Plan& plan, std::size_t up, BootTime now);
  static void fail(Health& health, BootTime sent, BootTime now);

  std::vector<config::DnsServer> default_;
  std::vector<Route> routes_;
  std::map<config::DnsServer, Health> health_;
  bool any_leads_back_ = false;
};

}  // namespace vrouter::dns
