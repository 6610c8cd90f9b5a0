// SPDX-License-Identifier: GPL-2.0-or-later
// What a guest is told to be, to and from JSON. Not for other rooms.
#pragma once

#include <boost/json/object.hpp>

#include "config/model.h"
#include "router/control/fields.h"

namespace vrouter::router::control {

// The fields of an AddGuest, which a view of the guest has too.
void put_guest(boost::json::object& json, const config::Guest& guest);
[[nodiscard]] config::Guest read_guest(Fields& fields);

}  // namespace vrouter::router::control
