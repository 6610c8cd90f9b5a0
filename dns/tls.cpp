// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/error.hpp>

namespace vrouter::dns {

namespace {

namespace ssl = boost::asio::ssl;

constexpr std::array<unsigned char, 4> kAlpn{3, 'd', 'o', 't'};  // RFC 7858 has none; IANA gave it this

UpstreamTrouble meaning(long verdict) {
  switch (verdict) {
    case X509_V_OK:
      return UpstreamTrouble::none;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return UpstreamTrouble::expired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return UpstreamTrouble::wrong_name;
    default:
      return UpstreamTrouble::untrusted;
  }
}

}  // namespace

std::shared_ptr<TlsContext> make_tls_context(const std::string& authorities) {
  // No openssl.cnf: what we offer doesn't hang on a file that may be missing where we are.
  if (::OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) return nullptr;
  auto context = std::make_shared<TlsContext>(TlsContext::tls_client);
  boost::system::error_code error;
  context->add_certificate_authority(boost::asio::buffer(authorities), error);
  if (error) return nullptr;
  auto* native = context->native_handle();
  if (::SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION) != 1) return nullptr;
  if (::SSL_CTX_set_alpn_protos(native, kAlpn.data(), kAlpn.size()) != 0) return nullptr;  // 0 is its success
  ::SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION);
  context->set_verify_mode(ssl::verify_peer, error);
  return error ? nullptr : context;
}

bool expect_server(TlsStream& stream, const config::DnsServer& server) {
  auto* native = stream.native_handle();
  if (server.name.empty()) {
    // Scopes are of no certificate.
    const auto text = server.at.is_v4() ? server.at.to_string()
                                        : boost::asio::ip::address_v6{server.at.to_v6().to_bytes()}.to_string();
    return ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(native), text.c_str()) == 1;
  }
  ::SSL_set_hostflags(native, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-cstyle-cast): the macro's
  return ::SSL_set1_host(native, server.name.c_str()) == 1 &&
         ::SSL_set_tlsext_host_name(native, server.name.c_str()) == 1;
}

UpstreamTrouble trouble_of(TlsStream& stream, const boost::system::error_code& error) {
  const auto certificate = meaning(::SSL_get_verify_result(stream.native_handle()));
  if (certificate != UpstreamTrouble::none) return certificate;
  return error.category() == boost::asio::error::get_ssl_category() ? UpstreamTrouble::no_tls : UpstreamTrouble::none;
}

}  // namespace vrouter::dns
