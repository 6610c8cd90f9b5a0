// SPDX-License-Identifier: GPL-2.0-or-later
// Rules to domains: guests reach what they are about to be told, once they are let in here. The process that asks is
// the less trusted one. What it says of names can't be known here; whose question it is, which of the rules are of that
// guest, whether an address may ever be opened, and how many, is looked at anew.
#include <algorithm>
#include <iterator>
#include <ranges>
#include <tuple>
#include <utility>

#include "firewall/domains.h"
#include "router/daemon/log.h"
#include "router/daemon/router.h"

namespace vrouter::router {

namespace {

// Requests that come in so short a time share a transaction; the first of them doesn't wait.
constexpr std::chrono::milliseconds kGather{1};
constexpr std::size_t kMostAtOnce = 256;

using Outcome = dns::AdmissionReply::Outcome;

bool in_a_network(const address& a, const config::Config& config) {
  return std::ranges::any_of(config.networks | std::views::values, [&](const config::Network& network) {
    return a.is_v4() ? config::contains(network.prefix, a.to_v4())
                     : network.prefix6 && config::contains(*network.prefix6, a.to_v6());
  });
}

// A rule by address is taken to be of all guests: which of a guest's addresses it means, the rule itself asks.
bool may_be_from(const config::PolicyRule& rule, const firewall::Membership& guest) {
  return std::ranges::any_of(rule.from, [&](const config::Peer& peer) {
    const bool by_address = peer.kind == config::Peer::Kind::set || peer.kind == config::Peer::Kind::net;
    return by_address || firewall::means(peer, guest);
  });
}

std::string_view without_dot(std::string_view name) {
  return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

}  // namespace

void Router::use_domains() {
  rules_to_domains_.clear();
  const auto& rules = config_.policy.rules;
  const auto is_domain = [](const config::Peer& peer) { return peer.kind == config::Peer::Kind::domain; };
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (std::ranges::any_of(rules[i].to, is_domain)) rules_to_domains_.push_back(i);
  }
  auto domains = config::domains_of(rules);
  if (domains.empty() && domains_.names.empty()) return;
  admissions_.keep(domains);
  domains_ = {.revision = domains_.revision + 1, .names = std::move(domains)};
  services_.set_domains(domains_);
}

void Router::on_admission(const dns::AdmissionRequest& request) {
  admissions_due_.push_back(request);
  if (admissions_due_.size() >= kMostAtOnce) return admit_due();
  if (admissions_due_.size() > 1) return;  // they wait already
  admission_timer_.expires_at(admitted_at_ + kGather);
  admission_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) admit_due();
  });
}

void Router::admit_due() {
  const auto due = std::exchange(admissions_due_, {});
  admitted_at_ = std::chrono::steady_clock::now();
  AdmissionPlan plan{.now = BootClock::now()};
  for (const auto& request : due) plan.replies.push_back(plan_admission(request, plan));
  const auto done = change_admissions(plan.change);
  for (auto& entry : plan.entries) {
    if (!done) break;
    entry.until = std::max(entry.until, admissions_.until(entry));  // of two that came together
    admissions_.put(std::move(entry));
  }
  for (auto& reply : plan.replies) {
    if (!done && reply.admitted != 0) reply = {.number = reply.number, .outcome = Outcome::failed};
    services_.admitted(reply);
  }
}

bool Router::change_admissions(firewall::Transaction change) {
  // What is of a set that the kernel no longer has, or not yet, would cost the others theirs.
  const auto is_missing = [this](const firewall::SetRef& set) { return plane_.rules().find(set) == nullptr; };
  std::erase_if(change.expel, [&](const firewall::Element& element) { return is_missing(element.set); });
  std::erase_if(change.admit, [&](const firewall::Admitted& one) { return is_missing(one.element.set); });
  // Those of one set are one message, and each comes once: deleting it twice would fail. Of two the longer counts.
  std::ranges::sort(change.expel);
  std::ranges::sort(change.admit, [](const firewall::Admitted& a, const firewall::Admitted& b) {
    return std::tie(a.element, b.seconds) < std::tie(b.element, a.seconds);
  });
  const auto expelled_twice = std::ranges::unique(change.expel);
  change.expel.erase(expelled_twice.begin(), expelled_twice.end());
  const auto twice = std::ranges::unique(change.admit, {}, &firewall::Admitted::element);
  change.admit.erase(twice.begin(), twice.end());
  if (change.empty()) return true;
  const auto done = plane_.admit(change);
  const auto problem = done ? std::string{} : done.error().to_string();
  if (!problem.empty() && problem != admission_problem_)
    log_error("guests can't reach what DNS would tell them by rules to domains: " + problem);
  admission_problem_ = problem;
  return done.has_value();
}

dns::AdmissionReply Router::plan_admission(const dns::AdmissionRequest& request, AdmissionPlan& plan) {
  const std::chrono::seconds lifetime{admission_time(request.ttl)};
  // What is told must end before what is in does.
  dns::AdmissionReply reply{.number = request.number,
                            .seconds = static_cast<std::uint32_t>(lifetime.count()) - kAdmissionGrace};
  const auto* link = plane_.observed().link(request.ifindex);
  const auto* guest = link == nullptr || adopted_link(link->name) != link ? nullptr : guests_.by_tap(link->name);
  if (stopped_ || !rules_in_ || guest == nullptr) return reply;
  const auto domains = domains_for(*guest);
  reply.outcome = domains.empty() ? Outcome::unconcerned : Outcome::admitted;
  const auto is_other = [name = without_dot(request.name)](const std::string& domain) {
    return !config::domain_means(domain, name);
  };
  for (const auto& its : request.addresses) {
    if (!may_be_admitted(its) || is_ours(its, plan)) {
      ++reply.refused;
      continue;
    }
    bool in = false;
    for (const auto& domain : domains) {
      if (is_other(domain)) continue;
      if (!admission_budgets_[guest->tap].take(plan.now)) {
        reply.outcome = Outcome::failed;
        continue;
      }
      const auto element = firewall::domain_element(domain, guest->tap, its);
      if (plane_.rules().find(element.set) == nullptr || !admissions_.has_room(plan.now)) {
        reply.outcome = Outcome::failed;  // its rules are on their way, or there is no room: the guest asks again
        continue;
      }
      AdmissionBook::Entry entry{guest->tap, guest->name, domain, its, plan.now + lifetime};
      // Another name that the domain means may have brought the same address, and for longer.
      entry.until = std::max(entry.until, admissions_.until(entry));
      admissions_.make_room(entry, plan.now, plan.change);
      const auto seconds = std::chrono::ceil<std::chrono::seconds>(entry.until - plan.now);
      plan.change.admit.push_back({element, static_cast<std::uint32_t>(seconds.count())});
      plan.entries.push_back(std::move(entry));
      in = true;
    }
    if (in) ++reply.admitted;
  }
  return reply;
}

// Each once, sorted. Behind a shared TAP are guests with names and groups of their own: what any rule might mean there.
std::vector<std::string> Router::domains_for(const config::Guest& guest) const {
  const firewall::Membership membership{guest.network, network_of(guest).mode, guest.groups, guest.name, {}};
  std::vector<std::string> domains;
  for (const auto index : rules_to_domains_) {
    const auto& rule = config_.policy.rules[index];
    if (guest.shared || may_be_from(rule, membership))
      std::ranges::copy(config::domains_of(rule), std::back_inserter(domains));
  }
  std::ranges::sort(domains);
  const auto repeated = std::ranges::unique(domains);
  domains.erase(repeated.begin(), repeated.end());
  return domains;
}

// An address of this host, of a guest or of a network of guests.
bool Router::is_ours(const address& its, AdmissionPlan& plan) {
  if (in_a_network(its, config_)) return true;
  const auto& guests = around_guests();
  if (guests.behind(its) != nullptr || guests.host.contains(its)) return true;
  if (!plan.own) {
    plan.own = outside_addresses();
    for (const auto& [index, addresses] : plane_.observed().addresses()) {
      for (const auto& one : addresses) plan.own->insert(one.local);
    }
  }
  return plan.own->contains(its);
}

// --- what guests leave behind ----------------------------------------------------------------------------------------

void Router::expel(const std::string& tap) {
  firewall::Transaction change;
  admissions_.expel(tap, change);
  admission_budgets_.erase(tap);
  if (const auto* link = plane_.observed().link(tap)) services_.forget_admitted(link->index);
  if (!stopped_) change_admissions(std::move(change));
}

void Router::expel_strangers() {
  for (const auto& [tap, name] : admissions_.guests()) {
    const auto* guest = guests_.by_tap(tap);
    if (guest == nullptr || guest->name != name) expel(tap);
  }
}

// Of the daemon before: the tables outlive it.
void Router::take_over_admissions() {
  std::set<firewall::SetRef> sets;
  for (const auto& domain : domains_.names) {
    for (const bool v6 : {false, true}) {
      sets.insert({firewall::Family::inet, firewall::domain_set_name(domain, v6)});
    }
  }
  const auto found = sets.empty() ? Result<std::vector<firewall::Admitted>>{} : plane_.nft().admitted(sets);
  if (!found) return log_warning(found.error().to_string());
  const auto now = BootClock::now();
  firewall::Transaction strangers;
  for (const auto& [element, seconds] : *found) {
    const auto said = firewall::read_domain_element(element);
    if (!said) continue;
    const auto* guest = guests_.by_tap(said->tap);
    if (guest != nullptr && !plane_.displaced().contains(said->tap)) {
      admissions_.put({said->tap, guest->name, said->domain, said->its, now + std::chrono::seconds{seconds}});
    } else {
      strangers.expel.push_back(element);
    }
  }
  change_admissions(std::move(strangers));
}

// Into tables that were made anew.
void Router::admit_again() {
  firewall::Transaction change;
  change.admit = admissions_.living(BootClock::now());
  change_admissions(std::move(change));
}

// What guests are told is not in the rules that the kernel last accepted.
std::shared_ptr<const firewall::Ruleset> Router::rules_with(std::vector<firewall::Element> told) const {
  if (told.empty()) return plane_.snapshot();
  auto rules = std::make_shared<firewall::Ruleset>(*plane_.snapshot());
  std::erase_if(told, [&](const firewall::Element& element) { return rules->find(element.set) == nullptr; });
  rules->insert(told);
  return rules;
}

void Router::learn(const std::vector<firewall::DomainElement>& learned) {
  for (const auto& [domain, tap, its] : learned) {
    const auto* guest = guests_.by_tap(tap);
    if (guest == nullptr) continue;
    AdmissionBook::Entry entry{tap, guest->name, domain, its, BootClock::now()};
    entry.until = std::max(entry.until, admissions_.until(entry));
    admissions_.put(std::move(entry));
  }
}

}  // namespace vrouter::router
