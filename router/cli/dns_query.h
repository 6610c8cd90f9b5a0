// SPDX-License-Identifier: GPL-2.0-or-later
// `vrouter dns query`: this program asks a gateway as any resolver of this host would. The daemon isn't asked to, since
// it parses nothing that a server on the net has sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "dns/presentation.h"
#include "router/cli/options.h"

namespace vrouter::router::cli {

// The forwarder gives up after 4 s (dns/lookup.h).
inline constexpr std::chrono::seconds kAnswerPatience{6};

struct DnsAnswer {
  dns::QuestionKey question;
  dns::ReadReply reply;
  address server;
  bool tcp = false;
  std::chrono::microseconds took{};

  // Like `host`: something of that name and type is there.
  [[nodiscard]] bool found() const noexcept;
};

// The name to ask for: of an address, the one that leads back to it. Nothing: it is no name.
[[nodiscard]] std::optional<dns::QuestionKey> question_of(const std::string& name, std::optional<std::uint16_t> type);

// Over UDP, and over TCP where `tcp` says so or the answer is too long. A sentence where there is none in time.
[[nodiscard]] std::expected<DnsAnswer, std::string> ask_dns(const address& server, const dns::QuestionKey& question,
                                                            bool tcp,
                                                            std::chrono::milliseconds patience = kAnswerPatience);

[[nodiscard]] std::string answer_text(const DnsAnswer& answer, bool colour);
[[nodiscard]] std::string answer_json(const DnsAnswer& answer);

}  // namespace vrouter::router::cli
