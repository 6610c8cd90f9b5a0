// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

#include "config/model.h"

namespace vrouter::config {

// Parses the text of a vrouter.toml. All problems of the file come in one go; `file` is only for their places.
[[nodiscard]] std::expected<Config, Problems> parse_config(std::string_view toml, const std::string& file);

// Reads `file` (missing: the embedded defaults) and every *.toml of `policy_dir`.
// This version knows no policy language: a policy file is a problem, never silently left out.
[[nodiscard]] std::expected<Config, Problems> load_config(const std::filesystem::path& file,
                                                          const std::filesystem::path& policy_dir);

}  // namespace vrouter::config
