// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/records.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/wire_writer.h"
#include "dns/names.h"

namespace vrouter::dns {

namespace {

constexpr std::size_t kTextPart = 255;  // RFC 1035 section 3.3: a character-string

class Encoder {
 public:
  Encoder(std::vector<StaticRecord>& all, const config::DnsRecords& written) : all_{all}, written_{written} {}

  void add(std::uint16_t type, Bytes rdata) { all_.push_back({written_.name, type, written_.ttl, std::move(rdata)}); }
  void add_host(std::uint16_t type, std::initializer_list<std::uint16_t> numbers, std::string_view host) {
    const auto name = Name::from_text(host);
    if (!name) return;
    std::array<std::uint8_t, 8> buffer{};
    WireWriter w{buffer};
    for (const auto number : numbers) w.u16(number);
    Bytes rdata{w.written().begin(), w.written().end()};
    rdata.insert(rdata.end(), name->wire().begin(), name->wire().end());
    add(type, std::move(rdata));
  }
  void add_text(std::string_view text) {
    Bytes rdata;
    do {
      const auto part = text.substr(0, kTextPart);
      rdata.push_back(static_cast<std::uint8_t>(part.size()));
      rdata.insert(rdata.end(), part.begin(), part.end());
      text.remove_prefix(part.size());
    } while (!text.empty());
    add(type::txt, std::move(rdata));
  }

 private:
  std::vector<StaticRecord>& all_;
  const config::DnsRecords& written_;
};

std::optional<Name> target_of(const LocalRecord& alias) {
  WireReader r{alias.rdata};
  return Name::decode(alias.rdata, r);
}

}  // namespace

std::vector<StaticRecord> static_records(const std::vector<config::DnsRecords>& written) {
  std::vector<StaticRecord> all;
  for (const auto& one : written) {
    Encoder out{all, one};
    for (const auto& its : one.addresses) {
      auto record = address_record(Name{}, its);
      out.add(record.type, std::move(record.rdata));
    }
    if (!one.cname.empty()) out.add_host(type::cname, {}, one.cname);
    for (const auto& text : one.txt) out.add_text(text);
    for (const auto& host : one.ptr) out.add_host(type::ptr, {}, host);
    for (const auto& mail : one.mx) out.add_host(type::mx, {mail.priority}, mail.host);
    for (const auto& [priority, weight, port, host] : one.srv) out.add_host(type::srv, {priority, weight, port}, host);
  }
  return all;
}

void Records::set(const std::vector<StaticRecord>& records) {
  records_.clear();
  branches_.clear();
  for (const auto& record : records) {
    const auto parsed = Name::from_text(record.name);
    if (!parsed || parsed->is_root()) continue;
    const auto name = parsed->lower();
    records_[name].push_back({name, record.type, record.ttl, record.rdata});
    for (auto above = name.parent(); !above.is_root(); above = above.parent()) branches_.insert(above);
  }
}

bool Records::has_below(const Name& name) const {
  return branches_.contains(name.lower());
}

const Records::Set* Records::find(const Name& name) const {
  const auto found = records_.find(name.lower());
  return found == records_.end() ? nullptr : &found->second;
}

std::optional<LocalAnswer> Records::answer(const Question& question) const {
  const auto* records = find(question.name);
  if (records == nullptr) return std::nullopt;
  LocalAnswer answer;
  Name name = question.name;  // as it was asked
  for (unsigned steps = 0; records != nullptr && steps < kMaxLocalChain; ++steps) {
    const auto before = answer.answers.size();
    for (const auto& record : *records) {
      if (record.type != question.type) continue;
      answer.answers.push_back(record);
      answer.answers.back().owner = name;
    }
    if (answer.answers.size() > before) return answer;
    const auto alias = std::ranges::find(*records, type::cname, &LocalRecord::type);
    const auto target = alias == records->end() || question.type == type::any ? std::nullopt : target_of(*alias);
    if (!target) {
      answer.authority = {soa_record(name)};
      return answer;
    }
    answer.answers.push_back(*alias);
    answer.answers.back().owner = name;
    name = *target;
    records = find(name);
  }
  answer.next = name;
  return answer;
}

}  // namespace vrouter::dns
