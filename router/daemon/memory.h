// SPDX-License-Identifier: GPL-2.0-or-later
// Gives memory back that was needed once. Looking at the whole host, a reload or a list of ten thousand guests takes
// tens of megabytes for a moment; what the allocator keeps of them afterwards, scattered over the heap, is never less
// without being asked.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>

namespace vrouter::router {

class MemoryKeeper {
 public:
  explicit MemoryKeeper(boost::asio::io_context& io);

 private:
  void look_later();
  void look();

  boost::asio::steady_timer timer_;
  std::size_t left_ = 0;  // free bytes that the allocator held on to when last asked
};

}  // namespace vrouter::router
