// SPDX-License-Identifier: GPL-2.0-or-later
#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "firewall/nft/handles.h"
#include "firewall/nft/reader.h"
#include "firewall/rule_names.h"

namespace vrouter::firewall {
namespace {

constexpr std::size_t kRequestSize = 512;  // a header and two names

// An interface's name as a key: padded with NULs.
std::string name_in(const nftnl_set_elem* element) {
  std::uint32_t length = 0;
  const auto* key =
      static_cast<const char*>(nftnl_set_elem_get(const_cast<nftnl_set_elem*>(element), NFTNL_SET_ELEM_KEY, &length));
  if (key == nullptr) return {};
  return {key, std::find(key, key + std::min<std::size_t>(length, IFNAMSIZ), '\0')};
}

void add_elements(const nlmsghdr& message, Tallies& tallies) {
  const SetHandle set{allocated(nftnl_set_alloc())};
  if (nftnl_set_elems_nlmsg_parse(&message, set.get()) < 0) return;
  auto* elements = allocated(nftnl_set_elems_iter_create(set.get()));
  while (auto* e = nftnl_set_elems_iter_next(elements)) {
    std::uint32_t length = 0;
    const auto* counter = static_cast<const nftnl_expr*>(nftnl_set_elem_get(e, NFTNL_SET_ELEM_EXPR, &length));
    if (counter == nullptr || std::string_view{nftnl_expr_get_str(counter, NFTNL_EXPR_NAME)} != "counter") continue;
    auto& tally = tallies[name_in(e)];
    tally.packets += nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_PACKETS);
    tally.bytes += nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_BYTES);
  }
  nftnl_set_elems_iter_destroy(elements);
}

// A table that isn't there yet, or not any more, has counted nothing.
std::expected<Tallies, KernelError> read_set_of(NetlinkSocket& socket, Family family, std::string_view set) {
  std::array<char, kRequestSize> buffer{};
  auto* request = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETSETELEM, static_cast<std::uint16_t>(family),
                                        NLM_F_DUMP, socket.next_sequence());
  mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, kTableName.data());
  mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, std::string{set}.c_str());
  Tallies tallies;
  const auto done = socket.query(
      *request, fmt::format("read set {} of table {} {}", set, name(family), kTableName), [&] { tallies.clear(); },
      [&](const nlmsghdr& message) { add_elements(message, tallies); });
  if (!done && done.error().code != ENOENT) return std::unexpected(done.error());
  return tallies;
}

}  // namespace

std::expected<Tallies, KernelError> read_counted(NetlinkSocket& socket) {
  std::array<char, kRequestSize> buffer{};
  auto* request =
      nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETOBJ, NFPROTO_INET, NLM_F_DUMP, socket.next_sequence());
  mnl_attr_put_strz(request, NFTA_OBJ_TABLE, kTableName.data());
  Tallies tallies;
  auto done = socket.query(
      *request, "read the counters of table inet vrouter", [&] { tallies.clear(); },
      [&](const nlmsghdr& message) {
        const ObjectHandle o{allocated(nftnl_obj_alloc())};
        if (nftnl_obj_nlmsg_parse(&message, o.get()) < 0) return;
        const auto* table = nftnl_obj_get_str(o.get(), NFTNL_OBJ_TABLE);
        if (table == nullptr || table != kTableName) return;
        if (nftnl_obj_get_u32(o.get(), NFTNL_OBJ_TYPE) != NFT_OBJECT_COUNTER) return;
        tallies[nftnl_obj_get_str(o.get(), NFTNL_OBJ_NAME)] = {nftnl_obj_get_u64(o.get(), NFTNL_OBJ_CTR_PKTS),
                                                               nftnl_obj_get_u64(o.get(), NFTNL_OBJ_CTR_BYTES)};
      });
  if (!done) return std::unexpected(done.error());
  return tallies;
}

std::expected<Denied, KernelError> read_denied(NetlinkSocket& socket) {
  auto from = read_set_of(socket, Family::inet, kDeniedFrom);
  if (!from) return std::unexpected(from.error());
  auto to = read_set_of(socket, Family::inet, kDeniedTo);
  if (!to) return std::unexpected(to.error());
  const auto arp = read_set_of(socket, Family::arp, kDeniedFrom);
  if (!arp) return std::unexpected(arp.error());
  for (const auto& [interface, tally] : *arp) {
    auto& sum = (*from)[interface];
    sum.packets += tally.packets;
    sum.bytes += tally.bytes;
  }
  return Denied{std::move(*from), std::move(*to)};
}

}  // namespace vrouter::firewall
