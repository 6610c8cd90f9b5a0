// SPDX-License-Identifier: GPL-2.0-or-later
// The host's kernel as the daemon handles it: a replica of what it shows, the ruleset that it holds for us, and what it
// was like before us. No coroutines, no disk: each call is done when it returns.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "config/model.h"
#include "firewall/nft/port.h"
#include "firewall/ruleset.h"
#include "router/kernel/kernel_port.h"
#include "router/kernel/sysctls.h"
#include "router/reconcile/apply.h"
#include "router/reconcile/observed.h"
#include "router/reconcile/plan.h"

namespace vrouter::router {

class Dataplane {
 public:
  struct Ports {
    std::unique_ptr<KernelPort> net;
    std::unique_ptr<Sysctls> sysctls;
    std::unique_ptr<firewall::NftPort> nft;
  };
  // The sockets of this network namespace; EPERM without CAP_NET_ADMIN.
  [[nodiscard]] static Result<Ports> open_ports();

  Dataplane(Ports ports, Originals originals) : ports_{std::move(ports)}, originals_{std::move(originals)} {}

  // Dumps the network anew. Open the KernelEvents before, and drain them after.
  [[nodiscard]] Result<void> observe();
  Affected on(const KernelEvent& event) { return observed_.on(event); }
  [[nodiscard]] const Observed& observed() const noexcept { return observed_; }
  // The host's switches anew, those that tell no event among them.
  void observe_switches() { observe_sysctls(*ports_.sysctls, observed_); }
  void observe_guest(const DesiredGuest& guest) { observe_guest_sysctls(*ports_.sysctls, guest, observed_); }
  // The slow check's looks at what tells no event; drain the KernelEvents before. A guest: one request, and a file
  // where its network has addressing "subnet". The host: ten files.
  [[nodiscard]] Affected look_at(const DesiredGuest& guest);
  // Of links that are the host's own: what tells no event. lo is always among them.
  [[nodiscard]] Affected look_at_links(std::vector<std::string> names);
  [[nodiscard]] Affected look_at_host() { return observe_sysctls(*ports_.sysctls, observed_); }

  [[nodiscard]] Applied apply(std::span<const Operation> operations) {
    return router::apply(operations, kernel(), observed_);
  }
  // What was there before us, as far as it is on disk.
  [[nodiscard]] Originals& originals() noexcept { return originals_; }
  [[nodiscard]] const Originals& originals() const noexcept { return originals_; }

  [[nodiscard]] bool owns_table(const config::Config& config) const;
  // Makes the kernel hold these rules, by one transaction with what differs; true when something did.
  [[nodiscard]] Result<bool> install(firewall::Ruleset rules);
  // Of the last install(): TAPs behind which there was somebody else, by address or by profile.
  [[nodiscard]] const std::set<std::string>& displaced() const noexcept { return displaced_; }
  // Makes the kernel hold what it last accepted, after others changed it; the transaction that did so, empty where all
  // was right. With `sets`, elements are compared of those only, and of sets that are gone. Commands that are half done
  // are no matter: the rules of what they have done so far are what comes back.
  [[nodiscard]] Result<firewall::Transaction> restore_rules(const std::set<firewall::SetRef>* sets);
  // ENOBUFS from the calls below: what the kernel made of it is not known.
  // The same for the elements of one guest or one set; neither reads the kernel nor depends on how many there are.
  [[nodiscard]] Result<void> change(const std::vector<firewall::Element>& before,
                                    const std::vector<firewall::Element>& after);
  // What guests are let in to by domains, and no part of the ruleset: `expel` and `admit` of it.
  [[nodiscard]] Result<void> admit(const firewall::Transaction& change) { return ports_.nft->apply(change); }
  // Brings tables, chains and the elements that are of no guest to those of `skeleton`, and guests' elements from
  // `before` to `after`, in one transaction with what differs from what the kernel last accepted: it isn't read.
  [[nodiscard]] Result<void> restructure(firewall::Ruleset skeleton, const std::vector<firewall::Element>& before,
                                         const std::vector<firewall::Element>& after);
  // Thousands of chains and sets take milliseconds to free: call this when nobody waits any more.
  void release_former() noexcept { former_.reset(); }
  [[nodiscard]] const firewall::Ruleset& rules() const noexcept { return *rules_; }
  // The same, as it is now, for whoever goes on looking at it while it changes. A copy is made only when a change comes
  // while somebody still looks.
  [[nodiscard]] std::shared_ptr<const firewall::Ruleset> snapshot() const noexcept { return rules_; }
  [[nodiscard]] Result<std::vector<Listener>> listeners() { return ports_.net->listeners(); }
  [[nodiscard]] Result<LinkTraffic> traffic(const std::string& link) { return ports_.net->traffic(link); }
  // Has the kernel ask by ARP who has that address; the answer is news of a neighbour.
  [[nodiscard]] Result<void> solicit(std::uint32_t ifindex, const address_v4& address) {
    return ports_.net->solicit(ifindex, address);
  }
  [[nodiscard]] Result<std::uint32_t> bridge_port(std::uint32_t bridge, const MacAddress& station) {
    return ports_.net->bridge_port(bridge, station);
  }
  [[nodiscard]] firewall::NftPort& nft() noexcept { return *ports_.nft; }

 private:
  [[nodiscard]] std::vector<firewall::Element> held(const std::vector<firewall::Element>& elements) const;
  [[nodiscard]] firewall::Ruleset& own_rules();  // to be changed
  // `lost`: a change to it went out before, and what became of that nobody knows.
  [[nodiscard]] Result<void> install_after(firewall::Ruleset wanted, bool lost);
  [[nodiscard]] Kernel kernel() { return {*ports_.net, *ports_.sysctls}; }

  Ports ports_;
  Observed observed_;
  Originals originals_;
  std::set<std::string> displaced_;
  std::shared_ptr<firewall::Ruleset> rules_ = std::make_shared<firewall::Ruleset>();  // as last accepted by the kernel
  std::shared_ptr<firewall::Ruleset> former_;  // before the last restructure(), without what guests have in it
};

}  // namespace vrouter::router
