// SPDX-License-Identifier: GPL-2.0-or-later
// An authority of the test's own, and what it signs: nothing of it is a file, and no two runs have the same keys.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

namespace vrouter::dns::testing {

struct OpensslFree {
  void operator()(EVP_PKEY* key) const noexcept { ::EVP_PKEY_free(key); }
  void operator()(X509* certificate) const noexcept { ::X509_free(certificate); }
  void operator()(BIO* bio) const noexcept { ::BIO_free(bio); }
};

inline std::string text_of(BIO& out) {
  char* text = nullptr;
  const auto size = ::BIO_get_mem_data(&out, &text);
  return {text, static_cast<std::size_t>(size)};
}

struct Identity {
  std::unique_ptr<EVP_PKEY, OpensslFree> key;
  std::unique_ptr<X509, OpensslFree> certificate;

  [[nodiscard]] std::string pem() const {
    const std::unique_ptr<BIO, OpensslFree> out{::BIO_new(::BIO_s_mem())};
    ::PEM_write_bio_X509(out.get(), certificate.get());
    return text_of(*out);
  }
  [[nodiscard]] std::string key_pem() const {
    const std::unique_ptr<BIO, OpensslFree> out{::BIO_new(::BIO_s_mem())};
    ::PEM_write_bio_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(*out);
  }
};

struct Wanted {
  std::string names;                              // "DNS:dns.example" or "IP:127.0.0.9"; empty: an authority
  std::chrono::seconds from{-3600}, until{3600};  // from now on
};

// Signed by `by`, or by itself.
inline Identity make_identity(const Wanted& wanted, const Identity* by = nullptr) {
  static long serial = 0;
  const auto check = [](bool right) {
    if (!right) throw std::runtime_error{"OpenSSL makes no such certificate"};
  };
  Identity made{std::unique_ptr<EVP_PKEY, OpensslFree>{::EVP_EC_gen("P-256")},
                std::unique_ptr<X509, OpensslFree>{::X509_new()}};
  auto* certificate = made.certificate.get();
  const auto* issuer = by == nullptr ? certificate : by->certificate.get();
  check(made.key && ::X509_set_version(certificate, 2) == 1);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), ++serial);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate), wanted.from.count());
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate), wanted.until.count());
  check(::X509_set_pubkey(certificate, made.key.get()) == 1);
  const auto name = "test " + std::to_string(serial);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): characters as bytes
  check(::X509_NAME_add_entry_by_txt(::X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0) == 1);
  check(::X509_set_issuer_name(certificate, ::X509_get_subject_name(issuer)) == 1);
  X509V3_CTX context;
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), certificate, nullptr, nullptr, 0);
  const auto extend = [&](int what, const std::string& value) {
    auto* extension = ::X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
    check(extension != nullptr && ::X509_add_ext(certificate, extension, -1) == 1);
    ::X509_EXTENSION_free(extension);
  };
  extend(NID_basic_constraints, wanted.names.empty() ? "critical,CA:TRUE" : "CA:FALSE");
  if (!wanted.names.empty()) extend(NID_subject_alt_name, wanted.names);
  check(::X509_sign(certificate, by == nullptr ? made.key.get() : by->key.get(), ::EVP_sha256()) != 0);
  return made;
}

// Of a server that shows this identity, and takes "dot" where the client offers it.
inline std::unique_ptr<boost::asio::ssl::context> server_context(const Identity& identity) {
  auto context = std::make_unique<boost::asio::ssl::context>(boost::asio::ssl::context::tls_server);
  auto* native = context->native_handle();
  if (::SSL_CTX_use_certificate(native, identity.certificate.get()) != 1 ||
      ::SSL_CTX_use_PrivateKey(native, identity.key.get()) != 1) {
    throw std::runtime_error{"OpenSSL takes no such identity"};
  }
  ::SSL_CTX_set_alpn_select_cb(
      native,
      [](SSL*, const unsigned char** out, unsigned char* size, const unsigned char* in, unsigned length, void*) {
        static constexpr unsigned char kDot[] = {3, 'd', 'o', 't'};
        return ::SSL_select_next_proto(const_cast<unsigned char**>(out), size, kDot, sizeof kDot, in, length) ==
                       OPENSSL_NPN_NEGOTIATED
                   ? SSL_TLSEXT_ERR_OK
                   : SSL_TLSEXT_ERR_NOACK;
      },
      nullptr);
  return context;
}

}  // namespace vrouter::dns::testing
