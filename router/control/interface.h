// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string_view>

namespace vrouter::router::control {

inline constexpr std::string_view kInterfaceName = "io.vrouter";
inline constexpr std::string_view kServiceInterfaceName = "org.varlink.service";

// The description of io.vrouter, as GetInterfaceDescription gives it: the one place where the socket's types are said.
extern const std::string_view kInterface;
// The description of org.varlink.service, as https://varlink.org/Service has it.
extern const std::string_view kServiceInterface;

}  // namespace vrouter::router::control
