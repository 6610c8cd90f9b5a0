// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/quick_answers.h"

namespace vrouter::dns {

std::size_t QuickAnswers::answer(std::span<const std::uint8_t> message, BootTime now, std::span<std::uint8_t> room) {
  const auto query = read_plain_query(message);
  // A bare name may be a guest's of the asker's own network.
  if (!query || query->name.size() <= query->name[0] + std::size_t{2}) return 0;
  const CacheKey key{query->name, query->type, kClassIn, query->dnssec_ok, query->checking_disabled};
  const auto limit = udp_limit(*query) - (query->edns ? kOptSize : 0);
  const auto found = cache_.find(key, now, room.first(limit));
  if (found.state != Cache::State::fresh) return 0;
  ++answered_;
  return finish_forwarded(*query, room, found.size);
}

}  // namespace vrouter::dns
