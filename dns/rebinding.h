// SPDX-License-Identifier: GPL-2.0-or-later
// Answers from outside that lead inside. A page of evil.example may have its name answered with the address of the
// host, of another guest or of a printer, and then talks to it from a browser that trusts evil.example: DNS rebinding.
// Pure: a message in, yes or no out.
//
// Such an answer becomes NXDOMAIN, without any of its records: a reply lacking the one record would say that the rest
// is all there is. It isn't SERVFAIL, for stubs then ask the next server the same. A short SOA goes with it, so that it
// is kept like other denials (RFC 2308), and EDE 15 (Blocked) tells why.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dns/answer_source.h"
#include "dns/upstream_table.h"

namespace vrouter::dns {

struct RebindPolicy {
  bool protect = true;
  std::vector<Name> allowed{};  // these and what is below may lead inside: the operator's own
  // Global ones that are inside all the same: the host's, and the networks of guests. Addresses are whole prefixes.
  std::vector<network_v4> inside4{};
  std::vector<network_v6> inside6{};
};

// Whether an address that anybody in the world could tell leads to somewhere private: RFC 1918, 6598, 3927, 1122
// (this host, loopback), 4193, 4291 (loopback, link-local, and IPv4-mapped of whatever), 3879; NAT64 of a private one.
[[nodiscard]] bool leads_inside(const address& a, const RebindPolicy& policy);

// What to send instead of a reply to `name`; nothing: it may go as it is. `message` is a Reply::message: whole, checked
// by decode_reply(). An address that leads inside, in an A, an AAAA or the hints of an SVCB or HTTPS (RFC 9460 section
// 7.3), makes it a denial; one in the additional section, which is nobody's answer (glue that somebody set up wrongly),
// costs it that section. A message that can't be read is denied.
[[nodiscard]] std::optional<Bytes> instead_of_rebinding(std::span<const std::uint8_t> message, const Name& name,
                                                        const RebindPolicy& policy);

// Stands between the source of other people's names and what keeps or tells them: a cache behind it holds nothing
// refused. What the operator forwards to servers of its own may lead inside.
class RebindGuard final : public AnswerSource {
 public:
  // Both outlive it.
  RebindGuard(AnswerSource& source, const UpstreamTable& table) : source_{source}, table_{table} {}
  void set(RebindPolicy policy) { *policy_ = std::move(policy); }
  void ask(const QuestionKey& key, unsigned asker, Done done) override;
  [[nodiscard]] std::uint64_t refused() const noexcept { return *refused_; }

 private:
  AnswerSource& source_;
  const UpstreamTable& table_;
  // Shared with the questions under way, which the source may answer when this is gone.
  std::shared_ptr<RebindPolicy> policy_ = std::make_shared<RebindPolicy>();
  std::shared_ptr<std::uint64_t> refused_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace vrouter::dns
