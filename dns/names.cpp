// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/names.h"

#include <algorithm>

#include "dns/nameless.h"

namespace vrouter::dns {

namespace {

constexpr std::string_view kGateway = "_gateway";  // as nss-myhostname(8) calls it

std::string lower(std::string_view text) {
  std::string low{text};
  for (auto& c : low) c = static_cast<char>(ascii_lower(static_cast<std::uint8_t>(c)));
  return low;
}

// A scope says by which interface, which the interface itself says already.
address without_scope(const address& a) {
  return a.is_v6() ? address{address_v6{a.to_v6().to_bytes()}} : a;
}

LocalAnswer host_answer(const Question& question, const Name& zone, const std::vector<address>& addresses) {
  LocalAnswer answer;
  for (const auto& a : addresses) {
    if (question.type == (a.is_v4() ? type::a : type::aaaa)) answer.answers.push_back(address_record(question.name, a));
  }
  return answer.answers.empty() ? no_such_type(zone) : answer;
}

template <typename Prefix, typename Bytes>
bool same_leading_bits(const Prefix& prefix, const Bytes& base, unsigned bits) {
  const auto bytes = prefix.network().to_bytes();
  for (unsigned i = 0; i < bits; ++i) {
    if (((bytes[i / 8] ^ base[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
  }
  return true;
}

// How a reverse name lies to the prefixes of a zone: `above` when some begin below it, `inside` when one holds all of
// it.
struct Cover {
  bool above = false, inside = false;
  unsigned length = 0;  // of the prefix it is inside of

  template <typename Prefix, typename Base>
  void add(const Prefix& prefix, const Base& base, unsigned bits) {
    const unsigned prefix_length = prefix.prefix_length();
    if (!same_leading_bits(prefix, base, std::min(bits, prefix_length))) return;
    if (bits < prefix_length) {
      above = true;
    } else {
      inside = true;
      length = std::max(length, prefix_length);
    }
  }
  void add(const Zone& zone, const ReverseName& reverse) {
    if (reverse.base.is_v4()) {
      const auto bytes = reverse.base.to_v4().to_bytes();
      for (const auto& p : zone.prefixes4) add(p, bytes, reverse.prefix_bits);
    } else {
      const auto bytes = reverse.base.to_v6().to_bytes();
      for (const auto& p : zone.prefixes6) add(p, bytes, reverse.prefix_bits);
    }
  }
};

// Where the zone of a prefix begins: the octet or digit boundary at or above it, or the question where that is shorter.
Name reverse_apex(Name name, bool v4, unsigned prefix_length) {
  const unsigned labels = 2 + prefix_length / (v4 ? 8 : 4);
  while (name.labels() > labels) name = name.parent();
  return name;
}

}  // namespace

void Names::apply(const Update& update) {
  if (update.snapshot) {
    zones_.clear();
    on_interface_.clear();
    by_address_.clear();
    by_client_.clear();
    hosts_.clear();
    records_.set(update.records);
    lists_.set(update.lists, update.list_groups);
    for (const auto& zone : update.zones) {
      auto apex = Name::from_text(zone.domain);
      if (apex && apex->is_root()) apex.reset();  // the root as a domain of ours would swallow the world
      zones_.push_back({zone, apex ? std::optional{apex->lower()} : std::nullopt});
    }
  }
  for (const auto& host : update.removed) drop({host.network, lower(host.name)});
  for (const auto& host : update.upserts) put(host);
}

void Names::put(const Host& host) {
  const HostKey key{host.network, lower(host.name)};
  drop(key);
  const auto* place = &*hosts_.emplace(key, KnownHost{host, lists_.profile_of(host.list_groups)}).first;
  if (host.ifindex != 0) ++on_interface_[host.ifindex];
  for (const auto& a : host.addresses) {
    by_address_.emplace(without_scope(a), place);
    if (host.ifindex != 0) by_client_.try_emplace(ClientKey{{host.ifindex, a}}, place, place->second.lists);
  }
}

void Names::drop(const HostKey& key) {
  const auto found = hosts_.find(key);
  if (found == hosts_.end()) return;
  const auto is_it = [&](const auto& entry) { return entry.second == &*found; };
  if (const auto it = on_interface_.find(found->second.ifindex); it != on_interface_.end() && --it->second == 0)
    on_interface_.erase(it);
  for (const auto& a : found->second.addresses) {
    const auto [begin, end] = by_address_.equal_range(without_scope(a));
    if (const auto it = std::find_if(begin, end, is_it); it != end) by_address_.erase(it);
    give_place({found->second.ifindex, a}, *found);
  }
  hosts_.erase(found);
}

void Names::give_place(const Client& left, const Hosts::value_type& by) {
  const ClientKey key{left};
  const auto known = by_client_.find(key);
  if (known == by_client_.end() || known->second.host != &by) return;
  by_client_.erase(known);
  const auto [begin, end] = by_address_.equal_range(without_scope(left.source));
  const auto next = std::find_if(begin, end, [&](const auto& it) { return it.second->second.ifindex == left.ifindex; });
  if (next != end) by_client_.try_emplace(key, next->second, next->second->second.lists);
}

// What the host asks itself comes in by its loopback; any other interface is somebody else's network.
std::optional<ListTable::Profile> Names::lists_of(const Client& client) const {
  if (const auto place = by_client_.find(ClientKey{client}); place != by_client_.end()) return place->second.lists;
  if (client.ifindex == kLoopbackIfindex && !has_interface(client.ifindex)) return ListTable::kNone;
  return std::nullopt;
}

std::optional<View> Names::view(const Client& client) const {
  if (const auto place = by_client_.find(ClientKey{client}); place != by_client_.end()) {
    return View{.host = false, .network = place->second.host->second.network, .lists = place->second.lists};
  }
  if (!serves(client)) return std::nullopt;
  return View{.host = true, .network = {}};
}

std::optional<std::vector<address>> Names::addresses_of(const KnownZone& known, const std::string& label) const {
  if (label == kGateway) return known.zone.listen;
  if (is_nameless(label)) return std::nullopt;
  const auto found = hosts_.find({known.zone.network, label});
  if (found == hosts_.end()) return std::nullopt;
  return found->second.addresses;
}

std::optional<LocalAnswer> Names::bare_name(const View& view, const Question& question) const {
  const auto label = lower(question.name.first_label());
  std::optional<std::vector<address>> all;
  for (const auto& known : zones_) {
    if (!sees(view, known.zone)) continue;
    const auto addresses = addresses_of(known, label);
    if (!addresses) continue;
    if (!all) all.emplace();
    all->insert(all->end(), addresses->begin(), addresses->end());
  }
  if (!all) return std::nullopt;
  return host_answer(question, question.name, *all);
}

std::optional<LocalAnswer> Names::in_domain(const View& view, const Question& question, unsigned forward_labels) const {
  // The longest domain that holds the name; several networks may share it.
  const Name* apex = nullptr;
  for (const auto& known : zones_) {
    if (!known.apex || !question.name.is_within(*known.apex)) continue;
    if (apex == nullptr || known.apex->size() > apex->size()) apex = &*known.apex;
  }
  if (apex == nullptr || forward_labels > apex->labels()) return std::nullopt;
  if (question.name.same_as(*apex)) {
    if (question.type == type::soa) return LocalAnswer{.answers = {soa_record(*apex)}};
    const auto server = Name::from_text(kGateway).value_or(Name{}).below(*apex);
    if (question.type == type::ns && server) return LocalAnswer{.answers = {name_record(*apex, type::ns, *server)}};
    return no_such_type(*apex);
  }
  if (!question.name.parent().same_as(*apex)) return no_such_name(*apex);
  const auto label = lower(question.name.first_label());
  std::optional<std::vector<address>> all;
  for (const auto& known : zones_) {
    if (!known.apex || !known.apex->same_as(*apex) || !sees(view, known.zone)) continue;
    const auto addresses = addresses_of(known, label);
    if (!addresses) continue;
    if (!all) all.emplace();
    all->insert(all->end(), addresses->begin(), addresses->end());
  }
  return all ? host_answer(question, *apex, *all) : no_such_name(*apex);
}

std::optional<LocalAnswer> Names::reverse(const View& view, const Question& question) const {
  const auto reverse = parse_reverse(question.name);
  if (!reverse) return std::nullopt;
  Cover cover;
  for (const auto& known : zones_) cover.add(known.zone, *reverse);
  if (!cover.inside && !cover.above) return std::nullopt;
  const Name apex = cover.inside ? reverse_apex(question.name, reverse->base.is_v4(), cover.length) : question.name;
  // A name above guests' addresses exists if only as a branch; denying it would deny them (RFC 8020).
  if (!cover.inside || !reverse->is_whole()) return no_such_type(apex);

  std::optional<LocalAnswer> answer;
  const auto add = [&](const KnownZone& known, std::string_view host) {
    const auto label = Name::from_text(host);
    const auto target = label && known.apex ? label->below(*known.apex) : label;
    if (!target) return;
    if (!answer) answer.emplace();
    if (question.type == type::ptr) answer->answers.push_back(name_record(question.name, type::ptr, *target));
  };
  for (const auto& known : zones_) {
    if (!sees(view, known.zone)) continue;
    if (std::ranges::find(known.zone.listen, reverse->base) != known.zone.listen.end()) add(known, kGateway);
    const auto [first, last] = by_address_.equal_range(reverse->base);
    for (auto it = first; it != last; ++it) {
      const auto& host = it->second->second;
      if (host.network == known.zone.network && !is_nameless(host.name)) add(known, host.name);
    }
  }
  if (!answer) return no_such_name(apex);
  return answer->answers.empty() ? no_such_type(apex) : answer;
}

std::optional<LocalAnswer> Names::find(const View& view, const Question& question, unsigned forward_labels) const {
  if (records_.empty()) return from_guests(view, question, forward_labels);
  if (auto found = records_.answer(question)) return found;
  auto found = from_guests(view, question, forward_labels);
  if (found && found->rcode == Rcode::nx_domain && records_.has_below(question.name)) found->rcode = Rcode::no_error;
  return found;
}

std::optional<LocalAnswer> Names::from_guests(const View& view, const Question& question,
                                              unsigned forward_labels) const {
  if (question.name.labels() == 1) {
    if (auto bare = bare_name(view, question)) return bare;
  }
  if (static const auto gateway = Name::from_text(kGateway).value_or(Name{}); question.name.is_within(gateway)) {
    return no_such_name(gateway);  // nobody else's, with a network to see or without
  }
  if (auto found = in_domain(view, question, forward_labels)) return found;
  return reverse(view, question);
}

std::optional<LocalAnswer> Names::answer(const View& view, const Question& question, unsigned forward_labels) const {
  auto found = find(view, question, forward_labels);
  if (found && question.type == type::any && found->rcode == Rcode::no_error) return answer_to_any(question.name);
  return found;
}

}  // namespace vrouter::dns
