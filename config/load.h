// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "config/model.h"

namespace vrouter::config {

// Parses the text of a vrouter.toml. What the file leaves out has its default. Where it declares no network there is
// the embedded `default`; where it declares any, there are only those: one called `default` starts from the embedded
// one, every other needs its prefix. Declared guests come complete and fit one another.
// All problems of the file come in one go, in its order; `file` is only for their places. Config::policy stays empty,
// and groups that guests name are not looked up, since policy files declare them.
[[nodiscard]] std::expected<Config, Problems> parse_config(std::string_view toml, const std::string& file);

// A policy file's path, for places and for the names of its rules, and what is in it.
struct PolicyText {
  std::string file;
  std::string text;
};

// The same with the policy, which is all of `policy` in this order. Everything that is named must exist, but for
// guests, which may be added by command: for those, and for what is odd in other ways, there is Config::warnings.
[[nodiscard]] std::expected<Config, Problems> parse_config(std::string_view toml, const std::string& file,
                                                           std::span<const PolicyText> policy);

// Reads `file` (missing: the embedded defaults) and every *.toml of `policy_dir` (missing: no policy), by name; hidden
// files, which editors leave, are passed over.
[[nodiscard]] std::expected<Config, Problems> load_config(const std::filesystem::path& file,
                                                          const std::filesystem::path& policy_dir);

struct WrittenPolicy;  // load_policy.h

// The same files again and again, as a daemon reads them: what says the same as the last time isn't parsed anew, which
// is most of the work where there are thousands of guests and rules.
class Files {
 public:
  Files(std::filesystem::path file, std::filesystem::path policy_dir);
  Files(Files&&) noexcept;
  Files& operator=(Files&&) noexcept;
  ~Files();

  // As load_config().
  [[nodiscard]] std::expected<Config, Problems> load();
  // Of the last load(), those too that Config::warnings could not carry since something was wrong beside them.
  [[nodiscard]] const Problems& warnings() const noexcept { return warnings_; }

 private:
  [[nodiscard]] std::expected<Config, Problems> load(WrittenPolicy& policy);

  struct Parsed;
  std::filesystem::path file_, policy_dir_;
  std::unique_ptr<Parsed> parsed_;
  Problems warnings_;
};

}  // namespace vrouter::config
