// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "config/load_dns_groups.h"
#include "config/load_dns_records.h"
#include "config/loader.h"
#include "config/text.h"

namespace vrouter::config {
namespace {

using Type = Node::Type;

constexpr std::array kDnsKeys{
    KeySpec{"upstreams", Type::array, "[\"192.0.2.53\"]"},
    KeySpec{"forward", Type::array, "[{ domain = \"corp.example\", servers = [\"192.0.2.54\"] }]"},
    KeySpec{"tls_ca", Type::string, "\"/etc/ssl/certs/ca-certificates.crt\""},
    KeySpec{"cache_size", Type::string, "\"32MiB\""},
    KeySpec{"workers", Type::integer, "2"},
    KeySpec{"rebind_protection", Type::boolean, "true"},
    KeySpec{"rebind_allow", Type::array, "[\"corp.example\"]"},
    KeySpec{"records", Type::array, "[{ name = \"db.corp.example\", addresses = [\"10.0.5.9\"] }]"},
    KeySpec{"lists", Type::table, "{ ads = { files = [\"/etc/vrouter/lists/ads.txt\"] } }"},
    KeySpec{"groups", Type::table, "{ web = { block = [\"ads\"] } }"},
};

constexpr std::array kForwardKeys{
    KeySpec{"domain", Type::string, "\"corp.example\""},
    KeySpec{"servers", Type::array, "[\"192.0.2.54\"]"},
};

// Servers in their order, each once, none of them a gateway of ours: a question would come straight back.
std::vector<DnsServer> read_servers(const TableReader& reader, std::string_view key, const Config& config) {
  std::vector<DnsServer> servers;
  for (const auto& [wanted, at] : reader.read_list(key, parse_dns_server)) {
    const auto& server = wanted.at;
    const bool link_local = server.is_v6() && server.to_v6().is_link_local();
    const bool gateway = std::ranges::any_of(config.networks, [&](const auto& entry) {
      const auto& network = entry.second;
      return server == address{network.gateway} || (network.gateway6 && server == address{*network.gateway6});
    });
    if (gateway) {
      reader.complain(at, server.to_string() +
                              " is a gateway of vrouter's own, where questions would go in circles; "
                              "name the resolver behind it");
    } else if (server.is_unspecified() || server.is_multicast() || server == address{address_v4::broadcast()}) {
      reader.complain(at, server.to_string() + " is no server's address; name one server");
    } else if (link_local) {
      reader.complain(at, server.to_string() +
                              " is link-local and needs an interface, which can't be given; name a "
                              "global or unique local address");
    } else if (std::ranges::find(servers, wanted) != servers.end()) {
      reader.complain(at, wanted.to_string() + " stands twice in " + std::string{key} + "; name it once");
    } else {
      servers.push_back(wanted);
    }
  }
  return servers;
}

void load_forward_zone(Diagnosis& diagnosis, const Node& table, Config& config) {
  const TableReader reader{diagnosis, table, "dns.forward", kForwardKeys};
  ForwardZone zone;
  zone.servers = read_servers(reader, "servers", config);
  if (!reader.present("servers") || (reader.find("servers") != nullptr && reader.find("servers")->items.empty())) {
    reader.complain(table.at, "dns.forward needs servers for its domain; write servers = [\"192.0.2.54\"]");
  }
  if (!reader.present("domain")) {
    reader.complain(table.at, "dns.forward needs the domain that goes elsewhere; write domain = \"corp.example\"");
    return;
  }
  if (!reader.read("domain", parse_domain, zone.domain)) return;
  if (std::ranges::any_of(config.networks, [&](const auto& entry) { return entry.second.domain == zone.domain; })) {
    reader.complain(reader.at("domain"), "names in " + zone.domain +
                                             " are the guests' and answered by vrouter "
                                             "itself; forward another domain");
    return;
  }
  if (std::ranges::find(config.dns.forward, zone.domain, &ForwardZone::domain) != config.dns.forward.end()) {
    reader.complain(reader.at("domain"), zone.domain + " is forwarded twice; name all its servers in one entry");
    return;
  }
  config.dns.forward.push_back(std::move(zone));
}

Parsed<std::string> parse_file(std::string_view text) {
  if (text.starts_with('/') && !text.ends_with('/') && !text.contains('\0')) return std::string{text};
  return std::unexpected(quoted(text) + " is no file's full path; write one such as " + std::string{kDefaultTlsCa});
}

Parsed<std::uint64_t> parse_cache_size(std::string_view text) {
  const auto size = parse_bytes(text);
  if (!size || (*size >= kMinDnsCache && *size <= kMaxDnsCache)) return size;
  return std::unexpected(quoted(text) + " is no size for a cache; write 1MiB to 512MiB");
}

void read_workers(const TableReader& reader, Dns& dns) {
  const auto* node = reader.find("workers");
  if (node == nullptr) return;
  if (node->integer < 1 || node->integer > kMaxDnsWorkers) {
    reader.complain(node->at, "workers " + std::to_string(node->integer) + " can't be; write 1 to " +
                                  std::to_string(kMaxDnsWorkers) + ", no more than there are processors to spare");
    return;
  }
  dns.workers = static_cast<unsigned>(node->integer);
}

void read_rebinding(const TableReader& reader, Dns& dns) {
  if (const auto* node = reader.find("rebind_protection")) dns.rebind_protection = node->boolean;
  for (auto& [domain, at] : reader.read_list("rebind_allow", parse_domain)) {
    if (std::ranges::find(dns.rebind_allow, domain) != dns.rebind_allow.end()) {
      reader.complain(at, domain + " stands twice in rebind_allow; name it once");
    } else if (dns.rebind_allow.size() == kMaxRebindAllow) {
      reader.complain(at, "rebind_allow holds 64 domains at most; name one that is above several of them");
      return;
    } else {
      dns.rebind_allow.push_back(std::move(domain));
    }
  }
  if (!dns.rebind_allow.empty() && !dns.rebind_protection) {
    reader.complain(
        reader.at("rebind_allow"),
        "rebind_allow says what the protection lets pass, and there is none; write rebind_protection = true");
  }
}

}  // namespace

void load_dns(Diagnosis& diagnosis, const Node& table, const Reserving& reserving, Config& config) {
  const TableReader reader{diagnosis, table, "[dns]", kDnsKeys};
  reader.read("cache_size", parse_cache_size, config.dns.cache_size);
  read_workers(reader, config.dns);
  read_rebinding(reader, config.dns);
  reader.read("tls_ca", parse_file, config.dns.tls_ca);
  if (const auto* records = reader.find("records")) load_dns_records(diagnosis, *records, config);
  load_dns_groups(diagnosis, reader.find("lists"), reader.find("groups"), reserving, config);
  config.dns.upstreams = read_servers(reader, "upstreams", config);
  const auto* forward = reader.find("forward");
  if (forward == nullptr) return;
  for (const auto& item : forward->items) {
    if (item.type == Type::table) {
      load_forward_zone(diagnosis, item, config);
    } else {
      reader.complain(item.at, "dns.forward holds tables, not " + std::string{describe(item.type)} +
                                   "; write { domain = \"corp.example\", servers = [\"192.0.2.54\"] }");
    }
  }
}

}  // namespace vrouter::config
