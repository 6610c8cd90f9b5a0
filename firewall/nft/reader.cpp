// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/nft/reader.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <fmt/format.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "firewall/nft/batch.h"
#include "firewall/nft/expressions.h"
#include "firewall/nft/handles.h"

namespace vrouter::firewall {
namespace {

constexpr std::array kFamilies{Family::inet, Family::arp};
constexpr std::size_t kRequestSize = 512;  // a header and two names

std::string what_of(std::string_view kind, Family family) {
  return fmt::format("read the {} of table {} {}", kind, name(family), kTableName);
}

std::uint8_t family_of(const nlmsghdr& message) {
  return static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&message))->nfgen_family;
}

bool is_ours(const char* table) {
  return table != nullptr && table == kTableName;
}

struct Byteorders {
  std::optional<std::uint32_t> key, data;
};

int take_byteorder(const nftnl_udata* attribute, void* found) {
  auto& orders = *static_cast<Byteorders*>(found);
  const auto type = nftnl_udata_type(attribute);
  if (nftnl_udata_len(attribute) != sizeof(std::uint32_t)) return 0;
  if (type == NFTNL_UDATA_SET_KEYBYTEORDER) orders.key = nftnl_udata_get_u32(attribute);
  if (type == NFTNL_UDATA_SET_DATABYTEORDER) orders.data = nftnl_udata_get_u32(attribute);
  return 0;
}

// Whether nft can print it as it is meant. What else nft notes differs between its versions.
bool prints_right(const nftnl_set* s, const Set& set) {
  Byteorders orders;
  std::uint32_t length = 0;
  const auto* data = nftnl_set_get_data(s, NFTNL_SET_USERDATA, &length);
  if (data == nullptr || nftnl_udata_parse(data, length, take_byteorder, &orders) < 0) return false;
  return orders.key == byteorder(set.key) && (set.data_kind != DataKind::value || orders.data == byteorder(set.data));
}

std::optional<std::vector<Type>> types_of(std::uint32_t code) {
  static constexpr std::array kKnown{Type::ipv4_addr,  Type::ipv6_addr,    Type::ether_addr,
                                     Type::inet_proto, Type::inet_service, Type::icmp_type,
                                     Type::mark,       Type::icmpv6_type,  Type::ifname};
  constexpr std::uint32_t kMask = 0x3f, kBits = 6;
  std::vector<Type> types;
  for (; code != 0; code >>= kBits) {
    const auto known = std::ranges::find(kKnown, code & kMask, [](Type t) { return static_cast<std::uint32_t>(t); });
    if (known == kKnown.end()) return std::nullopt;
    types.insert(types.begin(), *known);
  }
  return types.empty() ? std::nullopt : std::optional{types};
}

// Empty when it is no set that this version makes.
std::optional<Set> read_set(const nftnl_set* s) {
  const auto flags = nftnl_set_get_u32(s, NFTNL_SET_FLAGS);
  constexpr std::uint32_t kDynamic = NFT_SET_EVAL | NFT_SET_TIMEOUT;
  const bool dynamic =
      (flags & kDynamic) == kDynamic || ((flags & NFT_SET_EVAL) != 0 && nftnl_set_get_u32(s, NFTNL_SET_DESC_SIZE) != 0);
  const bool admitted = (flags & kDynamic) == NFT_SET_TIMEOUT && nftnl_set_get_u64(s, NFTNL_SET_TIMEOUT) == 0;
  const std::uint32_t known = NFT_SET_INTERVAL | NFT_SET_MAP | NFT_SET_EVAL | (dynamic ? kDynamic : 0) |
                              (admitted ? std::uint32_t{NFT_SET_TIMEOUT} : 0);
  if ((flags & ~known) != 0) return std::nullopt;
  auto key = types_of(nftnl_set_get_u32(s, NFTNL_SET_KEY_TYPE));
  if (!key || padded_size(*key) != nftnl_set_get_u32(s, NFTNL_SET_KEY_LEN)) return std::nullopt;
  Set set{nftnl_set_get_str(s, NFTNL_SET_NAME), std::move(*key), DataKind::none, {}, (flags & NFT_SET_INTERVAL) != 0};
  if ((flags & NFT_SET_MAP) != 0) {
    const auto type = nftnl_set_get_u32(s, NFTNL_SET_DATA_TYPE);
    set.data_kind = type == NFT_DATA_VERDICT ? DataKind::verdict : DataKind::value;
    if (set.data_kind == DataKind::value) {
      auto data = types_of(type);
      if (!data || padded_size(*data) != nftnl_set_get_u32(s, NFTNL_SET_DATA_LEN)) return std::nullopt;
      set.data = std::move(*data);
    }
  }
  if (dynamic) {
    constexpr std::uint64_t kMilliseconds = 1000;
    set.size = nftnl_set_get_u32(s, NFTNL_SET_DESC_SIZE);
    set.timeout = static_cast<std::uint32_t>(nftnl_set_get_u64(s, NFTNL_SET_TIMEOUT) / kMilliseconds);
    if (!set.dynamic()) return std::nullopt;
  }
  set.admitted = admitted;
  set.metered = !dynamic && (flags & NFT_SET_EVAL) != 0;
  if (!prints_right(s, set)) return std::nullopt;
  return set;
}

std::expected<void, KernelError> read_sets(NetlinkSocket& socket, Family family, ObservedTable& table) {
  std::array<char, kRequestSize> buffer{};
  auto* request = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETSET, static_cast<std::uint16_t>(family), NLM_F_DUMP,
                                        socket.next_sequence());
  const SetHandle filter{allocated(nftnl_set_alloc())};
  nftnl_set_set_str(filter.get(), NFTNL_SET_TABLE, kTableName.data());
  nftnl_set_nlmsg_build_payload(request, filter.get());
  const auto restart = [&] {
    table.sets.clear();
    table.strange = false;
  };
  return socket.query(*request, what_of("sets", family), restart, [&](const nlmsghdr& message) {
    const SetHandle s{allocated(nftnl_set_alloc())};
    if (nftnl_set_nlmsg_parse(&message, s.get()) < 0) return;
    if (!is_ours(nftnl_set_get_str(s.get(), NFTNL_SET_TABLE)) ||
        family_of(message) != static_cast<std::uint8_t>(family))
      return;
    if (auto set = read_set(s.get())) {
      table.sets.insert_or_assign(set->name, std::move(*set));
    } else {
      table.strange = true;
    }
  });
}

// Empty for a chain on a hook that ours never are, or of another type.
std::optional<Base> read_base(const nftnl_chain* c, Family family) {
  auto hook = nftnl_chain_get_u32(c, NFTNL_CHAIN_HOOKNUM);
  if (family == Family::arp) ++hook;  // NF_ARP_IN is 0; our Hook numbers are those of `inet`
  const auto* type = nftnl_chain_get_str(c, NFTNL_CHAIN_TYPE);
  if (type == nullptr || hook > static_cast<std::uint32_t>(Hook::postrouting)) return std::nullopt;
  for (const auto known : {ChainType::filter, ChainType::nat}) {
    if (type == name(known)) return Base{known, static_cast<Hook>(hook), nftnl_chain_get_s32(c, NFTNL_CHAIN_PRIO)};
  }
  return std::nullopt;
}

std::expected<void, KernelError> read_chains(NetlinkSocket& socket, Family family, ObservedTable& table) {
  std::array<char, kRequestSize> buffer{};
  const auto* request = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETCHAIN, static_cast<std::uint16_t>(family),
                                              NLM_F_DUMP, socket.next_sequence());
  const auto restart = [&] { table.chains.clear(); };
  return socket.query(*request, what_of("chains", family), restart, [&](const nlmsghdr& message) {
    const ChainHandle c{allocated(nftnl_chain_alloc())};
    if (nftnl_chain_nlmsg_parse(&message, c.get()) < 0) return;
    const bool same_family = family_of(message) == static_cast<std::uint8_t>(family);
    if (!is_ours(nftnl_chain_get_str(c.get(), NFTNL_CHAIN_TABLE)) || !same_family) return;
    ObservedChain chain;
    if (nftnl_chain_is_set(c.get(), NFTNL_CHAIN_HOOKNUM)) {
      chain.base = read_base(c.get(), family);
      chain.accepts = nftnl_chain_get_u32(c.get(), NFTNL_CHAIN_POLICY) == NF_ACCEPT;
      table.strange |= !chain.base;
    }
    table.chains.insert_or_assign(nftnl_chain_get_str(c.get(), NFTNL_CHAIN_NAME), std::move(chain));
  });
}

int take_comment(const nftnl_udata* attribute, void* comment) {
  if (nftnl_udata_type(attribute) != NFTNL_UDATA_RULE_COMMENT || nftnl_udata_len(attribute) == 0) return 0;
  const auto* text = static_cast<const char*>(nftnl_udata_get(attribute));
  if (text[nftnl_udata_len(attribute) - 1] == '\0') *static_cast<std::string*>(comment) = text;
  return 0;
}

ObservedRule read_rule(nftnl_rule* r) {
  ObservedRule rule;
  nftnl_expr_foreach(
      r,
      [](nftnl_expr* e, void* code) {
        static_cast<std::vector<Expression>*>(code)->push_back(from_nftnl(e));
        return 0;
      },
      &rule.code);
  std::uint32_t length = 0;
  if (const auto* data = nftnl_rule_get_data(r, NFTNL_RULE_USERDATA, &length); data != nullptr) {
    nftnl_udata_parse(data, length, take_comment, &rule.comment);
  }
  return rule;
}

std::expected<void, KernelError> read_rules(NetlinkSocket& socket, Family family, ObservedTable& table) {
  std::array<char, kRequestSize> buffer{};
  auto* request = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETRULE, static_cast<std::uint16_t>(family), NLM_F_DUMP,
                                        socket.next_sequence());
  mnl_attr_put_strz(request, NFTA_RULE_TABLE, kTableName.data());
  const auto restart = [&] {
    for (auto& [name, chain] : table.chains) chain.rules.clear();
  };
  return socket.query(*request, what_of("rules", family), restart, [&](const nlmsghdr& message) {
    const RuleHandle r{allocated(nftnl_rule_alloc())};
    if (nftnl_rule_nlmsg_parse(&message, r.get()) < 0) return;
    if (!is_ours(nftnl_rule_get_str(r.get(), NFTNL_RULE_TABLE))) return;
    const auto chain = table.chains.find(nftnl_rule_get_str(r.get(), NFTNL_RULE_CHAIN));
    if (chain != table.chains.end()) chain->second.rules.push_back(read_rule(r.get()));
  });
}

std::expected<void, KernelError> read_counters(NetlinkSocket& socket, Family family, ObservedTable& table) {
  std::array<char, kRequestSize> buffer{};
  auto* request = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETOBJ, static_cast<std::uint16_t>(family), NLM_F_DUMP,
                                        socket.next_sequence());
  mnl_attr_put_strz(request, NFTA_OBJ_TABLE, kTableName.data());
  const auto restart = [&] { table.counters.clear(); };
  return socket.query(*request, what_of("counters", family), restart, [&](const nlmsghdr& message) {
    const ObjectHandle o{allocated(nftnl_obj_alloc())};
    if (nftnl_obj_nlmsg_parse(&message, o.get()) < 0) return;
    const bool same_family = family_of(message) == static_cast<std::uint8_t>(family);
    if (!is_ours(nftnl_obj_get_str(o.get(), NFTNL_OBJ_TABLE)) || !same_family) return;
    if (nftnl_obj_get_u32(o.get(), NFTNL_OBJ_TYPE) == NFT_OBJECT_COUNTER) {
      table.counters.insert(nftnl_obj_get_str(o.get(), NFTNL_OBJ_NAME));
    } else {
      table.strange = true;
    }
  });
}

Datum read_data(const nftnl_set_elem* e) {
  if (nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_VERDICT)) {
    const auto* chain = nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_CHAIN)
                            ? nftnl_set_elem_get_str(const_cast<nftnl_set_elem*>(e), NFTNL_SET_ELEM_CHAIN)
                            : nullptr;
    return {{}, verdict_of(nftnl_set_elem_get_u32(const_cast<nftnl_set_elem*>(e), NFTNL_SET_ELEM_VERDICT), chain)};
  }
  std::uint32_t length = 0;
  const auto* data = static_cast<const std::uint8_t*>(
      nftnl_set_elem_get(const_cast<nftnl_set_elem*>(e), NFTNL_SET_ELEM_DATA, &length));
  Datum datum{data == nullptr ? Bytes{} : Bytes(data, data + length), std::nullopt};
  if (nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_EXPR)) {
    const auto* meter = nftnl_set_elem_get(const_cast<nftnl_set_elem*>(e), NFTNL_SET_ELEM_EXPR, &length);
    datum.meter = meter_of(from_nftnl(static_cast<const nftnl_expr*>(meter)));
  }
  return datum;
}

struct RawElement {
  Bytes key;
  bool end = false;
  Datum data;
};

// In key order, an end before a start of the same key: neighbouring intervals touch.
ElementMap pair_up(std::vector<RawElement> raw) {
  std::ranges::sort(raw,
                    [](const auto& a, const auto& b) { return std::pair{a.key, !a.end} < std::pair{b.key, !b.end}; });
  std::map<ElementKey, Datum> map;
  for (auto start = raw.begin(); start != raw.end(); ++start) {
    if (start->end) continue;
    const auto end = std::find_if(start + 1, raw.end(), [](const auto& e) { return e.end; });
    Bytes last(start->key.size(), 0xff);
    if (end != raw.end()) {
      last = end->key;
      for (auto byte = last.rbegin(); byte != last.rend() && (*byte)-- == 0;) ++byte;
    }
    map.emplace(ElementKey{start->key, std::move(last)}, start->data);
  }
  return map;
}

std::expected<ElementMap, KernelError> read_elements(NetlinkSocket& socket, const SetRef& ref, bool interval) {
  std::array<char, kRequestSize> buffer{};
  auto* request = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETSETELEM, static_cast<std::uint16_t>(ref.family),
                                        NLM_F_DUMP, socket.next_sequence());
  mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, kTableName.data());
  mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, ref.set.c_str());
  std::map<ElementKey, Datum> map;
  std::vector<RawElement> raw;
  const auto restart = [&] {
    map.clear();
    raw.clear();
  };
  auto done =
      socket.query(*request, what_of("elements of set " + ref.set, ref.family), restart, [&](const nlmsghdr& message) {
        const SetHandle set{allocated(nftnl_set_alloc())};
        if (nftnl_set_elems_nlmsg_parse(&message, set.get()) < 0) return;
        auto* elements = allocated(nftnl_set_elems_iter_create(set.get()));
        while (auto* e = nftnl_set_elems_iter_next(elements)) {
          std::uint32_t length = 0;
          const auto* key = static_cast<const std::uint8_t*>(nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &length));
          if (key == nullptr) continue;
          const auto flags =
              nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_FLAGS) ? nftnl_set_elem_get_u32(e, NFTNL_SET_ELEM_FLAGS) : 0;
          if (interval) {
            raw.push_back({Bytes(key, key + length), (flags & NFT_SET_ELEM_INTERVAL_END) != 0, read_data(e)});
          } else {
            map.emplace(ElementKey{Bytes(key, key + length), {}}, read_data(e));
          }
        }
        nftnl_set_elems_iter_destroy(elements);
      });
  if (!done) return std::unexpected(done.error());
  return interval ? pair_up(std::move(raw)) : ElementMap{std::move(map)};
}

Ownership ownership_of(std::uint32_t flags, std::uint32_t owner, std::uint32_t self) {
  if ((flags & NFT_TABLE_F_OWNER) != 0) return owner == self ? Ownership::ours : Ownership::foreign;
  return (flags & kTablePersist) != 0 ? Ownership::orphan : Ownership::none;
}

std::string_view family_name(std::uint8_t family) {
  switch (family) {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    default:
      return {};
  }
}

void read_legacy(const char* file, std::string_view family, std::vector<std::string>& tables) {
  std::ifstream names{file};
  for (std::string line; std::getline(names, line);) {
    if (line == "filter") tables.push_back(fmt::format("{} filter", family));
  }
}

}  // namespace

std::expected<std::optional<ObservedTable>, KernelError> read_table(NetlinkSocket& socket, Family family) {
  std::array<char, kRequestSize> buffer{};
  auto* request = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETTABLE, static_cast<std::uint16_t>(family), NLM_F_ACK,
                                        socket.next_sequence());
  mnl_attr_put_strz(request, NFTA_TABLE_NAME, kTableName.data());
  std::optional<ObservedTable> table;
  auto done = socket.query(
      *request, what_of("flags", family), [&] { table.reset(); },
      [&](const nlmsghdr& message) {
        const TableHandle t{allocated(nftnl_table_alloc())};
        if (nftnl_table_nlmsg_parse(&message, t.get()) < 0) return;
        const auto flags = nftnl_table_get_u32(t.get(), NFTNL_TABLE_FLAGS);
        const auto owner =
            nftnl_table_is_set(t.get(), NFTNL_TABLE_OWNER) ? nftnl_table_get_u32(t.get(), NFTNL_TABLE_OWNER) : 0;
        table.emplace().ownership = ownership_of(flags, owner, socket.port_id());
        table->strange = (flags & NFT_TABLE_F_DORMANT) != 0;
      });
  if (!done && done.error().code != ENOENT) return std::unexpected(done.error());
  return table;
}

std::optional<std::uint32_t> read_generation(NetlinkSocket& socket) {
  std::array<char, kRequestSize> buffer{};
  const auto* request =
      nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETGEN, NFPROTO_UNSPEC, NLM_F_ACK, socket.next_sequence());
  std::optional<std::uint32_t> generation;
  const auto read = [&](const nlmsghdr& message) {
    const GenerationHandle gen{allocated(nftnl_gen_alloc())};
    if (nftnl_gen_nlmsg_parse(&message, gen.get()) < 0) return;
    generation = nftnl_gen_get_u32(gen.get(), NFTNL_GEN_ID);
  };
  const auto done = socket.query(*request, "read the generation of nf_tables", [&] { generation.reset(); }, read);
  return done ? generation : std::nullopt;
}

std::expected<Observed, KernelError> read_all(NetlinkSocket& socket, const std::set<SetRef>* sets) {
  Observed observed;
  for (const auto family : kFamilies) {
    auto found = read_table(socket, family);
    if (!found) return std::unexpected(found.error());
    if (!*found) continue;
    auto& table = observed.tables.emplace(family, std::move(**found)).first->second;
    const bool dormant = table.strange;
    for (const auto read : {read_sets, read_counters, read_chains, read_rules}) {
      if (auto done = read(socket, family, table); !done) return std::unexpected(done.error());
    }
    table.strange |= dormant;
    for (const auto& [name, set] : table.sets) {
      const SetRef ref{family, name};
      if (set.dynamic() || (sets != nullptr && !sets->contains(ref))) continue;
      auto elements = read_elements(socket, ref, set.interval);
      if (!elements) return std::unexpected(elements.error());
      if (!elements->empty()) observed.elements.emplace(ref, std::move(*elements));
    }
  }
  return observed;
}

// A policy of ours may have thousands of chains, which needn't be parsed to be passed over: the kernel names the table
// first (nf_tables_fill_chain_info).
bool is_of_our_inet(const nlmsghdr& message) {
  if (family_of(message) != NFPROTO_INET || mnl_nlmsg_get_payload_len(&message) < sizeof(nfgenmsg)) return false;
  const auto* first = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, sizeof(nfgenmsg)));
  const auto left = static_cast<int>(mnl_nlmsg_get_payload_len(&message) - sizeof(nfgenmsg));
  return mnl_attr_ok(first, left) && mnl_attr_get_type(first) == NFTA_CHAIN_TABLE &&
         mnl_attr_validate(first, MNL_TYPE_NUL_STRING) >= 0 && is_ours(mnl_attr_get_str(first));
}

std::expected<Foreign, KernelError> read_foreign(NetlinkSocket& socket) {
  std::array<char, kRequestSize> buffer{};
  const auto* request =
      nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP, socket.next_sequence());
  Foreign foreign;
  auto done = socket.query(
      *request, "read the chains of other tables", [&] { foreign = {}; },
      [&](const nlmsghdr& message) {
        if (is_of_our_inet(message)) return;
        const ChainHandle c{allocated(nftnl_chain_alloc())};
        if (nftnl_chain_nlmsg_parse(&message, c.get()) < 0) return;
        const auto family = family_name(family_of(message));
        const auto* table = nftnl_chain_get_str(c.get(), NFTNL_CHAIN_TABLE);
        const auto* chain = nftnl_chain_get_str(c.get(), NFTNL_CHAIN_NAME);
        if (family.empty() || table == nullptr || chain == nullptr || (family == "inet" && is_ours(table))) return;
        foreign.docker |= std::string_view{chain} == "DOCKER-USER";
        if (!nftnl_chain_is_set(c.get(), NFTNL_CHAIN_HOOKNUM)) return;
        const auto hook = nftnl_chain_get_u32(c.get(), NFTNL_CHAIN_HOOKNUM);
        if (hook != NF_INET_LOCAL_IN && hook != NF_INET_FORWARD) return;
        foreign.base_chains.push_back({std::string{family}, table, chain, static_cast<Hook>(hook),
                                       nftnl_chain_get_s32(c.get(), NFTNL_CHAIN_PRIO),
                                       nftnl_chain_get_u32(c.get(), NFTNL_CHAIN_POLICY) == NF_DROP});
      });
  if (!done) return std::unexpected(done.error());
  read_legacy("/proc/net/ip_tables_names", "ip", foreign.legacy_tables);
  read_legacy("/proc/net/ip6_tables_names", "ip6", foreign.legacy_tables);
  std::ranges::sort(foreign.base_chains);
  return foreign;
}

}  // namespace vrouter::firewall
