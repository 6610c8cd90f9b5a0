// SPDX-License-Identifier: GPL-2.0-or-later
// Answers that open the firewall. Rules may allow a guest what it is told of a domain: such an answer leaves when the
// kernel lets the guest reach what it says, and not before.
//
// Theory: this process changes no firewall. It asks whoever may (Ask), holds the answer until that is done, and after
// kAdmissionDeadline gives up: the guest is told that something failed (SERVFAIL) and asks again, and nothing has been
// told that can't be reached. What was let in is remembered, guest by guest, name by name: an answer from the cache, be
// it another guest's question that brought it, is looked at in the same way, and mostly costs a look-up. Only the name
// that was asked counts, not those that a chain of CNAMEs leads over: whoever owns one of those doesn't decide what a
// rule means. Who asks, whether a rule is his and whether an address may be let in, is not decided here: the daemon
// trusts this process with none of it.
//
// On the io_context's one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "dns/codec.h"
#include "dns/tables.h"

namespace vrouter::dns {

inline constexpr std::chrono::milliseconds kAdmissionDeadline{250};

class Admission {
 public:
  using Ask = std::function<void(const AdmissionRequest&)>;
  using Done = std::function<void(bool in)>;

  Admission(boost::asio::io_context& io, Ask ask);
  ~Admission();  // calls nobody
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;

  void set(const Domains& domains);
  // Of a guest that is another now, or has other rules: it is asked anew.
  void forget(unsigned guest);

  // Whether answers to the guest under this name, as on the wire, must go through let_in(). Allocates nothing.
  [[nodiscard]] bool concerns(unsigned guest, std::span<const std::uint8_t> name) const noexcept;
  // Calls `done` exactly once, maybe before returning, unless this is destroyed before: whether the guest may be told
  // the message (a Reply's) now.
  void let_in(unsigned guest, const Name& name, std::span<const std::uint8_t> message, BootTime now, Done done);
  void answered(const AdmissionReply& reply, BootTime now);

  void add_to(Statistics& all) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// The addresses that the answer section tells: of A, AAAA and the hints of SVCB and HTTPS, each once, and the longest
// time for which one of them is told.
struct Told {
  std::vector<address> addresses;
  std::uint32_t ttl = 0;
};
[[nodiscard]] Told told_by(std::span<const std::uint8_t> message);

// The message without its additional section. What stands there was not asked for by its name, so that a guest which
// used it would find it closed.
[[nodiscard]] Bytes without_additional(std::span<const std::uint8_t> message);

}  // namespace vrouter::dns
