// SPDX-License-Identifier: GPL-2.0-or-later
// What DHCP has counted and how its ranges stand, to and from JSON; leases too, which json.h declares. Not for other
// rooms.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <vector>

#include "router/control/fields.h"

namespace vrouter::router::control {

[[nodiscard]] boost::json::object counters_to_json(const dhcp::Statistics& statistics);
[[nodiscard]] Read<dhcp::Statistics> counters_from_json(const boost::json::object& json);

[[nodiscard]] boost::json::array ranges_to_json(const std::vector<RangeView>& ranges);
[[nodiscard]] std::vector<RangeView> read_ranges(Fields& status);  // the field "ranges"; absent: none

}  // namespace vrouter::router::control
