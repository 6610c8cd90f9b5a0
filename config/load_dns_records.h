// SPDX-License-Identifier: GPL-2.0-or-later
// [[dns.records]]: what an operator wrote down of names.
#pragma once

#include "config/model.h"
#include "config/table_reader.h"

namespace vrouter::config {

inline constexpr std::size_t kMaxRecordNames = 10'000;
inline constexpr std::size_t kMaxRecordsOfType =
    64;  // of one name: what a message of a TCP reply has room for, and more

// `records` is the array's node.
void load_dns_records(Diagnosis& diagnosis, const Node& records, Config& config);
// Once the guests are known: none of them has the name of a record.
void check_dns_records(Diagnosis& diagnosis, const Config& config);

}  // namespace vrouter::config
