// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace vrouter::lab {

// A program of this build, from its bin/; VROUTER_BIN_DIR in the environment names another directory.
[[nodiscard]] std::string built_program(const std::string& name);
// Where `./dev deps` put the guest's vmlinuz and initramfs.gz; VROUTER_GUEST_DIR in the environment overrides it.
[[nodiscard]] std::string guest_directory();

// The trees a namespace must still see when they lie under a directory that it hides.
[[nodiscard]] std::string source_directory();
[[nodiscard]] std::string binary_directory();
[[nodiscard]] std::string program_directory();

}  // namespace vrouter::lab
