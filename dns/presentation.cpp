// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/presentation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <ranges>

#include "base/wire_reader.h"

namespace vrouter::dns {

namespace {

struct Known {
  std::uint16_t number;
  std::string_view text;
};
// IANA's DNS parameters, those that are met.
constexpr std::array kTypes{
    Known{1, "A"},       Known{2, "NS"},     Known{5, "CNAME"},  Known{6, "SOA"},    Known{12, "PTR"},
    Known{13, "HINFO"},  Known{15, "MX"},    Known{16, "TXT"},   Known{17, "RP"},    Known{18, "AFSDB"},
    Known{28, "AAAA"},   Known{29, "LOC"},   Known{33, "SRV"},   Known{35, "NAPTR"}, Known{37, "CERT"},
    Known{39, "DNAME"},  Known{43, "DS"},    Known{44, "SSHFP"}, Known{46, "RRSIG"}, Known{47, "NSEC"},
    Known{48, "DNSKEY"}, Known{50, "NSEC3"}, Known{52, "TLSA"},  Known{59, "CDS"},   Known{60, "CDNSKEY"},
    Known{64, "SVCB"},   Known{65, "HTTPS"}, Known{255, "ANY"},  Known{256, "URI"},  Known{257, "CAA"}};
constexpr std::array kRcodes{Known{0, "NOERROR"},  Known{1, "FORMERR"},  Known{2, "SERVFAIL"},
                             Known{3, "NXDOMAIN"}, Known{4, "NOTIMP"},   Known{5, "REFUSED"},
                             Known{6, "YXDOMAIN"}, Known{16, "BADVERS"}, Known{23, "BADCOOKIE"}};
// RFC 8914, 4
constexpr std::array kErrors{Known{0, "Other"},
                             Known{3, "Stale Answer"},
                             Known{4, "Forged Answer"},
                             Known{6, "DNSSEC Bogus"},
                             Known{13, "Cached Error"},
                             Known{14, "Not Ready"},
                             Known{15, "Blocked"},
                             Known{16, "Censored"},
                             Known{17, "Filtered"},
                             Known{18, "Prohibited"},
                             Known{19, "Stale NXDOMAIN Answer"},
                             Known{20, "Not Authoritative"},
                             Known{21, "Not Supported"},
                             Known{22, "No Reachable Authority"},
                             Known{23, "Network Error"},
                             Known{24, "Invalid Data"}};

std::string text_of(std::span<const Known> known, unsigned number, std::string_view prefix) {
  const auto found = std::ranges::find(known, number, &Known::number);
  return found == known.end() ? fmt::format("{}{}", prefix, number) : std::string{found->text};
}

std::string upper(std::string_view text) {
  std::string result{text};
  for (auto& c : result) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return result;
}

// The parts of one record's data, which has to be read to its end.
class Data {
 public:
  Data(std::span<const std::uint8_t> message, const Record& record)
      : message_{message}, record_{record}, reader_{message.first(record.rdata_start + record.rdata.size())} {
    reader_.skip(record.rdata_start);
  }

  std::string text() {
    std::string text = known();
    if (!failed_ && !text.empty() && !reader_.failed() && reader_.empty()) return text;
    text = fmt::format("\\# {}", record_.rdata.size());
    if (!record_.rdata.empty()) text += ' ';
    for (const auto byte : record_.rdata) text += fmt::format("{:02x}", byte);
    return text;
  }

 private:
  std::string known() {
    switch (record_.type) {
      case type::a:
        return address_text<boost::asio::ip::address_v4>();
      case type::aaaa:
        return address_text<boost::asio::ip::address_v6>();
      case type::ns:
      case type::cname:
      case type::ptr:
      case type::dname:
        return name();
      case type::mx:
        return numbers(1) + name();
      case type::srv:
        return numbers(3) + name();
      case type::soa:
        return soa();
      case type::txt:
      case type::hinfo:
        return strings();
      default:
        return {};
    }
  }

  template <typename Address>
  std::string address_text() {
    typename Address::bytes_type bytes{};
    const auto data = reader_.take(bytes.size());
    std::ranges::copy(data, bytes.begin());
    return Address{bytes}.to_string();
  }
  std::string name() {
    const auto name = Name::decode(message_.first(record_.rdata_start + record_.rdata.size()), reader_);
    failed_ = failed_ || !name;
    return name ? name->to_text() : std::string{};
  }
  std::string numbers(unsigned count) {
    std::string text;
    for (unsigned i = 0; i < count; ++i) text += std::to_string(reader_.u16()) + " ";
    return text;
  }
  std::string soa() {
    std::string text = name();
    text += " " + name();
    constexpr unsigned kNumbers = 5;
    for (unsigned i = 0; i < kNumbers; ++i) text += " " + std::to_string(reader_.u32());
    return text;
  }
  std::string strings() {
    std::string text;
    while (!reader_.empty() && !reader_.failed()) {
      if (!text.empty()) text += ' ';
      text += '"';
      for (const auto byte : reader_.take(reader_.u8())) {
        if (byte == '"' || byte == '\\') {
          text += '\\';
          text += static_cast<char>(byte);
        } else if (byte >= ' ' && byte <= '~') {
          text += static_cast<char>(byte);
        } else {
          text += fmt::format("\\{:03}", byte);
        }
      }
      text += '"';
    }
    return text;
  }

  std::span<const std::uint8_t> message_;
  const Record& record_;
  WireReader reader_;
  bool failed_ = false;
};

void read_options(std::span<const std::uint8_t> options, std::vector<ReadError>& errors) {
  constexpr std::uint16_t kExtendedError = 15;
  WireReader reader{options};
  while (!reader.empty()) {
    const auto code = reader.u16();
    WireReader data{reader.take(reader.u16())};
    if (reader.failed()) return;
    if (code != kExtendedError) continue;
    const auto error = data.u16();
    if (!data.failed()) errors.push_back({error, {data.rest().begin(), data.rest().end()}});
  }
}

}  // namespace

std::optional<std::uint16_t> parse_type(std::string_view text) {
  const auto word = upper(text);
  const auto known = std::ranges::find(kTypes, std::string_view{word}, &Known::text);
  if (known != kTypes.end()) return known->number;
  constexpr std::string_view kGeneric = "TYPE";
  if (!word.starts_with(kGeneric)) return std::nullopt;
  std::uint16_t number = 0;
  const auto* end = word.data() + word.size();
  const auto [at, error] = std::from_chars(word.data() + kGeneric.size(), end, number);
  return error == std::errc{} && at == end ? std::optional{number} : std::nullopt;
}

std::string type_text(std::uint16_t type) {
  return text_of(kTypes, type, "TYPE");
}
std::string rcode_text(unsigned rcode) {
  return text_of(kRcodes, rcode, "RCODE");
}
std::string ede_text(unsigned code) {
  return text_of(kErrors, code, "EDE ");
}

Name reverse_name(const address& of) {
  std::string text;
  if (of.is_v4()) {
    const auto bytes = of.to_v4().to_bytes();
    for (const auto byte : bytes | std::views::reverse) text += fmt::format("{}.", byte);
    text += "in-addr.arpa";
  } else {
    const auto bytes = of.to_v6().to_bytes();
    for (const auto byte : bytes | std::views::reverse) text += fmt::format("{:x}.{:x}.", byte & 0xf, byte >> 4);
    text += "ip6.arpa";
  }
  return *Name::from_text(text);
}

std::optional<ReadReply> read_reply(std::span<const std::uint8_t> message, const QuestionKey& question,
                                    std::uint16_t id) {
  constexpr unsigned kQr = 0x8000, kAa = 0x0400, kTc = 0x0200, kAd = 0x0020, kRcode = 0x000f, kUpperRcode = 4;
  WireReader reader{message};
  const auto its_id = reader.u16();
  const unsigned flags = reader.u16();
  const auto questions = reader.u16();
  const std::array counts{reader.u16(), reader.u16(), reader.u16()};
  if (reader.failed() || its_id != id || (flags & kQr) == 0 || questions != 1) return std::nullopt;
  const auto name = Name::decode(message, reader);
  if (!name || !name->same_as(question.name) || reader.u16() != question.type || reader.u16() != question.klass)
    return std::nullopt;
  ReadReply reply{.truncated = (flags & kTc) != 0,
                  .authoritative = (flags & kAa) != 0,
                  .authentic = (flags & kAd) != 0,
                  .rcode = flags & kRcode};
  for (std::size_t section = 0; section < counts.size(); ++section) {
    for (unsigned i = 0; i < counts[section]; ++i) {
      const auto record = decode_record(message, reader);
      if (!record) return std::nullopt;
      if (record->type == type::opt) {
        reply.rcode |= (record->ttl >> 24) << kUpperRcode;
        read_options(record->rdata, reply.errors);
      } else if (section < 2) {
        (section == 0 ? reply.answers : reply.authority)
            .push_back({record->owner.to_text(), type_text(record->type), Data{message, *record}.text(), record->ttl});
      }
    }
  }
  return reply;
}

}  // namespace vrouter::dns
