// SPDX-License-Identifier: GPL-2.0-or-later
// The leases of the ranges, in a file of their own: a damaged one costs no guest, and the other way round.
//
// What an answer promises. SQLite in WAL mode with synchronous=FULL appends what a transaction changes to the log, each
// page with a checksum that goes on from the one before, and syncs the log before COMMIT returns
// (sqlite.org/pragma.html#pragma_synchronous, sqlite.org/fileformat2.html#walformat). So of a process that is killed
// nothing is lost that was written at all, since the kernel has it: kill -9 tells nothing about the sync. A power loss
// takes what was not synced, in any order. Then a transaction that was answered is there, one that was under way is
// there as a whole or not at all (its checksums don't hold, and with it goes what came after: none of that was
// answered), and the file is whole, since it is only changed by checkpoints, which sync the log first and keep it until
// the file is synced too. (NORMAL would keep the file whole as well, and lose answered leases: two clients with one
// address.) The promise ends where the disk lies about a sync, as consumer disks and some hypervisors' caches do, and
// where what was synced rots: a log page that went bad later ends the log there, without a word.
//
// Times. A lease ends by CLOCK_BOOTTIME, which nobody can set, so in the same boot, whatever restarts and whoever sets
// the date, its end holds to the nanosecond. That clock begins anew with each boot, and only the wall clock knows how
// long the host was down. So the file has besides how far the wall clock was ahead, as last seen by a commit (not by
// that of each lease: a host without a battery boots in 1970, hands out leases, and only then asks NTP). After a reboot
// a lease has left what the wall clock says, but never less than nothing and never more than it had when it was
// written. So a wall clock that was set back (a dead battery) gives each its whole length again: too long a lease
// keeps an address from others for that long, too short a one gives a client's address away under it. One that was set
// forward ends them all, and a client that comes back still finds its address: those that ended are kept, in the
// order in which they did, and the longest ended makes way first. What is found after a reboot is written down by
// this boot's clock before anything else, so that a second restart finds the same.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "dhcp/tables.h"
#include "router/state/opening.h"

namespace vrouter::router::state {

// One writer thread with group commit, as Store; a failed group fails as a whole, since a lease that can't be written
// is the disk's fault and never its own.
class LeaseStore {
 public:
  using Completion = std::move_only_function<void(Committed)>;

  struct Options {
    std::string boot_id;  // empty: /proc/sys/kernel/random/boot_id
    // Called on the writer's thread before each transaction is committed: where a test puts a slow disk.
    std::function<void()> before_commit;
    bool sync = true;  // false: for measuring alone (synchronous=OFF)
    // Pages of the log, of 1 KiB, after which it is copied into the file. What a page holds is copied once, however
    // often it was written, so a long log costs less; it is read back at the start after a crash.
    int checkpoint_at = 8192;
    // Both are called from the writer's thread too.
    std::function<BootTime()> now = BootClock::now;
    std::function<std::chrono::system_clock::time_point()> wall = std::chrono::system_clock::now;
    // The name of a shared link, by which it is known after a reboot (links()). Called by commit(), on its thread.
    std::function<std::string(unsigned ifindex)> link_name;
  };

  // The file took the place of a damaged one, and nobody has said yet that they know.
  struct Damage {
    std::filesystem::path aside;  // FILE.damaged-N
    std::chrono::sys_seconds since{};
  };

  // What stands for the ifindex of a link, in leases of another boot: no interface has it.
  static constexpr unsigned kLinkOfAnotherBoot = std::numeric_limits<unsigned>::max();

  // Opens `file` (its directory is made, 0700, if missing) and holds `file`.lock until destroyed. A damaged one is set
  // aside and begun anew. One that can't be written is read as far as it can be, says why (problem()), and is opened
  // anew by the first commit that finds it writable. What is left are busy and newer.
  [[nodiscard]] static std::expected<std::unique_ptr<LeaseStore>, OpenError> open_anyhow(
      const std::filesystem::path& file, Options options);

  // Waits until everything handed over is on disk (or has failed). Completions still pending are posted, not run.
  virtual ~LeaseStore() = default;

  // Why nothing could be written when it was opened; empty: it could.
  [[nodiscard]] virtual std::string problem() const = 0;
  [[nodiscard]] virtual std::optional<Damage> damage() const = 0;
  [[nodiscard]] std::filesystem::path aside() const {  // empty: no damage
    const auto found = damage();
    return found ? found->aside : std::filesystem::path{};
  }

  // What the file held when it was opened, by address; once. `bound` and `declined` that are over are `expired`. The
  // ends of those that ended before this boot lie before 0.
  [[nodiscard]] virtual std::vector<dhcp::Lease> take_loaded() = 0;
  // The names of the shared links of these leases, where Options::link_name knew one.
  [[nodiscard]] virtual const std::map<address_v4, std::string>& links() const noexcept = 0;

  // Never blocks, nor bounds what waits: while the disk hangs, the caller has to. `done` is posted to `io` once it all
  // is on disk, in the order of the calls. What is erased goes first; a lease that is put replaces the address's.
  virtual void commit(std::vector<dhcp::Lease> put, std::vector<address_v4> erase, boost::asio::io_context& io,
                      Completion done) = 0;
  // damage() is nothing from now on, and once `done` had no error, after the next start too.
  virtual void forget_damage(boost::asio::io_context& io, Completion done) = 0;
};

}  // namespace vrouter::router::state
