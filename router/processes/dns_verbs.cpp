// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/processes/dns_verbs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "router/processes/verb_wire.h"

namespace vrouter::router::dns_verbs {
namespace {

enum class Verb : std::uint8_t {
  listen = 1,
  begin,
  zone,
  host,
  unhost,
  end,
  forward,
  upstreams,
  settings,
  forget,
  statistics,
  domains,
  admitted,
  forget_admitted,
  admit,
  record,
  trust,
  list,
  list_group
};

constexpr std::size_t kServer = VerbEncoder::kAddress + 2 + 1 + 2;  // and its name
constexpr std::size_t kUpstreamSize = kServer + 4 * sizeof(std::uint64_t) + sizeof(std::uint32_t) + 1;
static_assert(VerbEncoder::kFixedFields + kMaxReported * kUpstreamSize <= kMaxMessage);
static_assert(VerbEncoder::kFixedFields >=
              1 + 8 + 2 + sizeof(dns::CacheSize) + sizeof(dns::kCounters) / sizeof(dns::kCounters[0]) * 8);

constexpr auto kServersWhat = "number of servers";
enum class Switch : std::uint8_t { off, on };

struct Encoder : VerbEncoder {
  explicit Encoder(Verb verb, std::size_t variable_bytes = 0)
      : VerbEncoder{static_cast<std::uint8_t>(verb), variable_bytes} {}
  void server(const config::DnsServer& server) {
    address(server.at);
    u16(server.port);
    u8(static_cast<std::uint8_t>(server.transport));
    text(server.name);
  }
  void servers(const std::vector<config::DnsServer>& all) {
    count(all.size());
    for (const auto& each : all) server(each);
  }
};

std::vector<std::uint8_t> encode_zone(const dns::Zone& zone) {
  Encoder out{Verb::zone, zone.network.size() + zone.domain.size() + 5 * zone.prefixes4.size() +
                              17 * zone.prefixes6.size() + zone.listen.size() * VerbEncoder::kAddress};
  out.text(zone.network);
  out.text(zone.domain);
  out.count(zone.prefixes4.size());
  for (const auto& prefix : zone.prefixes4) {
    out.u32(prefix.address().to_uint());
    out.u8(static_cast<std::uint8_t>(prefix.prefix_length()));
  }
  out.count(zone.prefixes6.size());
  for (const auto& prefix : zone.prefixes6) {
    for (const auto byte : prefix.address().to_bytes()) out.u8(byte);
    out.u8(static_cast<std::uint8_t>(prefix.prefix_length()));
  }
  out.addresses(zone.listen);
  return out.take();
}

Zone decode_zone(VerbDecoder& in) {
  dns::Zone zone;
  zone.network = in.text(kMaxLabel, "length of the network's name");
  zone.domain = in.text(kMaxDomain, "length of the domain");
  const auto prefixes4 = in.count(kMaxPrefixes, "number of prefixes");
  for (std::size_t i = 0; i < prefixes4 && !in.failed(); ++i) {
    const address_v4 base{in.u32()};
    const auto length = in.up_to(std::uint8_t{32}, "prefix length");
    if (!in.failed()) zone.prefixes4.emplace_back(base, length);
  }
  const auto prefixes6 = in.count(kMaxPrefixes, "number of prefixes");
  for (std::size_t i = 0; i < prefixes6 && !in.failed(); ++i) {
    address_v6::bytes_type base{};
    for (auto& byte : base) byte = in.u8();
    const auto length = in.up_to(std::uint8_t{128}, "prefix length");
    if (!in.failed()) zone.prefixes6.emplace_back(address_v6{base}, length);
  }
  zone.listen = in.addresses(kMaxListen, "number of addresses to listen on");
  return {std::move(zone)};
}

void put_places(Encoder& out, const std::vector<std::uint16_t>& places) {
  out.count(places.size());
  for (const auto place : places) out.u16(place);
}

std::vector<std::uint16_t> take_places(VerbDecoder& in, std::size_t most, std::string_view what) {
  std::vector<std::uint16_t> places;
  for (auto n = in.count(most, what); n > 0 && !in.failed(); --n) places.push_back(in.u16());
  return places;
}

std::vector<std::uint8_t> encode_list_group(const dns::ListGroup& group) {
  Encoder out{Verb::list_group, 2 * (group.block.size() + group.allow.size())};
  put_places(out, group.block);
  put_places(out, group.allow);
  return out.take();
}

ListGroup decode_list_group(VerbDecoder& in) {
  dns::ListGroup group;
  group.block = take_places(in, kMaxLists, "number of lists that block");
  group.allow = take_places(in, kMaxLists, "number of lists that allow");
  return {std::move(group)};
}

std::vector<std::uint8_t> encode_host(const dns::Host& host) {
  Encoder out{Verb::host, host.network.size() + host.name.size() + host.addresses.size() * VerbEncoder::kAddress +
                              2 * host.list_groups.size()};
  out.text(host.network);
  out.text(host.name);
  out.u32(host.ifindex);
  out.addresses(host.addresses);
  put_places(out, host.list_groups);
  return out.take();
}

Host decode_host(VerbDecoder& in) {
  dns::Host host;
  host.network = in.text(kMaxLabel, "length of the network's name");
  host.name = in.text(kMaxLabel, "length of the guest's name");
  host.ifindex = in.u32();
  host.addresses = in.addresses(kMaxAddresses, "number of addresses");
  host.list_groups = take_places(in, kMaxListGroups, "number of groups");
  return {std::move(host)};
}

std::vector<std::uint8_t> encode_record(const dns::StaticRecord& record) {
  Encoder out{Verb::record, record.name.size() + record.rdata.size()};
  out.text(record.name);
  out.u16(record.type);
  out.u32(record.ttl);
  out.bytes(record.rdata);
  return out.take();
}

Record decode_record(VerbDecoder& in) {
  dns::StaticRecord record;
  record.name = in.text(kMaxDomain, "length of the name");
  record.type = in.u16();
  record.ttl = in.u32();
  record.rdata = in.bytes(kMaxRdata, "length of the data");
  return {std::move(record)};
}

std::size_t size_of(const std::vector<config::DnsServer>& servers) {
  std::size_t size = 0;
  for (const auto& server : servers) size += kServer + server.name.size();
  return size;
}

config::DnsServer decode_server(VerbDecoder& in) {
  config::DnsServer server;
  server.at = in.address();
  server.port = in.u16();
  server.transport = in.up_to(config::DnsTransport::tls, "way to ask a server");
  server.name = in.text(kMaxDomain, "length of a server's name");
  return server;
}

std::vector<config::DnsServer> decode_servers(VerbDecoder& in) {
  std::vector<config::DnsServer> servers;
  for (auto n = in.count(kMaxServers, kServersWhat); n > 0 && !in.failed(); --n) servers.push_back(decode_server(in));
  return servers;
}

struct OrderEncoder {
  std::vector<std::uint8_t> operator()(const Listen& listen) const {
    Encoder out{Verb::listen};
    out.address(listen.place.local);
    out.u8(static_cast<std::uint8_t>(listen.place.transport));
    out.u8(static_cast<std::uint8_t>(listen.place.worker));
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const Begin&) const { return Encoder{Verb::begin}.take(); }
  std::vector<std::uint8_t> operator()(const Zone& zone) const { return encode_zone(zone.zone); }
  std::vector<std::uint8_t> operator()(const Record& record) const { return encode_record(record.record); }
  std::vector<std::uint8_t> operator()(const Host& host) const { return encode_host(host.host); }
  std::vector<std::uint8_t> operator()(const Unhost& host) const {
    Encoder out{Verb::unhost, host.network.size() + host.name.size()};
    out.text(host.network);
    out.text(host.name);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const End&) const { return Encoder{Verb::end}.take(); }
  std::vector<std::uint8_t> operator()(const Forward& forward) const {
    const auto& [domain, servers] = forward.zone;
    Encoder out{Verb::forward, domain.size() + size_of(servers)};
    out.text(domain);
    out.servers(servers);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const Upstreams& upstreams) const {
    Encoder out{Verb::upstreams, size_of(upstreams.servers)};
    out.u64(upstreams.version);
    out.servers(upstreams.servers);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const Trust&) const { return Encoder{Verb::trust}.take(); }
  std::vector<std::uint8_t> operator()(const Settings& settings) const {
    const auto& [cache_size, protection, allowed, workers] = settings.settings;
    Encoder out{Verb::settings, allowed.size() * (2 + kMaxDomain)};
    out.u64(cache_size);
    out.u8(protection ? 1 : 0);
    out.count(allowed.size());
    for (const auto& domain : allowed) out.text(domain);
    out.u8(static_cast<std::uint8_t>(workers - 1));
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const Forget& forget) const {
    Encoder out{Verb::forget, forget.name.size()};
    out.text(forget.name);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const Domains& domains) const {
    const auto& [revision, names] = domains.domains;
    Encoder out{Verb::domains, names.size() * (2 + 2 + kMaxDomain)};
    out.u64(revision);
    out.count(names.size());
    for (const auto& name : names) out.text(name);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const Admitted& admitted) const {
    const auto& reply = admitted.reply;
    Encoder out{Verb::admitted};
    out.u64(reply.number);
    out.u8(static_cast<std::uint8_t>(reply.outcome));
    out.u16(reply.admitted);
    out.u16(reply.refused);
    out.u32(reply.seconds);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const List& list) const {
    Encoder out{Verb::list};
    out.u16(list.number);
    out.u64(list.size);
    return out.take();
  }
  std::vector<std::uint8_t> operator()(const ListGroup& group) const { return encode_list_group(group.group); }
  std::vector<std::uint8_t> operator()(const ForgetAdmitted& forget) const {
    Encoder out{Verb::forget_admitted};
    out.u32(forget.ifindex);
    return out.take();
  }
};

std::uint32_t microseconds(double ms) {
  constexpr double kMost = std::numeric_limits<std::uint32_t>::max();  // an hour: more than any server gets
  return static_cast<std::uint32_t>(std::llround(std::clamp(ms * 1000, 0.0, kMost)));
}

std::string no_verb(std::uint8_t verb) {
  return "verb " + std::to_string(verb) + " is none that may come";
}

unsigned decode_worker(VerbDecoder& in) {
  return in.up_to(std::uint8_t{config::kMaxDnsWorkers - 1}, "number of the worker");
}

Settings decode_settings(VerbDecoder& in) {
  Settings settings;
  auto& [cache_size, protection, allowed, workers] = settings.settings;
  cache_size = in.u64();
  if (cache_size < config::kMinDnsCache || cache_size > config::kMaxDnsCache)
    in.refuse("the size of the cache is out of bounds");
  protection = in.up_to(Switch::on, "switch of the rebinding protection") == Switch::on;
  for (auto n = in.count(config::kMaxRebindAllow, "number of domains"); n > 0 && !in.failed(); --n)
    allowed.push_back(in.text(kMaxDomain, "length of the domain"));
  workers = 1 + decode_worker(in);  // the last one's number is told
  return settings;
}

Domains decode_domains(VerbDecoder& in) {
  Domains domains;
  domains.domains.revision = in.u64();
  for (auto n = in.count(kMaxDomains, "number of domains"); n > 0 && !in.failed(); --n)
    domains.domains.names.push_back(in.text(2 + kMaxDomain, "length of the domain"));
  return domains;
}

Admitted decode_admitted(VerbDecoder& in) {
  dns::AdmissionReply reply;
  reply.number = in.u64();
  reply.outcome = in.up_to(dns::AdmissionReply::Outcome::unconcerned, "outcome");
  reply.admitted = in.u16();
  reply.refused = in.u16();
  reply.seconds = in.u32();
  return {reply};
}

// Its parts are read in the order of the braces.
std::expected<Order, std::string> decode(Verb verb, VerbDecoder& in) {
  switch (verb) {
    case Verb::listen: {
      const Order listen = Listen{{in.address(), in.up_to(dns::Transport::tcp, "transport"), decode_worker(in)}};
      return in.finish(listen, "listen");
    }
    case Verb::begin:
      return in.finish<Order>(Begin{}, "begin");
    case Verb::zone: {
      Order zone = decode_zone(in);
      return in.finish(std::move(zone), "zone");
    }
    case Verb::record: {
      Order record = decode_record(in);
      return in.finish(std::move(record), "record");
    }
    case Verb::host: {
      Order host = decode_host(in);
      return in.finish(std::move(host), "host");
    }
    case Verb::unhost: {
      Order host = Unhost{in.text(kMaxLabel, "length of the network's name"), in.text(kMaxLabel, "length of the name")};
      return in.finish(std::move(host), "unhost");
    }
    case Verb::end:
      return in.finish<Order>(End{}, "end");
    case Verb::forward: {
      Order forward = Forward{{in.text(kMaxDomain, "length of the domain"), decode_servers(in)}};
      return in.finish(std::move(forward), "forward");
    }
    case Verb::upstreams: {
      Order upstreams = Upstreams{in.u64(), decode_servers(in)};
      return in.finish(std::move(upstreams), "upstreams");
    }
    case Verb::trust:
      return in.finish<Order>(Trust{}, "trust");
    case Verb::settings: {
      Order settings = decode_settings(in);
      return in.finish(std::move(settings), "settings");
    }
    case Verb::forget: {
      Order forget = Forget{in.text(kMaxDomain, "length of the name")};
      return in.finish(std::move(forget), "forget");
    }
    case Verb::domains: {
      Order domains = decode_domains(in);
      return in.finish(std::move(domains), "domains");
    }
    case Verb::admitted: {
      const Order admitted = decode_admitted(in);
      return in.finish(admitted, "admitted");
    }
    case Verb::forget_admitted: {
      const Order forget = ForgetAdmitted{in.u32()};
      return in.finish(forget, "forget admitted");
    }
    case Verb::list:
      return in.finish<Order>(List{in.u16(), in.u64()}, "list");
    case Verb::list_group:
      return in.finish<Order>(decode_list_group(in), "list group");
    case Verb::statistics:
    case Verb::admit:
      break;
  }
  return std::unexpected(no_verb(static_cast<std::uint8_t>(verb)));
}

// How many of them one message holds, and their bytes in it.
std::pair<std::size_t, std::size_t> fitting(const std::vector<dns::UpstreamStatus>& upstreams) {
  std::size_t size = 0, n = 0;
  for (; n < std::min(upstreams.size(), kMaxReported); ++n) {
    const auto next = kUpstreamSize + upstreams[n].server.name.size();
    if (VerbEncoder::kFixedFields + size + next > kMaxMessage) break;
    size += next;
  }
  return {n, size};
}

}  // namespace

dns::Upstreams bounded(dns::Upstreams upstreams) {
  const auto cut = [](std::vector<config::DnsServer>& servers) {
    servers.resize(std::min(servers.size(), kMaxServers));
  };
  cut(upstreams.servers);
  for (auto& zone : upstreams.forward) cut(zone.servers);
  return upstreams;
}

std::vector<std::uint8_t> encode(const Order& order) {
  return std::visit(OrderEncoder{}, order);
}

std::vector<std::uint8_t> encode(const Report& report) {
  const auto& upstreams = report.statistics.upstreams;
  const auto [told, size] = fitting(upstreams);
  Encoder out{Verb::statistics, size};
  out.u64(report.version);
  for (const auto counter : dns::kCounters) out.u64(report.statistics.*counter);
  const auto& cache = report.statistics.cache;
  for (const auto value : {cache.entries, cache.bytes, cache.limit}) out.u64(value);
  out.count(told);
  for (const auto& upstream : std::span{upstreams}.first(told)) {
    out.server(upstream.server);
    out.u64(upstream.asked);
    out.u64(upstream.answered);
    out.u64(upstream.timeouts);
    out.u64(upstream.refused);
    out.u32(microseconds(upstream.rtt_ms));
    out.u8(static_cast<std::uint8_t>(upstream.trouble));
  }
  return out.take();
}

std::vector<std::uint8_t> encode(const Admit& admit) {
  const auto& request = admit.request;
  Encoder out{Verb::admit, request.name.size() + request.addresses.size() * VerbEncoder::kAddress};
  out.u64(request.number);
  out.u32(request.ifindex);
  out.text(request.name);
  out.u32(request.ttl);
  out.addresses(request.addresses);
  return out.take();
}

bool is_admit(std::span<const std::uint8_t> bytes) noexcept {
  return !bytes.empty() && bytes.front() == static_cast<std::uint8_t>(Verb::admit);
}

std::expected<Admit, std::string> decode_admit(std::span<const std::uint8_t> bytes) {
  VerbDecoder in{bytes};
  const auto verb = in.u8();
  if (verb != static_cast<std::uint8_t>(Verb::admit)) return std::unexpected(no_verb(verb));
  Admit admit;
  auto& request = admit.request;
  request.number = in.u64();
  request.ifindex = in.u32();
  request.name = in.text(kMaxAsked, "length of the name");
  request.ttl = in.u32();
  request.addresses = in.addresses(dns::kMaxAdmitted, "number of addresses");
  return in.finish(std::move(admit), "admit");
}

std::expected<Order, std::string> decode_order(std::span<const std::uint8_t> bytes) {
  VerbDecoder in{bytes};
  return decode(static_cast<Verb>(in.u8()), in);
}

std::expected<Report, std::string> decode_report(std::span<const std::uint8_t> bytes) {
  VerbDecoder in{bytes};
  const auto verb = in.u8();
  if (verb != static_cast<std::uint8_t>(Verb::statistics)) return std::unexpected(no_verb(verb));
  Report report;
  report.version = in.u64();
  for (const auto counter : dns::kCounters) report.statistics.*counter = in.u64();
  auto& cache = report.statistics.cache;
  for (auto* value : {&cache.entries, &cache.bytes, &cache.limit}) *value = in.u64();
  const auto told = in.count(kMaxReported, kServersWhat);
  for (std::size_t i = 0; i < told && !in.failed(); ++i) {
    dns::UpstreamStatus status;
    status.server = decode_server(in);
    status.asked = in.u64();
    status.answered = in.u64();
    status.timeouts = in.u64();
    status.refused = in.u64();
    status.rtt_ms = in.u32() / 1000.0;
    status.trouble = in.up_to(dns::kLastUpstreamTrouble, "trouble of a server");
    report.statistics.upstreams.push_back(status);
  }
  return in.finish(std::move(report), "statistics");
}

}  // namespace vrouter::router::dns_verbs
