// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>

#include "config/specs.h"

namespace vrouter::config {
namespace {

struct Good {
  const char* text;
  const char* shortest;
  const char* host;
  std::uint16_t first, last, guest_first;
  Protocol protocol;
};

TEST(ParsePublish, ReadsEveryForm) {
  constexpr Good kCases[] = {
      {"8080:80/tcp", "8080:80/tcp", "", 8080, 8080, 80, Protocol::tcp},
      {"8080:80", "8080:80/tcp", "", 8080, 8080, 80, Protocol::tcp},
      {"443", "443/tcp", "", 443, 443, 443, Protocol::tcp},
      {"443:443", "443/tcp", "", 443, 443, 443, Protocol::tcp},
      {"5000/udp", "5000/udp", "", 5000, 5000, 5000, Protocol::udp},
      {"36412/sctp", "36412/sctp", "", 36412, 36412, 36412, Protocol::sctp},
      {"6000-6010", "6000-6010/tcp", "", 6000, 6010, 6000, Protocol::tcp},
      {"6000-6000", "6000/tcp", "", 6000, 6000, 6000, Protocol::tcp},
      {"6000-6010:7000/udp", "6000-6010:7000/udp", "", 6000, 6010, 7000, Protocol::udp},
      {"1-65535", "1-65535/tcp", "", 1, 65535, 1, Protocol::tcp},
      {"192.0.2.1:8080:80", "192.0.2.1:8080:80/tcp", "192.0.2.1", 8080, 8080, 80, Protocol::tcp},
      {"192.0.2.1:53/udp", "192.0.2.1:53/udp", "192.0.2.1", 53, 53, 53, Protocol::udp},
      {"[2001:db8::1]:443", "[2001:db8::1]:443/tcp", "2001:db8::1", 443, 443, 443, Protocol::tcp},
      {"[2001:DB8:0::1]:1-2:3/udp", "[2001:db8::1]:1-2:3/udp", "2001:db8::1", 1, 2, 3, Protocol::udp},
      {"00080", "80/tcp", "", 80, 80, 80, Protocol::tcp},
  };
  for (const auto& c : kCases) {
    const auto parsed = parse_publish(c.text);
    ASSERT_TRUE(parsed.has_value()) << c.text << ": " << parsed.error();
    EXPECT_EQ(parsed->host ? parsed->host->to_string() : "", c.host) << c.text;
    EXPECT_EQ(parsed->first, c.first) << c.text;
    EXPECT_EQ(parsed->last, c.last) << c.text;
    EXPECT_EQ(parsed->guest_first, c.guest_first) << c.text;
    EXPECT_EQ(parsed->protocol, c.protocol) << c.text;
    EXPECT_EQ(parsed->to_string(), c.shortest);
    EXPECT_EQ(parse_publish(c.shortest), parsed) << "its own text reads back differently";
  }
}

TEST(ParsePublish, SaysWhatIsWrongAndWhatToWrite) {
  constexpr std::pair<const char*, const char*> kCases[] = {
      {"", "'' has no port of 1 to 65535; write 8080:80, 8080:80/udp or 6000-6010"},
      {"x", "'x' has no port of 1 to 65535; write 8080:80, 8080:80/udp or 6000-6010"},
      {"0", "'0' has no port of 1 to 65535; write 8080:80, 8080:80/udp or 6000-6010"},
      {"65536", "'65536' has no port of 1 to 65535; write 8080:80, 8080:80/udp or 6000-6010"},
      {"+80", "'+80' has no port of 1 to 65535; write 8080:80, 8080:80/udp or 6000-6010"},
      {"80-", "'80-' has no port of 1 to 65535; write 8080:80, 8080:80/udp or 6000-6010"},
      {"80 ", "'80 ' has no port of 1 to 65535; write 8080:80, 8080:80/udp or 6000-6010"},
      {"80/icmp", "'80/icmp' has an unknown protocol; write /tcp, /udp or /sctp"},
      {"80/", "'80/' has an unknown protocol; write /tcp, /udp or /sctp"},
      {"90-80", "'90-80' has a range that ends before it begins; write the lower port first"},
      {"80:", "'80:' has no guest port of 1 to 65535; write only the guest's first port after the colon"},
      {"80-81:90-91",
       "'80-81:90-91' has no guest port of 1 to 65535; write only the guest's first port after the colon"},
      {"80-90:65530", "'80-90:65530' runs past the guest's port 65535; write a lower guest port"},
      {"192.0.2.1", "'192.0.2.1' has no port; write 192.0.2.1:8080:80"},
      {"192.0.2:80", "'192.0.2' is no address; write one such as 192.0.2.53 or 2001:db8::53"},
      {"0.0.0.0:80", "'0.0.0.0:80' means every address; leave the address out"},
      {"[::]:80", "'[::]:80' means every address; leave the address out"},
      {"[2001:db8::1]", "'[2001:db8::1]' lacks ']:' after its address; write [2001:db8::1]:8080:80"},
      {"[192.0.2.1]:80", "'[192.0.2.1]:80' has no IPv6 address in its brackets; write [2001:db8::1]:8080:80"},
      {"[fe80::1%lo]:80", "'fe80::1%lo' is no IPv6 address; write one such as fd76:7274:5::2"},
      {"[fe80::1]:80",
       "'[fe80::1]:80' names no address that a port can be published on; write one of the host's own, or none"},
      {"224.0.0.1:80",
       "'224.0.0.1:80' names no address that a port can be published on; write one of the host's own, or none"},
      {"255.255.255.255:80",
       "'255.255.255.255:80' names no address that a port can be published on; write one of the host's own, or none"},
      {"2001:db8::1:80",
       "'2001:db8::1:80' is no published port; write 8080:80, 192.0.2.1:8080:80 or [2001:db8::1]:8080:80"},
      {"8080:80:90", "'8080:80:90' is no published port; write 8080:80, 192.0.2.1:8080:80 or [2001:db8::1]:8080:80"},
  };
  for (const auto& [text, message] : kCases) {
    const auto parsed = parse_publish(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error(), message);
  }
}

TEST(ParsePublish, RefusesAnEmbeddedZero) {
  using std::string_view_literals::operator""sv;
  EXPECT_FALSE(parse_publish("80\0"sv).has_value());
  EXPECT_FALSE(parse_publish("192.0.2.1\0:80"sv).has_value());
}

}  // namespace
}  // namespace vrouter::config
