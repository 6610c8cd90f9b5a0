// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/control/interface.h"

namespace vrouter::router::control {

const std::string_view kInterface = R"(# The router and firewall of this host's guests.
interface io.vrouter

# Where a file declares something; lines and columns count from 1.
type Place (file: string, line: int, column: int)

# With dynamic it is of a network's range; guest is then the name that a reservation gives, mostly "", dns_name what it
# is called in the DNS, if it has a name there, and tap the link that it shares with others, "" behind a relay. Else it is
# the guest's own. expires_in is in seconds: when bound or declined ends, of the other states negative, since when it has
# ended; without it the end is not known. client_id is in hex.
type Lease (
  guest: string,
  tap: string,
  network: string,
  dynamic: bool,
  address: string,
  client: string,
  client_id: ?string,
  host_name: ?string,
  dns_name: ?string,
  state: (offered, bound, released, declined, expired),
  expires_in: ?int
)

# As the guest sees it: rx is what it received.
type Traffic (rx_bytes: int, rx_packets: int, tx_bytes: int, tx_packets: int)

# Per second, as the guest sees it: egress is what it sends.
type Rates (packets: ?int, bits: ?int)

# What the guest may use at most, of connections those that it begins: new_connections per second, connections at a time.
# To add a guest, 0 is no limit, and what is left out is its network's; shown is what holds.
type Limits (egress: ?Rates, ingress: ?Rates, new_connections: ?int, connections: ?int)

# files are by the client's architecture (option 93), file is for all others.
type DhcpOption (code: int, hex: string)
type BootFile (architecture: int, file: string)
type Boot (server: ?string, files: ?[]BootFile, file: ?string, ipxe: ?string)

# What the guest is told by DHCP before what its groups and its network say. mask is a prefix length, options are by
# rising code. In routes (option 121) the router 255.255.255.255 is the network's gateway, and the default route comes
# along where there is none.
type Dhcp (mask: ?int, options: ?[]DhcpOption, boot: ?Boot)

# state is for people; ready says whether the guest is routed, filtered and answered. publish holds
# [HOSTADDR:]PORT[-PORT][:GUESTPORT]/PROTOCOL. Without declared_at the guest was added by command. Of a shared one the
# clients behind it have the addresses, by lease.
type Guest (
  name: string,
  tap: string,
  network: string,
  address: ?string,
  address6: ?string,
  mac: ?string,
  groups: []string,
  publish: []string,
  floating: ?[]string,
  snat: ?[]string,
  prefixes: ?[]string,
  allowed_addresses: ?[]string,
  limits: ?Limits,
  dhcp: ?Dhcp,
  shared: ?bool,
  ephemeral: bool,
  create_tap: bool,
  owner: ?string,
  declared_at: ?Place,
  ready: bool,
  state: string,
  why: ?string,
  lease: ?Lease,
  traffic: ?Traffic,
  denied: ?Denied,
  warnings: []string
)

type Count (packets: int, bytes: int)

# What the firewall refused: of what the guest sent, and of what was sent to it; of a TAP that was refused nothing for a
# week it begins anew.
type Denied (out: Count, in: Count)

type Feature (name: string, present: bool, detail: ?string)

# rtt_ms is smoothed; 0: it has answered nothing yet.
# server is as the configuration writes it. trouble: why it can't be asked, "none", "no_authorities", "untrusted",
# "expired", "wrong_name", "no_tls", "loop" or "silent".
type Upstream (
  server: string, asked: int, answered: int, timeouts: int, refused: int, rtt_ms: float, trouble: string
)

# no_address counts requests left without an answer, since the range has no free address; conflicts addresses of the
# range that somebody else answered for.
type DhcpCounts (
  discover: int, request: int, inform: int, release: int, decline: int, bootp: int, offer: int, ack: int, nak: int,
  no_address: int, conflicts: int
)

# dropped_uncommitted counts answers not given since their lease could not be written, or was refused. networks holds
# those that clients have asked, by their names.
type DhcpStatistics (
  received: int, answered: int, dropped_malformed: int, dropped_unknown_interface: int,
  dropped_rate_limited: int, dropped_foreign_mac: int,
  dropped_not_ours: int, send_errors: int, dropped_uncommitted: int, discover: int, request: int, inform: int,
  release: int, decline: int, offer: int, ack: int, nak: int, networks: [string]DhcpCounts
)

# A network's range, such as "10.0.5.200-10.0.5.249". size counts the addresses that it may give, bound those that
# somebody has, resting those that nobody gets for a while, being declined or found in use; the others are free.
# unanswered counts requests left without an answer, since none was free.
type Range (network: string, range: string, size: int, bound: int, resting: int, unanswered: int)

# answered_stale counts answers past their time, told since no better one came. cache_bytes of cache_limit are taken;
# cache_evicted counts answers that gave way to others before their time. admitted counts addresses that rules to
# domains let guests reach, refused_admission those that no such rule may let in, being of the inside, failed_admission
# answers that were not told since the firewall was not ready in time. refused_by_list counts questions whose name, or
# another that the answer led over, is on a list that the guest's groups block.
type DnsStatistics (
  queries_udp: int, queries_tcp: int, answered_locally: int, answered_from_cache: int, answered_stale: int,
  forwarded: int, failed: int, cache_entries: int, cache_bytes: int, cache_limit: int, cache_evicted: int,
  refused_rebinding: int, refused_by_list: int, admitted: int, refused_admission: int, failed_admission: int,
  dropped_malformed: int, dropped_unknown_source: int, dropped_over_budget: int, mismatched_replies: int,
  upstreams: []Upstream, lists: []DnsList
)

# A list of domains as it was read: skipped counts lines that were not understood.
type DnsList (name: string, entries: int, skipped: int)

# What was put right since the start, after somebody else changed it. rules counts transactions that put tables, chains
# or sets back, elements those that put nothing back but elements of sets.
type Repairs (
  links: int, addresses: int, routes: int, neighbours: int, sysctls: int, bridge_netfilter: int, rules: int,
  elements: int
)

# What the policy files say, in numbers.
type Policy (files: []string, rules: int, groups: int, expectations: int)

# A rule of the policy or a group's default. count holds the packets that it decided on, which of a connection is the
# first; those of defaults that allow are not counted. Without services it means all traffic.
type Rule (
  name: string,
  declared_at: Place,
  action: (allow, deny, reject),
  from: []string,
  to: []string,
  services: []string,
  log: bool,
  limit: string,
  count: ?Count
)

# A packet that the firewall logged. time is in microseconds since 1970; limit: refused since it was over a rule's rate;
# spoof: not what this guest may send. Without file no policy file says so.
type Packet (
  time: int,
  action: (allow, deny, reject, limit, spoof),
  rule: string,
  file: ?string,
  line: ?int,
  in: ?string,
  out: ?string,
  from_guest: ?string,
  to_guest: ?string,
  source: string,
  destination: string,
  protocol: string,
  source_port: ?int,
  destination_port: ?int,
  icmp_type: ?int,
  icmp_code: ?int
)

# uptime is in seconds, and so is confirm_within: how long the files in force still wait to be confirmed.
type Status (
  health: (ok, degraded, stopped),
  problems: []string,
  warnings: []string,
  version: string,
  kernel: string,
  uptime: int,
  config_file: ?string,
  confirm_within: ?int,
  uplinks: []string,
  forwarding: string,
  networks: []string,
  policy: Policy,
  guests: int,
  guests_ready: int,
  features: []Feature,
  repairs: Repairs,
  upstreams_from: []string,
  dns_addresses: []string,
  ranges: []Range,
  dhcp: DhcpStatistics,
  dns: DnsStatistics
)

# What one side said of a packet. side is "anti-spoofing", "sender", "receiver" or "host", verdict "allow", "deny" or
# "reject". rule is the policy's; declared_at is its place, or that of the group whose default it was.
type ExplainSide (
  side: string,
  verdict: string,
  rule: ?string,
  declared_at: ?Place,
  comment: ?string,
  chain: string
)

# What is left out is chosen: name (the TAP's), network (the one the address lies in, or default), address (from the
# network's pool, but of a shared one).
method AddGuest(
  tap: string,
  address: ?string,
  address6: ?string,
  name: ?string,
  mac: ?string,
  network: ?string,
  groups: ?[]string,
  publish: ?[]string,
  floating: ?[]string,
  snat: ?[]string,
  prefixes: ?[]string,
  allowed_addresses: ?[]string,
  limits: ?Limits,
  dhcp: ?Dhcp,
  shared: ?bool,
  create_tap: ?bool,
  owner: ?string,
  ephemeral: ?bool
) -> (guest: Guest)

# guest is a TAP, a name or an address, here and below. The answer shows the guest as it was.
method RemoveGuest(guest: string) -> (guest: Guest)
method ListGuests() -> (guests: []Guest)
method ShowGuest(guest: string) -> (guest: Guest)
method GetStatus() -> (status: Status)
method ListLeases() -> (leases: []Lease)

# Ends the lease that somebody of a range has, as if its client had given it back; it is not told. The answer shows the
# lease as it was. A guest's own address is refused: it has it by its TAP.
method ReleaseLease(address: string) -> (lease: Lease)

# Forgets what the DNS cache holds about a name, whatever the type; without a name, all.
method FlushDns(name: ?string) -> (name: ?string)

method Publish(guest: string, port: string) -> (guest: Guest)
method Unpublish(guest: string, port: string) -> (guest: Guest)

# The groups that a guest added by command is in from now on. What the policy then denies has ended with the answer.
method ChangeGuest(guest: string, groups: []string) -> (guest: Guest)

# What is compiled, in nft syntax.
method GetRuleset() -> (ruleset: string)

# What would become of the first packet of a connection, and by which rules. Each end is a guest (TAP, name or address),
# another address, "host" or "world"; packet is such as "tcp/443" or "icmp/echo-request".
# verdict is "allow", "deny", "reject", "unroutable", or "unjudged" of what is neither from a guest nor to one.
method Explain(from: string, to: string, packet: string) -> (
  from: string,
  to: string,
  packet: string,
  verdict: string,
  summary: string,
  steps: []string,
  sides: []ExplainSide
)

# The policy's rules in their order, then the groups' defaults.
method ListRules() -> (rules: []Rule)

# To be called with `more`: tells of packets as the firewall logs them, all that it refuses up to 10 a second and TAP,
# and of what becomes of leases, with lease_time in microseconds since 1970. The first message holds neither and comes at
# once, with a notice where no packets may come; missed counts the packets before this one that could not be told.
method Monitor(guest: ?string) -> (packet: ?Packet, lease: ?Lease, lease_time: ?int, missed: int, notice: ?string)

# Reads the files again and applies them in one transaction or not at all. With confirm_within, in seconds, what held
# before holds again unless Confirm is called in that time; without it the files are in force for good, those too that
# waited to be confirmed.
method Reload(confirm_within: ?int) -> (changes: []string, warnings: []string, confirm_within: ?int)

# Keeps the files that Reload put in force with confirm_within. left is what was left of that time, in seconds.
method Confirm() -> (left: int)

# Removes all that was made and restores what was changed; the guests are kept for the next start.
method Teardown() -> (done: []string)

error Refused (reason: string)
error NotFound (reason: string)
)";

const std::string_view kServiceInterface = R"(# What every varlink service answers.
interface org.varlink.service

method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)
method GetInterfaceDescription(interface: string) -> (description: string)

error InterfaceNotFound (interface: string)
error MethodNotFound (method: string)
error MethodNotImplemented (method: string)
error InvalidParameter (parameter: string)
error PermissionDenied ()
error ExpectedMore ()
)";

}  // namespace vrouter::router::control
