// SPDX-License-Identifier: GPL-2.0-or-later
// Where machines boot from, as the file has it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "config/table_reader.h"

namespace vrouter::config {

// http:// or https://, printable and at most 255 characters: an option's.
[[nodiscard]] Parsed<std::string> parse_url(std::string_view text);

[[nodiscard]] NetworkBoot load_boot(Diagnosis& diagnosis, const Node& table);

}  // namespace vrouter::config
