#include "net/tls_impl.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <string_view>

namespace postern::net {
namespace {

constexpr std::string_view kExporterLabel = "EXPORTER-Channel-Binding";  // RFC 9266 §3
constexpr std::size_t kExporterSize = 32;

std::string exporter(SSL* ssl) {
  // RFC 9266 §4.2: with TLS 1.2 it is unique only under the extended master secret (and without renegotiation, which
  // we never do).
  if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1) return {};
  std::string out(kExporterSize, '\0');
  // A context of length zero, which for TLS 1.2 is not the same as none.
  static constexpr unsigned char kNoContext = 0;
  if (SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(out.data()), out.size(),
                                 kExporterLabel.data(), kExporterLabel.size(), &kNoContext, 0, 1) != 1)
    return {};
  return out;
}

/// The hash of the certificate's own signature, but SHA-256 instead of MD5 and SHA-1 (RFC 5929 §4.1).
std::string certificate_hash(X509* certificate) {
  if (certificate == nullptr) return {};
  int digest_nid = NID_undef;
  OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest_nid, nullptr);
  const EVP_MD* digest = EVP_get_digestbynid(digest_nid);
  if (digest_nid == NID_md5 || digest_nid == NID_sha1) digest = EVP_sha256();
  if (digest == nullptr) return {};  // as with Ed25519: undefined there
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  if (X509_digest(certificate, digest, hash.data(), &size) != 1) return {};
  return {reinterpret_cast<const char*>(hash.data()), size};
}

}  // namespace

std::vector<std::string> certified_addresses_of(SSL* ssl) {
  std::vector<std::string> addresses;
  X509* const certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr || SSL_get_verify_result(ssl) != X509_V_OK) return addresses;
  auto* names =
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_EMAIL) continue;
    const ASN1_STRING* text = name->d.rfc822Name;
    addresses.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<std::size_t>(ASN1_STRING_length(text)));
  }
  GENERAL_NAMES_free(names);
  return addresses;
}

TlsBinding tls_binding_of(SSL* ssl) {
  const bool server = SSL_is_server(ssl) == 1;
  return {exporter(ssl),
          certificate_hash(server ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl))};
}

}  // namespace postern::net
