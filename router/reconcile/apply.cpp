// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/reconcile/apply.h"

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <utility>

namespace vrouter::router {
namespace {

// Removing what is gone is what we wanted. ENODEV: its interface went, and took it along.
Result<void> unless(Result<void> result, std::initializer_list<int> gone) {
  if (!result && std::ranges::find(gone, result.error().code) != gone.end()) return {};
  return result;
}

class Apply {
 public:
  Apply(Kernel kernel, Observed& observed) : kernel_{kernel}, observed_{observed} {}

  Result<void> operator()(const CreateTap& op) const {
    if (auto made = kernel_.net.create_tap(op.tap, op.owner); !made) return made;
    auto link = kernel_.net.link(op.tap);
    if (!link) link = kernel_.net.link(op.tap);  // not to leave behind what was made
    if (!link) return std::unexpected(link.error());
    note(LinkChanged{*link});
    return {};
  }

  Result<void> operator()(const RemoveTap& op) const {
    const Link* link = observed_.link(op.tap);
    const std::uint32_t index = op.ifindex != 0 || link == nullptr ? op.ifindex : link->index;
    if (index == 0) return {};
    if (auto removed = unless(kernel_.net.remove_link(index, op.tap), {ENODEV}); !removed) return removed;
    note(LinkGone{index, op.tap});
    return {};
  }

  Result<void> operator()(const ChangeLink& op) const {
    if (auto changed = kernel_.net.change_link(op.ifindex, op.link, op.after); !changed) return changed;
    const Link* known = observed_.link(op.ifindex);
    if (known == nullptr) return {};
    Link link = *known;
    if (op.after.group) link.group = *op.after.group;
    if (op.after.up) link.up = *op.after.up;
    for (const Conf key : kAllConf) link.conf[key] = op.after.conf[key].value_or(link.conf[key]);
    note(LinkChanged{std::move(link)});
    return {};
  }

  Result<void> operator()(const PutAddress& op) const {
    if (auto put = kernel_.net.put_address(op.address); !put) return put;
    note(AddressChanged{op.address});
    return {};
  }
  Result<void> operator()(const RemoveAddress& op) const {
    if (auto removed = unless(kernel_.net.remove_address(op.address), {EADDRNOTAVAIL, ENODEV}); !removed)
      return removed;
    note(AddressGone{op.address});
    return {};
  }
  Result<void> operator()(const PutRoute& op) const {
    if (auto put = kernel_.net.put_route(op.route); !put) return put;
    note(RouteChanged{op.route, true});
    return {};
  }
  Result<void> operator()(const RemoveRoute& op) const {
    if (auto removed = unless(kernel_.net.remove_route(op.route), {ESRCH, ENODEV}); !removed) return removed;
    note(RouteGone{op.route});
    return {};
  }
  Result<void> operator()(const PutNeighbour& op) const {
    if (auto put = kernel_.net.put_neighbour(op.neighbour); !put) return put;
    note(NeighbourChanged{op.neighbour});
    return {};
  }
  Result<void> operator()(const RemoveNeighbour& op) const {
    if (auto removed = unless(kernel_.net.remove_neighbour(op.neighbour), {ENOENT, ENODEV}); !removed) return removed;
    note(NeighbourGone{op.neighbour});
    return {};
  }
  Result<void> operator()(const WriteSysctl& op) const {
    auto written = kernel_.sysctls.write(op.key, op.value);
    if (!written && written.error().code == ENOENT) {
      // The kernel tells a rename before it has moved the link's switches; any request waits until it is done.
      static_cast<void>(kernel_.net.link("lo"));
      written = kernel_.sysctls.write(op.key, op.value);
    }
    if (!written) return written;
    observed_.note_sysctl(op.key, op.value);
    return {};
  }

 private:
  void note(const KernelEvent& event) const { static_cast<void>(observed_.on(event)); }

  Kernel kernel_;
  Observed& observed_;
};

}  // namespace

Applied apply(std::span<const Operation> operations, Kernel kernel, Observed& observed) {
  Applied applied;
  const Apply apply_one{kernel, observed};
  for (const auto& operation : operations) {
    if (auto result = std::visit(apply_one, operation); !result) {
      applied.error = std::move(result.error());
      break;
    }
    ++applied.done;
    if (auto undo = inverse(operation)) applied.undo.push_back(std::move(*undo));
  }
  std::ranges::reverse(applied.undo);
  return applied;
}

}  // namespace vrouter::router
