// SPDX-License-Identifier: GPL-2.0-or-later
// A Transaction as one netlink batch, and which of its messages stands for what.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "firewall/diff.h"

namespace vrouter::firewall {

// NFT_TABLE_F_PERSIST of linux/netfilter/nf_tables.h since Linux 6.9; Debian 12's header lacks it.
inline constexpr std::uint32_t kTablePersist = 4;

// How nft is to read a set's keys or data: enum byteorder of nftables, include/datatype.h.
[[nodiscard]] std::uint32_t byteorder(const std::vector<Type>& types) noexcept;
// A key's types as nft packs them, six bits each.
[[nodiscard]] std::uint32_t type_code(const std::vector<Type>& types) noexcept;

class Batch {
 public:
  // `transaction` must outlive the batch.
  Batch(const Transaction& transaction, std::uint32_t first_sequence);

  [[nodiscard]] std::span<const char> bytes() const noexcept { return buffer_; }
  [[nodiscard]] std::uint32_t first_sequence() const noexcept { return first_sequence_; }
  [[nodiscard]] std::uint32_t last_sequence() const noexcept;  // of the message that asks for an acknowledgement

  // What of the ruleset the message is about, as in KernelError::subject.
  [[nodiscard]] std::string subject(std::uint32_t sequence, std::uint32_t offset) const;
  // The operation in words, down to the element at `offset` of the message.
  [[nodiscard]] std::string describe(std::uint32_t sequence, std::uint32_t offset,
                                     const std::map<SetRef, Set>& sets) const;

 private:
  struct Entry {
    std::size_t start = 0;  // in buffer_
    std::string what;
    std::string subject;                // of what is no element
    std::span<const Element> elements;  // that the message carries
  };
  using Build = std::uint16_t;  // NFT_MSG_*

  void begin(std::uint32_t sequence);
  void end(std::uint32_t sequence);
  nlmsghdr* start(Build type, Family family, std::uint16_t flags);
  void finish(const nlmsghdr* message, std::string what, std::string subject, std::span<const Element> elements = {});
  [[nodiscard]] const Entry* entry(std::uint32_t sequence) const;
  [[nodiscard]] const Element* culprit(const Entry& entry, std::uint32_t offset) const;

  void table(Build type, Family family, std::uint32_t flags, std::string what);
  void counter(Build type, const CounterRef& ref);
  void add_set(const SetDefinition& definition);
  void delete_set(const SetRef& ref);
  void add_chain(const ChainRules& definition);
  void delete_chain(const ChainRef& ref);
  void flush_rules(const ChainRef& ref);
  void add_rules(const ChainRules& definition);
  void flush_set(const SetRef& ref);
  // With `seconds`, one for each: how long it stays.
  void change_elements(Build type, const std::vector<Element>& elements, std::span<const std::uint32_t> seconds = {});
  void element_message(Build type, std::span<const Element> elements, std::span<const std::uint32_t> seconds);
  void admit(const std::vector<Element>& expelled, const std::vector<Admitted>& admitted);

  std::uint32_t first_sequence_;
  std::vector<char> buffer_;
  std::vector<char> scratch_;
  std::vector<Entry> entries_;
  std::vector<Element> admitted_;  // of admit(), for `elements` of the entries
};

}  // namespace vrouter::firewall
