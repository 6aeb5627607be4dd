#include "probe/handshake.h"

#include "probe/certificate.h"
#include "probe/recognise.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace postern::probe {
namespace {

/// Collects what is wrong with a chain and lets the handshake go on.
int note_verify_error(int ok, X509_STORE_CTX* store) {
  if (ok == 1) return 1;
  const auto* ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* seen = static_cast<TlsSeen*>(SSL_get_app_data(ssl));
  const int error = X509_STORE_CTX_get_error(store);
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      seen->expired = true;
      break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      seen->not_yet_valid = true;
      break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      seen->self_signed = true;
      seen->untrusted = true;
      break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
    case X509_V_ERR_INVALID_CA:
      seen->untrusted = true;
      break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return 1;  // looked at by itself
    default:
      seen->other_chain_error = true;
  }
  const std::string words = X509_verify_cert_error_string(error);
  if (std::find(seen->verify_errors.begin(), seen->verify_errors.end(), words) == seen->verify_errors.end()) {
    seen->verify_errors.push_back(words);
  }
  return 1;
}

bool names_host(X509* leaf, const std::string& host) {
  if (net::IpAddress::parse(host)) return X509_check_ip_asc(leaf, host.c_str(), 0) == 1;
  // RFC 9525 §6.3: no partial wildcards; the common name does not count (§2).
  return X509_check_host(leaf, host.data(), host.size(),
                         X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                         nullptr) == 1;
}

void describe_session(SSL* ssl, const std::string& host, TlsSeen& seen) {
  seen.outcome = TlsOutcome::Done;
  seen.version = SSL_get_version(ssl);
  if (const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl); cipher != nullptr) {
    seen.cipher = SSL_CIPHER_standard_name(cipher) != nullptr ? SSL_CIPHER_standard_name(cipher)
                                                              : SSL_CIPHER_get_name(cipher);
    seen.cipher_bits = SSL_CIPHER_get_bits(cipher, nullptr);
  }
  if (const char* group = SSL_group_to_name(ssl, static_cast<int>(SSL_get_negotiated_group(ssl)))) {
    seen.group = group;
  }
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); ++i) seen.chain.push_back(describe(sk_X509_value(chain, i)));
  if (X509* leaf = SSL_get0_peer_certificate(ssl); leaf != nullptr)
    seen.name_matches = names_host(leaf, host);
}

void describe_failure(int why, int system_error, TlsSeen& seen) {
  const unsigned long error = ERR_peek_error();
  const char* const words = ERR_reason_error_string(error);
  seen.error = words != nullptr ? words : "TLS handshake failed";
  constexpr int kAlertReason = 1000;  // SSL_AD_REASON_OFFSET: reasons above are the peer's alerts
  if (why == SSL_ERROR_SYSCALL || ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    const bool reset = system_error == ECONNRESET || system_error == EPIPE;
    seen.outcome = reset ? TlsOutcome::Reset : TlsOutcome::Closed;
    seen.error = reset ? "reset" : "closed";
  } else if (ERR_GET_REASON(error) >= kAlertReason) {
    seen.outcome = TlsOutcome::Alert;
  } else {
    seen.outcome = TlsOutcome::Failed;
  }
}

/// What is no TLS record, the peer said in clear.
void look_at_first_octets(const Wire& wire, TlsSeen& seen) {
  const Result<std::string> octets = wire.peek(std::chrono::steady_clock::now());
  if (!octets || octets->empty()) return;
  seen.protocol = recognise(*octets);
  if (seen.protocol != Protocol::Tls) seen.first_octets = printable(*octets);
}

void run(SSL* ssl, const Wire& wire, const std::string& host, SteadyTime deadline, TlsSeen& seen) {
  bool first = true;
  while (true) {
    ERR_clear_error();
    errno = 0;
    const int outcome = SSL_connect(ssl);
    if (outcome == 1) return describe_session(ssl, host, seen);
    const int system_error = errno;
    const int why = SSL_get_error(ssl, outcome);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
      describe_failure(why, system_error, seen);
      if (!seen.first_octets.empty()) seen.outcome = TlsOutcome::PeerSpokeClear;
      return;
    }
    const bool ready =
        why == SSL_ERROR_WANT_READ ? wire.wait_readable(deadline) : wire.wait_writable(deadline);
    if (!ready) {
      seen.outcome = TlsOutcome::Timeout;
      seen.error = "timeout";
      return;
    }
    if (why == SSL_ERROR_WANT_READ && std::exchange(first, false)) look_at_first_octets(wire, seen);
  }
}

}  // namespace

Result<Handshaker> Handshaker::create(const std::string& ca_file) {
  Handshaker made;
  made.context_ = std::shared_ptr<SSL_CTX>(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX* const context = made.context_.get();
  if (context == nullptr) return fail(Errc::Internal, "OpenSSL cannot start");
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_cipher_list(context, "ALL:COMPLEMENTOFDEFAULT:@SECLEVEL=0");
  SSL_CTX_set_options(context, SSL_OP_LEGACY_SERVER_CONNECT);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_default_verify_paths(context);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, note_verify_error);
  if (!ca_file.empty() && SSL_CTX_load_verify_file(context, ca_file.c_str()) != 1) {
    return fail(Errc::NotFound, "cannot read certificates from " + ca_file);
  }
  ERR_clear_error();
  return made;
}

TlsSeen Handshaker::handshake(Wire& wire, const std::string& host, SteadyTime deadline, Newest newest) const {
  const SteadyTime start = std::chrono::steady_clock::now();
  TlsSeen seen;
  std::unique_ptr<SSL, Wire::SslDelete> ssl(SSL_new(context_.get()));
  SSL_set_app_data(ssl.get(), &seen);
  SSL_set_fd(ssl.get(), wire.fd());
  if (newest != Newest::Any)
    SSL_set_max_proto_version(ssl.get(), newest == Newest::Tls11 ? TLS1_1_VERSION : TLS1_VERSION);
  if (!net::IpAddress::parse(host)) {  // RFC 6066 §3: no literals; the macro for this has an old-style cast
    std::string name = host;
    SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  }
  run(ssl.get(), wire, host, deadline, seen);
  SSL_set_app_data(ssl.get(), nullptr);
  seen.elapsed = std::chrono::duration_cast<Elapsed>(std::chrono::steady_clock::now() - start);
  if (seen.outcome == TlsOutcome::Done) wire.use_tls(std::move(ssl));
  return seen;
}

}  // namespace postern::probe
