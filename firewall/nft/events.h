// SPDX-License-Identifier: GPL-2.0-or-later
// What others do to our tables, as they do it.
//
// Theory: nf_tables tells every committed transaction to a netlink group: one message per object, each with its table's
// name, then NEWGEN with the process that did it. All of them carry the netlink port that the transaction came
// from, so a socket filter drops our own in the kernel: ten thousand guests that we add cost this socket nothing.
// What is left is read up to the table's name, and only what names a table of ours is told.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>

#include "base/kernel_error.h"
#include "firewall/ruleset.h"

namespace vrouter::firewall {

// One transaction of somebody else's that touched our tables, or base chains of others.
struct ForeignChange {
  std::string process;    // as the kernel names the task, at most 15 bytes; empty where it doesn't tell
  std::uint32_t pid = 0;  // as the first PID namespace counts
  std::set<Family> tables_deleted;
  std::map<std::string, std::size_t> counts;  // "rule", "element", ...: how many were added, changed or deleted
  std::set<SetRef> sets;                      // that hold the elements among them; sets made or deleted, too
  bool other_chains = false;                  // base chains of other tables came, went or changed, or their tables did
  bool operator==(const ForeignChange&) const = default;

  [[nodiscard]] bool of_ours() const noexcept { return !counts.empty(); }
  [[nodiscard]] std::string who() const;   // "nft (pid 4711)"
  [[nodiscard]] std::string what() const;  // "deleted table inet vrouter", "changed 1 rule, 2 elements"
};
// Events were lost (ENOBUFS): anything may have changed.
struct ChangesLost {};

using NftEvent = std::variant<ForeignChange, ChangesLost>;

// One non-blocking socket in the network namespace that it was opened in. Open it before the tables are read, or
// compare the generation (NftPort) from before the reading: then no change can fall between the two unseen.
class NftEvents {
 public:
  using Handler = std::function<void(const NftEvent&)>;
  static constexpr int kDefaultBuffer = 8 << 20;  // bytes: about 50,000 elements that others load in one go

  // Changes that come from `own_port` (NftPort::port_id()) are not told.
  [[nodiscard]] static std::expected<std::unique_ptr<NftEvents>, KernelError> open(boost::asio::io_context& io,
                                                                                   std::uint32_t own_port,
                                                                                   Handler handler,
                                                                                   int buffer_bytes = kDefaultBuffer);
  virtual ~NftEvents() = default;
};

// Inside the room, and for its tests: messages as one ForeignChange per transaction.
class ChangeReader {
 public:
  // A datagram of the event socket. Calls `take` for each transaction that ended and touched what ForeignChange says.
  void read(const void* bytes, std::size_t size, const std::function<void(const ForeignChange&)>& take);
  void forget() { change_ = {}; }

 private:
  void read_message(const void* message, const std::function<void(const ForeignChange&)>& take);
  ForeignChange change_;  // of the transaction that is being told
};

}  // namespace vrouter::firewall
