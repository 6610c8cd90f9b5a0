// SPDX-License-Identifier: GPL-2.0-or-later
// The half of the desired state that no file holds: guests added by command, what vrouter changed on the host and
// must put back, the leases last known. SQLite in WAL mode with synchronous=FULL: what was answered is on disk.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mac_address.h"
#include "config/model.h"
#include "router/state/opening.h"

namespace vrouter::router::state {

// The lease a guest was last seen with. Static bindings need it only to be shown: the binding is the truth.
struct KnownLease {
  std::string tap;  // the key
  std::string guest;
  address_v4 address;
  MacAddress client;                    // chaddr
  std::vector<std::uint8_t> client_id;  // option 61 as sent; may be empty
  std::string host_name;                // as the client said, already one DNS label; may be empty
  std::chrono::sys_seconds expires{};   // wall clock, since it must mean something after a reboot
  bool operator==(const KnownLease&) const = default;
};

struct Stored {
  std::map<std::string, config::Guest> guests;   // by TAP; declared_at is empty
  std::map<std::string, std::string> originals;  // what the host had before us, changed since this boot only
  std::map<std::string, KnownLease> leases;      // by TAP
  bool stopped = false;                          // torn down: nothing is reconciled until reload or restart
  // N: this database took the place of a damaged one, kept as FILE.damaged-N, and the operator has not said yet that
  // nothing is missing. 0: all is well.
  int damaged = 0;
  bool operator==(const Stored&) const = default;
};

// One transaction: removals first, then what is put. Either all of it holds, or none.
struct Change {
  std::vector<std::string> remove_guests = {};     // by TAP; the lease goes with the guest
  std::vector<config::Guest> put_guests = {};      // key: tap; replaces the guest
  std::vector<std::string> remove_originals = {};  // by key
  std::map<std::string, std::string> put_originals =
      {};                                       // the first value of a boot is kept: later ones are our own doing
  std::vector<std::string> remove_leases = {};  // by TAP
  std::vector<KnownLease> put_leases = {};      // key: tap; replaces the lease
  std::optional<bool> stopped = {};
  std::optional<int> damaged = {};
};

struct Options {
  std::string boot_id;  // empty: /proc/sys/kernel/random/boot_id
  // Called on the writer's thread before each transaction is committed: where a test puts a slow disk.
  std::function<void()> before_commit;
};

// One writer thread with group commit: what arrives while a commit is under way goes into the next one, in order.
class Store {
 public:
  using Completion = std::move_only_function<void(Committed)>;

  // Opens `file` (its directory is made, 0700, if missing) and holds `file`.lock until destroyed.
  [[nodiscard]] static std::expected<std::unique_ptr<Store>, OpenError> open(const std::filesystem::path& file,
                                                                             Options options = {});
  // What a daemon does, which must serve its guests whatever the disk is like. A damaged database is set aside, and an
  // empty one that says so (Stored::damaged) takes its place. One that can't be written is read, says why (problem()),
  // and is opened anew by the first commit that finds it writable. What is left are busy, newer, and a damaged
  // database on a disk that can't be written.
  [[nodiscard]] static std::expected<std::unique_ptr<Store>, OpenError> open_anyhow(const std::filesystem::path& file,
                                                                                    Options options = {});
  // Renames a damaged database (and its -wal) to `file`.damaged-N and returns that name. Only when no Store is open.
  [[nodiscard]] static std::expected<std::filesystem::path, std::string> set_aside(const std::filesystem::path& file);

  // Waits until everything handed over is on disk (or has failed). Completions still pending are posted, not run.
  virtual ~Store() = default;

  // Why nothing could be written when it was opened; empty: it could.
  [[nodiscard]] virtual std::string problem() const { return {}; }

  // What the database held when it was opened.
  [[nodiscard]] virtual const Stored& loaded() const noexcept = 0;
  // Whoever wanted it has it by now: loaded() is empty from here on.
  virtual void forget_loaded() noexcept = 0;

  // Never blocks. `done` is posted to `io` once the change is on disk, in the order of the calls.
  virtual void commit(Change change, boost::asio::io_context& io, Completion done) = 0;
  // Blocks until it is on disk, after everything handed over before: for teardown and for programs without a loop.
  [[nodiscard]] virtual Committed commit_now(Change change) = 0;
};

}  // namespace vrouter::router::state
