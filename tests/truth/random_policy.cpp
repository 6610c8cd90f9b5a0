// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/truth/random_policy.h"

#include <algorithm>
#include <array>
#include <boost/asio/ip/address_v4.hpp>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <string_view>

#include "tests/truth/chance.h"

namespace vrouter::truth {
namespace {

constexpr unsigned kMaxDrafts = 1000;

// What the addresses of a set or rule are of.
enum class Family { both, v4, v6 };

struct Guest {
  std::string name, network, address, address6, mac;  // the last two may be empty
  std::vector<std::string> prefixes = {}, allowed = {};
};

// What numbers of the same host have in common.
struct Shape {
  std::string second_mode;  // of the network "lab"; "default" is nat
  bool second_has_v6 = false;
  std::vector<Guest> guests;
};

Shape draw_shape(std::uint32_t number) {
  Chance chance{number / kPoliciesPerHost, 1};
  Shape shape{chance.once_in(2) ? "isolated" : "routed", !chance.once_in(3), {}};
  const auto count = 6 + chance.below(5);
  for (std::uint32_t i = 0; i < count; ++i) {
    const bool second = i >= 2 && (i == 2 || chance.once_in(3));  // both networks have guests
    const auto network = std::string{second ? "6" : "5"}, last = std::to_string(i + 2);
    Guest guest{"g" + std::to_string(i), second ? "lab" : "default", "10.0." + network + "." + last, "", ""};
    if ((!second || shape.second_has_v6) && !chance.once_in(4)) guest.address6 = "fd76:7274:" + network + "::" + last;
    if (chance.once_in(4)) guest.mac = "02:00:00:00:01:0" + std::to_string(i % 10);
    if (chance.once_in(5)) guest.prefixes.push_back("10.9." + last + ".0/24");
    if (chance.once_in(5)) guest.allowed.push_back("10.0." + std::to_string(5 + chance.below(3)) + ".1" + last);
    if (!guest.address6.empty()) {
      if (chance.once_in(5)) guest.prefixes.push_back("fd00:9:" + last + "::/48");
      if (chance.once_in(5)) guest.allowed.push_back("fd76:7274:5::a" + last);
    }
    shape.guests.push_back(std::move(guest));
  }
  return shape;
}

std::string in_quotes(std::string_view text) {
  return std::string{"\""}.append(text).append("\"");
}
std::string array_of(const std::vector<std::string>& items) {
  std::string text = "[";
  for (const auto& item : items) text += (text.size() == 1 ? "" : ", ") + in_quotes(item);
  return text + "]";
}

class Draft {
 public:
  Draft(const Shape& shape, Chance& chance) : shape_{shape}, chance_{chance} {
    constexpr std::array<std::string_view, 4> kGroups{"web", "db", "ops", "edge"};
    const auto count = 1 + chance_.below(4);
    groups_.assign(kGroups.begin(), kGroups.begin() + count);
    draw_sets();
  }

  std::string vrouter_toml() {
    std::string text = "[networks.default]\nprefix = \"10.0.5.0/24\"\nprefix6 = \"fd76:7274:5::/64\"\n";
    text += "[networks.lab]\nprefix = \"10.0.6.0/24\"\nmode = " + in_quotes(shape_.second_mode) + "\n";
    if (shape_.second_has_v6) text += "prefix6 = \"fd76:7274:6::/64\"\n";
    for (std::size_t i = 0; i < shape_.guests.size(); ++i) text += guest(shape_.guests[i], static_cast<unsigned>(i));
    return text;
  }

  // One file or two, which is all the same.
  std::vector<config::PolicyText> files() {
    std::vector<config::PolicyText> files{{"policy.d/10-first.toml", declarations()}};
    const auto count = 1 + chance_.below(25);
    const auto in_first = chance_.once_in(3) ? chance_.below(count) : count;
    if (in_first < count) files.push_back({"policy.d/20-second.toml", ""});
    for (std::uint32_t i = 0; i < count; ++i) files[i < in_first ? 0 : 1].text += rule(i);
    return files;
  }

 private:
  std::string guest(const Guest& guest, unsigned index) {
    auto text = "\n[[guests]]\nname = " + in_quotes(guest.name) + "\ntap = \"tap" + std::to_string(index) +
                "\"\naddress = " + in_quotes(guest.address) + "\nnetwork = " + in_quotes(guest.network) + "\n";
    if (!guest.address6.empty()) text += "address6 = " + in_quotes(guest.address6) + "\n";
    if (!guest.mac.empty()) text += "mac = " + in_quotes(guest.mac) + "\n";
    if (!guest.prefixes.empty()) text += "prefixes = " + array_of(guest.prefixes) + "\n";
    if (!guest.allowed.empty()) text += "allowed_addresses = " + array_of(guest.allowed) + "\n";
    std::set<std::string> groups;
    const auto count = chance_.once_in(3) ? 0 : chance_.once_in(3) ? 3 : 1;
    for (int i = 0; i < count; ++i) groups.insert(chance_.one_of(groups_));
    if (!groups.empty()) text += "groups = " + array_of({groups.begin(), groups.end()}) + "\n";
    if (chance_.once_in(3)) text += "publish = " + array_of(publish(index, !guest.address6.empty())) + "\n";
    return text;
  }

  // Host ports are each guest's own; guest ports are those that rules like to speak of.
  std::vector<std::string> publish(unsigned index, bool v6) {
    const auto host = std::to_string(8000 + 10 * index), next = std::to_string(8001 + 10 * index),
               last = std::to_string(8003 + 10 * index);
    std::vector<std::string> forms{host + ":80",
                                   host + ":53/udp",
                                   host + ":7000/sctp",
                                   "192.0.2.1:" + host + ":443",
                                   host + "-" + last + ":6000/udp",
                                   next + "-" + last + ":80"};
    if (v6) forms.push_back("[2001:db8::1]:" + host + ":22");
    return {chance_.one_of(forms)};
  }

  std::string declarations() {
    std::string text;
    for (const auto& group : groups_) {
      text += "[groups." + group + "]\n";
      for (const std::string_view side : {"egress", "ingress"}) {
        if (!chance_.once_in(3)) text += std::string{side} + " = " + in_quotes(action()) + "\n";
      }
    }
    if (!sets_.empty()) text += "\n[sets]\n";
    for (const auto& [name, set] : sets_) text += name + " = " + array_of(set.items) + "\n";
    return text;
  }

  std::string action() { return chance_.one_of(std::vector<std::string>{"allow", "allow", "deny", "reject"}); }

  struct Set {
    bool v4 = false, v6 = false;
    std::vector<std::string> items;
    [[nodiscard]] bool empty() const { return items.empty(); }
  };

  void draw_sets() {
    constexpr std::array<std::string_view, 4> kNames{"office", "partners", "inside", "odd-ones"};
    const auto count = chance_.below(5);
    for (std::uint32_t i = 0; i < count; ++i) {
      Set set;
      const auto size = chance_.once_in(12) ? 0 : 1 + chance_.below(5);
      const auto family = chance_.below(3);
      for (std::uint32_t item = 0; item < size; ++item) {
        const bool v6 = family == 2 || (family == 1 && chance_.once_in(2));
        (v6 ? set.v6 : set.v4) = true;
        set.items.push_back(v6 ? prefix6() : prefix4());
      }
      sets_.emplace(kNames[i], std::move(set));
    }
  }

  // Guests' own, their networks in whole and in part, the world's, and all of these at once.
  std::string prefix4() {
    const auto whole = [](std::uint32_t base, unsigned short length) {
      const network_v4 drawn{address_v4{base}, length};
      return network_v4{drawn.network(), length}.to_string();
    };
    switch (chance_.below(9)) {
      case 8: {  // what a guest has besides, in whole, in part and with what is around
        const auto some = more(false);
        if (some.empty()) return "10.9.0.0/16";
        const auto base = boost::asio::ip::make_address_v4(some.substr(0, some.find('/'))).to_uint();
        return chance_.once_in(2) ? some : whole(base + 1, static_cast<unsigned short>(20 + chance_.below(6)));
      }
      case 0:
      case 1:
        return chance_.one_of(shape_.guests).address;
      case 2:
        return whole(0x0a000500U + (chance_.below(2) << 8U), 24);
      case 3:
        return whole(0x0a000500U + chance_.below(512), static_cast<unsigned short>(25 + chance_.below(8)));
      case 4:
        return whole(0xcb007107U, static_cast<unsigned short>(8 + chance_.below(25)));  // around 203.0.113.7
      case 5:
        return whole(0xc6336400U + chance_.below(256), static_cast<unsigned short>(20 + chance_.below(13)));
      case 6:
        return whole(0x0a000000U, static_cast<unsigned short>(8 + chance_.below(15)));  // 10.0.0.0/8 and less
      default:
        return chance_.once_in(4) ? "0.0.0.0/0" : "192.0.2.0/24";  // everybody, or this host's uplink
    }
  }
  // A prefix or an allowed address of a guest's; empty: there is none of the family.
  std::string more(bool v6) {
    std::vector<std::string> all;
    for (const auto& guest : shape_.guests) {
      for (const auto* texts : {&guest.prefixes, &guest.allowed}) {
        std::ranges::copy_if(*texts, std::back_inserter(all),
                             [v6](const std::string& text) { return text.contains(':') == v6; });
      }
    }
    return all.empty() ? "" : chance_.one_of(all);
  }
  std::string prefix6() {
    switch (chance_.below(7)) {
      case 6: {
        const auto some = more(true);
        return some.empty() || chance_.once_in(3) ? "fd00:9::/32" : some;
      }
      case 0:
      case 1: {
        const auto& guest = chance_.one_of(shape_.guests);
        return guest.address6.empty() ? "fd76:7274:5::2" : guest.address6;
      }
      case 2:
        return chance_.once_in(2) || !shape_.second_has_v6 ? "fd76:7274:5::/64" : "fd76:7274:6::/64";
      case 3:
        return "fd76:7274:5::" + std::string{chance_.once_in(2) ? "/125" : "4/126"};
      case 4:
        return chance_.one_of(std::vector<std::string>{"2001:db8:9::7", "2001:db8:9::/48", "2001:db8::/32"});
      default:
        return chance_.one_of(std::vector<std::string>{"::/0", "fd76:7274::/32", "fc00::/7"});
    }
  }

  std::string rule(std::uint32_t index) {
    constexpr std::array kFamilies{Family::both, Family::both, Family::v4, Family::v6};
    const auto family = kFamilies[chance_.below(kFamilies.size())];
    const bool guest_sends = chance_.once_in(2);
    const auto from = peers(family, guest_sends), to = peers(family, !guest_sends);
    const auto verdict = action();
    std::string text = "\n[[rules]]\n";
    if (chance_.once_in(3)) text += "name = \"rule no. " + std::to_string(index) + "\"\n";
    // `any` is what is left out.
    if (from != std::vector<std::string>{"any"} || chance_.once_in(2) || to == from) text += "from = " + written(from);
    if (to != std::vector<std::string>{"any"} || chance_.once_in(2)) text += "to = " + written(to);
    text += verdict + " = " + written(services(family));
    if (chance_.once_in(5)) text += "log = true\n";
    if (verdict == "allow" && chance_.once_in(8)) text += "limit = \"10/minute burst 20\"\n";
    return text;
  }

  std::string written(const std::vector<std::string>& items) {
    return (items.size() == 1 && chance_.once_in(2) ? in_quotes(items.front()) : array_of(items)) + "\n";
  }

  // `guests`: one of them at least is sure to mean guests.
  std::vector<std::string> peers(Family family, bool guests) {
    std::vector<std::string> all;
    const auto count = chance_.once_in(3) ? 2 + chance_.below(3) : 1;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (guests && i == 0) {
        all.push_back(guests_peer(family));
      } else {
        add_peer(family, all);
      }
    }
    return all;
  }

  std::string guests_peer(Family family) {
    switch (chance_.below(8)) {
      case 0:
        return "any";
      case 1:
        return "guest:" + chance_.one_of(shape_.guests).name;
      case 2:
        return network(family);
      case 3:
        if (family == Family::v4) return "net:10.0.5.0/" + std::to_string(24 + chance_.below(9));
        if (family == Family::v6) return "net:" + std::string{chance_.once_in(2) ? "fd76:7274:5::/64" : "::/0"};
        [[fallthrough]];
      default:
        return "group:" + chance_.one_of(groups_);
    }
  }
  std::string network(Family family) {
    const bool second = chance_.once_in(2) && (family == Family::v4 || shape_.second_has_v6);
    return second ? "network:lab" : "network:default";
  }

  void add_peer(Family family, std::vector<std::string>& all) {
    switch (chance_.below(10)) {
      case 0:
      case 1:
        return all.push_back("world");
      case 2:
        return all.push_back("host");
      case 3:
      case 4:
        return add_set(family, all);
      case 5:
      case 6:
        if (family != Family::v6) all.push_back("net:" + prefix4());
        if (family != Family::v4) all.push_back("net:" + prefix6());
        return;
      default:
        return all.push_back(guests_peer(family));
    }
  }
  void add_set(Family family, std::vector<std::string>& all) {
    std::vector<std::string> fit;
    for (const auto& [name, set] : sets_) {
      if (set.empty() || ((set.v4 || family == Family::v6) && (set.v6 || family == Family::v4))) fit.push_back(name);
    }
    all.push_back(fit.empty() ? "world" : "set:" + chance_.one_of(fit));
  }

  std::vector<std::string> services(Family family) {
    std::vector<std::string> all;
    if (chance_.once_in(6)) return {"any"};
    const auto count = chance_.once_in(3) ? 2 + chance_.below(5) : 1;
    for (std::uint32_t i = 0; i < count; ++i) all.push_back(service(family));
    return all;
  }
  std::string service(Family family) {
    static const std::vector<std::string> kIcmp{"icmp",   "icmp/8",  "icmp/timestamp-request",
                                                "icmp/3", "icmp/17", "icmp/echo-reply"};
    static const std::vector<std::string> kIcmp6{"icmpv6", "icmpv6/128", "icmpv6/packet-too-big", "icmpv6/echo-reply",
                                                 "icmpv6/139"};
    static const std::vector<std::string> kAlone{"tcp",     "udp", "sctp", "dccp", "udplite", "gre",
                                                 "esp",     "ah",  "ipip", "vrrp", "ospf",    "igmp",
                                                 "udplite", "tcp", "udp",  "99",   "253"};
    switch (chance_.below(7)) {
      case 0:
        return "ping";
      case 1:
        return chance_.one_of(family == Family::v6 || (family == Family::both && chance_.once_in(2)) ? kIcmp6 : kIcmp);
      case 2:
        return chance_.one_of(kAlone);
      case 3:
        return port_protocol() + "/" + range();
      default:
        return port_protocol() + "/" + std::to_string(port());
    }
  }
  std::string port_protocol() {
    static const std::vector<std::string> kProtocols{"tcp", "tcp", "tcp", "udp", "udp", "sctp", "dccp", "udplite"};
    return chance_.one_of(kProtocols);
  }
  // Few, so that rules meet.
  std::uint32_t port() {
    static const std::vector<std::uint32_t> kPorts{22, 53, 67, 80, 80, 443, 6000, 6001, 7000, 8000, 8010, 1, 65535};
    return chance_.one_of(kPorts);
  }
  // Of a few ports, of so many as become elements yet, and of more.
  std::string range() {
    constexpr std::array<std::uint32_t, 6> kWidths{1, 3, 40, 1023, 1024, 60000};
    const auto first = port();
    const auto last = std::min(65535U, first + kWidths[chance_.below(kWidths.size())]);
    return std::to_string(first) + "-" + std::to_string(last);
  }

  const Shape& shape_;
  Chance& chance_;
  std::vector<std::string> groups_;
  std::map<std::string, Set> sets_;
};

}  // namespace

std::string RandomPolicy::to_string() const {
  auto text = "# vrouter.toml\n" + vrouter_toml;
  for (const auto& file : files) text += "\n# " + file.file + "\n" + file.text;
  return text;
}

RandomPolicy random_policy(std::uint32_t number) {
  const auto shape = draw_shape(number);
  Chance chance{number, 2};
  RandomPolicy drawn;
  for (; drawn.refused < kMaxDrafts; ++drawn.refused) {
    Draft draft{shape, chance};
    drawn.vrouter_toml = draft.vrouter_toml();
    drawn.files = draft.files();
    auto config = config::parse_config(drawn.vrouter_toml, "vrouter.toml", drawn.files);
    if (config) {
      drawn.config = *std::move(config);
      return drawn;
    }
    drawn.refused_with.clear();
    for (const auto& problem : config.error()) drawn.refused_with += problem.to_string() + "\n";
  }
  std::cerr << drawn.to_string() << drawn.refused_with;
  std::abort();  // the loader takes nothing that is written here: one of both is broken
}

}  // namespace vrouter::truth
