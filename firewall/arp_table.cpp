// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/denials.h"
#include "firewall/skeleton.h"
#include "firewall/skeleton_words.h"
#include "firewall/words.h"

namespace vrouter::firewall {

using namespace words;

// ARP has a table of its own: `inet` doesn't see it. A pinned guest's frame and its ARP must both say the same MAC.
Table arp_table() {
  constexpr auto iifname = Field::iifname, ether_saddr = Field::ether_saddr;
  constexpr auto arp_saddr_ether = Field::arp_saddr_ether, arp_saddr_ip = Field::arp_saddr_ip;
  const auto probe = [] {
    constexpr std::uint16_t kRequest = 1;  // RFC 826
    return std::vector<Statement>{is(Field::arp_operation, network_order(kRequest)), is(arp_saddr_ip, ip4("0.0.0.0"))};
  };
  auto loose_probe = probe(), pinned_probe = probe();
  constexpr std::uint16_t kReply = 2;  // RFC 826
  loose_probe.insert(loose_probe.end(), {in({iifname}, "loose"), kAccept});
  pinned_probe.insert(pinned_probe.end(), {in({iifname, ether_saddr, arp_saddr_ether}, "macs"), kAccept});
  Table table{
      Family::arp,
      {set("taps", {Type::ifname}), set("loose", {Type::ifname}),
       set("macs", {Type::ifname, Type::ether_addr, Type::ether_addr}), set("spoof4", {Type::ifname, Type::ipv4_addr}),
       set("pinned4", {Type::ifname, Type::ether_addr, Type::ether_addr, Type::ipv4_addr}),
       set("shared", {Type::ifname})},
      {{"input",
        Base{ChainType::filter, Hook::input, kFilter},
        {
            rule("what a guest sends", {from_guest(), go("guest_in")}),
            rule(kNotAdopted, {in({iifname}, "taps"), go("not_adopted")}),
        }},
       {"not_adopted", std::nullopt, {counted_from(kNotAdopted), rule(kNotAdopted, {kDrop})}},
       {"guest_in",
        std::nullopt,
        {
            rule("its own address", {in({iifname, arp_saddr_ip}, "spoof4"), kAccept}),
            rule("its own address, its pinned MAC",
                 {in({iifname, ether_saddr, arp_saddr_ether, arp_saddr_ip}, "pinned4"), kAccept}),
            rule("is this address free? (RFC 5227)", std::move(loose_probe)),
            rule("is this address free? (RFC 5227)", std::move(pinned_probe)),
            // Nobody's neighbour entry changes by it: those of leases are permanent, and the kernel makes none unasked.
            rule("whether an address of a range is free",
                 {is(Field::arp_operation, network_order(kReply)), in({iifname}, "shared"), kAccept}),
            counted_from("not its own address or MAC"),
            rule("not its own address or MAC", {kDrop}),
        }}}};
  for (auto& set : arp_denial_sets()) table.sets.push_back(std::move(set));
  return table;
}

}  // namespace vrouter::firewall
