// SPDX-License-Identifier: GPL-2.0-or-later
// DHCP messages (RFC 2131, RFC 2132) between bytes and values. Nothing past this header sees a guest's bytes.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "base/mac_address.h"
#include "config/networks.h"

namespace vrouter::dhcp {

// RFC 2132, 9.6. `bootp` is a message without that option: its sender knows RFC 951 only.
enum class MessageType : std::uint8_t { bootp = 0, discover, offer, request, decline, ack, nak, release, inform };

// RFC 2132 unless said otherwise; only those that we read or write.
namespace option {
inline constexpr std::uint8_t kPad = 0, kSubnetMask = 1, kRouter = 3, kDnsServer = 6, kHostName = 12, kDomainName = 15,
                              kExtensionsPath = 18, kInterfaceMtu = 26, kBroadcast = 28, kVendorOptions = 43,
                              kRequestedAddress = 50, kLeaseTime = 51, kOverload = 52, kMessageType = 53,
                              kServerIdentifier = 54, kParameterRequestList = 55, kMaxMessageSize = 57,
                              kRenewalTime = 58, kRebindingTime = 59, kVendorClass = 60, kClientIdentifier = 61,
                              kTftpServer = 66, kBootFile = 67, kUserClass = 77 /* RFC 3004 */,
                              kRapidCommit = 80 /* RFC 4039 */, kFqdn = 81 /* RFC 4702 */,
                              kRelayAgent = 82 /* RFC 3046 */, kArchitecture = 93 /* RFC 4578, and the next two */,
                              kNetworkInterface = 94, kMachine = 97, kIpv6Only = 108 /* RFC 8925 */,
                              kSubnetSelection = 118 /* RFC 3011 */, kDomainSearch = 119 /* RFC 3397 */,
                              kClasslessRoutes = 121 /* RFC 3442 */, kMicrosoftRoutes = 249 /* [MS-DHCPE] 2.2.8 */,
                              kEnd = 255;
}  // namespace option

// A byte string with its bound in its type: a message is decoded without allocating. Nothing past its size is ever
// written, copied or read: messages are mostly room.
template <std::size_t Capacity>
class BoundedBytes {
 public:
  BoundedBytes() noexcept {}  // NOLINT(modernize-use-equals-default): were it defaulted, `T{}` would zero the bytes
  BoundedBytes(const BoundedBytes& other) noexcept : size_{other.size_} {
    std::ranges::copy(other.span(), bytes_.begin());
  }
  BoundedBytes& operator=(const BoundedBytes& other) noexcept {
    if (this == &other) return *this;
    size_ = other.size_;
    std::ranges::copy(other.span(), bytes_.begin());
    return *this;
  }
  ~BoundedBytes() = default;
  // False, and nothing appended, if it doesn't fit.
  [[nodiscard]] bool append(std::span<const std::uint8_t> more) noexcept {
    if (more.size() > Capacity - size_) return false;
    std::ranges::copy(more, bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += more.size();
    return true;
  }
  [[nodiscard]] std::span<const std::uint8_t> span() const noexcept { return {bytes_.data(), size_}; }
  [[nodiscard]] std::string_view text() const noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes as characters
    return {reinterpret_cast<const char*>(bytes_.data()), size_};
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  bool operator==(const BoundedBytes& other) const noexcept { return std::ranges::equal(span(), other.span()); }

 private:
  std::array<std::uint8_t, Capacity> bytes_;
  std::size_t size_ = 0;
};

inline constexpr std::size_t kMaxOption =
    255;  // what one option of a request may hold, joined (RFC 3396): ours are short
inline constexpr std::size_t kMaxDnsLabel = 63;      // RFC 1035, 2.3.4
inline constexpr std::size_t kMaxBootFile = 127;     // the `file` field without its final NUL (RFC 2131, 2)
inline constexpr std::size_t kMachineSize = 17;      // a type and a UUID (RFC 4578, 2.3)
inline constexpr std::size_t kMaxArchitectures = 8;  // of those that a client names; real ones name one
inline constexpr std::size_t kMaxRequest = 4096;     // more than any client sends; longer datagrams are dropped whole
inline constexpr std::size_t kMinReply = 300;        // BOOTP's size (RFC 951): some clients drop shorter replies
inline constexpr std::size_t kMaxReply = 1472;       // one Ethernet frame of 1500 bytes without its IP and UDP headers

// What a client asks for, by the code of the option.
using Parameters = std::bitset<256>;

// What a client said. Only message types that clients send are decoded.
struct Request {
  Request() noexcept {}  // NOLINT(modernize-use-equals-default): as above, here and below
  MessageType type = MessageType::discover;
  std::uint8_t hops = 0;
  std::uint16_t seconds = 0;
  std::uint16_t flags = 0;
  std::uint16_t source_port = 68;  // UDP's: not in the message, for whoever received it to say
  address_v4 asked;                // IP's: where it was sent to, of what came by the host's routes; else 0.0.0.0
  std::uint32_t transaction = 0;
  address_v4 client_address;  // ciaddr
  address_v4 relay_address;   // giaddr
  MacAddress hardware;        // chaddr, an Ethernet station's
  std::optional<address_v4> requested_address;
  std::optional<address_v4> server_identifier;
  std::optional<std::uint16_t> max_message_size;
  std::optional<std::uint32_t> lease_time;  // option 51: what the client wishes, in seconds
  bool rapid_commit = false;
  bool network_interface = false;          // option 94 is there: with an architecture, the mark of a boot ROM
  std::optional<std::uint8_t> fqdn_flags;  // of option 81 (RFC 4702, 2.1), whose name host_name then is
  BoundedBytes<kMaxOption> client_id;      // empty, or at least 2 bytes
  BoundedBytes<kMaxOption> vendor_class;
  BoundedBytes<kMaxOption> user_class;
  BoundedBytes<kMaxDnsLabel> host_name;               // sanitised: one lower-case label (RFC 1123), or empty
  BoundedBytes<2 * kMaxArchitectures> architectures;  // option 93: big-endian pairs of bytes, the best one first
  BoundedBytes<kMachineSize> machine;                 // option 97, whole; or empty
  Parameters parameters;                              // option 55
  // What a relay says (RFC 3046); counts only with a relay_address.
  BoundedBytes<kMaxOption> relay_agent;        // option 82 as sent, whole
  std::optional<address_v4> link_selection;    // sub-option 5: the client's subnet, when giaddr's isn't (RFC 3527)
  std::optional<address_v4> server_override;   // sub-option 11: what option 54 is to say (RFC 5107)
  bool relay_source_port = false;              // sub-option 19: reply to source_port, not to 67 (RFC 8357)
  std::optional<address_v4> subnet_selection;  // option 118 (RFC 3011)

  [[nodiscard]] bool wants_broadcast() const noexcept { return (flags & 0x8000) != 0; }
  bool operator==(const Request&) const = default;
};

enum class ParseError {
  truncated,      // shorter than its headers, or an option past the end, or no end option
  not_a_request,  // op is not BOOTREQUEST, or a message type that only servers send
  not_ethernet,   // htype, hlen, or a chaddr that names no station
  bad_option,     // an option of fixed size has another one, or option 52 an unknown value
};
[[nodiscard]] std::string_view name(ParseError) noexcept;

// Options of the field, then of `file` and `sname` where option 52 says so, joined by RFC 3396. An option whose size is
// wrong spoils the message if it decides what the message means, and is ignored otherwise. Without the magic cookie
// (RFC 951), or without a message type (RFC 1497), it is MessageType::bootp.
[[nodiscard]] std::expected<Request, ParseError> decode_request(std::span<const std::uint8_t> datagram);

// The first label of a host name in lower case, or empty when that is no RFC 1123 label. Names from guests reach logs,
// tables and the DNS: nothing but letters, digits and inner hyphens passes.
[[nodiscard]] BoundedBytes<kMaxDnsLabel> sanitise_host_name(std::span<const std::uint8_t> raw) noexcept;

// Options in the order in which they are to be sent; what comes first survives a small cap. It holds what one reply
// could carry at most and allocates nothing.
class OptionList {
 public:
  void add(std::uint8_t code, std::span<const std::uint8_t> value) noexcept;
  void add_u8(std::uint8_t code, std::uint8_t value) noexcept;
  void add_u16(std::uint8_t code, std::uint16_t value) noexcept;
  void add_u32(std::uint8_t code, std::uint32_t value) noexcept;
  void add(std::uint8_t code, const address_v4& value) noexcept;

  OptionList() noexcept {}  // NOLINT(modernize-use-equals-default)
  OptionList(const OptionList& other) noexcept : count_{other.count_}, used_{other.used_} { copy_used(other); }
  OptionList& operator=(const OptionList& other) noexcept {
    if (this == &other) return *this;
    count_ = other.count_;
    used_ = other.used_;
    copy_used(other);
    return *this;
  }
  ~OptionList() = default;

  struct Entry {
    std::uint8_t code;
    std::uint16_t offset, length;
  };
  [[nodiscard]] std::span<const Entry> entries() const noexcept { return {entries_.data(), count_}; }
  [[nodiscard]] std::span<const std::uint8_t> value(const Entry& e) const noexcept {
    return std::span{bytes_}.subspan(e.offset, e.length);
  }
  // The first option of that code; nothing if there is none.
  [[nodiscard]] std::optional<std::span<const std::uint8_t>> find(std::uint8_t code) const noexcept;

 private:
  static constexpr std::size_t kMaxEntries = 256;  // one of each code, which is all that anybody may configure
  void copy_used(const OptionList& other) noexcept {
    std::copy_n(other.entries_.begin(), count_, entries_.begin());
    std::copy_n(other.bytes_.begin(), used_, bytes_.begin());
  }
  // Only what is used is ever written, copied or read.
  std::array<Entry, kMaxEntries> entries_;
  std::array<std::uint8_t, kMaxReply> bytes_;
  std::size_t count_ = 0, used_ = 0;
};

struct Reply {
  Reply() noexcept {}  // NOLINT(modernize-use-equals-default)
  std::uint32_t transaction = 0;
  std::uint16_t flags = 0;
  address_v4 client_address;             // ciaddr
  address_v4 your_address;               // yiaddr
  address_v4 boot_server;                // siaddr
  address_v4 relay_address;              // giaddr
  MacAddress hardware;                   // chaddr
  BoundedBytes<kMaxBootFile> boot_file;  // file
  OptionList options;                    // message type first
  BoundedBytes<kMaxOption> relay_agent;  // option 82: the last one, as the relay sent it (RFC 3046, 2.2)
};

// Writes the message into `buffer`, at most `cap` bytes of it, and returns its size. Options that don't fit are left
// out, the later ones first, but never option 82, which its relay waits for: its room is kept for it. The message is
// padded to kMinReply. Options longer than 255 bytes are split (RFC 3396). A buffer shorter than kMinReply and
// option 82 takes nothing and gives 0.
[[nodiscard]] std::size_t encode_reply(const Reply& reply, std::size_t cap, std::span<std::uint8_t> buffer) noexcept;

// RFC 1035, 3.1, without compression, as RFC 3397 allows. Empty when the text is no domain name.
[[nodiscard]] BoundedBytes<kMaxOption> encode_domain(std::string_view domain) noexcept;

}  // namespace vrouter::dhcp
