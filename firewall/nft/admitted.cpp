// SPDX-License-Identifier: GPL-2.0-or-later
// What domains' sets hold, and for how long yet.
#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <libnftnl/set.h>
#include <linux/netfilter/nf_tables.h>

#include <array>
#include <cerrno>
#include <string>

#include "firewall/nft/handles.h"
#include "firewall/nft/reader.h"

namespace vrouter::firewall {
namespace {

constexpr std::size_t kRequestSize = 512;  // a header and two names
constexpr std::uint64_t kMilliseconds = 1000;

std::expected<void, KernelError> read_set_of(NetlinkSocket& socket, const SetRef& ref, std::vector<Admitted>& all) {
  std::array<char, kRequestSize> buffer{};
  auto* request = nftnl_nlmsg_build_hdr(buffer.data(), NFT_MSG_GETSETELEM, static_cast<std::uint16_t>(ref.family),
                                        NLM_F_DUMP, socket.next_sequence());
  mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_TABLE, kTableName.data());
  mnl_attr_put_strz(request, NFTA_SET_ELEM_LIST_SET, ref.set.c_str());
  const auto before = all.size();
  const auto restart = [&] { all.resize(before); };
  auto done = socket.query(*request, "read the elements of set " + ref.set, restart, [&](const nlmsghdr& message) {
    const SetHandle set{allocated(nftnl_set_alloc())};
    if (nftnl_set_elems_nlmsg_parse(&message, set.get()) < 0) return;
    auto* elements = allocated(nftnl_set_elems_iter_create(set.get()));
    while (auto* e = nftnl_set_elems_iter_next(elements)) {
      std::uint32_t length = 0;
      const auto* key = static_cast<const std::uint8_t*>(nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &length));
      if (key == nullptr || !nftnl_set_elem_is_set(e, NFTNL_SET_ELEM_EXPIRATION)) continue;
      const auto left = nftnl_set_elem_get_u64(e, NFTNL_SET_ELEM_EXPIRATION) / kMilliseconds;
      all.push_back({Element{ref, ElementKey{Bytes(key, key + length), {}}, {}}, static_cast<std::uint32_t>(left)});
    }
    nftnl_set_elems_iter_destroy(elements);
  });
  if (!done && done.error().code != ENOENT) return done;
  return {};
}

}  // namespace

std::expected<std::vector<Admitted>, KernelError> read_admitted(NetlinkSocket& socket, const std::set<SetRef>& sets) {
  std::vector<Admitted> all;
  for (const auto& ref : sets) {
    if (auto read = read_set_of(socket, ref, all); !read) return std::unexpected(read.error());
  }
  return all;
}

}  // namespace vrouter::firewall
