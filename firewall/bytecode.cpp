// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/bytecode.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cstring>

#include "firewall/fields.h"

namespace vrouter::firewall {
namespace {

constexpr std::uint32_t kTcpFlagsOffset = 13;     // RFC 9293 section 3.1
constexpr std::uint32_t kTcpOptionMss = 2;        // RFC 9293 section 3.2
constexpr std::uint32_t kTcpOptionMssOffset = 2;  // after kind and length
constexpr std::uint32_t kEtherTypeOffset = 12;
constexpr std::uint8_t kOriginal = 0;     // IP_CT_DIR_ORIGINAL
constexpr std::size_t kRegisterSize = 4;  // of the 32-bit registers
constexpr std::size_t kFastLoad = 4;      // bytes that the kernel loads in one instruction

Bytes host_order(std::uint32_t value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

// Sixteen 32-bit registers, of which each fourth also goes by its old name, a 128-bit register. The kernel shows the
// old name where there is one.
std::uint32_t register_at(std::size_t index) {
  const auto i = static_cast<std::uint32_t>(index);
  return i % 4 == 0 ? NFT_REG_1 + i / 4 : NFT_REG32_00 + i;
}

std::size_t registers_of(std::size_t length) {
  return (length + kRegisterSize - 1) / kRegisterSize;
}

class Assembler {
 public:
  std::vector<Expression> run(const Rule& rule) {
    const auto& statements = rule.statements;
    for (std::size_t i = 0; i < statements.size(); ++i) {
      const auto* first = std::get_if<Compare>(&statements[i]);
      const auto* second = i + 1 < statements.size() ? std::get_if<Compare>(&statements[i + 1]) : nullptr;
      if (first && second && mergeable(*first, *second)) {
        merged(*first, *second);
        ++i;
      } else {
        std::visit([this](const auto& s) { emit(s); }, statements[i]);
      }
    }
    return std::move(code_);
  }

 private:
  template <typename T>
  void add(T expression) {
    code_.emplace_back(std::move(expression));
  }

  void compare(Bytes value, bool negated = false) {
    const std::uint32_t op = negated ? NFT_CMP_NEQ : NFT_CMP_EQ;
    add(Cmp{op, NFT_REG_1, std::move(value)});
  }

  // nft's dependencies: what the packet must be before a header's field means anything. A rule states each once; fields
  // of two families in one rule match nothing, and never the bytes of the other's header.
  void require(const FieldSpec& field) {
    if (field.ether && !ether_) {
      add(MetaLoad{NFT_META_IIFTYPE, NFT_REG_1});
      constexpr std::uint16_t kEthernet = ARPHRD_ETHER;
      Bytes type(sizeof kEthernet);
      std::memcpy(type.data(), &kEthernet, sizeof kEthernet);
      compare(std::move(type));
      ether_ = true;
    }
    if (field.l3 != 0 && l3_ != field.l3) {
      require_l3(field.l3);
      l3_ = field.l3;
    }
    if (field.l4 != 0 && l4_ != field.l4) {
      add(MetaLoad{NFT_META_L4PROTO, NFT_REG_1});
      compare({field.l4});
      l4_ = field.l4;
    }
  }

  // Once the rule has looked at the Ethernet header, nft takes the protocol from there.
  void require_l3(std::uint8_t l3) {
    if (ether_) {
      const std::uint16_t type = l3 == NFPROTO_IPV4 ? ETH_P_IP : ETH_P_IPV6;
      add(PayloadLoad{NFT_PAYLOAD_LL_HEADER, kEtherTypeOffset, 2, NFT_REG_1});
      compare({static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type)});
    } else {
      add(MetaLoad{NFT_META_NFPROTO, NFT_REG_1});
      compare({l3});
    }
  }

  void load(const FieldSpec& field, std::uint32_t length, std::uint32_t dreg) {
    switch (field.source) {
      case Source::meta:
        return add(MetaLoad{field.key, dreg});
      case Source::payload:
        return add(PayloadLoad{field.key, field.offset, length, dreg});
      case Source::ct:
        return add(CtLoad{field.key, dreg, field.original ? std::optional<std::uint8_t>{kOriginal} : std::nullopt});
      case Source::fib:
        return add(FibLoad{field.key, field.flags, dreg});
    }
  }

  void load_key(const Key& key) {
    for (const auto field : key) require(spec(field));
    std::size_t index = 0;
    for (const auto field : key) {
      const auto& s = spec(field);
      load(s, s.length, register_at(index));
      index += registers_of(s.length);
    }
  }

  // nft loads two neighbouring fields at once where both fit in one register: `udp sport 68 udp dport 67`.
  static bool mergeable(const Compare& a, const Compare& b) {
    const auto &x = spec(a.field), &y = spec(b.field);
    return x.source == Source::payload && y.source == Source::payload && x.key == y.key && !a.negated && !b.negated &&
           a.prefix_length == 0 && b.prefix_length == 0 && x.offset + x.length == y.offset &&
           x.length + y.length <= kFastLoad;
  }

  void merged(const Compare& a, const Compare& b) {
    const auto &x = spec(a.field), &y = spec(b.field);
    require(x);
    require(y);
    load(x, x.length + y.length, NFT_REG_1);
    Bytes value = a.value;
    value.insert(value.end(), b.value.begin(), b.value.end());
    compare(std::move(value));
  }

  void emit(const Compare& s) {
    const auto& field = spec(s.field);
    require(field);
    if (s.field == Field::nfproto) l3_ = s.value.front();
    if (s.field == Field::l4proto) l4_ = s.value.front();
    if (s.prefix_length == 0) {
      load(field, field.length, NFT_REG_1);
      return compare(s.value, s.negated);
    }
    if (s.prefix_length % 8 == 0) {  // nft then loads only the bytes that count
      const auto length = s.prefix_length / 8;
      load(field, static_cast<std::uint32_t>(length), NFT_REG_1);
      return compare(Bytes{s.value.begin(), s.value.begin() + length}, s.negated);
    }
    Bytes mask(field.length, 0);
    for (std::size_t bit = 0; bit < s.prefix_length; ++bit)
      mask[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
    load(field, field.length, NFT_REG_1);
    add(Bitwise{NFT_REG_1, NFT_REG_1, std::move(mask), Bytes(field.length, 0)});
    compare(s.value, s.negated);
  }
  void emit(const Between& s) {
    const auto& field = spec(s.field);
    require(field);
    load(field, field.length, NFT_REG_1);
    add(Cmp{NFT_CMP_GTE, NFT_REG_1, s.first});
    add(Cmp{NFT_CMP_LTE, NFT_REG_1, s.last});
  }
  void emit(const AnyBit& s) {
    load(spec(s.field), spec(s.field).length, NFT_REG_1);
    add(Bitwise{NFT_REG_1, NFT_REG_1, host_order(s.bits), host_order(0)});
    compare(host_order(0), true);
  }
  void emit(const Lookup& s) {
    load_key(s.key);
    add(SetLookup{s.set, NFT_REG_1, std::nullopt});
  }
  void emit(const VerdictMap& s) {
    load_key(s.key);
    add(SetLookup{s.map, NFT_REG_1, NFT_REG_VERDICT});
  }
  void emit(const SetMark& s) {
    add(Immediate{NFT_REG_1, Datum{host_order(s.value), std::nullopt}});
    add(MetaSet{NFT_META_MARK, NFT_REG_1});
  }
  void emit(const MarkFromMap& s) {
    load_key(s.key);
    add(SetLookup{s.map, NFT_REG_1, NFT_REG_1});
    add(MetaSet{NFT_META_MARK, NFT_REG_1});
  }
  void emit(const Nat& s) {
    load_key(s.key);
    add(SetLookup{s.map, NFT_REG_1, NFT_REG_1});
    const bool dnat = s.kind == Nat::Kind::dnat;
    NatTo nat{dnat ? NFT_NAT_DNAT : NFT_NAT_SNAT, s.ipv6 ? NFPROTO_IPV6 : NFPROTO_IPV4, 0, NFT_REG_1, std::nullopt};
    if (dnat && !s.address_only) nat.port_reg = register_at(s.ipv6 ? registers_of(16) : registers_of(4));
    add(nat);
  }
  void emit(const Masquerade&) { add(Masq{}); }
  void emit(const Notrack&) { add(NoTracking{}); }
  void emit(const Reject& s) {
    if (s.kind == Reject::Kind::tcp_reset) return add(RejectWith{NFT_REJECT_TCP_RST, 0});
    add(RejectWith{NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_ADMIN_PROHIBITED});
  }
  void emit(const TcpSyn&) {
    constexpr std::uint8_t kSyn = 0x02, kRst = 0x04;
    require(FieldSpec{.text = {}, .l4 = IPPROTO_TCP});
    add(PayloadLoad{NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlagsOffset, 1, NFT_REG_1});
    add(Bitwise{NFT_REG_1, NFT_REG_1, {kSyn | kRst}, {0}});
    compare({kSyn});
  }
  void emit(const ClampMss&) {
    add(RtLoad{NFT_RT_TCPMSS, NFT_REG_1});
    add(Byteorder{NFT_BYTEORDER_HTON, NFT_REG_1, NFT_REG_1, 2, 2});
    add(TcpOptionWrite{kTcpOptionMss, kTcpOptionMssOffset, 2, NFT_REG_1});
  }
  static RateLimit rate_limit(const Limit& s) {
    return {s.rate, s.unit, s.burst, NFT_LIMIT_PKTS, s.over ? std::uint32_t{NFT_LIMIT_F_INV} : 0};
  }
  void emit(const Limit& s) { add(rate_limit(s)); }
  void emit(const Log& s) { add(LogTo{s.prefix, s.group, s.snaplen}); }
  void emit(const Count& s) { add(ObjectRef{NFT_OBJECT_COUNTER, s.counter}); }
  void emit(const Update& s) {
    load_key(s.key);
    SetUpdate update{s.set, NFT_REG_1, ElementCounter{}};
    if (const auto* limit = std::get_if<Limit>(&s.with)) update.with = rate_limit(*limit);
    if (const auto* count = std::get_if<CountOver>(&s.with))
      update.with = ConnectionCount{count->limit, NFT_CONNLIMIT_F_INV};
    add(std::move(update));
  }
  void emit(const Verdict& s) { add(Immediate{NFT_REG_VERDICT, Datum{{}, s}}); }

  std::vector<Expression> code_;
  bool ether_ = false;
  std::uint8_t l3_ = 0, l4_ = 0;
};

}  // namespace

std::vector<Expression> assemble(const Rule& rule) {
  return Assembler{}.run(rule);
}

Expression expression_of(const Meter& meter) {
  const std::uint32_t type = meter.kind == Meter::Kind::packets ? NFT_LIMIT_PKTS : NFT_LIMIT_PKT_BYTES;
  return RateLimit{meter.rate, 1, meter.burst, type, NFT_LIMIT_F_INV};
}

std::optional<Meter> meter_of(const Expression& expression) {
  const auto* limit = std::get_if<RateLimit>(&expression);
  if (limit == nullptr || limit->unit != 1 || limit->flags != NFT_LIMIT_F_INV) return std::nullopt;
  const auto kind = limit->type == NFT_LIMIT_PKTS ? Meter::Kind::packets : Meter::Kind::bytes;
  return Meter{kind, limit->rate, limit->burst};
}

}  // namespace vrouter::firewall
