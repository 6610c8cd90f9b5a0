// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/conntrack.h"

#include <arpa/inet.h>

#include <algorithm>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <utility>

extern "C" {
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <linux/netfilter/nf_conntrack_common.h>
}

namespace vrouter::router {
namespace {

struct HandleClose {
  void operator()(nfct_handle* handle) const noexcept { nfct_close(handle); }
};
using Handle = std::unique_ptr<nfct_handle, HandleClose>;

struct EntryDestroy {
  void operator()(nf_conntrack* entry) const noexcept { nfct_destroy(entry); }
};
using Entry = std::unique_ptr<nf_conntrack, EntryDestroy>;

constexpr const char* kWhat = "forget tracked connections";

// An address of either family as IPv6 writes it, so that one set holds both (RFC 4291, 2.5.5.2).
using Bytes = address_v6::bytes_type;

struct BytesHash {
  std::size_t operator()(const Bytes& bytes) const noexcept {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
};
using AddressSet = std::unordered_set<Bytes, BytesHash>;

constexpr unsigned kMappedBits = 96;

Bytes mapped(const address_v4& address) {
  return boost::asio::ip::make_address_v6(boost::asio::ip::v4_mapped, address).to_bytes();
}
Bytes bytes_of(const address& address) {
  return address.is_v4() ? mapped(address.to_v4()) : address.to_v6().to_bytes();
}
using Denied = std::function<bool(const Connection&)>;

struct Range {
  Bytes network{};
  unsigned bits = 0;
  [[nodiscard]] bool holds(const Bytes& address) const noexcept {
    const unsigned whole = bits / 8;
    if (!std::equal(network.begin(), network.begin() + whole, address.begin())) return false;
    const auto mask = static_cast<std::uint8_t>(0xff00U >> bits % 8);
    return bits % 8 == 0 || ((network[whole] ^ address[whole]) & mask) == 0;
  }
};

// The union of all that was asked for since the last walk.
struct Doomed {
  AddressSet addresses;
  std::vector<Range> inner, guests;
  std::unordered_set<std::uint16_t> published;  // network order
  bool ipv4 = false, ipv6 = false;              // whose connections must be looked at
  std::vector<const Denied*> denied;            // the requests' own
};

struct Walk {
  const Doomed& doomed;
  std::vector<Entry> matches;
};

bool any_holds(const std::vector<Range>& ranges, const Bytes& address) {
  return std::ranges::any_of(ranges, [&address](const Range& range) { return range.holds(address); });
}

void add_ranges(const std::vector<Prefix>& prefixes, std::vector<Range>& ranges, Doomed& doomed) {
  for (const auto& prefix : prefixes) {
    const bool v4 = prefix.network().is_v4();
    (v4 ? doomed.ipv4 : doomed.ipv6) = true;
    ranges.push_back({bytes_of(prefix.network()), prefix.prefix_length() + (v4 ? kMappedBits : 0)});
  }
}

// Of an entry's address; the attribute's number differs by family.
Bytes address_in(const nf_conntrack* entry, nf_conntrack_attr v4, nf_conntrack_attr v6) {
  if (nfct_get_attr_u8(entry, ATTR_ORIG_L3PROTO) == AF_INET)
    return mapped(address_v4{ntohl(nfct_get_attr_u32(entry, v4))});
  Bytes bytes{};
  if (const void* found = nfct_get_attr(entry, v6); found != nullptr) std::memcpy(bytes.data(), found, bytes.size());
  return bytes;
}

struct Ends {
  Bytes from, to, reply_from, reply_to;
  explicit Ends(const nf_conntrack* entry)
      : from{address_in(entry, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC)},
        to{address_in(entry, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST)},
        reply_from{address_in(entry, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC)},
        reply_to{address_in(entry, ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST)} {}
};

// An untranslated connection's replies go to where it came from, and come from where it went.
bool missed_its_translation(const Doomed& doomed, const nf_conntrack* entry, const Ends& ends) {
  // To a published port: who calls is kept.
  if ((nfct_get_attr_u32(entry, ATTR_STATUS) & IPS_DST_NAT) != 0) return false;
  if (any_holds(doomed.inner, ends.from)) return ends.reply_to == ends.from && !any_holds(doomed.guests, ends.to);
  // One that was answered is another's: a program of the host's own that uses the same port number elsewhere.
  return nfct_get_attr_u8(entry, ATTR_ORIG_L4PROTO) == IPPROTO_UDP &&
         doomed.published.contains(nfct_get_attr_u16(entry, ATTR_ORIG_PORT_DST)) && ends.reply_from == ends.to &&
         (nfct_get_attr_u32(entry, ATTR_STATUS) & IPS_SEEN_REPLY) == 0;
}

address address_of(const nf_conntrack* entry, nf_conntrack_attr v4, nf_conntrack_attr v6) {
  if (nfct_get_attr_u8(entry, ATTR_ORIG_L3PROTO) == AF_INET) {
    return address_v4{ntohl(nfct_get_attr_u32(entry, v4))};
  }
  address_v6::bytes_type bytes{};
  if (const void* held = nfct_get_attr(entry, v6); held != nullptr) std::memcpy(bytes.data(), held, bytes.size());
  return address_v6{bytes};
}

// Attributes that the entry hasn't read as 0.
Connection connection_of(const nf_conntrack* entry) {
  Connection connection;
  connection.source = address_of(entry, ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC);
  connection.destination = address_of(entry, ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST);
  connection.protocol = nfct_get_attr_u8(entry, ATTR_ORIG_L4PROTO);
  connection.source_port = ntohs(nfct_get_attr_u16(entry, ATTR_ORIG_PORT_SRC));
  connection.destination_port = ntohs(nfct_get_attr_u16(entry, ATTR_ORIG_PORT_DST));
  connection.icmp_type = nfct_get_attr_u8(entry, ATTR_ICMP_TYPE);
  connection.target = address_of(entry, ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC);
  connection.target_port = ntohs(nfct_get_attr_u16(entry, ATTR_REPL_PORT_SRC));
  connection.status = nfct_get_attr_u32(entry, ATTR_STATUS);
  return connection;
}

bool is_denied(const Doomed& doomed, const nf_conntrack* entry) {
  if (doomed.denied.empty()) return false;
  const auto connection = connection_of(entry);
  return std::ranges::any_of(doomed.denied, [&](const Denied* denied) { return (*denied)(connection); });
}

// The original source: what the address started. The original destination: what was sent to it. The reply's source:
// what was translated to it. The reply's destination is the original source, or a translation to the host's own.
int collect(nf_conntrack_msg_type, nf_conntrack* entry, void* data) {
  auto& walk = *static_cast<Walk*>(data);
  const Ends ends{entry};
  bool doomed = is_denied(walk.doomed, entry) || missed_its_translation(walk.doomed, entry, ends);
  for (const auto* address : {&ends.from, &ends.to, &ends.reply_from}) {
    doomed = doomed || walk.doomed.addresses.contains(*address);
  }
  if (!doomed) return NFCT_CB_CONTINUE;
  walk.matches.emplace_back(entry);
  return NFCT_CB_STOLEN;  // ours now
}

// Dump, then delete: before kernel 6.12 a delete can't be filtered by address.
Result<void> forget(nfct_handle* handle, const Doomed& doomed) {
  Walk walk{doomed, {}};
  if (nfct_callback_register(handle, NFCT_T_ALL, collect, &walk) < 0) {
    return std::unexpected(KernelError{kWhat, errno, ""});
  }
  Result<void> result;
  // The kernel goes through all buckets of the table, however few connections there are: once for both families.
  const std::uint32_t family = doomed.ipv4 && doomed.ipv6 ? AF_UNSPEC : doomed.ipv4 ? AF_INET : AF_INET6;
  if (nfct_query(handle, NFCT_Q_DUMP, &family) < 0) result = std::unexpected(KernelError{kWhat, errno, ""});
  nfct_callback_unregister(handle);
  if (!result) return result;
  for (const Entry& entry : walk.matches) {
    if (nfct_query(handle, NFCT_Q_DESTROY, entry.get()) < 0 && errno != ENOENT) {  // ENOENT: it ended by itself
      result = std::unexpected(KernelError{kWhat, errno, ""});
    }
  }
  return result;
}

class Flusher final : public ConntrackFlusher {
 public:
  Flusher(boost::asio::io_context& io, Handle handle)
      : io_{io}, handle_{std::move(handle)}, thread_{[this](const std::stop_token& stop) { work(stop); }} {}
  ~Flusher() override { *alive_ = false; }
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  void flush(std::vector<address> addresses, Done done) override {
    for (const auto& address : addresses) ++pending_[address].flushes;
    ask(Request{std::move(addresses), {}, {}, std::move(done), Work{io_.get_executor()}});
  }

  void flush_untranslated(Translated wanted, Done done) override {
    ask(Request{{}, std::move(wanted), {}, std::move(done), Work{io_.get_executor()}});
  }

  void flush_denied(Denied denied, Done done) override {
    ask(Request{{}, {}, std::move(denied), std::move(done), Work{io_.get_executor()}});
  }

  bool pending(const address& address) const override { return pending_.contains(address); }

  void when_flushed(const address& address, Done done) override {
    const auto found = pending_.find(address);
    if (found == pending_.end()) return done({});
    found->second.waiting.push_back(std::move(done));
  }

 private:
  using Work = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;
  struct Request {
    std::vector<address> addresses;
    Translated translated;
    Denied denied;
    Done done;
    Work work;  // the loop goes on until the answer is there
  };
  struct Pending {
    int flushes = 0;
    std::vector<Done> waiting;
  };

  void ask(Request request) {
    {
      const std::scoped_lock lock{mutex_};
      queue_.push_back(std::move(request));
    }
    wake_.notify_one();
  }

  void work(const std::stop_token& stop) {
    while (true) {
      std::vector<Request> batch;
      {
        std::unique_lock lock{mutex_};
        if (!wake_.wait(lock, stop, [this] { return !queue_.empty(); }) || stop.stop_requested()) return;
        batch.swap(queue_);
      }
      Doomed doomed;
      for (const auto& request : batch) {
        for (const auto& address : request.addresses) {
          doomed.addresses.insert(bytes_of(address));
          (address.is_v4() ? doomed.ipv4 : doomed.ipv6) = true;
        }
        add_ranges(request.translated.inner, doomed.inner, doomed);
        add_ranges(request.translated.guests, doomed.guests, doomed);
        for (const auto port : request.translated.published) doomed.published.insert(htons(port));
        if (!request.denied) continue;
        doomed.denied.push_back(&request.denied);
        doomed.ipv4 = doomed.ipv6 = true;
      }
      const auto result = forget(handle_.get(), doomed);
      boost::asio::post(io_, [this, alive = alive_, batch = std::move(batch), result]() mutable {
        if (*alive) finish(std::move(batch), result);
      });
    }
  }

  // On the loop. Handlers may call back into this object, or destroy it.
  void finish(std::vector<Request> batch, const Result<void>& result) {
    std::vector<Done> handlers;
    for (auto& request : batch) {
      for (const auto& address : request.addresses) {
        const auto found = pending_.find(address);
        if (found == pending_.end() || --found->second.flushes > 0) continue;
        for (auto& waiting : found->second.waiting) handlers.push_back(std::move(waiting));
        pending_.erase(found);
      }
      if (request.done) handlers.push_back(std::move(request.done));
    }
    for (const auto& handler : handlers) handler(result);
  }

  boost::asio::io_context& io_;
  Handle handle_;  // the thread's alone
  std::map<address, Pending> pending_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::mutex mutex_;  // guards queue_
  std::condition_variable_any wake_;
  std::vector<Request> queue_;
  std::jthread thread_;  // last: it starts when all else is there and ends before any of it goes
};

}  // namespace

Result<std::unique_ptr<ConntrackFlusher>> ConntrackFlusher::open(boost::asio::io_context& io) {
  Handle handle{nfct_open(CONNTRACK, 0)};
  if (!handle) return std::unexpected(KernelError{"open a connection tracking socket to the kernel", errno, ""});
  return std::make_unique<Flusher>(io, std::move(handle));
}

}  // namespace vrouter::router
