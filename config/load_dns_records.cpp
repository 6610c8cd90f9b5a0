// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load_dns_records.h"

#include <algorithm>
#include <array>
#include <limits>
#include <set>

#include "config/specs.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::size_t kMaxName = 253;   // 255 bytes on the wire, less the first length and the root
constexpr std::size_t kMaxLabel = 63;   // RFC 1035 section 2.3.4
constexpr std::size_t kMaxText = 4000;  // of one TXT record: some keys of DKIM have 800
constexpr std::chrono::seconds kMaxTtl = std::chrono::hours{24 * 7};

constexpr std::array kRecordKeys{
    KeySpec{"name", Type::string, "\"db.corp.example\""},
    KeySpec{.name = "addresses", .type = Type::array, .example = "[\"10.0.5.9\"]", .or_string = true},
    KeySpec{"cname", Type::string, "\"db1.guests.internal\""},
    KeySpec{.name = "txt", .type = Type::array, .example = "[\"v=spf1 -all\"]", .or_string = true},
    KeySpec{.name = "ptr", .type = Type::array, .example = "[\"db.corp.example\"]", .or_string = true},
    KeySpec{"mx", Type::array, "[{ priority = 10, host = \"mail.corp.example\" }]"},
    KeySpec{"srv", Type::array, "[{ priority = 0, weight = 0, port = 389, host = \"ldap.corp.example\" }]"},
    KeySpec{"ttl", Type::string, "\"5m\""},
};
constexpr std::array kMailKeys{
    KeySpec{"priority", Type::integer, "10"},
    KeySpec{"host", Type::string, "\"mail.corp.example\""},
};
constexpr std::array kServiceKeys{
    KeySpec{"priority", Type::integer, "0"},
    KeySpec{"weight", Type::integer, "0"},
    KeySpec{"port", Type::integer, "389"},
    KeySpec{"host", Type::string, "\"ldap.corp.example\""},
};

bool is_label(std::string_view label) {
  const auto is_good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !label.empty() && label.size() <= kMaxLabel && std::ranges::all_of(label, is_good);
}

// Like a domain, and underscores: "_ldap._tcp.corp.example".
Parsed<std::string> parse_record_name(std::string_view text) {
  if (text.starts_with("*.") || text == "*") {
    return std::unexpected(quoted(text) + " is a wildcard, which records can't be for; write each name that exists");
  }
  auto rest = text.ends_with('.') ? text.substr(0, text.size() - 1) : text;
  auto name = lower_case(rest);
  bool good = rest.size() <= kMaxName;
  for (auto dot = rest.find('.'); good; dot = rest.find('.')) {
    good = is_label(rest.substr(0, dot));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (good) return name;
  return std::unexpected(quoted(text) +
                         " is no name; write labels of letters, digits, hyphens and underscores with dots between, "
                         "such as db.corp.example");
}

Parsed<std::string> parse_text(std::string_view text) {
  if (text.size() <= kMaxText) return std::string{text};
  return std::unexpected("a text of " + std::to_string(text.size()) + " bytes is too long for a record; write " +
                         std::to_string(kMaxText) + " at most");
}

class Loader {
 public:
  Loader(Diagnosis& diagnosis, Config& config) : diagnosis_{diagnosis}, config_{config} {}

  void load(const Node& table);

 private:
  template <typename Value>
  std::vector<Value> read_all(const TableReader& reader, std::string_view key,
                              Parsed<Value> (*parse)(std::string_view)) {
    std::vector<Value> all;
    for (auto& [value, at] : reader.read_list(key, parse)) {
      if (std::ranges::find(all, value) == all.end()) {
        all.push_back(std::move(value));
      } else {
        reader.complain(at, "this stands twice in " + std::string{key} + "; write it once");
      }
    }
    bound(reader, key, all.size());
    return all;
  }
  void bound(const TableReader& reader, std::string_view key, std::size_t count) {
    if (count <= kMaxRecordsOfType) return;
    reader.complain(reader.at(key), std::string{key} + " holds " + std::to_string(kMaxRecordsOfType) + " at most");
  }
  std::uint16_t read_number(const TableReader& reader, std::string_view key);
  std::string read_host(const TableReader& reader, std::string_view what);
  // The array's tables.
  std::vector<const Node*> tables(const TableReader& reader, std::string_view key);
  void read_ttl(const TableReader& reader, DnsRecords& records);
  void read_mx(const TableReader& reader, DnsRecords& records);
  void read_srv(const TableReader& reader, DnsRecords& records);

  Diagnosis& diagnosis_;
  Config& config_;
  std::map<std::string, Place> names_;
};

std::uint16_t Loader::read_number(const TableReader& reader, std::string_view key) {
  const auto* node = reader.find(key);
  constexpr int kMost = std::numeric_limits<std::uint16_t>::max();
  if (node == nullptr) return 0;
  if (node->integer >= 0 && node->integer <= kMost) return static_cast<std::uint16_t>(node->integer);
  reader.complain(node->at, std::string{key} + " " + std::to_string(node->integer) + " can't be; write 0 to " +
                                std::to_string(kMost));
  return 0;
}

std::string Loader::read_host(const TableReader& reader, std::string_view what) {
  std::string host;
  if (!reader.present("host"))
    reader.complain(reader.at(), std::string{what} + " needs its host; write host = \"mail.corp.example\"");
  reader.read("host", parse_record_name, host);
  return host;
}

std::vector<const Node*> Loader::tables(const TableReader& reader, std::string_view key) {
  std::vector<const Node*> all;
  const auto* node = reader.find(key);
  if (node == nullptr) return all;
  for (const auto& item : node->items) {
    if (item.type == Type::table) {
      all.push_back(&item);
    } else {
      reader.complain(item.at, std::string{key} + " holds tables, not " + std::string{describe(item.type)} +
                                   "; write { host = \"mail.corp.example\" }");
    }
  }
  bound(reader, key, all.size());
  return all;
}

void Loader::read_ttl(const TableReader& reader, DnsRecords& records) {
  std::chrono::seconds ttl{};
  if (!reader.read("ttl", parse_duration, ttl)) return;
  if (ttl > kMaxTtl) {
    reader.complain(reader.at("ttl"), "a ttl of more than a week can't be; write 7d at most");
    return;
  }
  records.ttl = static_cast<std::uint32_t>(ttl.count());
}

void Loader::read_mx(const TableReader& reader, DnsRecords& records) {
  for (const auto* item : tables(reader, "mx")) {
    const TableReader mail{diagnosis_, *item, "mx", kMailKeys};
    records.mx.push_back({.priority = read_number(mail, "priority"), .host = read_host(mail, "a mail server")});
  }
}

void Loader::read_srv(const TableReader& reader, DnsRecords& records) {
  for (const auto* item : tables(reader, "srv")) {
    const TableReader service{diagnosis_, *item, "srv", kServiceKeys};
    if (!service.present("port")) service.complain(service.at(), "a service needs its port; write port = 389");
    records.srv.push_back({.priority = read_number(service, "priority"),
                           .weight = read_number(service, "weight"),
                           .port = read_number(service, "port"),
                           .host = read_host(service, "a service")});
  }
}

void Loader::load(const Node& table) {
  const TableReader reader{diagnosis_, table, "dns.records", kRecordKeys};
  DnsRecords records;
  records.at = diagnosis_.place(reader.at("name"));
  records.addresses = read_all(reader, "addresses", parse_address);
  reader.read("cname", parse_record_name, records.cname);
  records.txt = read_all(reader, "txt", parse_text);
  records.ptr = read_all(reader, "ptr", parse_record_name);
  read_mx(reader, records);
  read_srv(reader, records);
  read_ttl(reader, records);
  const bool others = reader.present("addresses") || reader.present("txt") || reader.present("ptr") ||
                      reader.present("mx") || reader.present("srv");
  if (reader.present("cname") && others) {
    reader.complain(reader.at("cname"),
                    "a name with a cname has nothing else (RFC 1034 section 3.6.2); write either it or the other keys");
  } else if (!reader.present("cname") && !others) {
    reader.complain(reader.at(), "a record needs something to say; write addresses = [\"10.0.5.9\"]");
  }
  if (!reader.present("name"))
    reader.complain(reader.at(), "a record needs the name that it is of; write name = \"db.corp.example\"");
  if (!reader.read("name", parse_record_name, records.name)) return;
  const auto [other, fresh] = names_.emplace(records.name, records.at);
  if (!fresh) {
    reader.complain(reader.at("name"), records.name + " has records already, at " + other->second.to_string() +
                                           "; write all of one name in one table");
    return;
  }
  if (config_.dns.records.size() == kMaxRecordNames) {
    reader.complain(reader.at(), "records are for " + std::to_string(kMaxRecordNames) +
                                     " names at most; let a name server tell more, and name it in dns.forward");
    return;
  }
  config_.dns.records.push_back(std::move(records));
}

}  // namespace

void load_dns_records(Diagnosis& diagnosis, const Node& records, Config& config) {
  Loader loader{diagnosis, config};
  for (const auto& item : records.items) {
    if (item.type == Type::table) {
      loader.load(item);
    } else {
      diagnosis.add(item.at, "dns.records holds tables, not " + std::string{describe(item.type)} +
                                 "; write [[dns.records]] above each");
    }
  }
}

void check_dns_records(Diagnosis& diagnosis, const Config& config) {
  if (config.dns.records.empty()) return;
  std::map<std::string, const Guest*> guests;
  for (const auto& guest : config.guests) {
    const auto label = lower_case(guest.name);
    guests.emplace(label, &guest);
    if (const auto network = config.networks.find(guest.network); network != config.networks.end())
      guests.emplace(label + "." + network->second.domain, &guest);
  }
  for (const auto& records : config.dns.records) {
    const auto guest = guests.find(records.name);
    if (guest == guests.end()) continue;
    diagnosis.add({.line = records.at.line, .column = records.at.column},
                  records.name + " is the name of the guest declared at " + guest->second->declared_at.to_string() +
                      ", which is told by itself; write another name");
  }
}

}  // namespace vrouter::config
