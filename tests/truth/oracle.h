// SPDX-License-Identifier: GPL-2.0-or-later
// Who may reach whom, worked out from the policy's words alone, as docs/policy.md says what they mean: no profiles, no
// chains, no marks. The compiled rules, the evaluator and the kernel are held against this.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "config/model.h"

namespace vrouter::truth {

// The first packet of a connection.
struct Flow {
  address from = {}, to = {};
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;
  std::uint16_t port = 0;  // the destination's; of ICMP the type
};

struct Decision {
  enum class Verdict { allow, deny, reject, unreachable };
  Verdict verdict = Verdict::allow;
  std::string out = {};  // where it goes: a TAP, "up0", or nothing, which is this host
  address to = {};       // and under which address and port there
  std::uint16_t port = 0;
  std::string why = {};

  [[nodiscard]] std::string to_string() const;  // "deny, because of rule 3 of 10-first.toml on the sender's side"
};

class Oracle {
 public:
  // `own`: this host's addresses beside its gateways. The configuration must outlive it.
  Oracle(const config::Config& config, std::set<address> own);

  [[nodiscard]] Decision decide(const Flow& flow) const;

 private:
  // An end of a flow.
  struct End {
    address at;
    const config::Guest* guest = nullptr;
    bool host = false;
    [[nodiscard]] bool world() const { return guest == nullptr && !host; }
  };
  struct Verdict {
    config::Action action;
    std::string why;
  };
  [[nodiscard]] End end_of(const address& a) const;
  [[nodiscard]] bool means(const config::Peer& peer, const End& end) const;
  [[nodiscard]] bool means_one_of(const std::vector<config::Peer>& peers, const End& end) const;
  [[nodiscard]] bool translate(Flow& flow) const;
  [[nodiscard]] std::optional<Verdict> first_rule(const End& from, const End& to, const Flow& flow) const;
  [[nodiscard]] Verdict egress(const End& from, const End& to, const Flow& flow) const;
  [[nodiscard]] Verdict ingress(const End& from, const End& to, const Flow& flow, bool published) const;
  [[nodiscard]] Verdict to_host(const End& from, const End& to, const Flow& flow) const;
  [[nodiscard]] Verdict from_host(const End& from, const End& to, const Flow& flow) const;
  [[nodiscard]] Verdict judge(const End& from, const End& to, const Flow& flow, bool published) const;
  [[nodiscard]] Verdict group_default(const config::Guest& guest, config::Action config::Group::* side) const;

  const config::Config& config_;
  std::set<address> own_, gateways_;
};

}  // namespace vrouter::truth
