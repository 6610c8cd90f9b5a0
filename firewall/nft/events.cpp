// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/nft/events.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace vrouter::firewall {
namespace {

constexpr std::size_t kReadBuffer = 64UL << 10;  // a netlink message is shorter
// How many datagrams are read before the loop gets its turn: others may load a hundred thousand elements of their own.
constexpr int kDatagramsPerTurn = 64;
constexpr std::uint16_t kTableAttribute = 1;  // NFTA_TABLE_NAME, NFTA_RULE_TABLE and so on: 1 in every kind of message
static_assert(NFTA_TABLE_NAME == kTableAttribute && NFTA_CHAIN_TABLE == kTableAttribute &&
              NFTA_RULE_TABLE == kTableAttribute && NFTA_SET_TABLE == kTableAttribute &&
              NFTA_SET_ELEM_LIST_TABLE == kTableAttribute && NFTA_OBJ_TABLE == kTableAttribute &&
              NFTA_FLOWTABLE_TABLE == kTableAttribute);
// A stranger may make as many sets in our tables as it likes; the ones beyond these are found when the sets are listed.
constexpr std::size_t kMaxSets = 256;

struct Kind {
  std::string_view name;  // empty: no message about an object
  bool names_set = false;
};

Kind kind_of(std::uint16_t message) {
  switch (message) {
    case NFT_MSG_NEWTABLE:
    case NFT_MSG_DELTABLE:
      return {"table"};
    case NFT_MSG_NEWCHAIN:
    case NFT_MSG_DELCHAIN:
      return {"chain"};
    case NFT_MSG_NEWRULE:
    case NFT_MSG_DELRULE:
      return {"rule"};
    case NFT_MSG_NEWSET:
    case NFT_MSG_DELSET:
      return {"set", true};
    case NFT_MSG_NEWSETELEM:
    case NFT_MSG_DELSETELEM:
      return {"element", true};
    case NFT_MSG_NEWOBJ:
    case NFT_MSG_DELOBJ:
    case NFT_MSG_NEWFLOWTABLE:
    case NFT_MSG_DELFLOWTABLE:
      return {"object"};
    default:
      return {};
  }
}

std::optional<Family> family_of(const nfgenmsg& header) {
  if (header.nfgen_family == NFPROTO_INET) return Family::inet;
  if (header.nfgen_family == NFPROTO_ARP) return Family::arp;
  return std::nullopt;
}

const char* text_of(const nlattr* attribute) {
  return mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0 ? mnl_attr_get_str(attribute) : "";
}

// libmnl's own loop over attributes is a macro that only C takes.
template <typename Take>
void for_each_attribute(const nlmsghdr& message, Take take) {
  const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(&message, sizeof(nfgenmsg)));
  const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(&message));
  const auto left = [&] {
    return static_cast<int>(end - static_cast<const char*>(static_cast<const void*>(attribute)));
  };
  for (; mnl_attr_ok(attribute, left()); attribute = mnl_attr_next(attribute)) take(attribute);
}

KernelError failure() {
  return {"listen to changes of nf_tables", errno, ""};
}

// nlmsg_pid is at 12; a filter's load turns it from network order, which the kernel didn't write it in.
bool drop_messages_of(int socket, std::uint32_t port) {
  std::array<sock_filter, 4> code{{{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(nlmsghdr, nlmsg_pid)},
                                   {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, ::htonl(port)},
                                   {BPF_RET | BPF_K, 0, 0, 0},
                                   {BPF_RET | BPF_K, 0, 0, 0xffffffff}}};
  const sock_fprog program{code.size(), code.data()};
  return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

std::expected<UniqueFd, KernelError> open_socket(std::uint32_t own_port, int buffer_bytes) {
  UniqueFd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER)};
  if (!socket) return std::unexpected(failure());
  // FORCE goes past net.core.rmem_max, and needs CAP_NET_ADMIN of the first user namespace: else as much as there is.
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes) < 0 &&
      ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes) < 0) {
    return std::unexpected(failure());
  }
  if (own_port != 0 && !drop_messages_of(socket.get(), own_port)) return std::unexpected(failure());
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&local), sizeof local) < 0)
    return std::unexpected(failure());
  const int group = NFNLGRP_NFTABLES;
  if (::setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
    return std::unexpected(failure());
  return socket;
}

class NetlinkEvents final : public NftEvents {
 public:
  NetlinkEvents(boost::asio::io_context& io, UniqueFd socket, Handler handler)
      : socket_{io, socket.release()}, handler_{std::move(handler)}, buffer_(kReadBuffer) {
    wait();
  }
  ~NetlinkEvents() override { *alive_ = false; }
  NetlinkEvents(const NetlinkEvents&) = delete;
  NetlinkEvents& operator=(const NetlinkEvents&) = delete;

 private:
  void wait() {
    socket_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                       [this, alive = alive_](const boost::system::error_code& error) {
                         if (!*alive || error) return;  // closed, and perhaps gone with it
                         for (int n = 0; n < kDatagramsPerTurn && *alive && read_one(); ++n) {
                         }
                         if (*alive) wait();
                       });
  }

  // False when there is nothing more to read.
  bool read_one() {
    sockaddr_nl from{};
    socklen_t from_size = sizeof from;
    const ssize_t size = ::recvfrom(socket_.native_handle(), buffer_.data(), buffer_.size(), MSG_TRUNC,
                                    reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0 && errno == EINTR) return true;
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    // ENOBUFS is told once, ahead of what still stands in the queue. Any other error leaves us as ignorant.
    if (size < 0 || static_cast<std::size_t>(size) > buffer_.size()) {
      reader_.forget();
      handler_(ChangesLost{});
      return *alive_;
    }
    if (from.nl_pid != 0) return true;  // only the kernel is pid 0
    const auto alive = alive_;
    reader_.read(buffer_.data(), static_cast<std::size_t>(size), [this, &alive](const ForeignChange& change) {
      if (*alive) handler_(change);
    });
    return *alive;
  }

  boost::asio::posix::stream_descriptor socket_;
  Handler handler_;
  ChangeReader reader_;
  std::vector<char> buffer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::string ForeignChange::who() const {
  if (process.empty()) return "somebody";
  return pid == 0 ? process : fmt::format("{} (pid {})", process, pid);
}

std::string ForeignChange::what() const {
  std::string text;
  for (const auto family : tables_deleted) {
    text += fmt::format("{}table {} {}", text.empty() ? "deleted " : " and ", name(family), kTableName);
  }
  if (!text.empty()) return text;  // what was in them went along
  for (const auto& [kind, count] : counts) {
    text += fmt::format("{}{} {}{}", text.empty() ? "changed " : ", ", count, kind, count == 1 ? "" : "s");
  }
  return text + fmt::format(" of vrouter's tables");
}

void ChangeReader::read_message(const void* message, const std::function<void(const ForeignChange&)>& take) {
  const auto& header = *static_cast<const nlmsghdr*>(message);
  if (NFNL_SUBSYS_ID(header.nlmsg_type) != NFNL_SUBSYS_NFTABLES) return;
  if (mnl_nlmsg_get_payload_len(&header) < sizeof(nfgenmsg)) return;
  const auto type = static_cast<std::uint16_t>(NFNL_MSG_TYPE(header.nlmsg_type));
  if (type == NFT_MSG_NEWGEN) {
    for_each_attribute(header, [this](const nlattr* attribute) {
      if (mnl_attr_get_type(attribute) == NFTA_GEN_PROC_NAME) change_.process = text_of(attribute);
      if (mnl_attr_get_type(attribute) == NFTA_GEN_PROC_PID && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
        change_.pid = ::ntohl(mnl_attr_get_u32(attribute));
    });
    const auto change = std::exchange(change_, {});
    if (change.of_ours() || change.other_chains) take(change);
    return;
  }
  const auto kind = kind_of(type);
  const auto family = family_of(*static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&header)));
  if (kind.name.empty()) return;
  std::string_view set;
  bool ours = false, hooked = false;
  for_each_attribute(header, [&](const nlattr* attribute) {
    const auto number = mnl_attr_get_type(attribute);
    if (number == kTableAttribute) ours = text_of(attribute) == kTableName;
    if (kind.name == "chain" && number == NFTA_CHAIN_HOOK) hooked = true;
    if (kind.names_set && number == NFTA_SET_NAME) set = text_of(attribute);  // NFTA_SET_ELEM_LIST_SET as well
  });
  // A table of ours in another family is a stranger's too.
  if (!ours || !family) {
    // A later kernel doesn't say of a chain that goes whether it was a base chain. Those of a table go with it, each
    // told.
    change_.other_chains |= hooked || type == NFT_MSG_DELCHAIN;
    return;
  }
  ++change_.counts[std::string{kind.name}];
  if (type == NFT_MSG_DELTABLE) change_.tables_deleted.insert(*family);
  if (type == NFT_MSG_NEWTABLE) change_.tables_deleted.erase(*family);
  if (!set.empty() && change_.sets.size() < kMaxSets) change_.sets.insert({*family, std::string{set}});
}

void ChangeReader::read(const void* bytes, std::size_t size, const std::function<void(const ForeignChange&)>& take) {
  auto left = static_cast<int>(size);
  const auto* message = static_cast<const nlmsghdr*>(bytes);
  // libmnl takes a length that is negative as int for a short one.
  for (; mnl_nlmsg_ok(message, left) && message->nlmsg_len <= static_cast<unsigned>(left);
       message = mnl_nlmsg_next(message, &left)) {
    read_message(message, take);
  }
}

std::expected<std::unique_ptr<NftEvents>, KernelError> NftEvents::open(boost::asio::io_context& io,
                                                                       std::uint32_t own_port, Handler handler,
                                                                       int buffer_bytes) {
  auto socket = open_socket(own_port, buffer_bytes);
  if (!socket) return std::unexpected(socket.error());
  return std::make_unique<NetlinkEvents>(io, std::move(*socket), std::move(handler));
}

}  // namespace vrouter::firewall
