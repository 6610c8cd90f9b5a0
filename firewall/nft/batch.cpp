// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/nft/batch.h"

#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>

#include "firewall/nft/expressions.h"
#include "firewall/nft/handles.h"
#include "firewall/render.h"

namespace vrouter::firewall {
namespace {

constexpr std::size_t kMaxElements = 500;           // per message; more gain nothing
constexpr std::size_t kMaxElementBytes = 56000;     // an attribute's length has 16 bits, and libnftnl doesn't check
constexpr std::size_t kElementOverhead = 64;        // headers of an element's attributes, at most
constexpr std::size_t kMeterSize = 96;              // a limit's attributes with their headers, at most
constexpr std::size_t kScratchSize = 128UL * 1024;  // libnftnl builds without a bound; no message of ours comes near
constexpr std::uint64_t kMilliseconds = 1000;       // in a second: the kernel counts timeouts so
constexpr std::size_t kMaxComment = 127;            // NFTNL_UDATA_COMMENT_MAXLEN without the NUL

std::string table_text(Family family) {
  return fmt::format("table {} {}", name(family), kTableName);
}
std::string in_table(std::string_view kind, std::string_view what, Family family) {
  return fmt::format("{} {} of {}", kind, what, table_text(family));
}

SetHandle make_set(const SetRef& ref) {
  SetHandle set{allocated(nftnl_set_alloc())};
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTableName.data());
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, ref.set.c_str());
  nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, static_cast<std::uint32_t>(ref.family));
  return set;
}

nftnl_set_elem* add_key(nftnl_set* set, const Bytes& key, std::uint32_t flags) {
  auto* element = allocated(nftnl_set_elem_alloc());
  nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key.data(), static_cast<std::uint32_t>(key.size()));
  if (flags != 0) nftnl_set_elem_set_u32(element, NFTNL_SET_ELEM_FLAGS, flags);
  nftnl_set_elem_add(set, element);
  return element;
}

// The first key after the interval; empty when there is none.
Bytes successor(Bytes key) {
  for (auto byte = key.rbegin(); byte != key.rend(); ++byte) {
    if (++*byte != 0) return key;
  }
  return {};
}

nftnl_set_elem* add_element(nftnl_set* set, const Element& element, bool with_data) {
  auto* e = add_key(set, element.key.first, 0);
  if (with_data && element.data.verdict) {
    nftnl_set_elem_set_u32(e, NFTNL_SET_ELEM_VERDICT, verdict_code(element.data.verdict->kind));
    if (!element.data.verdict->chain.empty())
      nftnl_set_elem_set_str(e, NFTNL_SET_ELEM_CHAIN, element.data.verdict->chain.c_str());
  } else if (with_data && !element.data.value.empty()) {
    nftnl_set_elem_set(e, NFTNL_SET_ELEM_DATA, element.data.value.data(),
                       static_cast<std::uint32_t>(element.data.value.size()));
  }
  if (with_data && element.data.meter) nftnl_set_elem_add_expr(e, to_nftnl(expression_of(*element.data.meter)));
  if (element.key.last.empty()) return e;
  // The kernel's trees know only where an interval starts and where the next one could.
  if (const auto end = successor(element.key.last); !end.empty()) add_key(set, end, NFT_SET_ELEM_INTERVAL_END);
  return e;
}

std::size_t wire_size(const Element& element) {
  const auto chain = element.data.verdict ? element.data.verdict->chain.size() : 0;
  const auto meter = element.data.meter ? kMeterSize : 0;
  return 2 * (kElementOverhead + element.key.first.size()) + element.data.value.size() + chain + meter;
}

Bytes user_data_of(const nftnl_udata_buf* buffer) {
  const auto* data = static_cast<const std::uint8_t*>(nftnl_udata_buf_data(buffer));
  return {data, data + nftnl_udata_buf_len(buffer)};
}

Bytes comment_data(std::uint8_t type, std::string_view comment) {
  const UserDataHandle buffer{allocated(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN))};
  const std::string text{comment.substr(0, kMaxComment)};
  nftnl_udata_put_strz(buffer.get(), type, text.c_str());
  return user_data_of(buffer.get());
}

// nft's notes about a set for itself, without which it can't print what isn't in network order.
Bytes set_user_data(const Set& set) {
  const UserDataHandle buffer{allocated(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN))};
  nftnl_udata_put_u32(buffer.get(), NFTNL_UDATA_SET_KEYBYTEORDER, byteorder(set.key));
  if (set.data_kind == DataKind::value)
    nftnl_udata_put_u32(buffer.get(), NFTNL_UDATA_SET_DATABYTEORDER, byteorder(set.data));
  return user_data_of(buffer.get());
}

template <typename Set_, typename T>
void put_data(Set_ set, T* object, std::uint16_t attribute, const Bytes& data) {
  set(object, attribute, data.data(), static_cast<std::uint32_t>(data.size()));
}

const char* address_of(const void* object) {
  return static_cast<const char*>(object);
}

// Which item of an element message's list holds that offset; past the end when none does.
std::size_t item_at(const nlmsghdr& message, std::uint32_t offset) {
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, sizeof(nfgenmsg)));
  for (; mnl_attr_ok(attribute, static_cast<int>(end - address_of(attribute))); attribute = mnl_attr_next(attribute)) {
    if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
    std::size_t index = 0;
    const auto* item = static_cast<const nlattr*>(mnl_attr_get_payload(attribute));
    const auto* tail = address_of(item) + mnl_attr_get_payload_len(attribute);
    for (; mnl_attr_ok(item, static_cast<int>(tail - address_of(item))); item = mnl_attr_next(item), ++index) {
      const auto start = static_cast<std::size_t>(address_of(item) - address_of(&message));
      if (offset >= start && offset < start + item->nla_len) return index;
    }
  }
  return SIZE_MAX;
}

}  // namespace

std::uint32_t type_code(const std::vector<Type>& types) noexcept {
  constexpr unsigned kTypeBits = 6;
  std::uint32_t code = 0;
  for (const auto type : types) code = code << kTypeBits | static_cast<std::uint32_t>(type);
  return code;
}

std::uint32_t byteorder(const std::vector<Type>& types) noexcept {
  constexpr std::uint32_t kNone = 0, kHost = 1, kNetwork = 2;
  if (types.size() != 1) return kNone;  // of a concatenation each field has its own
  return types.front() == Type::mark || types.front() == Type::ifname ? kHost : kNetwork;
}

Batch::Batch(const Transaction& t, std::uint32_t first_sequence)
    : first_sequence_{first_sequence}, scratch_(kScratchSize) {
  buffer_.reserve(4096);
  begin(first_sequence_);
  const std::uint32_t flags = t.owned ? NFT_TABLE_F_OWNER | kTablePersist : 0;
  for (const auto family : t.adopt_tables) table(NFT_MSG_NEWTABLE, family, flags, "adopt ");
  for (const auto family : t.delete_tables) table(NFT_MSG_DELTABLE, family, 0, "delete ");
  for (const auto family : t.add_tables) table(NFT_MSG_NEWTABLE, family, flags, "add ");
  for (const auto& counter : t.add_counters) this->counter(NFT_MSG_NEWOBJ, counter);
  for (const auto& set : t.add_sets) add_set(set);
  for (const auto& chain : t.add_chains) add_chain(chain);
  for (const auto& chain : t.refill_chains) flush_rules({chain.family, chain.chain.name});
  for (const auto& chain : t.delete_chains) flush_rules(chain);
  for (const auto& ref : t.flush_sets) flush_set(ref);
  change_elements(NFT_MSG_DELSETELEM, t.delete_elements);
  for (const auto& ref : t.delete_sets) delete_set(ref);
  for (const auto& chain : t.delete_chains) delete_chain(chain);
  for (const auto& counter : t.delete_counters) this->counter(NFT_MSG_DELOBJ, counter);
  for (const auto& chain : t.add_chains) add_rules(chain);
  for (const auto& chain : t.refill_chains) add_rules(chain);
  change_elements(NFT_MSG_NEWSETELEM, t.add_elements);
  admit(t.expel, t.admit);
  // One acknowledgement says it all. One per message would overflow the receive buffer and leave the outcome unknown.
  if (!entries_.empty()) {
    auto* last = reinterpret_cast<nlmsghdr*>(buffer_.data() + entries_.back().start);  // NOLINT(*-reinterpret-cast)
    last->nlmsg_flags |= NLM_F_ACK;
  }
  end(last_sequence() + 1);
}

std::uint32_t Batch::last_sequence() const noexcept {
  return first_sequence_ + static_cast<std::uint32_t>(entries_.size());
}

void Batch::begin(std::uint32_t sequence) {
  const auto* message = nftnl_batch_begin(scratch_.data(), sequence);
  buffer_.insert(buffer_.end(), scratch_.data(), scratch_.data() + message->nlmsg_len);
}

void Batch::end(std::uint32_t sequence) {
  const auto* message = nftnl_batch_end(scratch_.data(), sequence);
  buffer_.insert(buffer_.end(), scratch_.data(), scratch_.data() + message->nlmsg_len);
}

nlmsghdr* Batch::start(Build type, Family family, std::uint16_t flags) {
  return nftnl_nlmsg_build_hdr(scratch_.data(), type, static_cast<std::uint16_t>(family), flags, last_sequence() + 1);
}

void Batch::finish(const nlmsghdr* message, std::string what, std::string subject, std::span<const Element> elements) {
  entries_.push_back({buffer_.size(), std::move(what), std::move(subject), elements});
  buffer_.insert(buffer_.end(), scratch_.data(), scratch_.data() + MNL_ALIGN(message->nlmsg_len));
}

void Batch::table(Build type, Family family, std::uint32_t flags, std::string what) {
  const TableHandle t{allocated(nftnl_table_alloc())};
  nftnl_table_set_str(t.get(), NFTNL_TABLE_NAME, kTableName.data());
  if (type == NFT_MSG_NEWTABLE) {
    nftnl_table_set_u32(t.get(), NFTNL_TABLE_FLAGS, flags);
    const auto comment = comment_data(NFTNL_UDATA_TABLE_COMMENT, kTableComment);
    put_data(nftnl_table_set_data, t.get(), NFTNL_TABLE_USERDATA, comment);
  }
  auto* message = start(type, family, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);
  nftnl_table_nlmsg_build_payload(message, t.get());
  finish(message, what + table_text(family), {});
}

void Batch::counter(Build type, const CounterRef& ref) {
  const ObjectHandle o{allocated(nftnl_obj_alloc())};
  nftnl_obj_set_str(o.get(), NFTNL_OBJ_TABLE, kTableName.data());
  nftnl_obj_set_str(o.get(), NFTNL_OBJ_NAME, ref.counter.c_str());
  nftnl_obj_set_u32(o.get(), NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
  const bool adding = type == NFT_MSG_NEWOBJ;
  if (adding) {
    nftnl_obj_set_u64(o.get(), NFTNL_OBJ_CTR_PKTS, 0);
    nftnl_obj_set_u64(o.get(), NFTNL_OBJ_CTR_BYTES, 0);
  }
  auto* message = start(type, ref.family, adding ? NLM_F_CREATE : 0);
  nftnl_obj_nlmsg_build_payload(message, o.get());
  finish(message, in_table(adding ? "add counter" : "delete counter", ref.counter, ref.family), ref.counter);
}

void Batch::add_set(const SetDefinition& definition) {
  const auto& set = definition.set;
  auto s = make_set({definition.family, set.name});
  std::uint32_t flags = (set.interval ? NFT_SET_INTERVAL : 0U) | (set.metered ? NFT_SET_EVAL : 0U);
  nftnl_set_set_u32(s.get(), NFTNL_SET_KEY_TYPE, type_code(set.key));
  nftnl_set_set_u32(s.get(), NFTNL_SET_KEY_LEN, static_cast<std::uint32_t>(padded_size(set.key)));
  nftnl_set_set_u32(s.get(), NFTNL_SET_ID, last_sequence());  // the kernel wants one, unique in the batch
  if (set.data_kind == DataKind::value) {
    flags |= NFT_SET_MAP;
    nftnl_set_set_u32(s.get(), NFTNL_SET_DATA_TYPE, type_code(set.data));
    nftnl_set_set_u32(s.get(), NFTNL_SET_DATA_LEN, static_cast<std::uint32_t>(padded_size(set.data)));
  } else if (set.data_kind == DataKind::verdict) {
    flags |= NFT_SET_MAP;
    nftnl_set_set_u32(s.get(), NFTNL_SET_DATA_TYPE, NFT_DATA_VERDICT);
    nftnl_set_set_u32(s.get(), NFTNL_SET_DATA_LEN, 16);  // struct nft_verdict, as nft says it; the kernel ignores it
  }
  if (set.admitted) flags |= NFT_SET_TIMEOUT;
  if (set.size != 0) {
    flags |= NFT_SET_EVAL;
    nftnl_set_set_u32(s.get(), NFTNL_SET_DESC_SIZE, set.size);
  }
  if (set.timeout != 0) {
    flags |= NFT_SET_TIMEOUT;
    nftnl_set_set_u64(s.get(), NFTNL_SET_TIMEOUT, std::uint64_t{set.timeout} * kMilliseconds);
  }
  nftnl_set_set_u32(s.get(), NFTNL_SET_FLAGS, flags);
  put_data(nftnl_set_set_data, s.get(), NFTNL_SET_USERDATA, set_user_data(set));
  auto* message = start(NFT_MSG_NEWSET, definition.family, NLM_F_CREATE);
  nftnl_set_nlmsg_build_payload(message, s.get());
  finish(message, in_table("add set", set.name, definition.family), set.name);
}

void Batch::delete_set(const SetRef& ref) {
  const auto s = make_set(ref);
  auto* message = start(NFT_MSG_DELSET, ref.family, 0);
  nftnl_set_nlmsg_build_payload(message, s.get());
  finish(message, in_table("delete set", ref.set, ref.family), ref.set);
}

void Batch::add_chain(const ChainRules& definition) {
  const ChainHandle c{allocated(nftnl_chain_alloc())};
  nftnl_chain_set_str(c.get(), NFTNL_CHAIN_TABLE, kTableName.data());
  nftnl_chain_set_str(c.get(), NFTNL_CHAIN_NAME, definition.chain.name.c_str());
  if (const auto& base = definition.chain.base) {
    // In the ARP family hooks count from 0: in, out, forward (linux/netfilter_arp.h).
    const auto hook = definition.family == Family::arp ? std::uint32_t{0} : static_cast<std::uint32_t>(base->hook);
    nftnl_chain_set_str(c.get(), NFTNL_CHAIN_TYPE, std::string{name(base->type)}.c_str());
    nftnl_chain_set_u32(c.get(), NFTNL_CHAIN_HOOKNUM, hook);
    nftnl_chain_set_s32(c.get(), NFTNL_CHAIN_PRIO, base->priority);
    nftnl_chain_set_u32(c.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
  }
  auto* message = start(NFT_MSG_NEWCHAIN, definition.family, NLM_F_CREATE);
  nftnl_chain_nlmsg_build_payload(message, c.get());
  finish(message, in_table("add chain", definition.chain.name, definition.family), definition.chain.name);
}

void Batch::delete_chain(const ChainRef& ref) {
  const ChainHandle c{allocated(nftnl_chain_alloc())};
  nftnl_chain_set_str(c.get(), NFTNL_CHAIN_TABLE, kTableName.data());
  nftnl_chain_set_str(c.get(), NFTNL_CHAIN_NAME, ref.chain.c_str());
  auto* message = start(NFT_MSG_DELCHAIN, ref.family, 0);
  nftnl_chain_nlmsg_build_payload(message, c.get());
  finish(message, in_table("delete chain", ref.chain, ref.family), ref.chain);
}

void Batch::flush_rules(const ChainRef& ref) {
  const RuleHandle r{allocated(nftnl_rule_alloc())};
  nftnl_rule_set_str(r.get(), NFTNL_RULE_TABLE, kTableName.data());
  nftnl_rule_set_str(r.get(), NFTNL_RULE_CHAIN, ref.chain.c_str());
  auto* message = start(NFT_MSG_DELRULE, ref.family, 0);
  nftnl_rule_nlmsg_build_payload(message, r.get());
  finish(message, in_table("flush chain", ref.chain, ref.family), ref.chain);
}

void Batch::add_rules(const ChainRules& definition) {
  for (const auto& rule : definition.chain.rules) {
    const RuleHandle r{allocated(nftnl_rule_alloc())};
    nftnl_rule_set_str(r.get(), NFTNL_RULE_TABLE, kTableName.data());
    nftnl_rule_set_str(r.get(), NFTNL_RULE_CHAIN, definition.chain.name.c_str());
    for (const auto& expression : assemble(rule)) nftnl_rule_add_expr(r.get(), to_nftnl(expression));
    if (!rule.comment.empty()) {
      const auto comment = comment_data(NFTNL_UDATA_RULE_COMMENT, rule.comment);
      put_data(nftnl_rule_set_data, r.get(), NFTNL_RULE_USERDATA, comment);
    }
    auto* message = start(NFT_MSG_NEWRULE, definition.family, NLM_F_CREATE | NLM_F_APPEND);
    nftnl_rule_nlmsg_build_payload(message, r.get());
    finish(message,
           fmt::format("add rule `{}` to chain {} of {}", render_rule(rule), definition.chain.name,
                       table_text(definition.family)),
           rule.comment.empty() ? definition.chain.name : rule.comment);
  }
}

void Batch::flush_set(const SetRef& ref) {
  const auto s = make_set(ref);
  auto* message = start(NFT_MSG_DELSETELEM, ref.family, 0);
  nftnl_set_elems_nlmsg_build_payload(message, s.get());
  finish(message, in_table("flush set", ref.set, ref.family), ref.set);
}

// Kernels before 6.12 change no element's time to live, so it is made anew. It may have expired, or be about to, and
// deleting what isn't there fails all: added first, it surely is, and nobody sees what passes within a transaction.
void Batch::admit(const std::vector<Element>& expelled, const std::vector<Admitted>& admitted) {
  change_elements(NFT_MSG_NEWSETELEM, expelled);
  change_elements(NFT_MSG_DELSETELEM, expelled);
  std::vector<std::uint32_t> seconds;
  for (const auto& [element, lives] : admitted) {
    admitted_.push_back(element);
    seconds.push_back(lives);
  }
  change_elements(NFT_MSG_NEWSETELEM, admitted_);
  change_elements(NFT_MSG_DELSETELEM, admitted_);
  change_elements(NFT_MSG_NEWSETELEM, admitted_, seconds);
}

void Batch::change_elements(Build type, const std::vector<Element>& elements, std::span<const std::uint32_t> seconds) {
  for (auto first = elements.begin(); first != elements.end();) {
    auto last = first;
    std::size_t size = 0, count = 0;
    while (last != elements.end() && last->set == first->set && count < kMaxElements && size < kMaxElementBytes) {
      size += wire_size(*last);
      ++count;
      ++last;
    }
    const auto from = static_cast<std::size_t>(first - elements.begin());
    element_message(type, {first, last}, seconds.empty() ? seconds : seconds.subspan(from, count));
    first = last;
  }
}

void Batch::element_message(Build type, std::span<const Element> elements, std::span<const std::uint32_t> seconds) {
  const auto& ref = elements.front().set;
  const bool adding = type == NFT_MSG_NEWSETELEM;
  const auto s = make_set(ref);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    auto* e = add_element(s.get(), elements[i], adding);
    if (!seconds.empty()) nftnl_set_elem_set_u64(e, NFTNL_SET_ELEM_TIMEOUT, seconds[i] * kMilliseconds);
  }
  // Not NLM_F_EXCL: an element that is there already with the same data is what was asked for.
  auto* message = start(type, ref.family, adding ? NLM_F_CREATE : 0);
  nftnl_set_elems_nlmsg_build_payload(message, s.get());
  finish(message, adding ? "add" : "delete", ref.set, elements);
}

const Batch::Entry* Batch::entry(std::uint32_t sequence) const {
  if (sequence <= first_sequence_ || sequence > last_sequence()) return nullptr;
  return &entries_[sequence - first_sequence_ - 1];
}

// The element that the kernel points at; null: it doesn't, or it is no element's message.
const Element* Batch::culprit(const Entry& entry, std::uint32_t offset) const {
  if (entry.elements.size() == 1) return entry.elements.data();
  // Counting the list's items up to the offset finds the element, where each is one item.
  const bool plain = std::ranges::all_of(entry.elements, [](const auto& e) { return e.key.last.empty(); });
  if (entry.elements.empty() || offset == 0 || !plain) return nullptr;
  const auto* message = reinterpret_cast<const nlmsghdr*>(buffer_.data() + entry.start);  // NOLINT(*-reinterpret-cast)
  const auto index = item_at(*message, offset);
  return index < entry.elements.size() ? &entry.elements[index] : nullptr;
}

std::string Batch::subject(std::uint32_t sequence, std::uint32_t offset) const {
  const auto* found = entry(sequence);
  if (found == nullptr) return {};
  // An element that leads to a chain is of what that chain is of.
  const auto* element = culprit(*found, offset);
  const bool leads = element != nullptr && element->data.verdict && !element->data.verdict->chain.empty();
  return leads ? element->data.verdict->chain : found->subject;
}

std::string Batch::describe(std::uint32_t sequence, std::uint32_t offset, const std::map<SetRef, Set>& sets) const {
  const auto* found = entry(sequence);
  if (found == nullptr) return "commit to nf_tables";
  if (found->elements.empty()) return found->what;
  const auto& ref = found->elements.front().set;
  const auto place = fmt::format("set {} of {}", ref.set, table_text(ref.family));
  const auto* element = culprit(*found, offset);
  const auto set = sets.find(ref);
  if (element == nullptr || set == sets.end())
    return fmt::format("{} {} elements, {}", found->what, found->elements.size(), place);
  return fmt::format("{} element {}, {}", found->what, render_element(set->second, element->key, element->data), place);
}

}  // namespace vrouter::firewall
