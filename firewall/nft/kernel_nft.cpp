// SPDX-License-Identifier: GPL-2.0-or-later
#include <netinet/in.h>  // before linux/*.h, which would define the same things

#include <fmt/format.h>
#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "firewall/nft/batch.h"
#include "firewall/nft/handles.h"
#include "firewall/nft/netlink.h"
#include "firewall/nft/port.h"
#include "firewall/nft/reader.h"

namespace vrouter::firewall {
namespace {

constexpr std::size_t kProbeSize = 1024;  // one message with a name and flags
constexpr std::size_t kMaxErrors = 4;     // that one sentence names; what follows the first is mostly its echo

class KernelNft final : public NftPort {
 public:
  KernelNft(NetlinkSocket socket, Features features) : socket_{std::move(socket)}, features_{features} {}

  [[nodiscard]] Features features() const override { return features_; }

  [[nodiscard]] std::uint32_t port_id() const override { return socket_.port_id(); }

  [[nodiscard]] std::optional<std::uint32_t> generation() override { return read_generation(socket_); }

  [[nodiscard]] std::expected<Observed, KernelError> observe() override { return noted(read_all(socket_)); }

  [[nodiscard]] std::expected<Observed, KernelError> observe_sets(const std::set<SetRef>& sets) override {
    return noted(read_all(socket_, &sets));
  }

  [[nodiscard]] std::expected<void, KernelError> apply(const Transaction& transaction) override {
    if (transaction.empty()) return {};
    for (const auto& [family, set] : transaction.add_sets) sets_.insert_or_assign(SetRef{family, set.name}, set);
    const Batch batch{transaction, socket_.next_sequence()};
    while (socket_.next_sequence() <= batch.last_sequence()) {
    }
    auto answers = socket_.exchange(batch.bytes());
    if (!answers) return std::unexpected(answers.error());
    return judge(batch, *answers);
  }

  [[nodiscard]] std::expected<void, KernelError> teardown() override {
    Transaction transaction;
    for (const auto family : {Family::inet, Family::arp}) {
      auto table = read_table(socket_, family);
      if (!table) return std::unexpected(table.error());
      if (*table) transaction.delete_tables.push_back(family);
    }
    return apply(transaction);
  }

  [[nodiscard]] std::expected<Tallies, KernelError> counted() override { return read_counted(socket_); }
  [[nodiscard]] std::expected<Denied, KernelError> denied() override { return read_denied(socket_); }

  [[nodiscard]] std::expected<std::vector<Admitted>, KernelError> admitted(const std::set<SetRef>& sets) override {
    return read_admitted(socket_, sets);
  }

  [[nodiscard]] std::expected<Foreign, KernelError> foreign() override { return read_foreign(socket_); }

 private:
  std::expected<Observed, KernelError> noted(std::expected<Observed, KernelError> observed) {
    if (!observed) return observed;
    sets_.clear();
    for (const auto& [family, table] : observed->tables) {
      for (const auto& [name, set] : table.sets) sets_.insert_or_assign(SetRef{family, name}, set);
    }
    return observed;
  }

  // The kernel goes through the whole batch and tells every error. The first is the cause.
  [[nodiscard]] std::expected<void, KernelError> judge(const Batch& batch, const std::vector<Answer>& answers) const {
    std::vector<const Answer*> errors;
    bool acknowledged = false;
    for (const auto& answer : answers) {
      if (answer.code != 0)
        errors.push_back(&answer);
      else
        acknowledged |= answer.sequence == batch.last_sequence();
    }
    if (errors.empty() && acknowledged) return {};
    if (errors.empty()) return std::unexpected(KernelError{"commit to nf_tables", ENOBUFS, "no acknowledgement came"});
    const auto describe = [&](const Answer& a) { return batch.describe(a.sequence, a.offset, sets_); };
    const auto& first = *errors.front();
    KernelError error{describe(first), first.code, first.sentence, batch.subject(first.sequence, first.offset)};
    const auto named = std::min(errors.size(), kMaxErrors);
    for (std::size_t i = 1; i < named; ++i) {
      error.what += fmt::format("{}{} ({})", i == 1 ? "; also refused: " : ", ", describe(*errors[i]),
                                ::strerrordesc_np(errors[i]->code));
    }
    if (errors.size() > named) error.what += fmt::format(" and {} more", errors.size() - named);
    return std::unexpected(std::move(error));
  }

  NetlinkSocket socket_;
  Features features_;
  std::map<SetRef, Set> sets_;  // only for the words of errors
};

void append(std::vector<char>& batch, const nlmsghdr* message) {
  const auto* bytes = reinterpret_cast<const char*>(message);  // NOLINT(*-reinterpret-cast)
  batch.insert(batch.end(), bytes, bytes + MNL_ALIGN(message->nlmsg_len));
}

// A table made and deleted in one transaction: an older kernel refuses the flags it doesn't know, and nothing stays.
std::expected<Features, KernelError> probe(NetlinkSocket& socket) {
  const TableHandle table{allocated(nftnl_table_alloc())};
  nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, fmt::format("vrouter_probe_{}", ::getpid()).c_str());
  std::vector<char> batch, scratch(kProbeSize);
  append(batch, nftnl_batch_begin(scratch.data(), socket.next_sequence()));
  const auto sequence = socket.next_sequence();
  for (const std::uint16_t type : {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE}) {
    const bool add = type == NFT_MSG_NEWTABLE;
    const auto number = add ? sequence : socket.next_sequence();
    if (add)
      nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS, NFT_TABLE_F_OWNER | kTablePersist);
    else
      nftnl_table_unset(table.get(), NFTNL_TABLE_FLAGS);
    auto* message = nftnl_nlmsg_build_hdr(scratch.data(), type, NFPROTO_INET, add ? NLM_F_CREATE : NLM_F_ACK, number);
    nftnl_table_nlmsg_build_payload(message, table.get());
    append(batch, message);
  }
  append(batch, nftnl_batch_end(scratch.data(), socket.next_sequence()));
  const auto answers = socket.exchange(batch);
  if (!answers) return std::unexpected(answers.error());
  const auto refusal = std::ranges::find_if(*answers, [](const Answer& a) { return a.code != 0; });
  if (refusal == answers->end()) return Features{.owner_persist = true};
  const bool of_the_flags = refusal->sequence == sequence && (refusal->code == EOPNOTSUPP || refusal->code == EINVAL);
  if (of_the_flags) return Features{.owner_persist = false};
  return std::unexpected(KernelError{"change nf_tables", refusal->code, refusal->sentence});
}

}  // namespace

std::expected<std::unique_ptr<NftPort>, KernelError> open_nft() {
  auto socket = NetlinkSocket::open();
  if (!socket) return std::unexpected(socket.error());
  const auto features = probe(*socket);
  if (!features) return std::unexpected(features.error());
  return std::make_unique<KernelNft>(std::move(*socket), *features);
}

}  // namespace vrouter::firewall
