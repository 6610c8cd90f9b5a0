// SPDX-License-Identifier: GPL-2.0-or-later
// Theory: what the network configures stands in the place of what we would say, so that a small reply keeps it as long
// as ours; the codes that make the protocol stay ours.
#include "dhcp/reply_options.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/wire_writer.h"
#include "dhcp/boot.h"

namespace vrouter::dhcp {
namespace {

constexpr std::uint16_t kMinMtu = 68;  // RFC 2132, 5.1
constexpr std::uint16_t kEthernetMtu = 1500;
constexpr unsigned kHostMask = 32;

std::span<const std::uint8_t> bytes_of(std::string_view text) noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as bytes
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// Options of the network that would break the protocol, or contradict what the answer means.
bool is_protocols_own(std::uint8_t code) noexcept {
  constexpr std::array kOwn{
      option::kPad,         option::kRequestedAddress, option::kLeaseTime,        option::kOverload,
      option::kMessageType, option::kServerIdentifier, option::kMaxMessageSize,   option::kParameterRequestList,
      option::kRenewalTime, option::kRebindingTime,    option::kClientIdentifier, option::kRapidCommit,
      option::kFqdn,        option::kRelayAgent,       option::kMachine,          option::kEnd};
  return std::ranges::find(kOwn, code) != kOwn.end();
}

address_v4 mask_of(unsigned prefix_length) noexcept {
  return address_v4{prefix_length == 0 ? 0u : ~std::uint32_t{0} << (kHostMask - std::min(prefix_length, kHostMask))};
}

// A /31 or /32 has no directed broadcast (RFC 3021). Left out, dhcpcd would work out the guest's own address.
address_v4 broadcast_of(const address_v4& address, unsigned prefix_length) noexcept {
  if (prefix_length >= kHostMask - 1) return address_v4::broadcast();
  return address_v4{address.to_uint() | ~mask_of(prefix_length).to_uint()};
}

// The default route through a gateway outside the guest's own subnet. The gateway's host route comes first:
// dhclient-script adds them in this order and the default needs the other.
std::array<std::uint8_t, 14> routes_via(const address_v4& gateway) noexcept {
  std::array<std::uint8_t, 14> bytes{};
  WireWriter out{bytes};
  out.u8(kHostMask);
  out.u32(gateway.to_uint());
  out.u32(0);  // on the link
  out.u8(0);   // 0.0.0.0/0
  out.u32(gateway.to_uint());
  return bytes;
}

// How the client sees its link.
struct Link {
  unsigned prefix_length = kHostMask;
  bool routes = false;  // the gateway is outside the client's subnet, and the client knows option 121
};

// Boot ROMs know no option 121, and iPXE before 2024 broadcasts every unicast frame under a /32: they get the
// network's mask. Neither speaks to a sibling guest. Behind a relay there is a real subnet, whose members do.
Link link_of(const Request& request, const Terms& terms) noexcept {
  const auto& settings = *terms.settings;
  const bool rom = is_boot_rom(request);
  Link link;
  const bool host = settings.addressing == config::Addressing::routed && !rom && !terms.behind_relay;
  link.prefix_length = settings.mask ? *settings.mask : host ? kHostMask : settings.prefix_length;
  const auto mask = mask_of(link.prefix_length).to_uint();
  link.routes = !rom && !terms.behind_relay && (settings.gateway.to_uint() & mask) != (terms.address.to_uint() & mask);
  return link;
}

// Collects the options of one reply, those of the network in place of ours.
class Composer {
 public:
  Composer(const Parameters& asked, const Settings& settings, OptionList& out)
      : asked_{asked}, settings_{settings}, out_{out} {}

  // Of what we say on our own and a client can do without. One that lists nothing gets all of it.
  [[nodiscard]] bool wanted(std::uint8_t code) const { return asked_.none() || asked_.test(code); }

  template <typename Value>
  void best(std::uint8_t code, const Value& value) {
    if (const auto* option = configured(code)) {
      out_.add(code, option->value);
    } else {
      put(code, value);
    }
  }
  // What the client asks for comes first and so is kept longest.
  void the_networks_rest() {
    for (const bool asked : {true, false}) {
      for (const auto& option : settings_.options) {
        if (asked_.test(option.code) == asked && may_follow(option.code, asked)) {
          out_.add(option.code, option.value);
        }
      }
    }
  }
  [[nodiscard]] const config::RawDhcpOption* configured(std::uint8_t code) const {
    const auto it = std::ranges::find(settings_.options, code, &config::RawDhcpOption::code);
    return it == settings_.options.end() ? nullptr : &*it;
  }

 private:
  void put(std::uint8_t code, const address_v4& value) { out_.add(code, value); }
  void put(std::uint8_t code, std::uint16_t value) { out_.add_u16(code, value); }
  void put(std::uint8_t code, std::span<const std::uint8_t> value) { out_.add(code, value); }

  // RFC 8925, 3.3: who doesn't ask for option 108 would be left without IPv4.
  [[nodiscard]] bool may_follow(std::uint8_t code, bool asked) const {
    return !is_protocols_own(code) && (asked || code != option::kIpv6Only) && !out_.find(code);
  }

  const Parameters& asked_;
  const Settings& settings_;
  OptionList& out_;
};

constexpr std::size_t kMaxRouters = 8;  // what a client makes of more than two is anybody's guess

void add_routers(const Terms& terms, Composer& options) {
  if (!terms.behind_relay) return options.best(option::kRouter, terms.settings->gateway);
  std::array<std::uint8_t, kMaxRouters * 4> bytes{};
  WireWriter out{bytes};
  for (const auto& router : terms.routers.first(std::min(terms.routers.size(), kMaxRouters))) out.u32(router.to_uint());
  const auto size = std::min(terms.routers.size(), kMaxRouters) * 4;
  if (size != 0) options.best(option::kRouter, std::span<const std::uint8_t>{bytes}.first(size));
}

// Some boot ROMs read a name to its NUL, others would write one behind it; who is none gets the bare name (RFC 2132,
// 2: an option should not end with a NUL).
void put_name(Composer& options, std::uint8_t code, std::string_view name, bool rom) {
  std::array<std::uint8_t, 512> bytes;  // more than option 67 holds in any one reply that has a lease too
  if (name.size() + 1 > bytes.size()) return;
  const auto end = std::ranges::copy(name, bytes.begin()).out;
  *end = 0;
  options.best(code, std::span<const std::uint8_t>{bytes}.first(name.size() + (rom ? 1 : 0)));
}

void fill_boot_fields(const Settings& settings, std::string_view file, Reply& reply) {
  reply.boot_server = settings.boot.server.value_or(settings.gateway);
  if (file.size() <= kMaxBootFile) static_cast<void>(reply.boot_file.append(bytes_of(file)));
}

// Without sub-option 6 of option 43, a ROM takes the class PXEClient for a promise of a boot server at port 4011 and
// asks that one; with bit 3 it loads the file that it was told here (PXE 2.1, table 2-1).
constexpr std::array<std::uint8_t, 4> kNoFurtherServer{6, 1, 8, 255};

void add_boot(const Request& request, const Settings& settings, Composer& options, Reply& reply) {
  const auto [form, file] = choose_boot(request, settings.boot);
  const bool rom = form != BootForm::fields;
  const auto asks = [&](std::uint8_t code) { return rom || request.parameters.test(code); };
  switch (form) {
    case BootForm::none:
      return;
    case BootForm::http:
      options.best(option::kVendorClass, bytes_of("HTTPClient"));
      put_name(options, option::kBootFile, file, rom);
      return;
    case BootForm::pxe:
      options.best(option::kVendorClass, bytes_of("PXEClient"));
      options.best(option::kVendorOptions, std::span<const std::uint8_t>{kNoFurtherServer});
      if (!request.machine.empty()) reply.options.add(option::kMachine, request.machine.span());
      break;
    case BootForm::rom:
    case BootForm::fields:
      break;
  }
  fill_boot_fields(settings, file, reply);
  if (asks(option::kBootFile)) put_name(options, option::kBootFile, file, rom);
  if (asks(option::kTftpServer)) put_name(options, option::kTftpServer, reply.boot_server.to_string(), rom);
}

// RFC 4702, 4: we name the client, whatever it would rather do itself.
void add_fqdn(std::uint8_t asked, const Terms& terms, OptionList& out) {
  constexpr std::uint8_t kServerUpdates = 1, kOverridden = 2, kWireForm = 4, kNoMeaning = 255;
  if (terms.host_name.empty()) return;
  std::string name{terms.host_name};
  if (!terms.settings->domain.empty()) name.append(".").append(terms.settings->domain);
  BoundedBytes<kMaxOption> value;
  const std::uint8_t flags = kServerUpdates | ((asked & kServerUpdates) != 0 ? 0 : kOverridden) | (asked & kWireForm);
  bool whole = value.append(std::array<std::uint8_t, 3>{flags, kNoMeaning, kNoMeaning});
  if ((asked & kWireForm) != 0) {
    const auto wire = encode_domain(name);
    whole = whole && !wire.empty() && value.append(wire.span());
  } else {
    whole = whole && value.append(bytes_of(name));
  }
  if (whole) out.add(option::kFqdn, value.span());
}

void add_names(const Request& request, const Terms& terms, Composer& options, OptionList& out) {
  const auto& domain = terms.settings->domain;
  if (!domain.empty() && options.wanted(option::kDomainName)) options.best(option::kDomainName, bytes_of(domain));
  if (!terms.host_name.empty() && options.wanted(option::kHostName))
    options.best(option::kHostName, bytes_of(terms.host_name));
  if (request.fqdn_flags) add_fqdn(*request.fqdn_flags, terms, out);
}

}  // namespace

void add_configuration(const Request& request, const Terms& terms, Reply& reply) {
  const auto& settings = *terms.settings;
  Composer options{request.parameters, settings, reply.options};
  const auto link = link_of(request, terms);
  const auto via = routes_via(settings.gateway);
  const std::span<const std::uint8_t> routes{via};
  options.best(option::kSubnetMask, mask_of(link.prefix_length));
  add_routers(terms, options);
  if (link.routes) options.best(option::kClasslessRoutes, routes);
  // Our resolver answers nobody who isn't on a link of its own network.
  if (!terms.behind_relay) options.best(option::kDnsServer, settings.gateway);
  // RFC 6842: the client's own identifier, so that it knows the answer is its own.
  if (!request.client_id.empty()) reply.options.add(option::kClientIdentifier, request.client_id.span());
  add_boot(request, settings, options, reply);
  if (options.wanted(option::kInterfaceMtu) || settings.mtu != kEthernetMtu)
    options.best(option::kInterfaceMtu, std::max(settings.mtu, kMinMtu));
  add_names(request, terms, options, reply.options);
  if (options.wanted(option::kBroadcast))
    options.best(option::kBroadcast, broadcast_of(terms.address, link.prefix_length));
  // Windows' number for the same; it must not say other routes than those the network configured.
  if (link.routes) {
    const auto* configured = options.configured(option::kClasslessRoutes);
    options.best(option::kMicrosoftRoutes, configured ? std::span{configured->value} : routes);
  }
  if (options.wanted(option::kDomainSearch)) {
    if (const auto search = encode_domain(settings.domain); !search.empty())
      options.best(option::kDomainSearch, search.span());
  }
  options.the_networks_rest();
}

void add_lease_timers(std::uint32_t lease, OptionList& out) {
  out.add_u32(option::kRenewalTime, lease / 2);
  out.add_u32(option::kRebindingTime, static_cast<std::uint32_t>(std::uint64_t{lease} * 7 / 8));
}

void add_bootp_configuration(const Terms& terms, Reply& reply) {
  const auto& settings = *terms.settings;
  const Parameters none;
  Composer options{none, settings, reply.options};
  // Like boot ROMs, they know no option 121.
  options.best(option::kSubnetMask, mask_of(settings.mask.value_or(settings.prefix_length)));
  options.best(option::kRouter, settings.gateway);
  options.best(option::kDnsServer, settings.gateway);
  if (!terms.host_name.empty()) options.best(option::kHostName, bytes_of(terms.host_name));
  if (!settings.domain.empty()) options.best(option::kDomainName, bytes_of(settings.domain));
  for (const auto& option : settings.options) {
    const bool known = option.code != option::kPad && option.code <= option::kExtensionsPath;
    if (known && !reply.options.find(option.code)) reply.options.add(option.code, option.value);
  }
  if (!settings.boot.file.empty()) fill_boot_fields(settings, settings.boot.file, reply);
}

}  // namespace vrouter::dhcp
