// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/control/json_guest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json/array.hpp>
#include <initializer_list>
#include <limits>
#include <utility>

#include "config/dhcp_options.h"
#include "config/limits.h"
#include "config/specs.h"
#include "router/control/json.h"

namespace vrouter::router::control {
namespace {

using boost::json::array;
using boost::json::object;
using control::to_json;  // else the overloads below would hide the public ones

void set_unless_empty(object& json, std::string_view field, const std::string& text) {
  if (!text.empty()) json[field] = text;
}

template <typename T>
array texts_of(const std::vector<T>& values) {
  array texts;
  texts.reserve(values.size());
  for (const auto& value : values) texts.emplace_back(value.to_string());
  return texts;
}

std::string hex_of(const std::vector<std::uint8_t>& bytes) {
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

object to_json(const config::NetworkBoot& boot) {
  object json;
  if (boot.server) json["server"] = boot.server->to_string();
  array files;
  for (const auto& [architecture, file] : boot.files)
    files.emplace_back(object{{"architecture", std::int64_t{architecture}}, {"file", file}});
  if (!files.empty()) json["files"] = std::move(files);
  set_unless_empty(json, "file", boot.file);
  set_unless_empty(json, "ipxe", boot.ipxe);
  return json;
}

object to_json(const config::ClientDhcp& dhcp) {
  object json;
  if (dhcp.mask) json["mask"] = std::int64_t{*dhcp.mask};
  array options;
  for (const auto& [code, value] : dhcp.options)
    options.emplace_back(object{{"code", std::int64_t{code}}, {"hex", hex_of(value)}});
  if (!options.empty()) json["options"] = std::move(options);
  if (dhcp.boot) json["boot"] = to_json(*dhcp.boot);
  return json;
}

// A number that fits.
template <typename Number>
Number read_number(Fields& fields, std::string_view field) {
  const auto number = fields.optional_number(field);
  if (!number) {
    fields.fail(field, "is missing");
  } else if (*number < 0 || *number > std::numeric_limits<Number>::max()) {
    fields.fail(field, fmt::format("must be a number of 0 to {}", std::numeric_limits<Number>::max()));
  } else {
    return static_cast<Number>(*number);
  }
  return 0;
}

// Carries the first error of an object inside to the fields around it, by its path.
void carry(Fields& outer, std::string_view field, const Fields& inner) {
  if (inner.error()) outer.fail(fmt::format("{}.{}", field, inner.error()->field), inner.error()->reason);
}

Read<config::NetworkBoot> boot_from_json(const object& json) {
  Fields fields{json};
  config::NetworkBoot boot;
  boot.server = fields.optional_parsed("server", config::parse_address4);
  for (const auto* one : fields.objects("files")) {
    Fields inner{*one};
    const auto architecture = read_number<std::uint16_t>(inner, "architecture");
    boot.files[architecture] = inner.text("file");
    carry(fields, "files", inner);
  }
  boot.file = fields.optional_text("file").value_or("");
  boot.ipxe = fields.optional_text("ipxe").value_or("");
  return fields.result(std::move(boot));
}

Read<config::ClientDhcp> dhcp_from_json(const object& json) {
  Fields fields{json};
  config::ClientDhcp dhcp;
  if (fields.optional_number("mask")) dhcp.mask = read_number<std::uint8_t>(fields, "mask");
  for (const auto* one : fields.objects("options")) {
    Fields inner{*one};
    config::RawDhcpOption option;
    option.code = read_number<std::uint8_t>(inner, "code");
    option.value = inner.parsed("hex", config::parse_hex);
    carry(fields, "options", inner);
    dhcp.options.push_back(std::move(option));
  }
  dhcp.boot = fields.optional_nested("boot", boot_from_json);
  return fields.result(std::move(dhcp));
}

// Few guests have any.
void put_list(object& json, std::string_view field, boost::json::array texts) {
  if (!texts.empty()) json[field] = std::move(texts);
}

config::Addresses read_addresses(Fields& fields, std::string_view field) {
  config::Addresses addresses;
  for (const auto& one : fields.parsed_list(field, config::parse_address)) {
    if (!addresses.add(one)) fields.fail(field, "holds a second address of one family; give at most one of each");
  }
  return addresses;
}

// "egress.packets" is the field packets of the object egress.
object to_json(const config::Limits& limits) {
  object json;
  for (const auto& spec : config::kLimitSpecs) {
    const auto& value = limits.*(spec.member);
    if (!value) continue;
    const auto dot = spec.name.find('.');
    if (dot == std::string_view::npos) {
      json[spec.name] = static_cast<std::int64_t>(*value);
    } else {
      auto& inner = json[spec.name.substr(0, dot)];
      if (!inner.is_object()) inner.emplace_object();
      inner.get_object()[spec.name.substr(dot + 1)] = static_cast<std::int64_t>(*value);
    }
  }
  return json;
}

Read<config::Limits> limits_from_json(const object& json) {
  Fields fields{json};
  config::Limits limits;
  const auto read = [&limits](Fields& from, std::string_view field, const config::LimitSpec& spec) {
    const auto number = from.optional_number(field);
    if (!number) return;
    if (const auto value = config::check_limit(spec, *number)) {
      limits.*(spec.member) = *value;
    } else {
      from.fail(field, value.error());
    }
  };
  for (const std::string_view direction : {"egress", "ingress"}) {
    const auto* object = fields.object(direction);
    if (object == nullptr) continue;
    Fields inner{*object};
    for (const std::string_view field : {"packets", "bits"})
      read(inner, field, *config::find_limit(std::string{direction}.append(".").append(field)));
    if (inner.error()) fields.fail(std::string{direction} + "." + inner.error()->field, inner.error()->reason);
  }
  for (const std::string_view field : {"new_connections", "connections"})
    read(fields, field, *config::find_limit(field));
  return fields.result(limits);
}

// Not of replies, which may say more than is known.
void refuse_unknown(Fields& fields, const object& of, const std::string& where,
                    std::initializer_list<std::string_view> known) {
  Fields inner{of};
  inner.only(known);
  if (inner.error()) fields.fail(where + inner.error()->field, inner.error()->reason);
}

void refuse_unknown_dhcp(Fields& fields, const object& json) {
  refuse_unknown(fields, json, "dhcp.", {"mask", "options", "boot"});
  Fields inner{json};
  for (const auto* option : inner.objects("options")) refuse_unknown(fields, *option, "dhcp.options.", {"code", "hex"});
  const auto* boot = inner.object("boot");
  if (boot == nullptr) return;
  refuse_unknown(fields, *boot, "dhcp.boot.", {"server", "files", "file", "ipxe"});
  Fields in_boot{*boot};
  for (const auto* file : in_boot.objects("files"))
    refuse_unknown(fields, *file, "dhcp.boot.files.", {"architecture", "file"});
}

void refuse_unknown_limits(Fields& fields, const object& json) {
  refuse_unknown(fields, json, "limits.", {"egress", "ingress", "new_connections", "connections"});
  for (const std::string direction : {"egress", "ingress"}) {
    const auto* rates = json.if_contains(direction);
    if (rates != nullptr && rates->is_object())
      refuse_unknown(fields, rates->get_object(), "limits." + direction + ".", {"packets", "bits"});
  }
}

}  // namespace

void put_guest(object& json, const config::Guest& guest) {
  json["tap"] = guest.tap;
  set_unless_empty(json, "name", guest.name);
  set_unless_empty(json, "network", guest.network);
  if (guest.address) json["address"] = guest.address->to_string();
  if (guest.address6) json["address6"] = guest.address6->to_string();
  if (guest.mac) json["mac"] = guest.mac->to_string();
  json["groups"] = to_json(guest.groups);
  json["publish"] = texts_of(guest.publish);
  put_list(json, "floating", texts_of(guest.floating.all()));
  put_list(json, "snat", texts_of(guest.snat.all()));
  put_list(json, "prefixes", to_json(config::prefixes_of(guest)));
  put_list(json, "allowed_addresses", texts_of(guest.allowed_addresses));
  if (guest.limits != config::Limits{}) json["limits"] = to_json(guest.limits);
  if (!guest.dhcp.empty()) json["dhcp"] = to_json(guest.dhcp);
  if (guest.shared) json["shared"] = true;
  json["ephemeral"] = guest.ephemeral;
  json["create_tap"] = guest.create_tap;
  set_unless_empty(json, "owner", guest.owner);
}

config::Guest read_guest(Fields& fields) {
  config::Guest guest;
  guest.tap = fields.parsed("tap", config::parse_interface_name);
  guest.name = fields.optional_parsed("name", config::parse_guest_name).value_or("");
  guest.network = fields.optional_text("network").value_or("");
  guest.address = fields.optional_parsed("address", config::parse_address4);
  guest.address6 = fields.optional_parsed("address6", config::parse_address6);
  guest.mac = fields.optional_parsed("mac", parse_mac_address);
  guest.groups = fields.texts("groups");
  guest.publish = fields.parsed_list("publish", config::parse_publish);
  guest.floating = read_addresses(fields, "floating");
  guest.snat = read_addresses(fields, "snat");
  for (const auto& prefix : fields.parsed_list("prefixes", config::parse_prefix)) config::add_prefix(guest, prefix);
  guest.allowed_addresses = fields.parsed_list("allowed_addresses", config::parse_address);
  guest.limits = fields.optional_nested("limits", limits_from_json).value_or(config::Limits{});
  guest.dhcp = fields.optional_nested("dhcp", dhcp_from_json).value_or(config::ClientDhcp{});
  guest.shared = fields.flag("shared");
  guest.ephemeral = fields.flag("ephemeral");
  guest.create_tap = fields.flag("create_tap");
  guest.owner = fields.optional_text("owner").value_or("");
  return guest;
}

object add_guest_parameters(const config::Guest& wanted) {
  object json;
  put_guest(json, wanted);
  return json;
}

Read<config::Guest> read_add_guest(const object& parameters) {
  Fields fields{parameters};
  fields.only({"tap", "address", "address6", "name", "mac", "network", "groups", "publish", "floating", "snat",
               "prefixes", "allowed_addresses", "limits", "dhcp", "shared", "create_tap", "owner", "ephemeral"});
  auto guest = read_guest(fields);
  if (const auto* limits = fields.object("limits")) refuse_unknown_limits(fields, *limits);
  if (const auto* dhcp = fields.object("dhcp")) refuse_unknown_dhcp(fields, *dhcp);
  return fields.result(std::move(guest));
}

}  // namespace vrouter::router::control
