// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

#include "config/model.h"

namespace vrouter::config {

// Parses the text of a vrouter.toml. What the file leaves out has its default. Where it declares no network there is
// the embedded `default`; where it declares any, there are only those: one called `default` starts from the embedded
// one, every other needs its prefix. Declared guests come complete and fit one another.
// All problems of the file come in one go, in its order; `file` is only for their places.
[[nodiscard]] std::expected<Config, Problems> parse_config(std::string_view toml, const std::string& file);

// Reads `file` (missing: the embedded defaults) and every *.toml of `policy_dir`.
// This version knows no policy language: a policy file is a problem, never silently left out.
[[nodiscard]] std::expected<Config, Problems> load_config(const std::filesystem::path& file,
                                                          const std::filesystem::path& policy_dir);

}  // namespace vrouter::config
