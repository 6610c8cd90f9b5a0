// SPDX-License-Identifier: GPL-2.0-or-later
#include <cstdio>
#include <exception>

#include "router/cli/offline.h"
#include "router/cli/run.h"

namespace cli = vrouter::router::cli;

int main(int argc, char** argv) try {
  const auto request = cli::parse_command_line(argc, argv);
  if (!request) {
    const auto& leave = request.error();
    std::fputs(leave.text.c_str(), leave.status == cli::kDone ? stdout : stderr);
    return leave.status;
  }
  cli::Hooks hooks;
  hooks.teardown_offline = cli::teardown_offline;
  const int status = cli::run(*request, hooks);
  // A full disk or a closed pipe behind stdout must not pass for success.
  if (std::fflush(stdout) != 0 && status == cli::kDone) {
    std::perror("vrouter: stdout");
    return cli::kRefused;
  }
  return status;
} catch (const std::exception& error) {
  std::fprintf(stderr, "vrouter: %s\n", error.what());
  return cli::kRefused;
}
