// SPDX-License-Identifier: GPL-2.0-or-later
// The kernel as a map, for tests of this room and of the router. Can fail on demand.
#pragma once

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "firewall/nft/port.h"

namespace vrouter::firewall {

class FakeNft final : public NftPort {
 public:
  Observed kernel;
  Features supported{.owner_persist = true};
  Foreign others;
  std::optional<KernelError> fail_next;  // the next call fails with this, and changes nothing
  std::vector<Transaction> applied;      // every one that succeeded

  [[nodiscard]] Features features() const override { return supported; }
  [[nodiscard]] std::expected<Observed, KernelError> observe() override {
    if (auto error = std::exchange(fail_next, std::nullopt)) return std::unexpected(*error);
    return kernel;
  }
  [[nodiscard]] std::expected<void, KernelError> apply(const Transaction& transaction) override {
    if (auto error = std::exchange(fail_next, std::nullopt)) return std::unexpected(*error);
    auto after = firewall::apply(kernel, transaction);
    if (!after) return std::unexpected(KernelError{after.error(), ENOENT, ""});
    kernel = std::move(*after);
    applied.push_back(transaction);
    return {};
  }
  [[nodiscard]] std::expected<void, KernelError> teardown() override {
    if (auto error = std::exchange(fail_next, std::nullopt)) return std::unexpected(*error);
    kernel = {};
    return {};
  }
  [[nodiscard]] std::expected<Foreign, KernelError> foreign() override {
    if (auto error = std::exchange(fail_next, std::nullopt)) return std::unexpected(*error);
    return others;
  }
};

}  // namespace vrouter::firewall
