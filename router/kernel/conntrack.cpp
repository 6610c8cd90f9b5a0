// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/kernel/conntrack.h"

#include <arpa/inet.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>

extern "C" {
#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
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

using AddressSet = std::unordered_set<std::uint32_t>;  // network order, as the entries hold them

struct Walk {
  const AddressSet& addresses;
  std::vector<Entry> matches;
};

// The original source: what the address started. The original destination: what was sent to it. The reply's source:
// what was translated to it. The reply's destination is the original source, or a translation to the host's own.
int collect(nf_conntrack_msg_type, nf_conntrack* entry, void* data) {
  auto& walk = *static_cast<Walk*>(data);
  for (const auto attribute : {ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV4_DST, ATTR_REPL_IPV4_SRC}) {
    if (walk.addresses.contains(nfct_get_attr_u32(entry, attribute))) {
      walk.matches.emplace_back(entry);
      return NFCT_CB_STOLEN;  // ours now
    }
  }
  return NFCT_CB_CONTINUE;
}

// Dump, then delete: before kernel 6.12 a delete can't be filtered by address.
Result<void> forget(nfct_handle* handle, const AddressSet& addresses) {
  Walk walk{addresses, {}};
  if (nfct_callback_register(handle, NFCT_T_ALL, collect, &walk) < 0) {
    return std::unexpected(KernelError{kWhat, errno, ""});
  }
  std::uint32_t family = AF_INET;
  const int dumped = nfct_query(handle, NFCT_Q_DUMP, &family);
  const int dump_error = errno;
  nfct_callback_unregister(handle);
  if (dumped < 0) return std::unexpected(KernelError{kWhat, dump_error, ""});
  Result<void> result;
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

  void flush(std::vector<address_v4> addresses, Done done) override {
    for (const auto& address : addresses) ++pending_[address].flushes;
    {
      const std::scoped_lock lock{mutex_};
      queue_.push_back(Request{std::move(addresses), std::move(done), Work{io_.get_executor()}});
    }
    wake_.notify_one();
  }

  bool pending(const address_v4& address) const override { return pending_.contains(address); }

  void when_flushed(const address_v4& address, Done done) override {
    const auto found = pending_.find(address);
    if (found == pending_.end()) return done({});
    found->second.waiting.push_back(std::move(done));
  }

 private:
  using Work = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;
  struct Request {
    std::vector<address_v4> addresses;
    Done done;
    Work work;  // the loop goes on until the answer is there
  };
  struct Pending {
    int flushes = 0;
    std::vector<Done> waiting;
  };

  void work(const std::stop_token& stop) {
    while (true) {
      std::vector<Request> batch;
      {
        std::unique_lock lock{mutex_};
        if (!wake_.wait(lock, stop, [this] { return !queue_.empty(); }) || stop.stop_requested()) return;
        batch.swap(queue_);
      }
      AddressSet addresses;
      for (const auto& request : batch) {
        for (const auto& address : request.addresses) addresses.insert(htonl(address.to_uint()));
      }
      const auto result = forget(handle_.get(), addresses);
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
  std::map<address_v4, Pending> pending_;
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
