// SPDX-License-Identifier: GPL-2.0-or-later
// Lists of domains, out of the operator's files into memory that the DNS process is handed. They are read when the
// configuration is, and at no other time: what changes on disk holds from the next reload on.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/dns.h"
#include "dns/shared_list.h"
#include "dns/tables.h"

namespace vrouter::router {

struct DnsLists {
  struct One {
    std::string name;
    std::shared_ptr<dns::SharedList> packed;
    std::uint64_t fingerprint = 0;  // of what is on it
    std::uint64_t entries = 0, skipped = 0;
    std::vector<std::string> warnings{};  // a sentence each
  };
  std::vector<One> all{};  // by name

  [[nodiscard]] bool same_as(const DnsLists& other) const;  // what is on them
  [[nodiscard]] std::vector<dns::ListStatus> status() const;
  [[nodiscard]] std::vector<std::string> warnings() const;
};

// Reads all lists of the configuration; takes about a second for a million entries. What is the same as in `before` is
// taken from there. An error is a line with the list's place, the file and the remedy. Any thread, one at a time.
[[nodiscard]] std::expected<DnsLists, std::string> read_dns_lists(const config::Dns& dns, const DnsLists& before = {});

// As the DNS service is told of them.
struct ListsTold {
  std::vector<std::shared_ptr<dns::SharedList>> lists{};
  std::vector<dns::ListGroup> groups{};
  std::map<std::string, std::uint16_t> numbers{};  // in `groups`, of groups that block anything
  // Of a guest in these.
  [[nodiscard]] std::vector<std::uint16_t> of(const std::vector<std::string>& names) const;
};
[[nodiscard]] ListsTold told_lists(const config::Dns& dns, const DnsLists& read);

}  // namespace vrouter::router
