// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/kernel_watch.h"

#include <linux/if.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "tests/lab/lib/sockets.h"

namespace vrouter::lab {
namespace {

using Kind = KernelChange::Kind;
// Ten thousand guests put back at once are a few megabytes of news.
constexpr int kReceiveBuffer = 64 << 20;
constexpr std::size_t kMaxNews = 1U << 20U;

UniqueFd listen_to(const Namespace& where, int protocol, std::initializer_list<int> groups) {
  UniqueFd fd;
  where.enter([&] {
    fd.reset(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
    if (!fd) throw_errno("netlink socket");
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer) < 0) {
      throw_errno("SO_RCVBUFFORCE");
    }
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket calls' own idiom
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) throw_errno("bind netlink");
    for (const int group : groups) {
      if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0) {
        throw_errno("join a netlink group");
      }
    }
  });
  return fd;
}

// The attribute's value, of those that follow a header of `header` bytes.
std::span<const std::uint8_t> attribute(std::span<const std::uint8_t> body, std::size_t header, std::uint16_t wanted) {
  auto rest = body.size() > NLMSG_ALIGN(header) ? body.subspan(NLMSG_ALIGN(header)) : std::span<const std::uint8_t>{};
  nlattr head{};
  while (rest.size() >= sizeof head) {
    std::memcpy(&head, rest.data(), sizeof head);
    if (head.nla_len < sizeof head || head.nla_len > rest.size()) break;
    if ((head.nla_type & NLA_TYPE_MASK) == wanted) return rest.subspan(sizeof head, head.nla_len - sizeof head);
    rest = rest.subspan(std::min<std::size_t>(NLA_ALIGN(head.nla_len), rest.size()));
  }
  return {};
}

std::string text_of(std::span<const std::uint8_t> bytes) {
  const auto end = std::ranges::find(bytes, 0);
  return {bytes.begin(), end};
}

std::optional<KernelChange> route_change(std::uint16_t type, std::span<const std::uint8_t> body) {
  rtmsg head{};
  if (body.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, body.data(), sizeof head);
  const auto to = attribute(body, sizeof head, RTA_DST);
  if (head.rtm_family != AF_INET || head.rtm_table != RT_TABLE_MAIN || to.size() != 4) return std::nullopt;
  std::string text;
  for (const auto byte : to) text += (text.empty() ? "" : ".") + std::to_string(byte);
  return KernelChange{type == RTM_NEWROUTE ? Kind::route_added : Kind::route_removed,
                      text + "/" + std::to_string(head.rtm_dst_len),
                      {}};
}

std::optional<KernelChange> link_change(std::span<const std::uint8_t> body) {
  ifinfomsg head{};
  if (body.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, body.data(), sizeof head);
  return KernelChange{(head.ifi_flags & IFF_UP) != 0 ? Kind::link_up : Kind::link_down,
                      text_of(attribute(body, sizeof head, IFLA_IFNAME)),
                      {}};
}

std::optional<KernelChange> understand(bool rules, std::uint16_t type, std::span<const std::uint8_t> body) {
  if (!rules) {
    if (type == RTM_NEWROUTE || type == RTM_DELROUTE) return route_change(type, body);
    if (type == RTM_NEWLINK) return link_change(body);
    return std::nullopt;
  }
  const auto table = [&] { return text_of(attribute(body, sizeof(nfgenmsg), NFTA_TABLE_NAME)); };
  switch (type & 0xff) {
    case NFT_MSG_NEWTABLE:
      return KernelChange{Kind::table_added, table(), {}};
    case NFT_MSG_DELTABLE:
      return KernelChange{Kind::table_removed, table(), {}};
    case NFT_MSG_NEWGEN:
      return KernelChange{Kind::rules_committed, "", {}};
    default:
      return std::nullopt;
  }
}

}  // namespace

KernelWatch::KernelWatch(const Namespace& where)
    : routes_{listen_to(where, NETLINK_ROUTE, {RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE})},
      rules_{listen_to(where, NETLINK_NETFILTER, {NFNLGRP_NFTABLES})} {
  serve({routes_.get(), rules_.get()}, [this](int fd) { read(fd); });
}

KernelWatch::~KernelWatch() {
  finish();
}

void KernelWatch::read(int fd) {
  static thread_local std::vector<std::uint8_t> buffer = [] {
    // Before whoever mends the change: news heard late, two at once, would make a repair look quicker than it was.
    // Where that is refused it is only less exact.
    const sched_param first{.sched_priority = 1};
    static_cast<void>(::sched_setscheduler(0, SCHED_FIFO, &first));
    return std::vector<std::uint8_t>(kMaxNews);
  }();
  const auto size = ::recv(fd, buffer.data(), buffer.size(), 0);
  const auto now = std::chrono::steady_clock::now();
  if (size <= 0) return;
  std::span<const std::uint8_t> rest{buffer.data(), static_cast<std::size_t>(size)};
  nlmsghdr head{};
  const std::lock_guard lock{mutex_};
  while (rest.size() >= sizeof head) {
    std::memcpy(&head, rest.data(), sizeof head);
    if (head.nlmsg_len < sizeof head || head.nlmsg_len > rest.size()) break;
    const auto body = rest.subspan(sizeof head, head.nlmsg_len - sizeof head);
    if (auto change = understand(fd == rules_.get(), head.nlmsg_type, body)) {
      change->at = now;
      changes_.push_back(std::move(*change));
    }
    rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(head.nlmsg_len), rest.size()));
  }
}

std::optional<KernelChange> KernelWatch::first(Kind kind, const std::string& what,
                                               std::chrono::steady_clock::time_point since, Milliseconds limit) const {
  std::optional<KernelChange> found;
  const auto heard = wait_until(
      [&] {
        const std::lock_guard lock{mutex_};
        const auto change = std::ranges::find_if(changes_, [&](const KernelChange& candidate) {
          return candidate.kind == kind && candidate.what == what && candidate.at > since;
        });
        if (change != changes_.end()) found = *change;
        return found.has_value();
      },
      limit);
  return heard ? found : std::nullopt;
}

void KernelWatch::forget() {
  const std::lock_guard lock{mutex_};
  changes_.clear();
}

}  // namespace vrouter::lab
