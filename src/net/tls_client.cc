// The client side of TLS: what is expected of the other end, and what became of it.
#include "net/endpoint.h"
#include "net/tls.h"
#include "net/tls_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace postern::net {
namespace {

constexpr int kTrustAnchor = 2;
constexpr int kEndEntity = 3;

/// Marks the sessions that are verified by DANE.
const char kByDane = 0;

std::size_t digest_size(int matching) {
  constexpr std::size_t kSha256 = 32;
  constexpr std::size_t kSha512 = 64;
  return matching == 1 ? kSha256 : kSha512;
}

struct CtxDelete {
  void operator()(SSL_CTX* ctx) const { SSL_CTX_free(ctx); }
};

VerifyFailure failure_of(long result, bool dane) {
  switch (result) {
    case X509_V_OK:
      return VerifyFailure::None;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return VerifyFailure::Expired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return VerifyFailure::Name;
    case X509_V_ERR_DANE_NO_MATCH:
      return VerifyFailure::NoTlsaMatch;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_INVALID_CA:
      return dane ? VerifyFailure::NoTlsaMatch : VerifyFailure::Untrusted;
    default:
      return VerifyFailure::Other;
  }
}

/// RFC 7672 §3: which names count, and that with DANE-EE(3) none does.
Result<> expect_tlsa(SSL* ssl, const TlsPeer& peer) {
  if (SSL_dane_enable(ssl, peer.name.c_str()) != 1)
    return fail(Errc::Malformed, "not a name for DANE: " + peer.name);
  SSL_set_app_data(ssl, const_cast<char*>(&kByDane));
  SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  bool any = false;
  for (const TlsaRecord& record : peer.tlsa) {
    if (!record.usable()) continue;
    const auto* octets = reinterpret_cast<const unsigned char*>(record.data.data());
    any |= SSL_dane_tlsa_add(ssl, static_cast<std::uint8_t>(record.usage),
                             static_cast<std::uint8_t>(record.selector),
                             static_cast<std::uint8_t>(record.matching), octets, record.data.size()) == 1;
  }
  ERR_clear_error();  // data that is no certificate or key only makes its record unusable
  // Without a record OpenSSL would fall back to its CA store.
  if (!any) return fail(Errc::Malformed, "no TLSA record of " + peer.name + " is usable");
  return {};
}

}  // namespace

bool TlsaRecord::usable() const {
  if (usage != kTrustAnchor && usage != kEndEntity) return false;
  if (selector < 0 || selector > 1 || matching < 0 || matching > 2) return false;
  return matching == 0 ? !data.empty() : data.size() == digest_size(matching);
}

struct TlsClient::Impl {
  std::unique_ptr<SSL_CTX, CtxDelete> ctx;
  Verify verify = Verify::Require;
};

TlsClient::TlsClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsClient::~TlsClient() = default;

Result<std::shared_ptr<TlsClient>> TlsClient::create(const Options& options) {
  auto impl = std::make_unique<Impl>();
  impl->ctx.reset(SSL_CTX_new(TLS_client_method()));
  impl->verify = options.verify;
  SSL_CTX* const ctx = impl->ctx.get();
  set_tls_defaults(ctx);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  ERR_clear_error();
  if (options.verify == Verify::Dane) {  // no CA counts
    if (SSL_CTX_dane_enable(ctx) != 1) return fail(Errc::Internal, "DANE: " + openssl_error());
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, nullptr);
    return std::make_shared<TlsClient>(std::move(impl));
  }
  const bool loaded = options.ca_file.empty() ? SSL_CTX_set_default_verify_paths(ctx) == 1
                                              : SSL_CTX_load_verify_file(ctx, options.ca_file.c_str()) == 1;
  if (!loaded)
    return fail(Errc::NotFound,
                "cannot load CA certificates from " + options.ca_file + ": " + openssl_error());
  // With None the result is still computed, so that it can be told in the trace.
  SSL_CTX_set_verify(ctx, options.verify == Verify::Require ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  return std::make_shared<TlsClient>(std::move(impl));
}

Result<TlsSession> tls_client_session(TlsClient& client, const TlsPeer& peer) {
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(client.impl().ctx.get()), SSL_free);
  if (!ssl) return fail(Errc::Exhausted, "no memory for a TLS session");
  SSL_set_hostflags(ssl.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (client.impl().verify == TlsClient::Verify::Dane) {
    POSTERN_CHECK(expect_tlsa(ssl.get(), peer));
  } else if (const Result<IpAddress> ip = IpAddress::parse(peer.name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), ip->text().c_str());
  } else {
    SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(peer.name.c_str()));
    SSL_set1_host(ssl.get(), peer.name.c_str());
  }
  for (const std::string& other : peer.other_names) SSL_add1_host(ssl.get(), other.c_str());
  return TlsSession{ssl.release(), nullptr};
}

void describe_verification(SSL* ssl, TlsInfo& info) {
  if (SSL_is_server(ssl) == 1) return;
  const bool by_dane = SSL_get_app_data(ssl) == &kByDane;
  const long result = SSL_get_verify_result(ssl);
  info.verify_failure = failure_of(result, by_dane);
  if (result != X509_V_OK) {
    info.verify_error = X509_verify_cert_error_string(result);
    return;
  }
  if (SSL_get0_peer_certificate(ssl) == nullptr) return;
  std::uint8_t usage = 0;
  const bool matched = SSL_get0_dane_tlsa(ssl, &usage, nullptr, nullptr, nullptr, nullptr) >= 0;
  info.verified_by = !matched ? "pkix" : usage == kEndEntity ? "dane-ee" : "dane-ta";
}

}  // namespace postern::net
