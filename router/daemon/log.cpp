// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/daemon/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/systemd_sink.h>
#include <spdlog/spdlog.h>

#include <cstdlib>

namespace vrouter::router {

void open_log(bool debug) {
  // JOURNAL_STREAM says that stderr is the journal's: then levels travel as fields, not as text.
  const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  auto logger =
      journal
          ? std::make_shared<spdlog::logger>("vrouterd", std::make_shared<spdlog::sinks::systemd_sink_st>("vrouterd"))
          : std::make_shared<spdlog::logger>("vrouterd", std::make_shared<spdlog::sinks::stderr_sink_st>());
  logger->set_pattern(journal ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l: %v");
  logger->set_level(debug ? spdlog::level::debug : spdlog::level::info);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void log_debug(std::string_view text) {
  spdlog::debug("{}", text);
}
void log_info(std::string_view text) {
  spdlog::info("{}", text);
}
void log_warning(std::string_view text) {
  spdlog::warn("{}", text);
}
void log_error(std::string_view text) {
  spdlog::error("{}", text);
}

}  // namespace vrouter::router
