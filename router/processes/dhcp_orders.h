// SPDX-License-Identifier: GPL-2.0-or-later
// The tables of the DHCP service as orders, and back: an update goes out as messages of bounded size.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/copy_on_write.h"
#include "dhcp/tables.h"
#include "router/processes/dhcp_verbs.h"

namespace vrouter::router {

// In the order in which they are to be sent; a snapshot's begin with Begin and end with End.
[[nodiscard]] std::vector<dhcp_verbs::Order> orders_of(dhcp::Update update);

// Puts together what orders_of() took apart, as the messages come.
class UpdateReader {
 public:
  // What may be applied now; nothing while more is to come. An error: the order is out of place, in words.
  using Read = std::expected<std::optional<dhcp::Update>, std::string>;

  [[nodiscard]] Read take(const dhcp_verbs::Begin&);
  [[nodiscard]] Read take(dhcp_verbs::Bind&& bind);
  [[nodiscard]] Read take(const dhcp_verbs::Unbind& unbind);
  [[nodiscard]] Read take(dhcp_verbs::PutPool&& pool);
  [[nodiscard]] Read take(dhcp_verbs::Reserve&& reserve);
  [[nodiscard]] Read take(dhcp_verbs::Tailor&& tailor);
  [[nodiscard]] Read take(dhcp_verbs::DropPool&& drop);
  [[nodiscard]] Read take(dhcp_verbs::PutLeases&& leases);
  [[nodiscard]] Read take(dhcp_verbs::DropLeases&& leases);
  [[nodiscard]] Read take(const dhcp_verbs::End&);

 private:
  [[nodiscard]] Read done();  // unless it is within a snapshot, or the pool that came last isn't whole
  [[nodiscard]] bool whole() const noexcept { return missing_reservations_ == 0 && missing_tailored_ == 0; }
  [[nodiscard]] Read only_outside(const char* what);

  dhcp::Update update_;
  Sharer<dhcp::Settings> settings_;
  bool in_snapshot_ = false;
  std::uint32_t missing_reservations_ = 0, missing_tailored_ = 0;  // of the pool that came last
};

}  // namespace vrouter::router
