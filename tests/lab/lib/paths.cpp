// SPDX-License-Identifier: GPL-2.0-or-later
// The only file that knows where the tree is checked out, so that ccache serves the others to every clone.
#include "tests/lab/lib/paths.h"

#include <cstdlib>

namespace vrouter::lab {

std::string source_directory() {
  return VROUTER_SOURCE_DIR;
}

std::string binary_directory() {
  return VROUTER_BINARY_DIR;
}

std::string program_directory() {
  const char* chosen = std::getenv("VROUTER_BIN_DIR");
  return chosen != nullptr ? chosen : binary_directory() + "/bin";
}

std::string built_program(const std::string& name) {
  return program_directory() + "/" + name;
}

std::string guest_directory() {
  const char* chosen = std::getenv("VROUTER_GUEST_DIR");
  return chosen != nullptr ? chosen : source_directory() + "/.cache/guest";
}

}  // namespace vrouter::lab
