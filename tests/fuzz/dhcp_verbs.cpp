// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes on the line between the daemon and vrouterd: dhcp, both ways. The first byte chooses the way. What decodes must
// be within its bounds and come back the same; a report that the daemon acts on must be what it was told itself.
#include "router/processes/dhcp_verbs.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "router/processes/dhcp_claims.h"
#include "router/processes/dhcp_orders.h"
#include "tests/unit/dhcp/packets.h"

using namespace vrouter;          // NOLINT(google-build-using-namespace)
using namespace vrouter::router;  // NOLINT(google-build-using-namespace)

namespace {

namespace verbs = dhcp_verbs;

void require(bool condition) {
  if (!condition) __builtin_trap();
}

// As part of a table, whatever came before it.
void take(const verbs::Order& order) {
  const auto taken = [&](UpdateReader& reader) {
    std::visit(
        [&]<typename Verb>(Verb verb) {
          if constexpr (requires { reader.take(std::move(verb)); }) {
            const auto update = reader.take(std::move(verb));
            require(update || !update.error().empty());
          }
        },
        order);
  };
  UpdateReader fresh, in_snapshot, in_pool;
  require(in_snapshot.take(verbs::Begin{}) && in_pool.take(verbs::PutPool{{}, 1, 1}));
  for (auto* reader : {&fresh, &in_snapshot, &in_pool}) taken(*reader);
}

void down(std::span<const std::uint8_t> bytes) {
  const auto order = verbs::decode_order(bytes);
  require(order || !order.error().empty());
  if (!order) return;
  const auto again = verbs::encode(*order);
  require(again.size() == bytes.size() && again.size() <= kMaxMessage && verbs::decode_order(again) == *order);
  require(!verbs::decode_order(bytes.first(bytes.size() - 1)));
  take(*order);
  const auto* bind = std::get_if<verbs::Bind>(&*order);
  if (bind == nullptr) return;
  const auto& b = bind->binding;
  const auto& s = *b.settings;
  require(b.guest.size() <= verbs::kMaxLabel && b.host_name.size() <= verbs::kMaxLabel);
  require(b.tap.size() <= verbs::kMaxTap && s.domain.size() <= verbs::kMaxDomain && s.prefix_length <= 32);
  require(s.options.size() <= verbs::kMaxOptions);
  for (const auto& option : s.options) require(option.value.size() <= verbs::kMaxOptionValue);
}

void require_true(const dhcp::LeaseEvent& event, const dhcp::Binding& b, BootTime now) {
  require(event.guest == b.guest && event.tap == b.tap && event.address == b.address);
  require(!event.client.is_group() && !event.client.is_zero());
  require(!b.pinned_mac || event.client == *b.pinned_mac);
  require(event.state != dhcp::LeaseState::offered);
  const auto last = event.state == dhcp::LeaseState::bound ? now + b.settings->lease_time : now;
  require(event.expires <= last + kClockSlack);
  require(event.client_id.size() <= 255 && event.host_name.size() <= 63);
  for (const char c : event.host_name) require((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
}

void up(std::span<const std::uint8_t> bytes) {
  const auto report = verbs::decode_report(bytes);
  require(report || !report.error().empty());
  if (!report) return;
  require(verbs::encode(*report) == std::vector(bytes.begin(), bytes.end()));
  require(!verbs::decode_report(bytes.first(bytes.size() - 1)));
  if (const auto* commits = std::get_if<verbs::Commits>(&*report)) {
    for (const auto& commit : commits->commits) {
      if (nonsense_in(commit.lease)) continue;
      const auto& client = commit.lease.client;
      require(!client.hardware.is_group() && !client.hardware.is_zero() && client.client_id.size() <= 255);
      require(commit.lease.state != dhcp::LeaseState::offered && commit.lease.host_name.size() <= 63);
    }
  }
  const auto* lease = std::get_if<verbs::Lease>(&*report);
  if (lease == nullptr) return;
  const BootTime now{std::chrono::hours{1}};
  auto b = dhcp::testing::binding();
  for (const bool pinned : {false, true}) {
    if (pinned) b.pinned_mac = dhcp::testing::kGuestMac;
    const auto strict = check_lease(*lease, &b, Knowledge::all, now);
    const auto lenient = check_lease(*lease, &b, Knowledge::maybe_less, now);
    if (strict && *strict) require_true(**strict, b, now);
    // To know less excuses; it never makes an event of what would be none.
    require(lenient || !strict);
    require((lenient && *lenient) == (strict && *strict));
    const auto of_nobody = check_lease(*lease, nullptr, Knowledge::maybe_less, now);
    require(!of_nobody || !*of_nobody);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span bytes{data + 1, size - 1};
  data[0] % 2 == 0 ? down(bytes) : up(bytes);
  return 0;
}
