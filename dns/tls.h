// SPDX-License-Identifier: GPL-2.0-or-later
// TLS towards servers (RFC 7858), by the strict profile of RFC 8310: the server proves who it is, or isn't asked.
//
// OpenSSL sees bytes only: Asio carries them between it and the socket, and who may vouch for servers comes as text. So
// it opens no file and no socket, and is content in the cage.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <string>

#include "dns/tables.h"

namespace vrouter::dns {

using TlsContext = boost::asio::ssl::context;
using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket&>;

// TLS 1.2 or later, ALPN "dot", certificates held against these (PEM). Null where there is none among them.
[[nodiscard]] std::shared_ptr<TlsContext> make_tls_context(const std::string& authorities);

// Before the handshake: whom the certificate must be for, the name or else the address; a name is told to the server.
[[nodiscard]] bool expect_server(TlsStream& stream, const config::DnsServer& server);

// What a handshake that failed so says of the server; none where the network may have been to blame.
[[nodiscard]] UpstreamTrouble trouble_of(TlsStream& stream, const boost::system::error_code& error);

}  // namespace vrouter::dns
