// SPDX-License-Identifier: GPL-2.0-or-later
// One question on its way through its servers, as a machine: events and the time go in, what to send comes out. No
// socket.
//
// The first server has its patience, then the next is asked too and the first is still listened to, even after the
// other's answer has gone out, since a late one tells a slow server from a dead one; an error of the
// network or an answer that says "not me" moves on at once. TC means the same server over TCP, and so does a wrong id:
// somebody may be guessing, and a TCP connection can't be guessed (RFC 5452 section 9.2 leaves this open; BIND 9.21
// does it). BADCOOKIE brought a new cookie: once more with that, then TCP (RFC 7873 section 5.3).
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "dns/codec.h"
#include "dns/upstream_table.h"

namespace vrouter::dns {

inline constexpr std::chrono::milliseconds kLookupDeadline{
    4000};  // a stub waits 5 s; it shall hear from us before it gives up
inline constexpr std::chrono::milliseconds kRetransmit{1000};  // when everybody has been asked

struct Outcome {
  std::optional<Reply> reply;  // empty: nobody gave one
  std::optional<Ede> reason;   // why not
};

class Lookup {
 public:
  struct Attempt {
    unsigned id = 0;
    std::size_t server = 0;  // in the plan
    Transport transport = Transport::udp;
    bool edns = true;
    bool renewed = false;  // with the cookie that a BADCOOKIE brought
    BootTime sent{};
  };
  // What the caller is to do now, in this order. After `done` the lookup is over and every attempt is to be stopped but
  // `linger`, worth hearing until the deadline for what they say of their servers.
  struct Step {
    std::vector<unsigned> stop;
    std::vector<Attempt> silent;  // whose servers let their time pass
    std::vector<Attempt> late;    // whose servers' patience is over
    std::vector<Attempt> start;
    std::optional<Outcome> done;
    std::vector<unsigned> linger;
  };

  explicit Lookup(Plan plan) : plan_{std::move(plan)}, asked_(plan_.servers.size()) {}
  [[nodiscard]] const config::DnsServer& server(const Attempt& attempt) const { return plan_.servers[attempt.server]; }

  [[nodiscard]] Step begin(BootTime now);
  [[nodiscard]] Step on_reply(unsigned id, Reply reply, BootTime now);
  [[nodiscard]] Step on_wrong_id(unsigned id, BootTime now);
  [[nodiscard]] Step on_failure(unsigned id, BootTime now);  // ICMP error, TCP refused or cut off
  [[nodiscard]] Step on_timer(BootTime now);
  [[nodiscard]] BootTime wake() const { return std::min(next_, deadline_); }
  [[nodiscard]] BootTime deadline() const { return deadline_; }

 private:
  void launch(Step& step, Attempt what, BootTime now);
  [[nodiscard]] bool launch_next(Step& step, BootTime now);
  void move_on(Step& step, BootTime now);
  void finish(Step& step, Outcome outcome);
  [[nodiscard]] std::optional<Attempt> take(unsigned id);
  // Whether its silence is its server's: one that answers over UDP and not over TCP is half a server, but not a dead
  // one.
  [[nodiscard]] bool speaks_for_server(const Attempt& attempt) const;

  Plan plan_;
  std::vector<bool> asked_;
  std::vector<Attempt> active_;
  std::optional<Reply> refusal_;  // the last answer that was none; the client hears it when nothing better comes
  unsigned last_id_ = 0;
  std::optional<std::size_t> answered_;  // who did
  std::size_t again_ = 0;                // which server a retransmission goes to
  BootTime next_{}, deadline_{};
};

}  // namespace vrouter::dns
