// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/skeleton.h"
#include "firewall/skeleton_words.h"
#include "firewall/words.h"

namespace vrouter::firewall {

using namespace words;

// A child that was taken over holds sockets on port 53, which connect(2) would turn against guests and 127.0.0.1: it
// may answer, and begin only what goes to an upstream. Before NAT, so that what it asked for is judged and not where
// somebody's rules sent it (Docker's own resolver is reached by such). Drop, not reject: a datagram then fails at once
// with EPERM, which is what the forwarder goes by, and whoever scans waits for each answer.
void add_output(const ServiceUsers& users, Table& inet) {
  using enum Field;
  const auto socket_of = [](uid_t user) { return is(skuid, host_order<std::uint32_t>(user)); };
  const Compare on_loopback = is(oifname, {'l', 'o', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  inet.sets.push_back(set("upstreams4", {Type::ipv4_addr, Type::inet_proto, Type::inet_service}));
  inet.sets.push_back(set("upstreams6", {Type::ipv6_addr, Type::inet_proto, Type::inet_service}));
  inet.sets.push_back(set("relays4", {Type::ipv4_addr}));
  inet.sets.push_back(interval_set("relayed4", Type::ipv4_addr));
  inet.chains.push_back({"service_out",
                         Base{ChainType::filter, Hook::output, kMangle},
                         {
                             rule("what the DNS process sends", {socket_of(users.dns), go("dns_out")}),
                             rule("what the DHCP process sends", {socket_of(users.dhcp), go("dhcp_out")}),
                         }});
  inet.chains.push_back({"dns_out",
                         std::nullopt,
                         {
                             rule("answers to guests", {to_guest(), state(kEstablished | kUntracked),
                                                        in({l4proto, th_sport}, "services"), kAccept}),
                             rule("answers to this host",
                                  {on_loopback, state(kEstablished), in({l4proto, th_sport}, "services"), kAccept}),
                             rule("questions", {in({ip_daddr, l4proto, th_dport}, "upstreams4"), kAccept}),
                             rule("questions", {in({ip6_daddr, l4proto, th_dport}, "upstreams6"), kAccept}),
                             rule("nothing else", {kDrop}),
                         }});
  inet.chains.push_back({"dhcp_out",
                         std::nullopt,
                         {
                             rule("answers to guests", {to_guest(), port(udp_sport, 67), port(udp_dport, 68), kAccept}),
                             rule("answers to relays", {port(udp_sport, 67), in({ip_daddr}, "relays4"), kAccept}),
                             rule("answers to renewals behind relays",
                                  {port(udp_sport, 67), port(udp_dport, 68), in({ip_daddr}, "relayed4"), kAccept}),
                             rule("nothing else", {kDrop}),
                         }});
}

}  // namespace vrouter::firewall
