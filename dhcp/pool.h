// SPDX-License-Identifier: GPL-2.0-or-later
// Who may hold what in one network's range. Pure: no clock, no messages, nothing is sent or written from here.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "dhcp/tables.h"

namespace vrouter::dhcp {

// How long an address is kept for whoever was offered it.
inline constexpr std::chrono::seconds kOfferTime{120};
// A client takes an offer within a round trip and its own wait for further ones. When nothing else is left, an offer
// that nobody took for that long goes to whoever asks now: DISCOVERs alone, with random addresses, exhaust no range.
inline constexpr std::chrono::seconds kFirmOffer{10};
// How long an address that the daemon refused is left alone: its table and this one differ, or the disk is full.
inline constexpr std::chrono::seconds kAvoidTime{30};

// A client without its bytes: what a lookup needs.
struct ClientView {
  MacAddress hardware;
  std::span<const std::uint8_t> client_id;
};
[[nodiscard]] bool operator==(const ClientView& a, const ClientView& b) noexcept;
[[nodiscard]] std::strong_ordering operator<=>(const ClientView& a, const ClientView& b) noexcept;

// Who asks. `sent_id` is option 61 as sent, for reservations, also where it is no part of the identity.
struct Asker {
  ClientView client;
  std::span<const std::uint8_t> sent_id;
  unsigned ifindex = 0;  // of the shared link; 0: behind a relay
};

// One address that somebody has or had. Some 240 bytes with its indexes, as the allocator counts.
struct LeaseRecord {
  std::uint32_t address = 0;
  unsigned ifindex = 0;
  BootTime expires{};               // as in Lease
  std::uint64_t proposal = 0;       // the Commit that says so, while it isn't known to be done; 0: the daemon says so
  std::vector<std::uint8_t> texts;  // client identifier and host name, in one block
  MacAddress hardware;
  LeaseState state = LeaseState::bound;
  std::uint8_t id_size = 0;

  [[nodiscard]] ClientView client() const noexcept { return {hardware, std::span{texts}.first(id_size)}; }
  [[nodiscard]] std::string_view host_name() const noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
    return {reinterpret_cast<const char*>(texts.data()) + id_size, texts.size() - id_size};
  }
  [[nodiscard]] bool ended(BootTime now) const noexcept {
    return expires <= now || state == LeaseState::released || state == LeaseState::expired;
  }
  [[nodiscard]] bool held(BootTime now) const noexcept { return state == LeaseState::bound && expires > now; }
  bool operator==(const LeaseRecord& other) const noexcept = default;
};
[[nodiscard]] LeaseRecord record_of(const Lease& lease);
[[nodiscard]] Lease lease_of(const LeaseRecord& record, std::string_view network);

// What an address is kept back for, in memory only.
enum class HoldKind { offered, probing, avoided };
struct Hold {
  HoldKind kind = HoldKind::offered;
  address_v4 address;
  Client client;  // of `avoided`: nobody
  unsigned ifindex = 0;
  BootTime since, until;
};

enum class Claim { grant, refuse, silent };

class LeaseTable {
 public:
  explicit LeaseTable(const Pool& pool);
  LeaseTable(const LeaseTable&) = delete;  // its indexes point into it
  LeaseTable& operator=(const LeaseTable&) = delete;

  // Leases of the old range stay as they are; addresses that are no longer anybody's to get are given to nobody new.
  void change(const Pool& pool);
  [[nodiscard]] const Pool& pool() const noexcept { return pool_; }

  // As the asker counts in this pool: without client identifier under Identity::mac.
  [[nodiscard]] ClientView identity(const MacAddress& hardware, std::span<const std::uint8_t> sent_id) const noexcept;

  // The address to offer: reservation, current, offered before, previous, wanted, never used, longest ended, and at
  // last an offer that nobody took. Nothing: there is none. O(log n) in the long run: renewed leases are put in order
  // here.
  [[nodiscard]] std::optional<address_v4> choose(const Asker& asker, std::optional<address_v4> wanted, BootTime now);
  // What a REQUEST for the address deserves.
  [[nodiscard]] Claim claim(const Asker& asker, const address_v4& address, BootTime now) const;

  // Keeps the address for the asker; what was kept of this kind for it before is free again.
  void hold(const Asker& asker, const address_v4& address, HoldKind kind, BootTime now);
  void avoid(const address_v4& address, BootTime now);
  void unhold(const address_v4& address);
  [[nodiscard]] const Hold* hold_of(const address_v4& address, BootTime now) const;
  [[nodiscard]] const Hold* hold_of(const Asker& asker, BootTime now) const;

  // Pointers stay good until the record is put or erased.
  [[nodiscard]] const LeaseRecord* find(const address_v4& address) const;
  // The asker's own lease, also one that has ended; never one on another of the pool's links.
  [[nodiscard]] const LeaseRecord* find(const Asker& asker, BootTime now) const;
  // A rebuilt lease (rebuilt.h) becomes that of whoever asks from its hardware address on its link: of the one that
  // names it, else of the first that has none.
  void adopt(const Asker& asker, const address_v4& named, BootTime now);
  void put(LeaseRecord record);
  void take(LeaseRecord record);            // put(), and what the address was kept back for is done
  void confirm(const address_v4& address);  // what was proposed holds
  void erase(const address_v4& address);
  [[nodiscard]] std::vector<address_v4> addresses() const;
  [[nodiscard]] std::size_t size() const noexcept { return records_.size(); }
  [[nodiscard]] std::size_t holds() const noexcept { return holds_.size(); }

 private:
  struct Kept : LeaseRecord {
    bool counts = false;    // among its client's, in `by_client_`
    bool is_filed = false;  // in `by_end_`, at `filed`: its end or before, so that a renewal moves nothing there
    BootTime filed{};
  };
  struct ByClient {
    using is_transparent = void;
    bool operator()(const LeaseRecord* a, const LeaseRecord* b) const noexcept;
    bool operator()(const LeaseRecord* a, const ClientView& b) const noexcept { return a->client() < b; }
    bool operator()(const ClientView& a, const LeaseRecord* b) const noexcept { return a < b->client(); }
  };
  // A client and its link, as an offer is found again.
  struct Place {
    Client client;
    unsigned ifindex = 0;
  };
  struct ByPlace {
    using is_transparent = void;
    static std::pair<ClientView, unsigned> key(const Place& p) noexcept {
      return {{p.client.hardware, p.client.client_id}, p.ifindex};
    }
    static std::pair<ClientView, unsigned> key(const Asker& a) noexcept { return {a.client, a.ifindex}; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const noexcept {
      const auto [client_a, link_a] = key(a);
      const auto [client_b, link_b] = key(b);
      const auto order = client_a <=> client_b;
      return order < 0 || (order == 0 && link_a < link_b);
    }
  };

  void index_pool();
  void index_free();
  void lapse(BootTime now);
  void settle(std::uint32_t address);
  void file(Kept& record);
  void unfile(Kept& record);
  [[nodiscard]] std::optional<std::uint32_t> longest_ended(BootTime now);
  void drop_hold(std::uint32_t address);
  void place(LeaseRecord record);
  void forget(Kept& record);
  void index_client(Kept& record);
  [[nodiscard]] const config::Reservation* reservation_of(const Asker& asker) const;
  [[nodiscard]] bool in_range(std::uint32_t address) const noexcept;
  [[nodiscard]] bool anybodys(std::uint32_t address) const;
  [[nodiscard]] bool may_have(const Asker& asker, std::uint32_t address) const;
  [[nodiscard]] bool kept_from(const Asker& asker, std::uint32_t address, BootTime now) const;
  [[nodiscard]] bool elsewhere(const LeaseRecord& record, unsigned ifindex, BootTime now) const;
  [[nodiscard]] bool free_for(const Asker& asker, std::uint32_t address, BootTime now) const;
  [[nodiscard]] std::optional<std::uint32_t> own(const Asker& asker, BootTime now) const;
  [[nodiscard]] std::optional<std::uint32_t> never_used();
  [[nodiscard]] std::optional<std::uint32_t> untaken_offer(BootTime now);
  void set_never_used(std::uint32_t address, bool free);

  Pool pool_;
  std::map<MacAddress, const config::Reservation*> reserved_by_mac_;
  std::map<std::vector<std::uint8_t>, const config::Reservation*> reserved_by_id_;
  std::unordered_map<std::uint32_t, const config::Reservation*> reserved_;

  std::unordered_map<std::uint32_t, Kept> records_;
  std::set<Kept*, ByClient> by_client_;
  std::size_t rebuilt_ = 0;  // records of clients whose identifier is unknown (rebuilt.h)
  // Those whose address goes to others after its end, at their ends or before; among them such as are kept back now,
  // and are found to be when their turn comes.
  std::set<std::pair<BootTime, std::uint32_t>> by_end_;
  // One bit for each address of the range, set while it is anybody's, in no record and not kept back.
  std::vector<std::uint64_t> never_used_;
  std::size_t free_count_ = 0, cursor_ = 0;

  using HeldBy = std::map<Place, std::uint32_t, ByPlace>;
  struct Indexed : Hold {
    // Where the others have it; of one that is avoided or not (yet) offered: nowhere.
    std::optional<HeldBy::iterator> held_by;
    std::list<std::uint32_t>::iterator lapse;
    std::optional<std::list<std::uint32_t>::iterator> offer;
  };
  std::unordered_map<std::uint32_t, Indexed> holds_;
  HeldBy held_by_;
  std::list<std::uint32_t> offers_;  // the oldest first
  // Each kind is kept for the same time, so the oldest ends first.
  std::list<std::uint32_t> lapses_, avoidances_;
};

}  // namespace vrouter::dhcp
