// SPDX-License-Identifier: GPL-2.0-or-later
// Threads beside the server's own. Each answers what the cache knows, to the guests whose questions the kernel gives it
// (bind_socket() of listeners.h: a guest's all go to one, so that its budget is one), and hands everything else to the
// server's thread. They change nothing that they share: the cache has locks for them, and everything else is changed
// while they pause.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <vector>

#include "base/unique_fd.h"
#include "dns/admission.h"
#include "dns/cache.h"
#include "dns/listen.h"
#include "dns/names.h"
#include "dns/query_handler.h"

namespace vrouter::dns {

// Questions of all workers that the server's thread has not looked at yet. More are dropped: it is too slow for them.
inline constexpr std::size_t kMaxHandedOver = 4096;

// On the server's thread, which is that of `io`.
class Workers {
 public:
  Workers(boost::asio::io_context& io, const Names& names, Cache& cache, const Admission& admission,
          QueryHandler& handler);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // How many there are beside the server's own thread. Their listeners must have gone. Fewer, where the system gives no
  // more threads: false.
  bool set_count(unsigned count);
  [[nodiscard]] std::size_t count() const noexcept { return workers_.size(); }
  // Serves on the bound UDP socket, by the worker of that number, from 0. Only while they pause; so does the
  // listener's end.
  [[nodiscard]] std::unique_ptr<Listener> serve(std::size_t worker, UniqueFd bound);
  // Adds what they counted, and those before them: counters never go back.
  void add_to(Statistics& all) const;

  // None of them is in a turn while there is one of these.
  class Pause {
   public:
    explicit Pause(Workers& workers);
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Workers& workers_;
  };

 private:
  class Worker;
  struct HandedOver;

  boost::asio::io_context& io_;
  const Names& names_;
  Cache& cache_;
  const Admission& admission_;
  std::shared_ptr<HandedOver> handed_over_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Statistics gone_;  // what those counted that there were
};

}  // namespace vrouter::dns
