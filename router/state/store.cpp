// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/state/store.h"

#include <optional>
#include <span>
#include <utility>

#include "base/unique_fd.h"
#include "router/state/database.h"
#include "router/state/file.h"
#include "router/state/writer.h"

namespace vrouter::router::state {
namespace {

DatabaseFile named(std::filesystem::path file) {
  return {std::move(file), "to start with no guests"};
}

class SqliteStore final : public Store {
 public:
  SqliteStore(DatabaseFile file, UniqueFd lock, const Options& options)
      : file_{std::move(file)},
        lock_{std::move(lock)},
        boot_id_{options.boot_id.empty() ? current_boot_id() : options.boot_id},
        before_commit_{options.before_commit},
        database_{std::in_place, file_.path.string(), boot_id_},
        loaded_{database_->load()},
        writer_{work()} {}

  // Of a file that can't be written, and so says `problem`.
  SqliteStore(DatabaseFile file, UniqueFd lock, const Options& options, std::string problem)
      : file_{std::move(file)},
        lock_{std::move(lock)},
        boot_id_{options.boot_id.empty() ? current_boot_id() : options.boot_id},
        before_commit_{options.before_commit},
        problem_{std::move(problem)},
        loaded_{read_only()},
        writer_{work()} {}

  std::string problem() const override { return problem_; }
  const Stored& loaded() const noexcept override { return loaded_; }
  void forget_loaded() noexcept override { loaded_ = {}; }

  void commit(Change change, boost::asio::io_context& io, Completion done) override {
    writer_.commit(std::move(change), io, std::move(done));
  }
  Committed commit_now(Change change) override { return writer_.commit_now(std::move(change)); }

 private:
  using ChangeWriter = Writer<Change>;

  ChangeWriter::Work work() {
    return {.transact = [this](std::span<const ChangeWriter::Pending> group) { return transact(group); },
            .one_by_one = true};
  }

  Committed transact(std::span<const ChangeWriter::Pending> group) {
    try {
      if (!database_) {
        if (auto opened = open_again(); !opened) return opened;
      }
      database_->begin();
      for (const auto& pending : group) database_->apply(pending.change);
      if (before_commit_) before_commit_();
      database_->commit();
      return {};
    } catch (const std::runtime_error&) {
      if (database_) database_->roll_back();
      return std::unexpected(why_not_written(file_));
    }
  }

  Committed open_again() {
    if (auto ready = make_writable(file_, lock_); !ready) return ready;
    database_.emplace(file_.path.string(), boot_id_);
    return {};
  }

  Stored read_only() const {
    if (!std::filesystem::exists(file_.path)) return {};
    return Database{file_.path.string(), boot_id_, Database::ReadOnly{}}.load();
  }

  DatabaseFile file_;
  UniqueFd lock_;
  std::string boot_id_;
  std::function<void()> before_commit_;
  std::string problem_;
  std::optional<Database> database_;  // the writer's, once its thread runs; none before the file could be written
  Stored loaded_;
  ChangeWriter writer_;  // last: everything above exists when it starts
};

std::expected<std::unique_ptr<Store>, OpenError> open_unwritable(const std::filesystem::path& file,
                                                                 const Options& options, const OpenError& why) {
  return open_unwritable_with(named(file), [&](UniqueFd lock) -> std::unique_ptr<Store> {
    return std::make_unique<SqliteStore>(named(file), std::move(lock), options, why.message);
  });
}

std::expected<std::unique_ptr<Store>, OpenError> start_anew(const std::filesystem::path& file, const Options& options,
                                                            const OpenError& why) {
  const auto aside = Store::set_aside(file);
  if (!aside) return std::unexpected(OpenError{why.kind, why.message + "; " + aside.error()});
  state::Change change;
  change.damaged = number_of(*aside);
  auto fresh = Store::open(file, options);
  if (!fresh) return fresh;
  if (auto noted = (*fresh)->commit_now(std::move(change)); !noted)
    return std::unexpected(OpenError{OpenFailure::unwritable, noted.error()});
  fresh->reset();
  return Store::open(file, options);
}

}  // namespace

std::expected<std::unique_ptr<Store>, OpenError> Store::open(const std::filesystem::path& file, Options options) {
  return open_with(named(file), [&](UniqueFd lock) -> std::unique_ptr<Store> {
    return std::make_unique<SqliteStore>(named(file), std::move(lock), options);
  });
}

std::expected<std::unique_ptr<Store>, OpenError> Store::open_anyhow(const std::filesystem::path& file,
                                                                    Options options) {
  auto store = open(file, options);
  if (store) return store;
  switch (store.error().kind) {
    case OpenFailure::damaged:
      return start_anew(file, options, store.error());
    case OpenFailure::unwritable:
      return open_unwritable(file, options, store.error());
    case OpenFailure::busy:
    case OpenFailure::newer:
      return store;
  }
  std::unreachable();
}

std::expected<std::filesystem::path, std::string> Store::set_aside(const std::filesystem::path& file) {
  return state::set_aside(file);
}

}  // namespace vrouter::router::state
