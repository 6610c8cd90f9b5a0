// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/cli/dns.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "router/cli/print.h"
#include "router/cli/table.h"

namespace vrouter::router::cli {

namespace {

std::string share(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return std::to_string(part);
  return fmt::format("{} ({:.1f} %)", part, 100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

}  // namespace

std::string dns_text(const dns::Statistics& dns, bool colour) {
  const auto asked = dns.queries_udp + dns.queries_tcp;
  std::vector<std::pair<std::string, Cell>> facts{
      {"queries", {fmt::format("{} by UDP, {} by TCP", dns.queries_udp, dns.queries_tcp)}},
      {"answered here", {share(dns.answered_locally, asked)}},
      {"from the cache", {share(dns.answered_from_cache, asked)}},
      {"past its time", {std::to_string(dns.answered_stale)}},
      {"forwarded", {share(dns.forwarded, asked)}},
      {"failed", {std::to_string(dns.failed), dns.failed == 0 ? Tone::plain : Tone::waiting}},
      {"led inside", {std::to_string(dns.refused_rebinding)}},
      {"dropped",
       {fmt::format("{} malformed, {} of unknown source, {} over budget", dns.dropped_malformed,
                    dns.dropped_unknown_source, dns.dropped_over_budget)}},
      {"cache",
       {fmt::format("{} answers, {} of {}, {} gave way before their time", dns.cache.entries,
                    human_bytes(dns.cache.bytes), human_bytes(dns.cache.limit), dns.cache_evicted)}}};
  if (dns.admitted + dns.refused_admission + dns.failed_admission != 0) {
    facts.push_back({"let in",
                     {fmt::format("{} addresses by rules to domains, {} refused, {} answers held too long",
                                  dns.admitted, dns.refused_admission, dns.failed_admission),
                      dns.failed_admission == 0 ? Tone::plain : Tone::waiting}});
  }
  if (dns.refused_by_list != 0 || !dns.lists.empty())
    facts.push_back({"blocked", {fmt::format("{} by lists", dns.refused_by_list)}});
  std::vector<std::vector<Cell>> rows;
  for (const auto& upstream : dns.upstreams) {
    rows.push_back({{upstream.server.to_string()},
                    {std::to_string(upstream.asked)},
                    {std::to_string(upstream.answered)},
                    {std::to_string(upstream.timeouts), upstream.timeouts == 0 ? Tone::plain : Tone::waiting},
                    {std::to_string(upstream.refused)},
                    {upstream.rtt_ms > 0 ? fmt::format("{:.1f} ms", upstream.rtt_ms) : ""}});
  }
  std::string troubles;
  for (const auto& upstream : dns.upstreams) {
    if (upstream.trouble == dns::UpstreamTrouble::none) continue;
    troubles += upstream.server.to_string() + ": " + in_words(upstream.trouble, upstream.server) + "\n";
  }
  auto text = render_facts(facts, colour);
  if (!rows.empty())
    text += "\n" + render_table({"UPSTREAM", "ASKED", "ANSWERED", "TIMEOUTS", "REFUSED", "RTT"}, rows, colour);
  if (!troubles.empty()) text += "\n" + troubles;
  std::vector<std::vector<Cell>> lists;
  for (const auto& [name, entries, skipped] : dns.lists) {
    lists.push_back(
        {{name}, {std::to_string(entries)}, {std::to_string(skipped), skipped == 0 ? Tone::plain : Tone::waiting}});
  }
  if (!lists.empty()) text += "\n" + render_table({"LIST", "ENTRIES", "LINES SKIPPED"}, lists, colour);
  return text;
}

std::string flushed_sentence(const control::FlushedNames& flushed) {
  if (flushed.name.empty()) return "the cache is empty\n";
  return "what was known of " + printable(flushed.name) + " is forgotten\n";
}

}  // namespace vrouter::router::cli
