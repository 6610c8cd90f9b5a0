// SPDX-License-Identifier: GPL-2.0-or-later
#include "router/reconcile/plan.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace vrouter::router {
namespace {

std::string in_words(const LinkChange& change) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (change.group) add(fmt::format("group {}", *change.group));
  for (const Conf key : kAllConf) {
    if (change.conf[key]) add(fmt::format("{} {}", name(key), *change.conf[key]));
  }
  if (change.up) add(*change.up ? "up" : "down");
  return text;
}

std::string in_words(const Route& route, const std::string& link) {
  std::string text =
      route.destination.is_host() ? route.destination.network().to_string() : route.destination.to_string();
  if (!link.empty()) text += " to " + link;
  return (route.type == RouteType::unreachable ? "unreachable route " : "route ") + text;
}

struct Describe {
  std::string operator()(const CreateTap& op) const { return "create TAP " + op.tap; }
  std::string operator()(const RemoveTap& op) const { return "remove TAP " + op.tap; }
  std::string operator()(const ChangeLink& op) const { return "set " + op.link + " to " + in_words(op.after); }
  std::string operator()(const PutAddress& op) const {
    return fmt::format("add address {}/{} to {}", op.address.local.to_string(), op.address.prefix_length, op.link);
  }
  std::string operator()(const RemoveAddress& op) const {
    return fmt::format("remove address {}/{} from {}", op.address.local.to_string(), op.address.prefix_length, op.link);
  }
  std::string operator()(const PutRoute& op) const { return "add " + in_words(op.route, op.link); }
  std::string operator()(const RemoveRoute& op) const { return "remove " + in_words(op.route, op.link); }
  std::string operator()(const PutNeighbour& op) const {
    return fmt::format("add {}neighbour {} with MAC {} to {}",
                       op.neighbour.state == NeighbourState::permanent ? "permanent " : "",
                       op.neighbour.address.to_string(), op.neighbour.mac.to_string(), op.link);
  }
  std::string operator()(const RemoveNeighbour& op) const {
    return fmt::format("remove neighbour {} from {}", op.neighbour.address.to_string(), op.link);
  }
  std::string operator()(const WriteSysctl& op) const { return fmt::format("set sysctl {} to {}", op.key, op.value); }
};

struct Invert {
  std::optional<Operation> operator()(const CreateTap& op) const { return RemoveTap{op.tap, 0}; }
  std::optional<Operation> operator()(const RemoveTap&) const { return std::nullopt; }
  std::optional<Operation> operator()(const ChangeLink& op) const {
    return ChangeLink{op.ifindex, op.link, op.before, op.after};
  }
  std::optional<Operation> operator()(const PutAddress& op) const { return RemoveAddress{op.address, op.link}; }
  std::optional<Operation> operator()(const RemoveAddress& op) const { return PutAddress{op.address, op.link}; }
  std::optional<Operation> operator()(const PutRoute& op) const {
    if (op.before) return PutRoute{*op.before, op.link, op.route};
    return RemoveRoute{op.route, op.link};
  }
  std::optional<Operation> operator()(const RemoveRoute& op) const { return PutRoute{op.route, op.link, std::nullopt}; }
  std::optional<Operation> operator()(const PutNeighbour& op) const {
    if (op.before) return PutNeighbour{*op.before, op.link, op.neighbour};
    return RemoveNeighbour{op.neighbour, op.link};
  }
  std::optional<Operation> operator()(const RemoveNeighbour& op) const {
    return PutNeighbour{op.neighbour, op.link, std::nullopt};
  }
  std::optional<Operation> operator()(const WriteSysctl& op) const {
    if (!op.before) return std::nullopt;
    return WriteSysctl{op.key, *op.before, op.value};
  }
};

template <typename T>
void move_to_end(std::vector<T>& from, std::vector<T>& to) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

std::string describe(const Operation& operation) {
  return std::visit(Describe{}, operation);
}

std::optional<Operation> inverse(const Operation& operation) {
  return std::visit(Invert{}, operation);
}

void Plan::append(Plan other) {
  move_to_end(other.operations, operations);
  move_to_end(other.record, record);
  move_to_end(other.forget, forget);
  move_to_end(other.problems, problems);
}

void record(Originals& originals, const Plan& plan) {
  for (const auto& original : plan.record) originals.insert_or_assign(original.key, original.value);
}

void forget(Originals& originals, const Plan& plan) {
  for (const auto& key : plan.forget) originals.erase(key);
}

}  // namespace vrouter::router
