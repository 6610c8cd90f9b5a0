// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/render.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "firewall/fields.h"

namespace vrouter::firewall {
namespace {

using View = std::span<const std::uint8_t>;

std::uint32_t host_u32(View bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data(), std::min(sizeof value, bytes.size()));
  return value;
}

std::string address_text(int family, View bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(family, bytes.data(), text.data(), text.size()) ? text.data() : "?";
}

std::string protocol_text(std::uint8_t protocol) {
  switch (protocol) {
    case IPPROTO_TCP:
      return "tcp";
    case IPPROTO_UDP:
      return "udp";
    case IPPROTO_SCTP:
      return "sctp";
    default:
      return std::to_string(protocol);
  }
}

// nft's own names, as it lists them.
std::string icmp_text(std::uint8_t type) {
  switch (type) {
    case 5:
      return "redirect";
    case 8:
      return "echo-request";
    case 9:
      return "router-advertisement";
    default:
      return std::to_string(type);
  }
}
std::string icmpv6_text(std::uint8_t type) {
  switch (type) {
    case 128:
      return "echo-request";
    case 129:
      return "echo-reply";
    case 131:
      return "mld-listener-report";
    case 132:
      return "mld-listener-done";
    case 133:
      return "nd-router-solicit";
    case 134:
      return "nd-router-advert";
    case 135:
      return "nd-neighbor-solicit";
    case 136:
      return "nd-neighbor-advert";
    case 137:
      return "nd-redirect";
    case 138:
      return "router-renumbering";
    case 143:
      return "mld2-listener-report";
    default:
      return std::to_string(type);
  }
}

std::string value_text(Type type, View bytes) {
  switch (type) {
    case Type::ipv4_addr:
      return address_text(AF_INET, bytes);
    case Type::ipv6_addr:
      return address_text(AF_INET6, bytes);
    case Type::ether_addr:
      return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2], bytes[3], bytes[4],
                         bytes[5]);
    case Type::inet_proto:
      return protocol_text(bytes[0]);
    case Type::inet_service:
      return std::to_string(bytes[0] << 8 | bytes[1]);
    case Type::icmp_type:
      return icmp_text(bytes[0]);
    case Type::icmpv6_type:
      return icmpv6_text(bytes[0]);
    case Type::mark:
      return fmt::format("{:#010x}", host_u32(bytes));
    case Type::ifname: {
      const auto end = std::ranges::find(bytes, 0);
      return fmt::format("\"{}\"", std::string{bytes.begin(), end});
    }
  }
  std::abort();
}

std::string concat_text(const std::vector<Type>& fields, View bytes) {
  if (bytes.size() != padded_size(fields)) return fmt::format("({} bytes of another type)", bytes.size());
  std::string text;
  std::size_t offset = 0;
  for (const auto field : fields) {
    if (!text.empty()) text += " . ";
    text += value_text(field, bytes.subspan(offset, size_of(field)));
    offset += (size_of(field) + 3) / 4 * 4;
  }
  return text;
}

std::string verdict_text(const Verdict& verdict) {
  switch (verdict.kind) {
    case Verdict::Kind::accept:
      return "accept";
    case Verdict::Kind::drop:
      return "drop";
    case Verdict::Kind::jump:
      return "jump " + verdict.chain;
    case Verdict::Kind::goto_chain:
      return "goto " + verdict.chain;
    case Verdict::Kind::return_:
      return "return";
  }
  std::abort();
}

std::string key_text(const Key& key) {
  std::string text;
  for (const auto field : key) {
    if (!text.empty()) text += " . ";
    text += spec(field).text;
  }
  return text;
}

std::string compared_text(Field field, const Bytes& value) {
  switch (field) {
    case Field::iifname:
    case Field::oifname:
      return value_text(Type::ifname, value);
    case Field::iifgroup:
    case Field::oifgroup:
    case Field::skuid:  // nft shows the number unless asked for names (-u)
      return std::to_string(host_u32(value));
    case Field::mark:
      return value_text(Type::mark, value);
    case Field::nfproto:
      return value[0] == NFPROTO_IPV4 ? "ipv4" : "ipv6";
    case Field::l4proto:
      return protocol_text(value[0]);
    case Field::ether_saddr:
    case Field::arp_saddr_ether:
      return value_text(Type::ether_addr, value);
    case Field::ip_saddr:
    case Field::ip_daddr:
    case Field::arp_saddr_ip:
      return value_text(Type::ipv4_addr, value);
    case Field::ip6_saddr:
    case Field::ip6_daddr:
      return value_text(Type::ipv6_addr, value);
    case Field::udp_sport:
    case Field::udp_dport:
    case Field::th_sport:
    case Field::th_dport:
      return value_text(Type::inet_service, value);
    case Field::icmp_type:
      return icmp_text(value[0]);
    case Field::icmpv6_type:
      return icmpv6_text(value[0]);
    case Field::arp_operation:
      return value[1] == 1 ? "request" : "reply";
    case Field::fib_daddr_type:
      return host_u32(value) == RTN_LOCAL ? "local" : std::to_string(host_u32(value));
    case Field::fib_saddr_iif:
      return host_u32(value) != 0 ? "exists" : "missing";
    case Field::ct_original_ip_daddr:
      return value_text(Type::ipv4_addr, value);
    case Field::ct_original_ip6_daddr:
      return value_text(Type::ipv6_addr, value);
    case Field::ct_state:
    case Field::ct_status:
      return fmt::format("{:#x}", host_u32(value));
  }
  std::abort();
}

std::string bits_text(Field field, std::uint32_t bits) {
  struct Name {
    std::uint32_t bit;
    std::string_view text;
  };
  static constexpr std::array kStates{Name{1, "invalid"}, Name{2, "established"}, Name{4, "related"}, Name{8, "new"},
                                      Name{0x40, "untracked"}};
  static constexpr std::array kStatus{Name{0x8, "confirmed"}, Name{0x10, "snat"}, Name{0x20, "dnat"}};
  const std::span<const Name> names = field == Field::ct_state ? std::span<const Name>{kStates} : kStatus;
  std::string text;
  for (const auto& name : names) {
    if ((bits & name.bit) != 0) text += (text.empty() ? "" : ",") + std::string{name.text};
  }
  return text;
}

std::string_view unit_text(std::uint64_t seconds) {
  constexpr std::uint64_t kMinute = 60, kHour = 3600, kDay = 86400;
  return seconds == kDay ? "day" : seconds == kHour ? "hour" : seconds == kMinute ? "minute" : "second";
}

std::string limit_text(const Limit& s) {
  constexpr std::uint32_t kDefaultBurst = 5;  // which nft leaves out
  return fmt::format("limit rate {}{}/{}{}", s.over ? "over " : "", s.rate, unit_text(s.unit),
                     s.burst == kDefaultBurst ? "" : fmt::format(" burst {} packets", s.burst));
}

std::string meter_text(const Meter& meter) {
  switch (meter.kind) {
    case Meter::Kind::packets:
      return fmt::format("limit rate over {}/second burst {} packets", meter.rate, meter.burst);
    case Meter::Kind::bytes:
      return fmt::format("limit rate over {} bytes/second burst {} bytes", meter.rate, meter.burst);
  }
  std::abort();
}

struct StatementText {
  std::string operator()(const Compare& s) const {
    const auto prefix = s.prefix_length == 0 ? "" : fmt::format("/{}", s.prefix_length);
    return fmt::format("{} {}{}{}", spec(s.field).text, s.negated ? "!= " : "", compared_text(s.field, s.value),
                       prefix);
  }
  std::string operator()(const Between& s) const {
    return fmt::format("{} {}-{}", spec(s.field).text, compared_text(s.field, s.first), compared_text(s.field, s.last));
  }
  std::string operator()(const AnyBit& s) const {
    return fmt::format("{} {}", spec(s.field).text, bits_text(s.field, s.bits));
  }
  std::string operator()(const Lookup& s) const { return fmt::format("{} @{}", key_text(s.key), s.set); }
  std::string operator()(const VerdictMap& s) const { return fmt::format("{} vmap @{}", key_text(s.key), s.map); }
  std::string operator()(const SetMark& s) const { return fmt::format("meta mark set {:#010x}", s.value); }
  std::string operator()(const MarkFromMap& s) const {
    return fmt::format("meta mark set {} map @{}", key_text(s.key), s.map);
  }
  std::string operator()(const Nat& s) const {
    return fmt::format("{} {} to {} map @{}", s.kind == Nat::Kind::dnat ? "dnat" : "snat", s.ipv6 ? "ip6" : "ip",
                       key_text(s.key), s.map);
  }
  std::string operator()(const Masquerade&) const { return "masquerade"; }
  std::string operator()(const Notrack&) const { return "notrack"; }
  std::string operator()(const Reject& s) const {
    return s.kind == Reject::Kind::tcp_reset ? "reject with tcp reset" : "reject with icmpx admin-prohibited";
  }
  std::string operator()(const TcpSyn&) const { return "tcp flags syn / syn,rst"; }
  std::string operator()(const ClampMss&) const { return "tcp option maxseg size set rt mtu"; }
  std::string operator()(const Limit& s) const { return limit_text(s); }
  std::string operator()(const Update& s) const {
    std::string with = "counter";
    if (const auto* limit = std::get_if<Limit>(&s.with)) with = limit_text(*limit);
    if (const auto* count = std::get_if<CountOver>(&s.with)) with = fmt::format("ct count over {}", count->limit);
    // What the kernel itself takes away has no end to put off.
    const auto* verb = std::holds_alternative<CountOver>(s.with) ? "add" : "update";
    return fmt::format("{} @{} {{ {} {} }}", verb, s.set, key_text(s.key), with);
  }
  std::string operator()(const Log& s) const {
    return fmt::format("log prefix \"{}\" group {} snaplen {}", s.prefix, s.group, s.snaplen);
  }
  std::string operator()(const Count& s) const { return fmt::format("counter name \"{}\"", s.counter); }
  std::string operator()(const Verdict& s) const { return verdict_text(s); }
};

// The names that nft 1.0.6 gives priorities; it refuses `dstnat` on the output hook.
std::string priority_text(const Base& base) {
  struct Name {
    std::int32_t priority;
    std::string_view text;
  };
  static constexpr std::array kNames{Name{-300, "raw"}, Name{-150, "mangle"}, Name{-100, "dstnat"}, Name{0, "filter"},
                                     Name{100, "srcnat"}};
  constexpr std::int32_t kNear = 10;  // further away nft prints the bare number
  for (const auto& name : kNames) {
    const auto offset = base.priority - name.priority;
    if (offset < -kNear || offset > kNear) continue;
    if (name.text == "dstnat" && base.hook != Hook::prerouting) break;
    if (name.text == "srcnat" && base.hook != Hook::postrouting) break;
    if (offset == 0) return std::string{name.text};
    return fmt::format("{} {} {}", name.text, offset < 0 ? '-' : '+', std::abs(offset));
  }
  return std::to_string(base.priority);
}

std::string types_text(const std::vector<Type>& types) {
  std::string text;
  for (const auto type : types) text += (text.empty() ? "" : " . ") + std::string{name(type)};
  return text;
}

void render_set(const Set& set, const ElementMap* elements, std::string& out) {
  out += fmt::format("\t{} {} {{\n\t\ttype {}", set.data_kind == DataKind::none ? "set" : "map", set.name,
                     types_text(set.key));
  if (set.data_kind == DataKind::verdict) out += " : verdict";
  if (set.data_kind == DataKind::value) out += " : " + types_text(set.data);
  out += '\n';
  if (set.interval) out += "\t\tflags interval\n";
  if (set.admitted) {
    out += "\t\tflags timeout\n";
  } else if (set.dynamic()) {
    constexpr std::uint32_t kMinute = 60, kDay = 86400;
    const bool days = set.timeout % kDay == 0;
    out += fmt::format("\t\tsize {}\n\t\tflags dynamic{}\n", set.size, set.timeout == 0 ? "" : ",timeout");
    if (set.timeout != 0)
      out += fmt::format("\t\ttimeout {}{}\n", set.timeout / (days ? kDay : kMinute), days ? 'd' : 'm');
  }
  if (set.metered) out += "\t\tflags dynamic\n";
  if (elements != nullptr && !elements->empty()) {
    out += "\t\telements = {";
    std::string_view separator = "\n";
    for (const auto& [key, data] : *elements) {
      out += fmt::format("{}\t\t\t{}", separator, render_element(set, key, data));
      separator = ",\n";
    }
    out += "\n\t\t}\n";
  }
  out += "\t}\n\n";
}

void render_chain(const Chain& chain, std::string& out) {
  out += fmt::format("\tchain {} {{\n", chain.name);
  if (chain.base) {
    out += fmt::format("\t\ttype {} hook {} priority {}; policy accept;\n", name(chain.base->type),
                       name(chain.base->hook), priority_text(*chain.base));
  }
  for (const auto& rule : chain.rules) out += fmt::format("\t\t{}\n", render_rule(rule));
  out += "\t}\n\n";
}

}  // namespace

std::string render_element(const Set& set, const ElementKey& key, const Datum& data) {
  std::string text = concat_text(set.key, key.first);
  if (!key.last.empty() && key.last != key.first) {
    std::size_t same = 0;  // leading bits that do not vary
    const auto bit = [](const Bytes& b, std::size_t i) { return b[i / 8] >> (7 - i % 8) & 1; };
    while (same < key.first.size() * 8 && bit(key.first, same) == bit(key.last, same)) ++same;
    bool prefix = true;
    for (std::size_t i = same; i < key.first.size() * 8; ++i) prefix &= bit(key.first, i) == 0 && bit(key.last, i) == 1;
    text += prefix ? fmt::format("/{}", same) : "-" + concat_text(set.key, key.last);
  }
  if (data.meter) return text + ' ' + meter_text(*data.meter);
  if (data.verdict) return text + " : " + verdict_text(*data.verdict);
  if (!data.value.empty()) return text + " : " + concat_text(set.data, data.value);
  return text;
}

std::string render_rule(const Rule& rule) {
  std::string text;
  for (const auto& statement : rule.statements) {
    if (!text.empty()) text += ' ';
    text += std::visit(StatementText{}, statement);
  }
  if (!rule.comment.empty()) text += fmt::format(" comment \"{}\"", rule.comment);
  return text;
}

std::string render_nft(const Ruleset& ruleset) {
  std::string out;
  for (const auto& table : ruleset.tables) {
    out += fmt::format("table {} {} {{\n\tcomment \"{}\"\n\n", name(table.family), kTableName, kTableComment);
    for (const auto& counter : table.counters) out += fmt::format("\tcounter {} {{\n\t}}\n\n", counter);
    for (const auto& set : table.sets) {
      const auto elements = ruleset.elements.find(SetRef{table.family, set.name});
      render_set(set, elements == ruleset.elements.end() ? nullptr : &elements->second, out);
    }
    for (const auto& chain : table.chains) render_chain(chain, out);
    out.pop_back();  // no blank line before the brace
    out += "}\n";
  }
  return out;
}

}  // namespace vrouter::firewall
