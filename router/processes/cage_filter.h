// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <expected>

#include "base/kernel_error.h"
#include "router/processes/cage.h"

namespace vrouter::router {

// A sanitizer reserves terabytes of addresses, and UBSan asks the kernel, by writing it into a pipe, whether memory may
// be read before it looks at an object's type.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

// Loads the seccomp(2) filter of a caged process; it can be replaced by stricter ones only. EINVAL: the kernel was
// built without it.
[[nodiscard]] std::expected<void, KernelError> load_filter(const Allowed& allowed);

}  // namespace vrouter::router
