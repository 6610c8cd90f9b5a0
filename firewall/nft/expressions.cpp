// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/nft/expressions.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#include <string_view>

#include "firewall/nft/handles.h"

namespace vrouter::firewall {
namespace {

nftnl_expr* make(const char* name) {
  return allocated(nftnl_expr_alloc(name));
}

void put(nftnl_expr* e, std::uint16_t attribute, std::uint32_t value) {
  nftnl_expr_set_u32(e, attribute, value);
}
void put(nftnl_expr* e, std::uint16_t attribute, const Bytes& value) {
  nftnl_expr_set(e, attribute, value.data(), static_cast<std::uint32_t>(value.size()));
}

struct Writer {
  nftnl_expr* operator()(const MetaLoad& x) const {
    auto* e = make("meta");
    put(e, NFTNL_EXPR_META_KEY, x.key);
    put(e, NFTNL_EXPR_META_DREG, x.dreg);
    return e;
  }
  nftnl_expr* operator()(const MetaSet& x) const {
    auto* e = make("meta");
    put(e, NFTNL_EXPR_META_KEY, x.key);
    put(e, NFTNL_EXPR_META_SREG, x.sreg);
    return e;
  }
  nftnl_expr* operator()(const PayloadLoad& x) const {
    auto* e = make("payload");
    put(e, NFTNL_EXPR_PAYLOAD_BASE, x.base);
    put(e, NFTNL_EXPR_PAYLOAD_OFFSET, x.offset);
    put(e, NFTNL_EXPR_PAYLOAD_LEN, x.length);
    put(e, NFTNL_EXPR_PAYLOAD_DREG, x.dreg);
    return e;
  }
  nftnl_expr* operator()(const CtLoad& x) const {
    auto* e = make("ct");
    put(e, NFTNL_EXPR_CT_KEY, x.key);
    put(e, NFTNL_EXPR_CT_DREG, x.dreg);
    if (x.direction) nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, *x.direction);
    return e;
  }
  nftnl_expr* operator()(const FibLoad& x) const {
    auto* e = make("fib");
    put(e, NFTNL_EXPR_FIB_RESULT, x.result);
    put(e, NFTNL_EXPR_FIB_FLAGS, x.flags);
    put(e, NFTNL_EXPR_FIB_DREG, x.dreg);
    return e;
  }
  nftnl_expr* operator()(const RtLoad& x) const {
    auto* e = make("rt");
    put(e, NFTNL_EXPR_RT_KEY, x.key);
    put(e, NFTNL_EXPR_RT_DREG, x.dreg);
    return e;
  }
  nftnl_expr* operator()(const Cmp& x) const {
    auto* e = make("cmp");
    put(e, NFTNL_EXPR_CMP_OP, x.op);
    put(e, NFTNL_EXPR_CMP_SREG, x.sreg);
    put(e, NFTNL_EXPR_CMP_DATA, x.data);
    return e;
  }
  nftnl_expr* operator()(const Bitwise& x) const {
    auto* e = make("bitwise");
    put(e, NFTNL_EXPR_BITWISE_SREG, x.sreg);
    put(e, NFTNL_EXPR_BITWISE_DREG, x.dreg);
    put(e, NFTNL_EXPR_BITWISE_LEN, static_cast<std::uint32_t>(x.mask.size()));
    put(e, NFTNL_EXPR_BITWISE_MASK, x.mask);
    put(e, NFTNL_EXPR_BITWISE_XOR, x.xor_);
    return e;
  }
  nftnl_expr* operator()(const Byteorder& x) const {
    auto* e = make("byteorder");
    put(e, NFTNL_EXPR_BYTEORDER_OP, x.op);
    put(e, NFTNL_EXPR_BYTEORDER_SREG, x.sreg);
    put(e, NFTNL_EXPR_BYTEORDER_DREG, x.dreg);
    put(e, NFTNL_EXPR_BYTEORDER_LEN, x.length);
    put(e, NFTNL_EXPR_BYTEORDER_SIZE, x.size);
    return e;
  }
  nftnl_expr* operator()(const SetLookup& x) const {
    auto* e = make("lookup");
    put(e, NFTNL_EXPR_LOOKUP_SREG, x.sreg);
    if (x.dreg) put(e, NFTNL_EXPR_LOOKUP_DREG, *x.dreg);
    nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, x.set.c_str());
    return e;
  }
  nftnl_expr* operator()(const Immediate& x) const {
    auto* e = make("immediate");
    put(e, NFTNL_EXPR_IMM_DREG, x.dreg);
    if (x.data.verdict) {
      put(e, NFTNL_EXPR_IMM_VERDICT, verdict_code(x.data.verdict->kind));
      if (!x.data.verdict->chain.empty()) nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, x.data.verdict->chain.c_str());
    } else {
      put(e, NFTNL_EXPR_IMM_DATA, x.data.value);
    }
    return e;
  }
  nftnl_expr* operator()(const NatTo& x) const {
    auto* e = make("nat");
    put(e, NFTNL_EXPR_NAT_TYPE, x.type);
    put(e, NFTNL_EXPR_NAT_FAMILY, x.family);
    put(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, x.address_reg);
    if (x.port_reg) put(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, *x.port_reg);
    if (x.flags != 0) put(e, NFTNL_EXPR_NAT_FLAGS, x.flags);
    return e;
  }
  nftnl_expr* operator()(const Masq& x) const {
    auto* e = make("masq");
    if (x.flags != 0) put(e, NFTNL_EXPR_MASQ_FLAGS, x.flags);
    return e;
  }
  nftnl_expr* operator()(const NoTracking&) const { return make("notrack"); }
  nftnl_expr* operator()(const RejectWith& x) const {
    auto* e = make("reject");
    put(e, NFTNL_EXPR_REJECT_TYPE, x.type);
    nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, static_cast<std::uint8_t>(x.code));
    return e;
  }
  nftnl_expr* operator()(const TcpOptionWrite& x) const {
    auto* e = make("exthdr");
    put(e, NFTNL_EXPR_EXTHDR_SREG, x.sreg);
    nftnl_expr_set_u8(e, NFTNL_EXPR_EXTHDR_TYPE, static_cast<std::uint8_t>(x.option));
    put(e, NFTNL_EXPR_EXTHDR_OFFSET, x.offset);
    put(e, NFTNL_EXPR_EXTHDR_LEN, x.length);
    put(e, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
    return e;
  }
  nftnl_expr* operator()(const RateLimit& x) const {
    auto* e = make("limit");
    nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_RATE, x.rate);
    nftnl_expr_set_u64(e, NFTNL_EXPR_LIMIT_UNIT, x.unit);
    put(e, NFTNL_EXPR_LIMIT_BURST, x.burst);
    put(e, NFTNL_EXPR_LIMIT_TYPE, x.type);
    put(e, NFTNL_EXPR_LIMIT_FLAGS, x.flags);
    return e;
  }
  nftnl_expr* operator()(const ElementCounter&) const { return make("counter"); }
  nftnl_expr* operator()(const ConnectionCount& x) const {
    auto* e = make("connlimit");
    put(e, NFTNL_EXPR_CONNLIMIT_COUNT, x.count);
    put(e, NFTNL_EXPR_CONNLIMIT_FLAGS, x.flags);
    return e;
  }
  nftnl_expr* operator()(const SetUpdate& x) const {
    auto* e = make("dynset");
    const bool counts = std::holds_alternative<ConnectionCount>(x.with);
    put(e, NFTNL_EXPR_DYNSET_OP, counts ? NFT_DYNSET_OP_ADD : NFT_DYNSET_OP_UPDATE);
    put(e, NFTNL_EXPR_DYNSET_SREG_KEY, x.sreg);
    nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, x.set.c_str());
    nftnl_expr_set(e, NFTNL_EXPR_DYNSET_EXPR, std::visit(*this, x.with), 0);  // owned by `e` from here on
    return e;
  }
  nftnl_expr* operator()(const LogTo& x) const {
    auto* e = make("log");
    nftnl_expr_set_str(e, NFTNL_EXPR_LOG_PREFIX, x.prefix.c_str());
    nftnl_expr_set_u16(e, NFTNL_EXPR_LOG_GROUP, x.group);
    put(e, NFTNL_EXPR_LOG_SNAPLEN, x.snaplen);
    return e;
  }
  nftnl_expr* operator()(const ObjectRef& x) const {
    auto* e = make("objref");
    put(e, NFTNL_EXPR_OBJREF_IMM_TYPE, x.type);
    nftnl_expr_set_str(e, NFTNL_EXPR_OBJREF_IMM_NAME, x.name.c_str());
    return e;
  }
  nftnl_expr* operator()(const Unknown& x) const { return make(x.name.c_str()); }
};

bool has(const nftnl_expr* e, std::uint16_t attribute) {
  return nftnl_expr_is_set(e, attribute);
}
std::uint32_t u32(const nftnl_expr* e, std::uint16_t attribute) {
  return has(e, attribute) ? nftnl_expr_get_u32(e, attribute) : 0;
}
Bytes bytes(const nftnl_expr* e, std::uint16_t attribute) {
  std::uint32_t length = 0;
  const auto* data = static_cast<const std::uint8_t*>(nftnl_expr_get(e, attribute, &length));
  return data == nullptr ? Bytes{} : Bytes(data, data + length);
}

Expression read_meta(const nftnl_expr* e) {
  if (has(e, NFTNL_EXPR_META_SREG)) return MetaSet{u32(e, NFTNL_EXPR_META_KEY), u32(e, NFTNL_EXPR_META_SREG)};
  return MetaLoad{u32(e, NFTNL_EXPR_META_KEY), u32(e, NFTNL_EXPR_META_DREG)};
}
Expression read_payload(const nftnl_expr* e) {
  if (has(e, NFTNL_EXPR_PAYLOAD_SREG)) return Unknown{"payload write"};
  return PayloadLoad{u32(e, NFTNL_EXPR_PAYLOAD_BASE), u32(e, NFTNL_EXPR_PAYLOAD_OFFSET), u32(e, NFTNL_EXPR_PAYLOAD_LEN),
                     u32(e, NFTNL_EXPR_PAYLOAD_DREG)};
}
Expression read_ct(const nftnl_expr* e) {
  if (has(e, NFTNL_EXPR_CT_SREG)) return Unknown{"ct"};
  CtLoad load{u32(e, NFTNL_EXPR_CT_KEY), u32(e, NFTNL_EXPR_CT_DREG)};
  if (has(e, NFTNL_EXPR_CT_DIR)) load.direction = nftnl_expr_get_u8(e, NFTNL_EXPR_CT_DIR);
  return load;
}
Expression read_bitwise(const nftnl_expr* e) {
  if (u32(e, NFTNL_EXPR_BITWISE_OP) != NFT_BITWISE_BOOL) return Unknown{"bitwise shift"};
  return Bitwise{u32(e, NFTNL_EXPR_BITWISE_SREG), u32(e, NFTNL_EXPR_BITWISE_DREG), bytes(e, NFTNL_EXPR_BITWISE_MASK),
                 bytes(e, NFTNL_EXPR_BITWISE_XOR)};
}
Expression read_lookup(const nftnl_expr* e) {
  if (u32(e, NFTNL_EXPR_LOOKUP_FLAGS) != 0) return Unknown{"inverted lookup"};
  SetLookup lookup{nftnl_expr_get_str(e, NFTNL_EXPR_LOOKUP_SET), u32(e, NFTNL_EXPR_LOOKUP_SREG), std::nullopt};
  if (has(e, NFTNL_EXPR_LOOKUP_DREG)) lookup.dreg = u32(e, NFTNL_EXPR_LOOKUP_DREG);
  return lookup;
}
Expression read_immediate(const nftnl_expr* e) {
  const auto dreg = u32(e, NFTNL_EXPR_IMM_DREG);
  if (!has(e, NFTNL_EXPR_IMM_VERDICT)) return Immediate{dreg, Datum{bytes(e, NFTNL_EXPR_IMM_DATA), std::nullopt}};
  const auto* chain = has(e, NFTNL_EXPR_IMM_CHAIN) ? nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN) : nullptr;
  auto verdict = verdict_of(u32(e, NFTNL_EXPR_IMM_VERDICT), chain);
  if (!verdict) return Unknown{"verdict"};
  return Immediate{dreg, Datum{{}, std::move(verdict)}};
}
Expression read_nat(const nftnl_expr* e) {
  // The kernel adds what follows from the registers, and shows a range of one as such.
  const auto flags = u32(e, NFTNL_EXPR_NAT_FLAGS) & ~std::uint32_t{NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED};
  const auto address = u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN);
  const auto port = u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN);
  const auto range = [e](std::uint16_t last, std::uint32_t first) { return has(e, last) && u32(e, last) != first; };
  if (range(NFTNL_EXPR_NAT_REG_ADDR_MAX, address) || range(NFTNL_EXPR_NAT_REG_PROTO_MAX, port))
    return Unknown{"nat range"};
  NatTo nat{u32(e, NFTNL_EXPR_NAT_TYPE), u32(e, NFTNL_EXPR_NAT_FAMILY), flags, address, std::nullopt};
  if (port != 0) nat.port_reg = port;
  return nat;
}
Expression read_masq(const nftnl_expr* e) {
  if (has(e, NFTNL_EXPR_MASQ_REG_PROTO_MIN)) return Unknown{"masq ports"};
  return Masq{u32(e, NFTNL_EXPR_MASQ_FLAGS)};
}
std::uint64_t u64(const nftnl_expr* e, std::uint16_t attribute) {
  return has(e, attribute) ? nftnl_expr_get_u64(e, attribute) : 0;
}
Expression read_limit(const nftnl_expr* e) {
  return RateLimit{u64(e, NFTNL_EXPR_LIMIT_RATE), u64(e, NFTNL_EXPR_LIMIT_UNIT), u32(e, NFTNL_EXPR_LIMIT_BURST),
                   u32(e, NFTNL_EXPR_LIMIT_TYPE), u32(e, NFTNL_EXPR_LIMIT_FLAGS)};
}
Expression read_update(const nftnl_expr* e) {
  const Unknown other{"dynset"};
  const auto op = u32(e, NFTNL_EXPR_DYNSET_OP);
  const bool plain = (op == NFT_DYNSET_OP_UPDATE || op == NFT_DYNSET_OP_ADD) && !has(e, NFTNL_EXPR_DYNSET_SREG_DATA) &&
                     u64(e, NFTNL_EXPR_DYNSET_TIMEOUT) == 0 && has(e, NFTNL_EXPR_DYNSET_EXPR);
  if (!plain) return other;
  std::uint32_t length = 0;
  const auto* with = static_cast<const nftnl_expr*>(nftnl_expr_get(e, NFTNL_EXPR_DYNSET_EXPR, &length));
  SetUpdate update{nftnl_expr_get_str(e, NFTNL_EXPR_DYNSET_SET_NAME), u32(e, NFTNL_EXPR_DYNSET_SREG_KEY), {}};
  const std::string_view name = nftnl_expr_get_str(with, NFTNL_EXPR_NAME);
  if (name == "counter") return update;
  if ((name == "connlimit") != (op == NFT_DYNSET_OP_ADD)) return other;
  if (name == "connlimit") {
    update.with = ConnectionCount{u32(with, NFTNL_EXPR_CONNLIMIT_COUNT), u32(with, NFTNL_EXPR_CONNLIMIT_FLAGS)};
    return update;
  }
  if (name != "limit") return other;
  update.with = std::get<RateLimit>(read_limit(with));
  return update;
}
Expression read_log(const nftnl_expr* e) {
  if (!has(e, NFTNL_EXPR_LOG_GROUP) || !has(e, NFTNL_EXPR_LOG_PREFIX)) return Unknown{"log to the kernel's own"};
  return LogTo{nftnl_expr_get_str(e, NFTNL_EXPR_LOG_PREFIX), nftnl_expr_get_u16(e, NFTNL_EXPR_LOG_GROUP),
               u32(e, NFTNL_EXPR_LOG_SNAPLEN)};
}
Expression read_object(const nftnl_expr* e) {
  if (!has(e, NFTNL_EXPR_OBJREF_IMM_NAME)) return Unknown{"object map"};
  return ObjectRef{u32(e, NFTNL_EXPR_OBJREF_IMM_TYPE), nftnl_expr_get_str(e, NFTNL_EXPR_OBJREF_IMM_NAME)};
}
Expression read_exthdr(const nftnl_expr* e) {
  if (u32(e, NFTNL_EXPR_EXTHDR_OP) != NFT_EXTHDR_OP_TCPOPT || !has(e, NFTNL_EXPR_EXTHDR_SREG)) return Unknown{"exthdr"};
  return TcpOptionWrite{nftnl_expr_get_u8(e, NFTNL_EXPR_EXTHDR_TYPE), u32(e, NFTNL_EXPR_EXTHDR_OFFSET),
                        u32(e, NFTNL_EXPR_EXTHDR_LEN), u32(e, NFTNL_EXPR_EXTHDR_SREG)};
}

}  // namespace

std::uint32_t verdict_code(Verdict::Kind kind) noexcept {
  switch (kind) {
    case Verdict::Kind::accept:
      return NF_ACCEPT;
    case Verdict::Kind::drop:
      return NF_DROP;
    case Verdict::Kind::jump:
      return static_cast<std::uint32_t>(NFT_JUMP);
    case Verdict::Kind::goto_chain:
      return static_cast<std::uint32_t>(NFT_GOTO);
    case Verdict::Kind::return_:
      return static_cast<std::uint32_t>(NFT_RETURN);
  }
  std::abort();
}

std::optional<Verdict> verdict_of(std::uint32_t code, const char* chain) {
  for (const auto kind : {Verdict::Kind::accept, Verdict::Kind::drop, Verdict::Kind::jump, Verdict::Kind::goto_chain,
                          Verdict::Kind::return_}) {
    if (verdict_code(kind) == code) return Verdict{kind, chain == nullptr ? "" : chain};
  }
  return std::nullopt;
}

nftnl_expr* to_nftnl(const Expression& expression) {
  return std::visit(Writer{}, expression);
}

Expression from_nftnl(const nftnl_expr* e) {
  const std::string_view name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
  if (name == "meta") return read_meta(e);
  if (name == "payload") return read_payload(e);
  if (name == "ct") return read_ct(e);
  if (name == "fib")
    return FibLoad{u32(e, NFTNL_EXPR_FIB_RESULT), u32(e, NFTNL_EXPR_FIB_FLAGS), u32(e, NFTNL_EXPR_FIB_DREG)};
  if (name == "notrack") return NoTracking{};
  if (name == "rt") return RtLoad{u32(e, NFTNL_EXPR_RT_KEY), u32(e, NFTNL_EXPR_RT_DREG)};
  if (name == "cmp") return Cmp{u32(e, NFTNL_EXPR_CMP_OP), u32(e, NFTNL_EXPR_CMP_SREG), bytes(e, NFTNL_EXPR_CMP_DATA)};
  if (name == "bitwise") return read_bitwise(e);
  if (name == "byteorder") {
    return Byteorder{u32(e, NFTNL_EXPR_BYTEORDER_OP), u32(e, NFTNL_EXPR_BYTEORDER_SREG),
                     u32(e, NFTNL_EXPR_BYTEORDER_DREG), u32(e, NFTNL_EXPR_BYTEORDER_LEN),
                     u32(e, NFTNL_EXPR_BYTEORDER_SIZE)};
  }
  if (name == "lookup") return read_lookup(e);
  if (name == "immediate") return read_immediate(e);
  if (name == "nat") return read_nat(e);
  if (name == "masq") return read_masq(e);
  if (name == "reject") return RejectWith{u32(e, NFTNL_EXPR_REJECT_TYPE), nftnl_expr_get_u8(e, NFTNL_EXPR_REJECT_CODE)};
  if (name == "exthdr") return read_exthdr(e);
  if (name == "limit") return read_limit(e);
  if (name == "dynset") return read_update(e);
  if (name == "log") return read_log(e);
  if (name == "objref") return read_object(e);
  return Unknown{std::string{name}};
}

}  // namespace vrouter::firewall
