// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "router/control/views.h"

namespace vrouter::router::cli {

// What `vrouter dns` shows: what was asked and how it was answered, the cache, and each server with its answers.
[[nodiscard]] std::string dns_text(const dns::Statistics& dns, bool colour);
// "what was known of www.example is forgotten"
[[nodiscard]] std::string flushed_sentence(const control::FlushedNames& flushed);

}  // namespace vrouter::router::cli
