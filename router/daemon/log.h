// SPDX-License-Identifier: GPL-2.0-or-later
// One log for the whole process: the journal where systemd started us, stderr otherwise. spdlog stays in log.cpp,
// since its headers cost more to compile than most of our files.
#pragma once

#include <string_view>

namespace vrouter::router {

void open_log(bool debug);
void log_debug(std::string_view text);
void log_info(std::string_view text);
void log_warning(std::string_view text);
void log_error(std::string_view text);

}  // namespace vrouter::router
