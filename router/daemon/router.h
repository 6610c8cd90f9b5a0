// SPDX-License-Identifier: GPL-2.0-or-later
// The daemon's heart: what the operator said on one side, the kernel and the services on the other. Desired state is
// the only truth; start, commands, reload and kernel events all make it differ from what is observed, and the same
// diffs mend it.
//
// All of it runs on one thread. Work waits only for the disk: what a change replaces on the host is noted there first
// (note()), and a guest is on disk before the kernel hears of it. After every wait the diff is made anew, since the
// world may have moved.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/token_bucket.h"
#include "config/guests.h"
#include "config/load.h"
#include "firewall/compile.h"
#include "firewall/explain.h"
#include "firewall/journey.h"
#include "firewall/nft/events.h"
#include "firewall/rule_names.h"
#include "router/control/service.h"
#include "router/daemon/admission_book.h"
#include "router/daemon/cut.h"
#include "router/daemon/dataplane.h"
#include "router/daemon/disk.h"
#include "router/daemon/gate.h"
#include "router/daemon/guest_services.h"
#include "router/daemon/lease_book.h"
#include "router/daemon/mending.h"
#include "router/daemon/monitors.h"
#include "router/daemon/paths.h"
#include "router/daemon/upstream_rules.h"
#include "router/kernel/conntrack.h"
#include "router/kernel/events.h"
#include "router/processes/packet_log.h"
#include "router/reconcile/diff.h"
#include "router/state/lease_store.h"
#include "router/state/store.h"

namespace vrouter::router {

// Of leases of ranges: a bridge full of guests that boot is told one by one, a storm behind a relay in numbers.
inline constexpr unsigned kLeaseLines = 200;
inline constexpr unsigned kLeaseLinesPerSecond = 10;

// A sentence for the operator.
template <typename T = void>
using Attempt = std::expected<T, std::string>;

class Router final : public control::Service {
 public:
  struct Parts {
    Paths paths;
    config::Config config;
    std::unique_ptr<state::Store> store;
    std::unique_ptr<state::LeaseStore> leases = nullptr;
    Dataplane::Ports ports;
    Spawner* spawner = nullptr;                            // none: DHCP and DNS are served in this process
    std::optional<firewall::ServiceUsers> users;           // with a spawner: whom its children run as
    std::expected<UniqueFd, KernelError> packet_log = {};  // open_packet_log(); an empty one: nothing is logged
    std::optional<config::Files> files;                    // that `config` was read from
    DnsLists lists{};                                      // of `config`
  };
  Router(boost::asio::io_context& io, Parts parts);

  // Brings the host into the desired state; blocks, before the loop runs. An error leaves what it can't mend.
  [[nodiscard]] Attempt<> start();
  [[nodiscard]] std::string summary() const;  // "2 guests, 1 ready"
  // A service's process ended, as the spawner tells.
  void on_gone(const ChildGone& gone);
  // What the kernel and the guests report.
  void on_event(const KernelEvent& event);
  void on_rules_event(const firewall::NftEvent& event);
  void on_lease(const dhcp::LeaseEvent& event);
  // What a guest is about to be told, as the DNS process says.
  void on_admission(const dns::AdmissionRequest& request);

  control::Answer<control::GuestView> add_guest(config::Guest wanted, control::Peer peer) override;
  control::Answer<control::GuestView> remove_guest(std::string which, control::Peer peer) override;
  control::Answer<std::vector<control::GuestView>> list_guests() override;
  control::Answer<control::GuestView> show_guest(std::string which) override;
  control::Answer<control::StatusView> status() override;
  control::Answer<std::vector<control::LeaseView>> list_leases() override;
  control::Answer<control::LeaseView> release_lease(address_v4 which, control::Peer peer) override;
  control::Answer<control::FlushedNames> flush_dns(std::string name, control::Peer peer) override;
  control::Answer<control::GuestView> publish(std::string which, config::Publish port, control::Peer peer) override;
  control::Answer<control::GuestView> unpublish(std::string which, config::Publish port, control::Peer peer) override;
  control::Answer<std::string> ruleset() override;
  control::Answer<control::ExplainView> explain(std::string from, std::string to, config::Service packet) override;
  control::Answer<std::vector<control::RuleView>> rules() override;
  control::Result<std::shared_ptr<control::Feed>> monitor(std::string which) override;
  control::Answer<control::ReloadView> reload(std::optional<std::chrono::seconds> confirm_within,
                                              control::Peer peer) override;
  control::Answer<std::chrono::seconds> confirm(control::Peer peer) override;
  control::Answer<control::GuestView> change_guest(std::string which, std::vector<std::string> groups,
                                                   control::Peer peer) override;
  control::Answer<std::vector<std::string>> teardown(control::Peer peer) override;

 private:
  using Plans = std::function<Plan()>;

  // --- router.cpp: the desired state, and making it so
  void adopt_config(config::Config config);
  void adopt_policy(config::Config config);  // of a configuration that is the same in all else
  void enter_profiles();
  // What the kernel refused, at the place of the policy that it came from, if it came from there. Where nobody knows
  // what became of the change, the tables are looked at.
  [[nodiscard]] std::string told(const KernelError& error);
  [[nodiscard]] Result<void> enter(const config::Guest& guest);
  [[nodiscard]] firewall::Ruleset desired_rules();
  [[nodiscard]] firewall::Ruleset skeleton();
  [[nodiscard]] DesiredGuest desire(const config::Guest& guest) const;
  [[nodiscard]] std::vector<firewall::Element> elements_of(const config::Guest& guest) const;
  [[nodiscard]] const config::Network& network_of(const config::Guest& guest) const;
  [[nodiscard]] std::vector<std::string> resolve_uplinks(InternetFamily family = InternetFamily::ipv4) const;
  // Those with a guest that has an IPv6 address; none on a host that can serve no such guest.
  [[nodiscard]] std::set<std::string> networks_with_ipv6() const;
  [[nodiscard]] DesiredHost wanted_host() const;
  [[nodiscard]] Attempt<> check_collisions() const;
  // Why the host can't have it so: an address of its own would be the guest's from then on.
  [[nodiscard]] Attempt<> check_addresses(const config::Guest& guest) const;
  // Whom this host itself depends on by address: it would answer for them, and talk to itself.
  [[nodiscard]] Attempt<> check_neighbours(const config::Addresses& floating, const config::Addresses& snat,
                                           const std::string& whose) const;
  [[nodiscard]] state::Change unrecorded(const Plan& plan) const;
  [[nodiscard]] FullPlan full_plan() const;
  [[nodiscard]] Attempt<> apply_all(const FullPlan& plan, bool repairs = false);
  void drop_lost_ephemerals(state::Change& change);
  [[nodiscard]] Attempt<> begin_watching();
  [[nodiscard]] std::optional<std::string> note_beginning();  // why it could not be
  [[nodiscard]] Attempt<> begin_rules(std::optional<std::string> trouble);
  [[nodiscard]] Attempt<> listen_to_rules(std::optional<std::uint32_t> expected);
  void degrade(const std::string& why);  // at start: what can't be done now is tried again
  boost::asio::awaitable<Attempt<>> note(state::Change change);
  void commit_later(const state::Change& change);
  [[nodiscard]] state::Change compose(const Unwritten& names) const;
  // Makes a plan, notes its originals on disk and applies it; what was done is taken back when an operation fails.
  // With `mended`, a TAP or "host", it is a repair of that: counted, told and paced. The value is the plan's problems:
  // what can't be made right, each with its remedy.
  boost::asio::awaitable<Attempt<std::vector<std::string>>> carry_out(Plans make, std::string mended = {});
  boost::asio::awaitable<Attempt<>> reconcile_all(bool repairs = false);
  boost::asio::awaitable<void> make_taps();
  [[nodiscard]] firewall::Surroundings surroundings() const;
  [[nodiscard]] Attempt<>
  put_surroundings();  // the elements that come from them, by what differs from those in the kernel
  void admit_upstreams(const std::vector<config::DnsServer>& servers);  // whom the DNS process may ask
  void change_upstreams(const UpstreamRules::Elements& before);
  void offer(const config::Guest& guest);  // gathers for dhcp and dns what the guest is now
  void begin_services();                   // tells them all, or waits for the rules
  void serve(const config::Guest& guest);  // and tells them
  [[nodiscard]] const Link* adopted_link(const std::string& tap) const;

  boost::asio::awaitable<void> fit_conntrack();  // conntrack_limit.cpp

  // --- recover.cpp: a start after the database was lost
  [[nodiscard]] Attempt<> recover();
  [[nodiscard]] bool holding() const noexcept { return damaged_ != 0; }
  [[nodiscard]] std::string damage() const;

  // --- events.cpp: what the kernel and the guests report
  // Runs `work` from the loop, never in place; what it throws ends the daemon, whose data plane goes on.
  void spawn(std::function<boost::asio::awaitable<void>()> work);
  void follow(Affected affected);
  void follow_shared(const std::string& tap);
  void start_repair();
  boost::asio::awaitable<void> repair();
  void repair_aside(const std::string& name);
  boost::asio::awaitable<void> repair_one(std::string name);
  void repair_ended();
  boost::asio::awaitable<bool> repair_all();  // these say whether it is right now
  boost::asio::awaitable<bool> repair_link(std::string link);
  boost::asio::awaitable<bool> repair_host();
  boost::asio::awaitable<Attempt<>> make_host_right();
  void look_at_host_after(const config::Guest& gone);
  [[nodiscard]] Plan link_plan(const std::string& tap) const;
  void retry_later();
  [[nodiscard]] bool rests(const std::string& name);  // what has been mended too often of late: it wakes by itself
  void mended(const std::string& name, const std::vector<Operation>& operations);
  [[nodiscard]] Attempt<> put_rules(const std::string& tap);  // of a guest whose link has become fit
  [[nodiscard]] bool keeps_out(const std::string& tap) const;
  void fail_link(const std::string& tap, const std::string& why);
  boost::asio::awaitable<void> forget_ephemeral(std::string tap);
  void log_lease(const dhcp::LeaseEvent& event);
  void write_lease(const std::string& tap);
  void write_leases_after(BootClock::duration rest);
  void tell_state(const config::Guest& guest);

  // --- leases.cpp: who has addresses of networks' ranges
  void use_pools();
  void forget_homeless();
  [[nodiscard]] std::vector<unsigned> links_of(const std::string& network) const;
  void offer_pool(const std::string& network);
  [[nodiscard]] std::vector<dhcp::Tailored> tailored_of(const config::Network& network,
                                                        const dhcp::Settings& all) const;
  void follow_links();
  [[nodiscard]] std::string link_of(const dhcp::Lease& lease) const;  // empty: behind a relay
  // The client as a guest of its link, as rules and routes see it; nothing: it is behind no link of ours.
  [[nodiscard]] std::optional<config::Guest> lessee_of(const dhcp::Lease& lease) const;
  [[nodiscard]] std::vector<config::Guest> lessees() const;
  [[nodiscard]] std::map<address_v4, MacAddress> lessees_behind(const std::string& tap) const;
  [[nodiscard]] std::vector<firewall::Element> elements_of_lessee(const config::Guest& lessee) const;
  void enter_all_lessees();
  void name_lessee(const dhcp::Lease& lease);
  void name_lessees_behind(const std::string& tap);
  [[nodiscard]] bool may_lack(const dhcp::Lease& lease) const;
  void on_commits(std::vector<dhcp::Commit> commits);
  void on_written(const std::vector<dhcp::Commit>& commits, const state::Committed& done);
  [[nodiscard]] std::optional<std::string> over_quota(const dhcp::Lease& lease);
  void heard_of_leases(const state::Committed& done);
  void end_leases(std::vector<dhcp::Lease> ended);
  bool enter_leases(const std::vector<dhcp::Lease>& leases);  // false: the kernel refused
  [[nodiscard]] std::vector<firewall::Element> leave_lessees(const std::string& tap);
  void bring_back_lessees(const std::string& tap);
  void wait_for_lease_end();
  void tell_lease(const dhcp::Lease& lease);
  void tell_if_over(const dhcp::Lease& before, const dhcp::Lease& after);
  void on_probe(const dhcp::Probe& probe);
  void on_neighbour(const Neighbour& neighbour);
  // lease_start.cpp
  void load_leases();
  void rebuild_leases();
  [[nodiscard]] unsigned absent_link(const std::string& name);
  [[nodiscard]] std::string lease_damage() const;
  [[nodiscard]] std::optional<std::string> range_warning(const std::string& network) const;
  [[nodiscard]] std::vector<std::string> range_warnings() const;
  void warn_of_full(const std::set<std::string>& before, const std::vector<dhcp::Commit>& commits);
  [[nodiscard]] control::LeaseView view_of(const dhcp::Lease& lease) const;
  [[nodiscard]] std::vector<control::RangeView> range_views() const;
  [[nodiscard]] std::vector<std::string> lease_problems() const;

  // --- tables.cpp: the rules, when others change them
  void mend_rules_after(BootClock::duration rest);
  void mend_rules();
  void cut_guests_off(const std::string& why);
  void forget_untranslated();  // connections that began while rules were missing
  void rules_are_in();

  // --- seeing.cpp: what the firewall refuses, and what other tables do
  void on_packet(const LoggedPacket& logged);
  [[nodiscard]] const firewall::Decision* decision_of(const std::string& prefix);
  [[nodiscard]] std::vector<std::string> packet_log_problems() const;
  [[nodiscard]] control::DeniedView denied(const std::string& tap);
  [[nodiscard]] control::PolicyView policy_view() const;
  void look_at_others_soon();
  void look_at_others();

  // --- checks.cpp: what tells no event
  void check_after(BootClock::duration rest);
  void check_guests();
  void look_at_bridges_soon();
  void look_at_bridges_after(std::chrono::milliseconds rest);

  // --- outside.cpp: what guests are called in the world
  [[nodiscard]] std::set<address> outside_addresses() const;
  boost::asio::awaitable<Attempt<>> answer_for(config::Guest guest);
  [[nodiscard]] Attempt<> stop_answering(const std::set<address>& before);
  [[nodiscard]] Attempt<> stop_answering_for(const config::Guest& guest);

  // --- commands.cpp, reload.cpp
  [[nodiscard]] Attempt<> check_link(const config::Guest& guest) const;
  // Of ports that the host itself listens on, of these guests: a sentence each.
  [[nodiscard]] std::vector<std::string> hidden_sockets(const std::vector<config::Guest>& guests);
  boost::asio::awaitable<Attempt<>> bring_in(config::Guest guest);
  boost::asio::awaitable<Attempt<>> take_out(config::Guest guest, Leave leave);
  boost::asio::awaitable<Attempt<config::Guest>> remove(std::string tap);
  boost::asio::awaitable<Attempt<>> bring_back(config::Guest guest, Originals originals);
  boost::asio::awaitable<Attempt<>> fit_link_to(config::Guest guest);
  control::Answer<control::GuestView> change_ports(std::string which, config::Publish port, bool add,
                                                   control::Peer peer);
  // Writes the guest down as it is to be and changes its elements; taken back where that fails.
  boost::asio::awaitable<Attempt<>> change_elements(config::Guest before, config::Guest after);
  [[nodiscard]] Attempt<> change_profile(const config::Guest& before, const config::Guest& after);
  // Of the policy's expectations those that don't hold, now that the guest is what it is.
  [[nodiscard]] std::vector<std::string> broken_expectations(const config::Guest& guest);
  [[nodiscard]] Attempt<> refuse_if_stopped() const;
  // What reading the files again would replace.
  struct Before {
    config::Config config;
    DnsLists lists{};
    std::optional<config::GuestTable> guests;  // none: of all that the files say only the policy differs
    bool was_stopped = false;
    int damaged = 0;
    std::vector<firewall::Element> held;
    bool services_waited = false;
  };
  [[nodiscard]] std::expected<config::Config, std::string> load_files();
  boost::asio::awaitable<Attempt<DnsLists>> load_lists(const config::Dns& dns);
  [[nodiscard]] Attempt<> check_files(config::Config& loaded);
  [[nodiscard]] Attempt<> change_policy(const firewall::Profiles& before);
  [[nodiscard]] Before hold(const config::Config& wanted, DnsLists lists);
  boost::asio::awaitable<Attempt<>> apply_files(config::Config config, Before& before);
  boost::asio::awaitable<std::string> take_back_files(Before before, std::string error);
  [[nodiscard]] std::vector<std::string> changes_since(const Before& before) const;
  boost::asio::awaitable<void> finish_reload(const Before& before, control::ReloadView& shown,
                                             std::optional<Gate::Pass>& pass);
  void dismiss(const config::GuestTable& before);

  // --- confirm.cpp: files that hold only if somebody says so in time
  struct Awaited {
    config::Config before;  // what was in force when nothing waited
    DnsLists lists;
    std::chrono::steady_clock::time_point until;
  };
  void await_confirmation(config::Config before, DnsLists lists, std::chrono::seconds within);
  [[nodiscard]] std::chrono::seconds time_to_confirm() const;
  boost::asio::awaitable<void> go_back();
  [[nodiscard]] Attempt<> fits_what_was_before(const config::Guest& guest) const;

  boost::asio::awaitable<Attempt<std::vector<std::string>>> give_back();

  // --- explain.cpp
  [[nodiscard]] firewall::Topology topology();
  [[nodiscard]] const firewall::Topology& around_guests();  // of guests alone
  [[nodiscard]] control::ExplainSide explain_side(firewall::SideSaid said) const;
  [[nodiscard]] std::string redirected_by(const firewall::Journey& journey) const;

  // --- cut.cpp: connections under way that the rules in force would refuse
  // With those that came by ports which lead to guests no more.
  // `meanwhile` is called while another thread goes through the connections.
  boost::asio::awaitable<Result<void>> cut_denied(std::vector<ClosedPort> closed = {},
                                                  std::function<void()> meanwhile = {});
  boost::asio::awaitable<void> cut_stragglers(std::vector<ClosedPort> closed = {});
  // For a command, before its answer: what it denies has ended when whoever asked hears of it. The walk may take a
  // second; let the others pass the gate meanwhile.
  boost::asio::awaitable<void> end_denied(std::vector<ClosedPort> closed, std::vector<std::string>& warnings,
                                          std::function<void()> meanwhile = {});
  void forget_more(const config::Guest& gone);  // the connections of its prefixes and allowed addresses
  boost::asio::awaitable<void> forget_twice(config::Guest gone);
  boost::asio::awaitable<void> cut_what_slipped_in();  // while rules were missing, or were others

  // --- admissions.cpp: rules to domains
  struct AdmissionPlan {
    BootTime now{};
    firewall::Transaction change = {};
    std::vector<AdmissionBook::Entry> entries = {};
    std::vector<dns::AdmissionReply> replies = {};
    std::optional<std::set<address>> own = {};  // this host's, once somebody asked
  };
  void use_domains();  // of a policy that has just become ours
  void admit_due();
  [[nodiscard]] dns::AdmissionReply plan_admission(const dns::AdmissionRequest& request, AdmissionPlan& plan);
  [[nodiscard]] std::vector<std::string> domains_for(const config::Guest& guest) const;
  [[nodiscard]] bool is_ours(const address& its, AdmissionPlan& plan);
  bool change_admissions(firewall::Transaction change);  // false: it was refused, as is logged
  void expel(const std::string& tap);                    // nobody inherits what a guest was told
  void expel_strangers();                                // the same of TAPs that have no guest any more, or another
  void take_over_admissions();
  void admit_again();
  [[nodiscard]] std::shared_ptr<const firewall::Ruleset> rules_with(std::vector<firewall::Element> told) const;
  void learn(const std::vector<firewall::DomainElement>& learned);

  // --- views.cpp
  [[nodiscard]] control::GuestView view(const config::Guest& guest) const;
  [[nodiscard]] std::optional<control::LeaseView> lease_view(const std::string& tap) const;
  [[nodiscard]] std::vector<std::string> foreign_obstacles(const std::string& tap);
  [[nodiscard]] std::string who(const std::string& tap) const;  // "guest web1 (vrouter.toml:3:1) on tap0"
  [[nodiscard]] std::vector<std::string> problems() const;

  boost::asio::io_context& io_;
  Paths paths_;
  Disk disk_;
  Dataplane plane_;
  std::unique_ptr<KernelEvents> events_;
  std::unique_ptr<ConntrackFlusher> conntrack_;
  std::optional<firewall::ServiceUsers> users_;
  UpstreamRules upstreams_;
  GuestServices services_;
  Gate gate_;

  config::Files files_;
  config::Config config_;
  DnsLists lists_;             // of it
  config::GuestTable guests_;  // every guest that holds a name, those being added too
  std::optional<std::pair<std::uint64_t, firewall::Topology>> around_guests_;  // of that revision of theirs
  dns::Domains domains_;
  std::vector<std::size_t> rules_to_domains_;  // of the policy's
  AdmissionBook admissions_;
  std::vector<dns::AdmissionRequest> admissions_due_;
  std::map<std::string, TokenBucket<kGuestAdmissionBurst, kGuestAdmissionsPerSecond>> admission_budgets_;  // by TAP
  boost::asio::steady_timer admission_timer_;
  std::chrono::steady_clock::time_point admitted_at_{};
  std::string admission_problem_;       // as last logged
  bool learn_ = false;                  // what guests were told before this start, from their connections
  firewall::Profiles profiles_;         // of those guests
  std::uint64_t profiles_entered_ = 0;  // GuestTable::revision() when all of them were entered into these
  firewall::CompileCache compiled_, proved_;
  std::set<std::pair<firewall::ProfileId, bool>> kinds_proved_;  // with an IPv6 address or without
  Desired desired_;                                              // of the kernel: guests whose rules are in
  bool stopped_ = false;
  int damaged_ = 0;                      // state::Stored::damaged: until then nothing of ours is removed
  std::vector<firewall::Element> held_;  // of guests that nobody knows any more
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();

  // What is to be looked at again. What failed waits for the timer: its own events must not wake it at once.
  struct Due {
    std::set<std::string> links;
    std::set<std::string> ended;  // TAPs of ephemeral guests that went
    bool host = false;
    bool all = false;
    [[nodiscard]] bool empty() const noexcept { return links.empty() && ended.empty() && !host && !all; }
  };
  Due due_;
  Due failed_;
  Due resting_;
  std::chrono::seconds repair_again_{1};
  bool services_wait_ = false;  // for the rules
  bool rules_in_ = false;       // nothing is adopted while the tables are not there
  bool repairing_ = false;
  boost::asio::steady_timer retry_;  // of a repair that failed
  std::set<std::string> waiting_;    // of the repairs that run beside each other: those that wait for their gate
  int aside_ = 0;                    // how many of them there are
  bool retry_waiting_ = false;       // it runs: what else is repaired meanwhile must not put it off
  boost::asio::steady_timer rest_;   // of what rests
  MendLog mends_;
  Paces repair_paces_{kRepairBurst, kRepairEvery};

  std::unique_ptr<firewall::NftEvents> rules_events_;
  // What others touched of our tables since we last looked.
  struct RulesLook {
    std::set<firewall::SetRef> sets;
    bool all = false;
    std::string after;  // who did what
  };
  RulesLook rules_look_;
  boost::asio::steady_timer rules_timer_;
  bool rules_waiting_ = false;  // the timer runs
  Pace rules_pace_{kRulesBurst, kRulesEvery};
  std::string rules_problem_;  // why they can't be put back: guests are cut off meanwhile
  std::chrono::seconds rules_again_{1};

  Monitors monitors_;
  std::map<std::string, firewall::Decision> decisions_;  // by prefix: what the rules in force may log
  BootTime decisions_read_{};
  std::string packet_log_problem_;
  std::uint64_t packets_lost_ = 0;         // as told to the monitors
  std::unique_ptr<PacketLog> packet_log_;  // none: the group is another's

  boost::asio::steady_timer others_timer_;
  bool others_waiting_ = false;        // the timer runs
  std::set<std::string> others_told_;  // what of other tables is in guests' way, as last logged

  boost::asio::steady_timer check_;
  std::string checked_;  // the TAP that was looked at last in this round
  boost::asio::steady_timer bridge_timer_;
  std::chrono::milliseconds bridge_rest_{};  // that the timer runs for; zero: it doesn't

  std::map<std::string, std::string> failures_;                     // by TAP: what the kernel refused
  std::map<std::string, std::vector<std::string>> guest_problems_;  // by TAP
  std::map<std::string, std::string> states_told_;                  // by TAP: the guest's state as last logged
  std::vector<std::string> host_problems_;
  std::size_t conntrack_step_ = 0;  // the number of guests that the connection table is known to suffice for
  std::string conntrack_warning_;
  std::string files_problem_;       // why the files on disk are not what is in force
  std::optional<Awaited> awaited_;  // the files in force wait to be confirmed
  boost::asio::steady_timer confirm_timer_;
  std::map<std::string, state::KnownLease> leases_;  // by TAP
  // What was heard of a guest's lease since the start.
  struct LeaseHeard {
    std::optional<dhcp::LeaseEvent> last = {};
    BootTime logged{};          // zero: never. A client that asks without end must not fill the log,
    BootTime decline_logged{};  // nor what comes before a DECLINE keep that out of it,
    BootTime written{};         // and a flood not keep the disk busy
  };
  std::map<std::string, LeaseHeard> leases_heard_;  // by TAP
  std::set<std::string> leases_due_;                // by TAP: changed too soon after that; the timer writes them
  boost::asio::steady_timer lease_timer_;

  std::unique_ptr<state::LeaseStore> lease_store_;  // none: nobody gets a lease of a range
  LeaseBook book_;
  std::vector<dhcp::Lease> homeless_;             // of no range of the files that are being put in force
  std::map<std::string, unsigned> shared_links_;  // by TAP of shared guests: its number when it was last there
  std::map<address_v4, config::Guest> entered_;   // whose elements, routes and neighbours are in force
  std::map<std::pair<unsigned, address_v4>, BootTime> probes_;  // until when an answer counts
  // By link and port of bridges: who has addresses there; addresses that have ended since are among them until somebody
  // asks for one more.
  std::map<std::pair<unsigned, unsigned>, std::set<address_v4>> leases_on_;
  std::map<address_v4, std::pair<unsigned, unsigned>> ports_of_;
  boost::asio::basic_waitable_timer<BootClock> lease_end_;
  std::optional<BootTime> lease_end_set_to_;
  bool leases_were_lost_ = false;  // until the next start
  std::string lease_problem_;
  TokenBucket<kLeaseLines, kLeaseLinesPerSecond> lease_log_;
  std::uint64_t leases_unlogged_ = 0;
};

}  // namespace vrouter::router
