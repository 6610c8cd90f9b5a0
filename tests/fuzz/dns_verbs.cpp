// SPDX-License-Identifier: GPL-2.0-or-later
// What a child or its parent may say: whatever decodes keeps to the bounds, and is written again byte for byte.
#include "router/processes/dns_verbs.h"

#include <algorithm>
#include <span>

namespace {

namespace verbs = vrouter::router::dns_verbs;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

struct Bounds {
  void operator()(const verbs::Zone& z) const {
    require(z.zone.network.size() <= verbs::kMaxLabel && z.zone.domain.size() <= verbs::kMaxDomain);
    require(z.zone.prefixes4.size() <= verbs::kMaxPrefixes && z.zone.prefixes6.size() <= verbs::kMaxPrefixes);
    require(z.zone.listen.size() <= verbs::kMaxListen);
  }
  void operator()(const verbs::Host& h) const {
    require(h.host.network.size() <= verbs::kMaxLabel && h.host.name.size() <= verbs::kMaxLabel);
    require(h.host.addresses.size() <= verbs::kMaxAddresses);
    require(h.host.list_groups.size() <= verbs::kMaxListGroups);
  }
  void operator()(const verbs::Unhost& h) const {
    require(h.network.size() <= verbs::kMaxLabel && h.name.size() <= verbs::kMaxLabel);
  }
  void operator()(const verbs::Forward& f) const {
    require(f.zone.domain.size() <= verbs::kMaxDomain && f.zone.servers.size() <= verbs::kMaxServers);
  }
  void operator()(const verbs::Upstreams& u) const { require(u.servers.size() <= verbs::kMaxServers); }
  void operator()(const verbs::Domains& d) const { require(d.domains.names.size() <= verbs::kMaxDomains); }
  void operator()(const verbs::ListGroup& g) const {
    require(g.group.block.size() <= verbs::kMaxLists && g.group.allow.size() <= verbs::kMaxLists);
  }
  void operator()(const auto&) const {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes{data, size};
  if (const auto order = verbs::decode_order(bytes)) {
    std::visit(Bounds{}, *order);
    require(std::ranges::equal(verbs::encode(*order), bytes));
  } else {
    require(!order.error().empty());
  }
  if (const auto report = verbs::decode_report(bytes)) {
    require(report->statistics.upstreams.size() <= verbs::kMaxReported);
    require(std::ranges::equal(verbs::encode(*report), bytes));
  } else {
    require(!report.error().empty());
  }
  if (const auto admit = verbs::decode_admit(bytes)) {
    require(admit->request.addresses.size() <= vrouter::dns::kMaxAdmitted);
    require(admit->request.name.size() <= verbs::kMaxAsked);
    require(verbs::is_admit(bytes) && std::ranges::equal(verbs::encode(*admit), bytes));
  } else {
    require(!admit.error().empty());
  }
  return 0;
}
