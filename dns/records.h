// SPDX-License-Identifier: GPL-2.0-or-later
// Records that the operator wrote down. Pure. A name that has any is answered from them alone, whatever the type, and
// for everybody: nobody upstream is asked what else it has.
#pragma once

#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "dns/codec.h"
#include "dns/tables.h"

namespace vrouter::dns {

inline constexpr unsigned kMaxLocalChain = 8;  // CNAMEs followed in our own data

// As they go on the wire. What is no name there is left out; the loader lets none such through.
[[nodiscard]] std::vector<StaticRecord> static_records(const std::vector<config::DnsRecords>& written);

class Records {
 public:
  void set(const std::vector<StaticRecord>& records);

  [[nodiscard]] bool empty() const noexcept { return records_.empty(); }
  // Whether there is a record of a name below that one: it exists then, if only as a branch (RFC 8020).
  [[nodiscard]] bool has_below(const Name& name) const;
  // Nothing: no record is of that name. Where its CNAMEs lead out of these records, or go on for more than
  // kMaxLocalChain, the answer says by `next` where.
  [[nodiscard]] std::optional<LocalAnswer> answer(const Question& question) const;

 private:
  using Set = std::vector<LocalRecord>;
  [[nodiscard]] const Set* find(const Name& name) const;

  std::map<Name, Set> records_;  // by name in lower case
  std::set<Name> branches_;      // the names above them
};

}  // namespace vrouter::dns
