// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace vrouter::lab {

// A program of this build, from its bin/.
[[nodiscard]] std::string built_program(const std::string& name);
// Where `./dev deps` put the guest's vmlinuz and initramfs.gz; VROUTER_GUEST_DIR in the environment overrides it.
[[nodiscard]] std::string guest_directory();

// The trees a namespace must still see when they lie under a directory that it hides.
[[nodiscard]] std::string source_directory();
[[nodiscard]] std::string binary_directory();

}  // namespace vrouter::lab
