// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dns_job.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "dns/server.h"
#include "dns/shared_list.h"
#include "router/processes/dns_authorities.h"
#include "router/processes/dns_verbs.h"
#include "router/processes/job_line.h"

namespace vrouter::router {
namespace {

namespace verbs = dns_verbs;

constexpr std::chrono::minutes kLogAgain{1};

class DnsJob {
 public:
  explicit DnsJob(UniqueFd end)
      : line_{"dns",
              std::move(end),
              {.message = [this](Message message) { receive(std::move(message)); },
               .drained = {},
               .report = [this] { return report_statistics(); }}} {}

  int run() { return line_.run(); }

 private:
  // --- what the daemon says ---

  void receive(Message message) {
    auto order = verbs::decode_order(message.bytes);
    if (!order) return line_.fail(order.error());
    std::visit([&](auto& o) { carry_out(o, std::move(message.fd)); }, *order);
  }

  void carry_out(const verbs::Listen& listen, UniqueFd fd) {
    if (!fd)
      return line_.fail("a socket came without its descriptor: the daemon has none to spare; raise LimitNOFILE=");
    server_->listen(listen.place, std::move(fd));
  }

  void carry_out(const verbs::Trust&, const UniqueFd& fd) {
    auto read = read_authorities(fd);
    if (!read) return line_.fail(read.error());
    authorities_ = *std::move(read);
  }

  void carry_out(const verbs::Begin&, const UniqueFd&) {
    snapshot_ = dns::Update{.snapshot = true, .zones = {}, .upserts = {}, .removed = {}};
    forward_.clear();
    authorities_.clear();
  }

  void carry_out(verbs::Zone& zone, const UniqueFd&) {
    if (!snapshot_) return line_.fail("a zone came outside of a snapshot");
    snapshot_->zones.push_back(std::move(zone.zone));
  }

  void carry_out(verbs::Record& record, const UniqueFd&) {
    if (!snapshot_) return line_.fail("a record came outside of a snapshot");
    snapshot_->records.push_back(std::move(record.record));
  }

  void carry_out(const verbs::List& told, UniqueFd fd) {
    if (!snapshot_ || told.number != snapshot_->lists.size())
      return line_.fail("a list came outside of a snapshot, or out of order");
    auto list = dns::SharedList::take(std::move(fd), told.size);
    if (!list) return line_.fail(list.error());
    snapshot_->lists.push_back(*std::move(list));
  }

  void carry_out(verbs::ListGroup& group, const UniqueFd&) {
    if (!snapshot_) return line_.fail("a group came outside of a snapshot");
    snapshot_->list_groups.push_back(std::move(group.group));
  }

  void carry_out(verbs::Host& host, const UniqueFd&) {
    if (snapshot_) {
      snapshot_->upserts.push_back(std::move(host.host));
      return;
    }
    dns::Update update;
    update.upserts.push_back(std::move(host.host));
    server_->apply(update);
  }

  void carry_out(verbs::Unhost& host, const UniqueFd&) {
    if (snapshot_) return line_.fail("an unhost came within a snapshot");
    dns::Update update;
    update.removed.push_back(
        {.network = std::move(host.network), .name = std::move(host.name), .ifindex = 0, .addresses = {}});
    server_->apply(update);
  }

  void carry_out(const verbs::End&, const UniqueFd&) {
    if (!snapshot_) return line_.fail("a snapshot ended that never began");
    server_->apply(*std::exchange(snapshot_, std::nullopt));
  }

  void carry_out(verbs::Forward& forward, const UniqueFd&) { forward_.push_back(std::move(forward.zone)); }

  void carry_out(verbs::Upstreams& upstreams, const UniqueFd&) {
    version_ = upstreams.version;
    std::erase_if(logged_, [](const auto& entry) { return entry.second.trouble == dns::UpstreamTrouble::none; });
    server_->set_upstreams({.servers = std::move(upstreams.servers),
                            .forward = std::exchange(forward_, {}),
                            .authorities = std::exchange(authorities_, {})});
  }

  void carry_out(const verbs::Settings& settings, const UniqueFd&) { server_->configure(settings.settings); }
  void carry_out(const verbs::Forget& forget, const UniqueFd&) { server_->forget(forget.name); }

  void carry_out(const verbs::Domains& domains, const UniqueFd&) { server_->set_domains(domains.domains); }
  void carry_out(const verbs::Admitted& admitted, const UniqueFd&) { server_->admitted(admitted.reply); }
  void carry_out(const verbs::ForgetAdmitted& forget, const UniqueFd&) { server_->forget_admitted(forget.ifindex); }

  // --- what the daemon is told ---

  // What can't be sent now is given up when its time has come.
  void ask_to_admit(const dns::AdmissionRequest& request) {
    static_cast<void>(line_.send(verbs::encode(verbs::Admit{request})));
  }

  bool report_statistics() {
    verbs::Report report{version_, server_->statistics()};
    if (report == reported_) return false;
    log_troubles(report.statistics.upstreams);
    if (line_.send(verbs::encode(report))) reported_ = std::move(report);
    return true;
  }

  // On stderr, which is the log: a server whose certificate is bad now and good then doesn't fill it.
  void log_troubles(const std::vector<dns::UpstreamStatus>& upstreams) {
    const auto now = BootClock::now();
    for (const auto& upstream : upstreams) {
      auto& last = logged_[upstream.server];
      if (upstream.trouble == last.trouble || (last.at && now - *last.at < kLogAgain)) continue;
      last = {.trouble = upstream.trouble, .at = now};
      const auto why = in_words(upstream.trouble, upstream.server);
      fmt::print(stderr, "vrouterd: dns: {} {}\n", upstream.server.to_string(),
                 why.empty() ? "can be asked again" : "can't be asked: " + why);
    }
  }

  struct Logged {
    dns::UpstreamTrouble trouble = dns::UpstreamTrouble::none;
    std::optional<BootTime> at{};
  };

  JobLine line_;  // first: the rest lives on its loop
  std::unique_ptr<dns::Server> server_ =
      dns::Server::create(line_.io(), [this](const dns::AdmissionRequest& request) { ask_to_admit(request); });
  std::optional<dns::Update> snapshot_;       // what came since Begin
  std::vector<config::ForwardZone> forward_;  // for the next Upstreams
  std::string authorities_;                   // likewise
  std::uint64_t version_ = 0;
  verbs::Report reported_;
  std::map<config::DnsServer, Logged> logged_;  // of these upstreams
};

}  // namespace

int run_dns(UniqueFd channel) {
  return DnsJob{std::move(channel)}.run();
}

}  // namespace vrouter::router
