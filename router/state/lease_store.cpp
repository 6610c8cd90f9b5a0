// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/state/lease_store.h"

#include <span>
#include <utility>

#include "base/unique_fd.h"
#include "router/state/file.h"
#include "router/state/lease_database.h"
#include "router/state/writer.h"

namespace vrouter::router::state {
namespace {

using Opened = std::expected<std::unique_ptr<LeaseStore>, OpenError>;

DatabaseFile named(std::filesystem::path file) {
  return {std::move(file), "to start with no leases"};
}

class SqliteLeaseStore final : public LeaseStore {
 public:
  // `damage`: what a file that is new says of the one before.
  SqliteLeaseStore(DatabaseFile file, UniqueFd lock, Options options, std::optional<Damage> damage)
      : file_{std::move(file)}, lock_{std::move(lock)}, options_{std::move(options)} {
    open(std::move(damage));
    take(database_->take_loaded());
    writer_.emplace(work());
  }

  // Of a file that can't be written, and so says `problem`.
  SqliteLeaseStore(DatabaseFile file, UniqueFd lock, Options options, std::string problem)
      : file_{std::move(file)}, lock_{std::move(lock)}, options_{std::move(options)}, problem_{std::move(problem)} {
    read_only();
    writer_.emplace(work());
  }

  std::string problem() const override { return problem_; }
  std::optional<Damage> damage() const override { return damage_; }
  std::vector<dhcp::Lease> take_loaded() override { return std::exchange(loaded_, {}); }
  const std::map<address_v4, std::string>& links() const noexcept override { return links_; }

  void commit(std::vector<dhcp::Lease> put, std::vector<address_v4> erase, boost::asio::io_context& io,
              Completion done) override {
    std::vector<std::string> links;
    links.reserve(put.size());
    for (const auto& lease : put) links.push_back(link_of(lease));
    writer_->commit({.put = std::move(put), .links = std::move(links), .erase = std::move(erase)}, io, std::move(done));
  }

  void forget_damage(boost::asio::io_context& io, Completion done) override {
    damage_.reset();
    LeaseChange change;
    change.forget_damage = true;
    writer_->commit(std::move(change), io, std::move(done));
  }

 private:
  using LeaseWriter = Writer<LeaseChange>;

  LeaseWriter::Work work() {
    return {.transact = [this](std::span<const LeaseWriter::Pending> group) { return transact(group); },
            .afterwards =
                [this] {
                  if (database_) database_->checkpoint_if_due();
                }};
  }

  Committed transact(std::span<const LeaseWriter::Pending> group) {
    try {
      if (!database_) {
        if (auto ready = make_writable(file_, lock_); !ready) return ready;
        open({});
      }
      database_->begin(moment());
      for (const auto& pending : group) database_->apply(pending.change);
      if (options_.before_commit) options_.before_commit();
      database_->commit();
      return {};
    } catch (const std::runtime_error&) {
      if (database_) database_->roll_back();
      return std::unexpected(why_not_written(file_));
    }
  }

  void open(std::optional<Damage> damage) {
    const LeaseDatabase::Settings settings{boot_id(), options_.sync, options_.checkpoint_at, std::move(damage)};
    database_.emplace(file_.path.string(), settings, moment());
  }

  void read_only() {
    try {
      if (!std::filesystem::exists(file_.path)) return;
      take(LeaseDatabase::read(file_.path.string(), boot_id(), moment()));
    } catch (const OtherVersion&) {
      throw;
    } catch (const std::runtime_error&) {
      problem_ += "; " + why_unreadable(file_).message;
    }
  }

  void take(LoadedLeases found) {
    damage_ = std::move(found.damage);
    loaded_.reserve(found.rows.size());
    for (auto& row : found.rows) {
      if (!row.link.empty()) links_.emplace(row.lease.address, std::move(row.link));
      loaded_.push_back(std::move(row.lease));
    }
  }

  std::string link_of(const dhcp::Lease& lease) const {
    if (lease.ifindex != kLinkOfAnotherBoot) {
      return lease.ifindex != 0 && options_.link_name ? options_.link_name(lease.ifindex) : std::string{};
    }
    const auto known = links_.find(lease.address);
    return known == links_.end() ? std::string{} : known->second;
  }

  std::string boot_id() const { return options_.boot_id.empty() ? current_boot_id() : options_.boot_id; }
  Moment moment() const { return {options_.now(), options_.wall()}; }

  DatabaseFile file_;
  UniqueFd lock_;
  Options options_;
  std::string problem_;
  std::optional<Damage> damage_;
  std::vector<dhcp::Lease> loaded_;
  std::map<address_v4, std::string> links_;
  std::optional<LeaseDatabase> database_;  // the writer's, once its thread runs; none before the file could be written
  std::optional<LeaseWriter> writer_;      // last: everything above exists when it starts
};

Opened open_writable(const std::filesystem::path& file, const LeaseStore::Options& options,
                     const std::optional<LeaseStore::Damage>& damage) {
  return open_with(named(file), [&](UniqueFd lock) -> std::unique_ptr<LeaseStore> {
    return std::make_unique<SqliteLeaseStore>(named(file), std::move(lock), options, damage);
  });
}

Opened open_unwritable(const std::filesystem::path& file, const LeaseStore::Options& options,
                       const std::string& problem) {
  return open_unwritable_with(named(file), [&](UniqueFd lock) -> std::unique_ptr<LeaseStore> {
    return std::make_unique<SqliteLeaseStore>(named(file), std::move(lock), options, problem);
  });
}

bool is_fatal(const Opened& opened) {
  return !opened && (opened.error().kind == OpenFailure::busy || opened.error().kind == OpenFailure::newer);
}

}  // namespace

Opened LeaseStore::open_anyhow(const std::filesystem::path& file, Options options) {
  auto opened = open_writable(file, options, {});
  if (opened || is_fatal(opened)) return opened;
  std::string problem = opened.error().message;
  if (opened.error().kind == OpenFailure::damaged) {
    const auto aside = set_aside(file);
    if (aside) {
      const Damage damage{*aside, std::chrono::floor<std::chrono::seconds>(options.wall())};
      opened = open_writable(file, options, damage);
      if (opened || is_fatal(opened)) return opened;
      problem = opened.error().message;
    } else {
      problem += "; " + aside.error();
    }
  }
  return open_unwritable(file, options, problem);
}

}  // namespace vrouter::router::state
