// SPDX-License-Identifier: GPL-2.0-or-later
// Which guests are kept from which domains. A guest's groups become one number, its profile; what is asked of a profile
// allocates nothing, so that the quick way may ask it of each question. Changed while nobody reads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "dns/codec.h"
#include "dns/lists.h"
#include "dns/shared_list.h"
#include "dns/tables.h"

namespace vrouter::dns {

class ListTable {
 public:
  using Profile = unsigned;
  static constexpr Profile kNone = 0;  // kept from nothing

  // Profiles that were given out before are void.
  void set(std::vector<std::shared_ptr<SharedList>> lists, const std::vector<ListGroup>& groups);
  // Of a guest in these groups (Host::list_groups).
  [[nodiscard]] Profile profile_of(const std::vector<std::uint16_t>& groups);

  // One of the groups keeps its members from the name, which is in wire form and lower case.
  [[nodiscard]] bool refuses(Profile profile, std::span<const std::uint8_t> lower_name) const noexcept;
  // The answer to a question for `asked`, a Reply's message, leads over a name that one of the groups refuses: who
  // blocks a tracker means it under other people's names too, whose CNAMEs lead there. Not where that group has an
  // exception for what was asked. What can't be read is refused.
  [[nodiscard]] bool refuses_answer(Profile profile, const Name& asked, std::span<const std::uint8_t> message) const;

 private:
  std::vector<std::shared_ptr<SharedList>> lists_;
  std::vector<ListPolicy> groups_;
  std::vector<std::vector<std::uint16_t>> profiles_{{}};  // places in groups_
  std::map<std::vector<std::uint16_t>, Profile> numbers_;
};

// Whether the answer section of a Reply's message has a record that leads to another name (CNAME, DNAME, SVCB, HTTPS),
// or can't be read.
[[nodiscard]] bool has_alias(std::span<const std::uint8_t> message) noexcept;

}  // namespace vrouter::dns
