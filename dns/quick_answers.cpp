// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/quick_answers.h"

namespace vrouter::dns {

std::optional<QuickAnswers::Prepared> QuickAnswers::prepare(std::span<const std::uint8_t> message, unsigned guest,
                                                            ListTable::Profile lists) const noexcept {
  const auto query = read_plain_query(message);
  // A bare name may be a guest's of the asker's own network.
  if (!query || query->name.size() <= query->name[0] + std::size_t{2}) return std::nullopt;
  if (admission_ != nullptr && admission_->concerns(guest, query->name)) return std::nullopt;
  const CacheKey key{query->name, query->type, kClassIn, query->dnssec_ok, query->checking_disabled};
  const bool listed = lists != ListTable::kNone && lists_ != nullptr;
  if (listed && lists_->refuses(lists, key.name())) return std::nullopt;
  const auto hash = cache_.hash(key);
  cache_.call_for_bucket(hash);
  return Prepared{*query, key, hash, listed};
}

std::size_t QuickAnswers::answer(const Prepared& prepared, BootTime now, std::span<std::uint8_t> room) {
  const auto& query = prepared.query;
  const auto limit = udp_limit(query) - (query.edns ? kOptSize : 0);
  const auto found = cache_.find(prepared.key, prepared.hash, now, room.first(limit));
  if (found.state != Cache::State::fresh) return 0;
  if (prepared.listed && has_alias(room.first(found.size))) return 0;
  ++answered_;
  return finish_forwarded(query, room, found.size);
}

}  // namespace vrouter::dns
