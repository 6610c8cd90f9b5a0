// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: a record says which commit wrote it last. An answer is sent only if its commit is done and the record is
// still that commit's: so whatever happened to the address in between, by a later message of the client or by the
// daemon's word, needs no search for what it makes void.
#include "dhcp/commits.h"

#include <utility>

#include "dhcp/counts.h"

namespace vrouter::dhcp {
namespace {

constexpr std::size_t kMaxSpare = 1024;

bool says_the_same(const LeaseRecord& a, const LeaseRecord& b) noexcept {
  return a.client() == b.client() && a.ifindex == b.ifindex && a.state == b.state && a.expires == b.expires;
}

// That a lease came to the end that it had all along was known.
bool was_known(const std::optional<LeaseRecord>& before, const std::optional<LeaseRecord>& truth) noexcept {
  if (!before || !truth) return !before && !truth;
  if (says_the_same(*before, *truth)) return true;
  return truth->state == LeaseState::expired && before->client() == truth->client() &&
         truth->expires >= before->expires;
}

}  // namespace

const CommitLine::Waiting* CommitLine::find(std::uint64_t id) const {
  const auto it = id == 0 ? waiting_.end() : waiting_.find(id);
  return it == waiting_.end() ? nullptr : &it->second;
}

bool CommitLine::waits(const LeaseRecord& record, std::uint32_t transaction, BootTime now) const {
  const auto* waiting = find(record.proposal);
  return waiting != nullptr && !waiting->reply.empty() && waiting->transaction == transaction &&
         waiting->since + kCommitPatience > now;
}

bool CommitLine::propose(LeaseTable& table, NetworkCounts& counts, Lease lease, const Answer& answer, BootTime now) {
  const auto* record = table.find(lease.address);
  const auto* earlier = record == nullptr ? nullptr : find(record->proposal);
  const unsigned changes = earlier == nullptr ? 0 : earlier->changes + 1;
  if (waiting_.size() >= kMaxWaiting || changes > kMaxChanges) {
    ++statistics_.dropped_uncommitted;
    return false;
  }
  const auto id = ++last_id_;
  auto& waiting = waiting_[id];
  waiting.table = &table;
  waiting.counts = &counts;
  waiting.address = lease.address;
  waiting.since = now;
  waiting.changes = changes;
  waiting.transaction = answer.transaction;
  waiting.outgoing = answer.outgoing;
  if (record != nullptr) waiting.before = *record;
  if (!answer.bytes.empty()) {
    if (!spare_.empty()) {
      waiting.reply = std::move(spare_.back());
      spare_.pop_back();
    }
    waiting.reply.assign(answer.bytes.begin(), answer.bytes.end());
  }
  auto proposal = record_of(lease);
  proposal.proposal = id;
  table.take(std::move(proposal));
  proposed_.push_back({id, std::move(lease)});
  return true;
}

std::vector<Commit> CommitLine::take() {
  return std::exchange(proposed_, {});
}

void CommitLine::committed(std::span<const CommitResult> results, BootTime now, const Send& send) {
  for (const auto& result : results) {
    auto node = waiting_.extract(result.id);
    if (node.empty()) continue;
    auto& waiting = node.mapped();
    if (result.done) {
      done(result.id, waiting, now, send);
    } else {
      refused(result.id, waiting, now);
    }
    recycle(std::move(waiting.reply));
  }
}

void CommitLine::done(std::uint64_t id, const Waiting& waiting, BootTime now, const Send& send) {
  const auto* record = waiting.table->find(waiting.address);
  const bool holds = record != nullptr && record->proposal == id;
  if (waiting.reply.empty()) {
    if (holds) waiting.table->confirm(waiting.address);
    return;
  }
  if (!holds || !record->held(now)) {
    ++statistics_.dropped_uncommitted;
    return;
  }
  waiting.table->confirm(waiting.address);
  count_reply(statistics_, *waiting.counts, MessageType::ack);
  send(waiting.outgoing, waiting.reply);
}

void CommitLine::refused(std::uint64_t id, Waiting& waiting, BootTime now) {
  auto& table = *waiting.table;
  const auto* record = table.find(waiting.address);
  if (!waiting.reply.empty()) ++statistics_.dropped_uncommitted;
  if (record == nullptr) return;
  if (record->proposal == id) {
    const bool wanted = record->state == LeaseState::bound;
    waiting.before ? table.put(std::move(*waiting.before)) : table.erase(waiting.address);
    if (wanted) table.avoid(waiting.address, now);
    return;
  }
  // A later proposal stands on this one: what it would be taken back to has never been.
  for (auto next = waiting_.find(record->proposal); next != waiting_.end();) {
    auto& later = next->second;
    if (!later.before) return;
    if (later.before->proposal == id) {
      later.before = std::move(waiting.before);
      return;
    }
    next = waiting_.find(later.before->proposal);
  }
}

void CommitLine::learn(LeaseTable& table, const address_v4& address, std::optional<LeaseRecord> truth) {
  const auto* record = table.find(address);
  if (record != nullptr && truth && says_the_same(*record, *truth)) return;
  if (const auto it = waiting_.find(record == nullptr ? 0 : record->proposal); it != waiting_.end()) {
    auto& before = it->second.before;
    if (was_known(before, truth)) {
      if (before && !says_the_same(*before, *truth)) before = std::move(truth);
      return;
    }
  }
  truth ? table.put(std::move(*truth)) : table.erase(address);
}

void CommitLine::void_answers(const LeaseTable& table) {
  for (auto& [id, waiting] : waiting_) {
    if (waiting.table != &table || waiting.reply.empty()) continue;
    ++statistics_.dropped_uncommitted;
    waiting.reply.clear();
  }
}

void CommitLine::forget(const LeaseTable& table) {
  std::erase_if(waiting_, [&](const auto& entry) { return entry.second.table == &table; });
}

void CommitLine::recycle(std::vector<std::uint8_t> reply) {
  if (reply.capacity() == 0 || spare_.size() == kMaxSpare) return;
  reply.clear();
  spare_.push_back(std::move(reply));
}

}  // namespace vrouter::dhcp
