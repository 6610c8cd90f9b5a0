// SPDX-License-Identifier: GPL-2.0-or-later
#include "config/load_client_dhcp.h"

#include "config/dhcp_options.h"
#include "config/load_boot.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;
using Bytes = std::vector<std::uint8_t>;
using std::chrono_literals::operator""s;

constexpr std::array kOptionKeys{
    KeySpec{"code", Type::integer, "42"},
    KeySpec{"addresses", Type::array, "[\"192.0.2.1\"]"},
    KeySpec{"text", Type::string, "\"boot.example\""},
    KeySpec{"hex", Type::string, "\"0104c0000201\""},
    KeySpec{"u8", Type::integer, "8"},
    KeySpec{"u16", Type::integer, "1400"},
    KeySpec{"u32", Type::integer, "86400"},
    KeySpec{"bool", Type::boolean, "true"},
    KeySpec{"domains", Type::array, "[\"corp.example\"]"},
};
constexpr std::array kForms{"addresses", "text", "hex", "u8", "u16", "u32", "bool", "domains"};

constexpr std::array kRouteKeys{
    KeySpec{"to", Type::string, "\"10.9.0.0/16\""},
    KeySpec{"via", Type::string, "\"10.0.5.7\""},
};

enum class Form { addresses, domains, url, host, timezone, duration, hex };
struct TypedOption {
  const char* key;
  std::uint8_t code;
  Form form;
};
// RFC 2132, but: 100 and 101 RFC 4833, 108 RFC 8925, 114 RFC 8910, 119 RFC 3397, 138 RFC 5417, 150 RFC 5859; 252 is
// nobody's and everybody's.
constexpr std::array kTypedOptions{
    TypedOption{"dns", 6, Form::addresses},
    TypedOption{"ntp", 42, Form::addresses},
    TypedOption{"log", 7, Form::addresses},
    TypedOption{"netbios", 44, Form::addresses},
    TypedOption{"search", 119, Form::domains},
    TypedOption{"captive_portal", 114, Form::url},
    TypedOption{"wpad", 252, Form::url},
    TypedOption{"tftp_server", kTftpServerOption, Form::host},
    TypedOption{"tftp_addresses", 150, Form::addresses},
    TypedOption{"capwap", 138, Form::addresses},
    TypedOption{"posix_timezone", 100, Form::timezone},
    TypedOption{"tzdb_timezone", 101, Form::timezone},
    TypedOption{"ipv6_only", 108, Form::duration},
    TypedOption{"vendor", 43, Form::hex},
};
constexpr auto kLeastWithoutV4 = 300s, kMostWithoutV4 = std::chrono::seconds{std::chrono::days{365}};

Bytes bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

Parsed<Bytes> parse_text(std::string_view text) {
  return bytes_of(text);
}

Parsed<Bytes> parse_url_bytes(std::string_view text) {
  const auto url = parse_url(text);
  if (!url) return std::unexpected(url.error());
  return bytes_of(*url);
}

Parsed<Bytes> parse_host(std::string_view text) {
  if (parse_address4(text) || parse_domain(text)) return bytes_of(text);
  return std::unexpected(quoted(text) + " is neither a host name nor an IPv4 address; write one, such as tftp.example");
}

// The names themselves are the clients' business: what they know of time zones changes each year.
Parsed<Bytes> parse_timezone(std::string_view text) {
  const bool good = !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
  if (good) return bytes_of(text);
  return std::unexpected(quoted(text) +
                         " is no time zone; write one such as Europe/Berlin or CET-1CEST,M3.5.0,M10.5.0/3");
}

Parsed<Bytes> parse_without_v4(std::string_view text) {
  const auto time = parse_duration(text);
  if (!time) return std::unexpected(time.error());
  if (*time < kLeastWithoutV4 || *time > kMostWithoutV4) {
    return std::unexpected(quoted(text) + " is too " + (*time < kLeastWithoutV4 ? "short" : "long") +
                           "; write 5m to 365d (RFC 8925)");
  }
  Bytes bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(time->count() >> shift));
  return bytes;
}

std::string place_text(const Diagnosis& diagnosis, Position at) {
  return diagnosis.place(at).to_string();
}

// The options of one table, each code once, whichever way it was said.
class Options {
 public:
  Options(Diagnosis& diagnosis, const Network* network, Whose whose)
      : diagnosis_{diagnosis}, network_{network}, whose_{whose} {}

  void read_typed(const TableReader& reader);
  void read_raw(const Node& table);
  void read_routes(const TableReader& reader, const Node& array);
  void refuse(std::uint8_t code, std::string_view key);
  [[nodiscard]] std::vector<RawDhcpOption> take();

 private:
  struct Said {
    Position at;
    std::string key;
    Bytes value;
  };
  void put(std::uint8_t code, Said said);
  void complain_twice(std::uint8_t code, const Said& one, const Said& other);
  void read_addresses(const TableReader& reader, std::string_view key, Bytes& bytes);
  static void read_domains(const TableReader& reader, std::string_view key, Bytes& bytes);
  void read_value(const TableReader& reader, Bytes& bytes);
  std::optional<DhcpRoute> read_route(const Node& table);

  Diagnosis& diagnosis_;
  const Network* network_;
  Whose whose_;
  std::map<std::uint8_t, Said> said_;
};

void Options::put(std::uint8_t code, Said said) {
  if (said.value.empty() || said.value.size() > kMaxOptionBytes) {
    diagnosis_.add(said.at, "the value of DHCP option " + std::to_string(code) + " has " +
                                std::to_string(said.value.size()) + " bytes; write 1 to 255");
    return;
  }
  const auto [found, fresh] = said_.try_emplace(code, said);
  if (!fresh) complain_twice(code, found->second, said);
}

// Said of the one that stands further down, whichever was read first.
void Options::complain_twice(std::uint8_t code, const Said& one, const Said& other) {
  const auto order = [](const Said& s) { return std::pair{s.at.line, s.at.column}; };
  const auto& later = order(one) < order(other) ? other : one;
  const auto& earlier = &later == &one ? other : one;
  const auto as = [](const Said& s) { return s.key.empty() ? std::string{} : " as " + s.key; };
  diagnosis_.add(later.at, "DHCP option " + std::to_string(code) + " stands twice: here" + as(later) + " and at " +
                               place_text(diagnosis_, earlier.at) + as(earlier) + "; write it once");
}

void Options::read_addresses(const TableReader& reader, std::string_view key, Bytes& bytes) {
  for (const auto& [server, at] : reader.read_list(key, parse_address4)) {
    if (server.is_unspecified() || server.is_multicast() || server.is_loopback() || server == address_v4::broadcast()) {
      reader.complain(at, server.to_string() + " is no address of a server that clients could ask; name one server");
    }
    for (const auto byte : server.to_bytes()) bytes.push_back(byte);
  }
}

void Options::read_domains(const TableReader& reader, std::string_view key, Bytes& bytes) {
  for (const auto& [domain, at] : reader.read_list(key, parse_domain)) append_domain(domain, bytes);
}

void Options::read_typed(const TableReader& reader) {
  for (const auto& [key, code, form] : kTypedOptions) {
    const auto before = diagnosis_.count();
    const auto* node = reader.find(key);
    if (node == nullptr) continue;
    Said said{.at = node->at, .key = key, .value = {}};
    switch (form) {
      case Form::addresses:
        read_addresses(reader, key, said.value);
        break;
      case Form::domains:
        read_domains(reader, key, said.value);
        break;
      case Form::url:
        reader.read(key, parse_url_bytes, said.value);
        break;
      case Form::host:
        reader.read(key, parse_host, said.value);
        break;
      case Form::timezone:
        reader.read(key, parse_timezone, said.value);
        break;
      case Form::duration:
        reader.read(key, parse_without_v4, said.value);
        break;
      case Form::hex:
        reader.read(key, parse_hex, said.value);
        break;
    }
    if (diagnosis_.count() == before) put(code, std::move(said));
  }
}

// Text, addresses, domains or a number, as `code` needs it.
void Options::read_value(const TableReader& reader, Bytes& bytes) {
  // (These may be anything: a code of which nothing is known.)
  for (const auto& [server, at] : reader.read_list("addresses", parse_address4)) {
    for (const auto byte : server.to_bytes()) bytes.push_back(byte);
  }
  read_domains(reader, "domains", bytes);
  reader.read("text", parse_text, bytes);
  reader.read("hex", parse_hex, bytes);
  if (const auto* node = reader.find("bool")) bytes = {static_cast<std::uint8_t>(node->boolean ? 1 : 0)};
  struct Number {
    const char* key;
    int size;
  };
  for (const auto& [key, size] : {Number{"u8", 1}, Number{"u16", 2}, Number{"u32", 4}}) {
    const auto* node = reader.find(key);
    if (node == nullptr) continue;
    const auto most = (std::int64_t{1} << (8 * size)) - 1;
    if (node->integer < 0 || node->integer > most) {
      reader.complain(node->at,
                      std::to_string(node->integer) + " is no " + key + "; write 0 to " + std::to_string(most));
    }
    for (int i = size - 1; i >= 0; --i) bytes.push_back(static_cast<std::uint8_t>(node->integer >> (8 * i)));
  }
}

std::optional<std::uint8_t> read_code(const TableReader& reader) {
  const auto* node = reader.find("code");
  if (node == nullptr) {
    if (!reader.present("code")) reader.complain(reader.at(), "a DHCP option needs its number; write code = 42");
    return std::nullopt;
  }
  const auto number = std::to_string(node->integer);
  if (node->integer < 0 || node->integer > 255) {
    reader.complain(node->at, number + " is no DHCP option; write a number of 1 to 254");
    return std::nullopt;
  }
  const auto code = static_cast<std::uint8_t>(node->integer);
  if (const auto why = why_not_said(code); !why.empty()) {
    reader.complain(node->at, "DHCP option " + number + " can't be set here, for " + std::string{why});
    return std::nullopt;
  }
  return code;
}

void Options::read_raw(const Node& table) {
  const auto before = diagnosis_.count();
  const TableReader reader{diagnosis_, table, "dhcp.options", kOptionKeys};
  const auto code = read_code(reader);
  if (std::ranges::count_if(kForms, [&](const char* key) { return reader.present(key); }) != 1) {
    reader.complain(table.at,
                    "a DHCP option needs one value; write just one of addresses, text, hex, u8, u16, u32, bool or "
                    "domains");
    return;
  }
  Bytes bytes;
  read_value(reader, bytes);
  if (diagnosis_.count() == before && code) put(*code, {.at = table.at, .key = {}, .value = std::move(bytes)});
}

std::optional<DhcpRoute> Options::read_route(const Node& table) {
  const auto before = diagnosis_.count();
  const TableReader reader{diagnosis_, table, "dhcp.static_routes", kRouteKeys};
  DhcpRoute route{.to = {}, .via = kTheGateway};
  if (!reader.present("to")) reader.complain(table.at, "a route needs where it leads; write to = \"10.9.0.0/16\"");
  reader.read("to", parse_prefix4, route.to);
  if (whose_ == Whose::group && reader.present("via")) {
    reader.complain(reader.at("via"),
                    "members of a group may be in several networks, each with its own gateway; leave via out");
  } else if (reader.read("via", parse_address4, route.via)) {
    if (no_address_of_a_host(route.via) && (network_ == nullptr || route.via != network_->gateway)) {
      reader.complain(reader.at("via"),
                      route.via.to_string() + " is no router's address; leave it out for the gateway");
    } else if (const auto why = network_ == nullptr ? std::nullopt : unfit_router(*network_, route.via)) {
      reader.complain(reader.at("via"), why->first + "; " + why->second);
    }
  }
  return diagnosis_.count() == before ? std::optional{route} : std::nullopt;
}

void Options::read_routes(const TableReader& reader, const Node& array) {
  const auto before = diagnosis_.count();
  std::vector<DhcpRoute> routes;
  for (const auto& item : array.items) {
    if (item.type != Type::table) {
      reader.complain(item.at, "static_routes holds tables, not " + std::string{describe(item.type)} +
                                   "; write { to = \"10.9.0.0/16\" }");
      continue;
    }
    const auto route = read_route(item);
    if (!route) continue;
    if (std::ranges::find(routes, route->to, &DhcpRoute::to) != routes.end()) {
      reader.complain(item.at, "a route to " + route->to.to_string() + " stands twice; write it once");
    } else {
      routes.push_back(*route);
    }
  }
  if (diagnosis_.count() != before) return;
  auto bytes = encode_routes(routes);
  if (network_ != nullptr) bytes = complete_routes(*network_, std::move(bytes));
  put(kRoutesOption, {.at = array.at, .key = "static_routes", .value = bytes});
  // Said once, of 121: the two are the same.
  if (diagnosis_.count() == before) put(kMicrosoftRoutesOption, {.at = array.at, .key = {}, .value = std::move(bytes)});
}

void Options::refuse(std::uint8_t code, std::string_view key) {
  if (const auto found = said_.find(code); found != said_.end()) {
    diagnosis_.add(found->second.at, "DHCP option " + std::to_string(code) + " says what `boot` says; write " +
                                         std::string{key} + " in boot");
  }
}

std::vector<RawDhcpOption> Options::take() {
  std::vector<RawDhcpOption> options;
  for (auto& [code, said] : said_) options.push_back({.code = code, .value = std::move(said.value)});
  return options;
}

constexpr std::array kGuestKeys = and_client_dhcp_keys(std::array{KeySpec{"mask", Type::integer, "24"}});

}  // namespace

void load_client_dhcp(Diagnosis& diagnosis, const TableReader& reader, Whose whose, const Network* network,
                      ClientDhcp& dhcp) {
  Options options{diagnosis, network, whose};
  options.read_typed(reader);
  if (const auto* routes = reader.find("static_routes")) options.read_routes(reader, *routes);
  if (const auto* raw = reader.find("options")) {
    for (const auto& item : raw->items) {
      if (item.type == Type::table) {
        options.read_raw(item);
      } else {
        reader.complain(item.at, "options holds tables, not " + std::string{describe(item.type)} +
                                     "; write { code = 42, addresses = [\"192.0.2.1\"] }");
      }
    }
  }
  if (const auto* boot = reader.find("boot")) {
    dhcp.boot = load_boot(diagnosis, *boot);
    options.refuse(kTftpServerOption, "server");
    options.refuse(kBootFileOption, "file");
  }
  dhcp.options = options.take();
}

void load_guest_dhcp(Diagnosis& diagnosis, const Node& table, ClientDhcp& dhcp) {
  const TableReader reader{diagnosis, table, "dhcp of a guest", kGuestKeys};
  load_client_dhcp(diagnosis, reader, Whose::guest, nullptr, dhcp);
  const auto* mask = reader.find("mask");
  if (mask == nullptr) return;
  if (mask->integer < kLeastMask || mask->integer > kMostMask) {
    reader.complain(mask->at, "a mask of " + std::to_string(mask->integer) +
                                  " bits can't be; write a prefix length of 8 to 32, such as 24");
    return;
  }
  dhcp.mask = static_cast<std::uint8_t>(mask->integer);
}

void load_group_dhcp(Diagnosis& diagnosis, const Node& table, const std::string& group, ClientDhcp& dhcp) {
  const TableReader reader{diagnosis, table, "dhcp of group " + group, kClientDhcpKeys};
  load_client_dhcp(diagnosis, reader, Whose::group, nullptr, dhcp);
}

}  // namespace vrouter::config
