// SPDX-License-Identifier: GPL-2.0-or-later
// The caller's thread only ever touches the queue. One thread owns the database: it takes all that waits, commits it
// as one transaction and posts each answer, so what an fsync costs is shared by all who came during the last one.
#include "router/state/store.h"

#include <SQLiteCpp/Exception.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <future>
#include <mutex>
#include <span>
#include <system_error>
#include <thread>
#include <utility>

#include "base/unique_fd.h"
#include "router/state/database.h"

namespace vrouter::router::state {
namespace {

// Names tried by set_aside(): nobody keeps a hundred damaged databases.
constexpr int kMaxSetAside = 100;

std::string with_suffix(const std::filesystem::path& file, std::string_view suffix) {
  return file.string() + std::string{suffix};
}

bool is_unwritable(int code) {
  switch (code) {
    case SQLITE_FULL:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
      return true;
    default:
      return false;
  }
}

std::string explain(const std::filesystem::path& file, const SQLite::Exception& error) {
  const auto directory = file.parent_path().string();
  switch (error.getErrorCode()) {
    case SQLITE_FULL:
      return fmt::format("{}: the disk is full: free some space in {} and try again", file.string(), directory);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      return fmt::format("{}: can't be written ({}): make {} writable for vrouterd and try again", file.string(),
                         error.what(), directory);
    case SQLITE_BUSY:
      return fmt::format("{}: another program has locked it: close whatever has it open and try again", file.string());
    default:
      return fmt::format("{}: {}", file.string(), error.what());
  }
}

OpenError unwritable(const std::filesystem::path& what, int code) {
  return {OpenFailure::unwritable,
          fmt::format("{}: {}: the state directory must be writable for vrouterd; give another with --state-dir",
                      what.string(), ::strerrordesc_np(code))};
}

OpenError damaged(const std::filesystem::path& file, const std::string& why) {
  return {OpenFailure::damaged,
          fmt::format("{}: can't be read: {}; put a backup in its place, or move the file away to start with no guests",
                      file.string(), why)};
}

OpenError other_version(const std::filesystem::path& file, const std::string& what) {
  return {OpenFailure::newer, fmt::format("{}: {}: install the vrouter that wrote it", file.string(), what)};
}

std::expected<UniqueFd, OpenError> take_lock(const std::filesystem::path& file) {
  const std::string lock_file = with_suffix(file, ".lock");
  UniqueFd lock{::open(lock_file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  // A lock needs no right to write: on a read-only disk the file of an earlier start does.
  if (!lock && (errno == EROFS || errno == EACCES)) lock.reset(::open(lock_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!lock) return std::unexpected(unwritable(lock_file, errno));
  // flock goes with the process, however it dies: no stale lock to judge.
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return std::unexpected(unwritable(lock_file, errno));
  return std::unexpected(OpenError{
      OpenFailure::busy,
      fmt::format("{}: another vrouterd uses this state directory: stop it, or give this one its own --state-dir",
                  file.string())});
}

// SQLite would make the file 0644, and the -wal after it: guests' addresses are nobody's business.
std::expected<void, OpenError> make_private_file(const std::filesystem::path& file) {
  const UniqueFd made{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (made) return {};
  if (errno == EISDIR) return std::unexpected(damaged(file, "it is a directory"));
  return std::unexpected(unwritable(file, errno));
}

std::string current_boot_id() {
  std::ifstream file{"/proc/sys/kernel/random/boot_id"};
  std::string id;
  std::getline(file, id);
  return id;
}

struct Pending {
  Change change;
  std::move_only_function<void(Committed)> deliver;
};

class SqliteStore final : public Store {
 public:
  SqliteStore(std::filesystem::path file, UniqueFd lock, const Options& options)
      : file_{std::move(file)},
        lock_{std::move(lock)},
        boot_id_{options.boot_id.empty() ? current_boot_id() : options.boot_id},
        before_commit_{options.before_commit},
        database_{std::in_place, file_.string(), boot_id_},
        loaded_{database_->load()},
        writer_{[this] { write(); }} {}

  // Of a file that can't be written, and so says `problem`.
  SqliteStore(std::filesystem::path file, UniqueFd lock, const Options& options, std::string problem)
      : file_{std::move(file)},
        lock_{std::move(lock)},
        boot_id_{options.boot_id.empty() ? current_boot_id() : options.boot_id},
        before_commit_{options.before_commit},
        problem_{std::move(problem)},
        loaded_{read_only()},
        writer_{[this] { write(); }} {}

  ~SqliteStore() override {
    {
      const std::lock_guard guard{mutex_};
      closing_ = true;
    }
    wake_.notify_one();
    writer_.join();
  }

  std::string problem() const override { return problem_; }
  const Stored& loaded() const noexcept override { return loaded_; }

  void commit(Change change, boost::asio::io_context& io, Completion done) override {
    // The guard keeps io.run() from returning while an answer is still to come.
    auto work = boost::asio::make_work_guard(io);
    enqueue({std::move(change), [work = std::move(work), done = std::move(done)](Committed result) mutable {
               boost::asio::post(work.get_executor(), [done = std::move(done), result = std::move(result)]() mutable {
                 done(std::move(result));
               });
             }});
  }

  Committed commit_now(Change change) override {
    std::promise<Committed> promise;
    auto result = promise.get_future();
    enqueue({std::move(change), [&promise](Committed outcome) { promise.set_value(std::move(outcome)); }});
    return result.get();
  }

 private:
  void enqueue(Pending pending) {
    {
      const std::lock_guard guard{mutex_};
      queue_.push_back(std::move(pending));
    }
    wake_.notify_one();
  }

  void write() {
    for (;;) {
      std::vector<Pending> group;
      {
        std::unique_lock guard{mutex_};
        wake_.wait(guard, [this] { return closing_ || !queue_.empty(); });
        if (queue_.empty()) return;
        group.swap(queue_);
      }
      if (const auto together = transact(group); together || group.size() == 1) {
        for (auto& pending : group) pending.deliver(together);
        continue;
      }
      // One of them can't be done: the others must not suffer from having come at the same moment.
      for (auto& pending : group) pending.deliver(transact({&pending, 1}));
    }
  }

  Committed transact(std::span<const Pending> group) {
    try {
      if (!database_) {
        if (auto opened = open_again(); !opened) return opened;
      }
      database_->begin();
      for (const auto& pending : group) database_->apply(pending.change);
      if (before_commit_) before_commit_();
      database_->commit();
      return {};
    } catch (const SQLite::Exception& error) {
      if (database_) database_->roll_back();
      return std::unexpected(explain(file_, error));
    } catch (const std::runtime_error& error) {  // it was damaged, or replaced, since it was read
      return std::unexpected(damaged(file_, error.what()).message);
    }
  }

  Committed open_again() {
    if (!lock_) {
      auto lock = take_lock(file_);
      if (!lock) return std::unexpected(lock.error().message);
      lock_ = std::move(*lock);
    }
    if (auto made = make_private_file(file_); !made) return std::unexpected(made.error().message);
    database_.emplace(file_.string(), boot_id_);
    return {};
  }

  Stored read_only() const {
    if (!std::filesystem::exists(file_)) return {};
    return Database{file_.string(), boot_id_, Database::ReadOnly{}}.load();
  }

  std::filesystem::path file_;
  UniqueFd lock_;
  std::string boot_id_;
  std::function<void()> before_commit_;
  std::string problem_;
  std::optional<Database> database_;  // the writer's, once its thread runs; none before the file could be written
  Stored loaded_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Pending> queue_;
  bool closing_ = false;
  std::thread writer_;  // last: everything above exists when it starts
};

}  // namespace

std::expected<std::unique_ptr<Store>, OpenError> Store::open(const std::filesystem::path& file, Options options) {
  std::error_code error;
  const auto directory = file.parent_path();
  if (!directory.empty() && !std::filesystem::exists(directory, error)) {
    std::filesystem::create_directories(directory, error);
    if (error) return std::unexpected(unwritable(directory, error.value()));
    std::filesystem::permissions(directory, std::filesystem::perms::owner_all, error);
  }
  auto lock = take_lock(file);
  if (!lock) return std::unexpected(std::move(lock.error()));
  if (auto made = make_private_file(file); !made) return std::unexpected(std::move(made.error()));
  try {
    return std::make_unique<SqliteStore>(file, std::move(*lock), options);
  } catch (const OtherVersion& other) {
    return std::unexpected(other_version(file, other.what()));
  } catch (const Unreadable& unreadable) {
    return std::unexpected(damaged(file, unreadable.what()));
  } catch (const SQLite::Exception& refused) {
    if (!is_unwritable(refused.getErrorCode())) return std::unexpected(damaged(file, refused.what()));
    return std::unexpected(OpenError{OpenFailure::unwritable, explain(file, refused)});
  }
}

namespace {

std::expected<std::unique_ptr<Store>, OpenError> open_unwritable(const std::filesystem::path& file,
                                                                 const Options& options, OpenError why) {
  auto lock = take_lock(file);
  if (!lock && lock.error().kind == OpenFailure::busy) return std::unexpected(std::move(lock.error()));
  try {
    // Nobody can write there, so without a lock there is nobody to keep out; open_again() takes it.
    return std::make_unique<SqliteStore>(file, lock ? std::move(*lock) : UniqueFd{}, options, why.message);
  } catch (const OtherVersion& other) {
    return std::unexpected(other_version(file, other.what()));
  } catch (const std::exception& unreadable) {
    return std::unexpected(damaged(file, unreadable.what()));
  }
}

std::expected<std::unique_ptr<Store>, OpenError> start_anew(const std::filesystem::path& file, const Options& options,
                                                            const OpenError& why) {
  const auto aside = Store::set_aside(file);
  if (!aside) return std::unexpected(OpenError{why.kind, why.message + "; " + aside.error()});
  const auto text = aside->string();
  state::Change change;
  change.damaged = std::stoi(text.substr(text.rfind('-') + 1));
  auto fresh = Store::open(file, options);
  if (!fresh) return fresh;
  if (auto noted = (*fresh)->commit_now(std::move(change)); !noted)
    return std::unexpected(OpenError{OpenFailure::unwritable, noted.error()});
  fresh->reset();
  return Store::open(file, options);
}

}  // namespace

std::expected<std::unique_ptr<Store>, OpenError> Store::open_anyhow(const std::filesystem::path& file,
                                                                    Options options) {
  auto store = open(file, options);
  if (store) return store;
  switch (store.error().kind) {
    case OpenFailure::damaged:
      return start_anew(file, options, store.error());
    case OpenFailure::unwritable:
      return open_unwritable(file, options, std::move(store.error()));
    case OpenFailure::busy:
    case OpenFailure::newer:
      return store;
  }
  std::unreachable();
}

std::expected<std::filesystem::path, std::string> Store::set_aside(const std::filesystem::path& file) {
  std::error_code error;
  for (int number = 1; number <= kMaxSetAside; ++number) {
    const std::filesystem::path aside = with_suffix(file, fmt::format(".damaged-{}", number));
    if (std::filesystem::exists(aside, error)) continue;
    std::filesystem::rename(file, aside, error);
    if (error) return std::unexpected(fmt::format("{}: can't be moved aside: {}", file.string(), error.message()));
    // A -wal left behind would be played into the new database; it belongs to the old one.
    std::filesystem::rename(with_suffix(file, "-wal"), with_suffix(aside, "-wal"), error);
    std::filesystem::remove(with_suffix(file, "-shm"), error);
    return aside;
  }
  return std::unexpected(fmt::format("{}: {} damaged databases are kept already: remove some of {}.damaged-*",
                                     file.string(), kMaxSetAside, file.string()));
}

}  // namespace vrouter::router::state
