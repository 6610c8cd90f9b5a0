// SPDX-License-Identifier: GPL-2.0-or-later
#include "firewall/decompile.h"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "firewall/limits.h"

namespace vrouter::firewall {
namespace {

using config::Guest;
using config::Publish;

// A concatenation's fields in their order: each padded to 4 bytes.
class Fields {
 public:
  explicit Fields(const Bytes& bytes) : rest_{bytes} {}

  std::string interface() {
    const auto bytes = take(16);
    return {bytes.begin(), std::ranges::find(bytes, 0)};
  }
  template <std::size_t N>
  std::array<std::uint8_t, N> bytes() {
    std::array<std::uint8_t, N> value{};
    std::ranges::copy(take(N), value.begin());
    return value;
  }
  template <typename Address>
  Address address() {
    return Address{bytes<sizeof(typename Address::bytes_type)>()};
  }
  std::uint16_t port() {
    const auto b = bytes<2>();
    return static_cast<std::uint16_t>(b[0] << 8 | b[1]);
  }
  // All of it was read, and all was there.
  [[nodiscard]] bool whole() const { return !failed_ && rest_.empty(); }

 private:
  std::span<const std::uint8_t> take(std::size_t size) {
    const std::size_t padded = (size + 3) / 4 * 4;
    static constexpr std::array<std::uint8_t, 16> kNothing{};
    // A key of a single field is not padded.
    if (failed_ || rest_.size() < size || (rest_.size() < padded && rest_.size() != size)) {
      failed_ = true;
      return std::span{kNothing}.first(size);
    }
    const auto value = rest_.first(size);
    rest_ = rest_.subspan(std::min(padded, rest_.size()));
    return value;
  }

  std::span<const std::uint8_t> rest_;
  bool failed_ = false;
};

class Decompiler {
 public:
  explicit Decompiler(const std::map<SetRef, ElementMap>& elements) : elements_{elements} {}

  std::vector<Guest> run() && {
    for (const auto& [key, data] : all("taps")) {
      Fields fields{key.first};
      auto tap = fields.interface();
      if (fields.whole() && !tap.empty()) guests_[tap].tap = tap;
    }
    for (const auto& [key, data] : all("macs")) {
      Fields fields{key.first};
      const auto guest = guests_.find(fields.interface());
      const MacAddress mac{fields.bytes<6>()};
      if (fields.whole() && guest != guests_.end()) guest->second.mac = mac;
    }
    addresses<address_v4>("spoof4", "pinned4", "id4", &Guest::address, by_address4_);
    addresses<address_v6>("spoof6", "pinned6", "id6", &Guest::address6, by_address6_);
    outside<address_v4>("float4", by_address4_);
    outside<address_v6>("float6", by_address6_);
    own_snat<address_v4>("snat4", by_address4_);
    own_snat<address_v6>("snat6", by_address6_);
    limits();
    ports<address_v4>("pub4", "pub4any", by_address4_);
    ports<address_v6>("pub6", "pub6any", by_address6_);
    std::vector<Guest> guests;
    for (auto& [tap, guest] : guests_) {
      join_ranges(guest.publish);
      guests.push_back(std::move(guest));
    }
    return guests;
  }

 private:
  [[nodiscard]] const ElementMap& all(const char* set) const {
    static const ElementMap kNone;
    const auto found = elements_.find(SetRef{Family::inet, set});
    return found == elements_.end() ? kNone : found->second;
  }

  // What no element says is no limit: its network may have been another's then.
  void limits() {
    connection_limits();
    for (const auto& spec : config::kLimitSpecs) {
      if (spec.power_of_two) continue;
      for (auto& [tap, guest] : guests_) guest.limits.*(spec.member) = 0;
      for (const auto& [key, data] : all(limit_set(spec.name).data())) {
        Fields fields{key.first};
        const auto guest = guests_.find(fields.interface());
        if (!fields.whole() || guest == guests_.end() || !data.meter) continue;
        guest->second.limits.*(spec.member) = data.meter->rate * (spec.bits ? 8 : 1);
      }
    }
  }

  void connection_limits() {
    for (auto& [tap, guest] : guests_) guest.limits.connections = 0;
    for (const auto& [set, elements] : elements_) {
      if (!set.set.starts_with(kConnectionsSet)) continue;
      const auto text = std::string_view{set.set}.substr(kConnectionsSet.size());
      std::uint64_t number = 0;
      if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) continue;
      for (const auto& [key, data] : elements) {
        Fields fields{key.first};
        const auto guest = guests_.find(fields.interface());
        if (fields.whole() && guest != guests_.end()) guest->second.limits.connections = number;
      }
    }
  }

  template <typename Address>
  void addresses(const char* spoof, const char* pinned, const char* id, std::optional<Address> Guest::* member,
                 std::map<Address, std::string>& by_address) {
    const auto read = [&](const ElementMap& elements, bool with_mac) {
      for (const auto& [key, data] : elements) {
        Fields fields{key.first};
        const auto guest = guests_.find(fields.interface());
        if (with_mac) fields.bytes<6>();
        const auto address = fields.address<Address>();
        if (!fields.whole() || guest == guests_.end()) continue;
        const auto bytes = address.to_bytes();
        if (!all(id).contains(ElementKey{Bytes{bytes.begin(), bytes.end()}, {}})) {
          guest->second.allowed_addresses.emplace_back(address);
          continue;
        }
        guest->second.*member = address;
        by_address.insert_or_assign(address, guest->first);
      }
    };
    read(all(spoof), false);
    read(all(pinned), true);
  }

  template <typename Address>
  void outside(const char* floating, const std::map<Address, std::string>& by_address) {
    for (const auto& [key, data] : all(floating)) {
      Fields fields{key.first}, target{data.value};
      const auto address = fields.address<Address>();
      const auto guest = by_address.find(target.address<Address>());
      if (fields.whole() && target.whole() && guest != by_address.end()) {
        static_cast<void>(guests_.at(guest->second).floating.add(address));
      }
    }
  }

  // A floating address is in the same map.
  template <typename Address>
  void own_snat(const char* snat, const std::map<Address, std::string>& by_address) {
    for (const auto& [key, data] : all(snat)) {
      Fields fields{key.first}, target{data.value};
      const auto guest = by_address.find(fields.address<Address>());
      const boost::asio::ip::address to{target.address<Address>()};
      if (!fields.whole() || !target.whole() || guest == by_address.end()) continue;
      auto& its = guests_.at(guest->second);
      const auto floating = its.floating.all();
      if (std::ranges::find(floating, to) == floating.end()) static_cast<void>(its.snat.add(to));
    }
  }

  template <typename Address>
  void ports(const char* on_one, const char* on_any, const std::map<Address, std::string>& by_address) {
    const auto read = [&](const ElementMap& elements, bool any) {
      for (const auto& [key, data] : elements) {
        Fields fields{key.first};
        Publish publish;
        if (!any) publish.host = fields.address<Address>();
        const auto protocol = protocol_of(fields.bytes<1>()[0]);
        publish.first = publish.last = fields.port();
        Fields target{data.value};
        const auto guest = by_address.find(target.address<Address>());
        publish.guest_first = target.port();
        if (!fields.whole() || !target.whole() || !protocol || guest == by_address.end()) continue;
        publish.protocol = *protocol;
        guests_.at(guest->second).publish.push_back(publish);
      }
    };
    read(all(on_one), false);
    read(all(on_any), true);
  }

  static std::optional<config::Protocol> protocol_of(std::uint8_t number) {
    switch (number) {
      case IPPROTO_TCP:
        return config::Protocol::tcp;
      case IPPROTO_UDP:
        return config::Protocol::udp;
      case IPPROTO_SCTP:
        return config::Protocol::sctp;
      default:
        return std::nullopt;
    }
  }

  // A range became one element per port; and what is published on every address in both families, twice as many.
  static void join_ranges(std::vector<Publish>& ports) {
    std::ranges::sort(
        ports, {}, [](const Publish& p) { return std::tuple{p.host, p.protocol, p.first - p.guest_first, p.first}; });
    std::vector<Publish> joined;
    for (const auto& port : ports) {
      if (!joined.empty()) {
        auto& last = joined.back();
        const bool alike = last.host == port.host && last.protocol == port.protocol &&
                           last.first - last.guest_first == port.first - port.guest_first;
        if (alike && port.first <= last.last) continue;
        if (alike && port.first == last.last + 1) {
          last.last = port.last;
          continue;
        }
      }
      joined.push_back(port);
    }
    ports = std::move(joined);
  }

  const std::map<SetRef, ElementMap>& elements_;
  std::map<std::string, Guest> guests_;  // by TAP
  std::map<address_v4, std::string> by_address4_;
  std::map<address_v6, std::string> by_address6_;
};

}  // namespace

bool holds_guests(const SetRef& set) {
  static constexpr std::array<std::string_view, 37> kSets{"taps",
                                                          "loose",
                                                          "macs",
                                                          "spoof4",
                                                          "spoof6",
                                                          "pinned4",
                                                          "pinned6",
                                                          "id4",
                                                          "id6",
                                                          "dst4",
                                                          "dst6",
                                                          "pub4",
                                                          "pub6",
                                                          "pub4any",
                                                          "pub6any",
                                                          "hairpin4",
                                                          "hairpin6",
                                                          "float4",
                                                          "float6",
                                                          "floating4",
                                                          "floating6",
                                                          "snat4",
                                                          "snat6",
                                                          "routed4",
                                                          "routed6",
                                                          "routed_snat4",
                                                          "routed_snat6",
                                                          "routed_masq4",
                                                          "routed_masq6",
                                                          "tap_id",
                                                          "shared",
                                                          "one_resolver",
                                                          "one_resolver_leased",
                                                          "resolver_group",
                                                          "resolver_group_leased",
                                                          "redirect4",
                                                          "redirect6"};
  const auto limit = [](const config::LimitSpec& spec) { return limit_set(spec.name); };
  return std::ranges::find(kSets, set.set) != kSets.end() || set.set.starts_with(kConnectionsSet) ||
         std::ranges::find(config::kLimitSpecs, set.set, limit) != config::kLimitSpecs.end();
}

std::vector<config::Guest> decompile_guests(const std::map<SetRef, ElementMap>& elements) {
  return Decompiler{elements}.run();
}

}  // namespace vrouter::firewall
