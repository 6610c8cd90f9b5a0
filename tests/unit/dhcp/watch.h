// SPDX-License-Identifier: GPL-2.0-or-later
// What a client asks, seen on the wire: by its states of RFC 2131, 4.3.2 and 4.3.6, which no counter tells apart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace vrouter::dhcp::testing {

enum class Asked { discover, selecting, init_reboot, renewing, rebinding, decline, release, inform };

class RequestWatch {
 public:
  // Of an interface of the calling thread's network namespace, from now on.
  explicit RequestWatch(const std::string& interface);

  [[nodiscard]] std::size_t count(Asked what);
  // "discover selecting renewing": for the message of a test that fails.
  [[nodiscard]] std::string story();

 private:
  void read();

  UniqueFd socket_;
  std::vector<Asked> seen_;
};

}  // namespace vrouter::dhcp::testing
