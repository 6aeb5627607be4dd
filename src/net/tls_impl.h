#pragma once

#include "base/result.h"
#include "net/stream.h"
#include "net/tls.h"

#include <openssl/ssl.h>

#include <memory>
#include <string>

// What stream.cc needs of tls.cc; for the .cc files of net/ only: this header brings OpenSSL in.
namespace postern::net {

/// One connection's SSL object and what must live as long as it does.
struct TlsSession {
  SSL* ssl = nullptr;
  std::shared_ptr<void> owner;
};

[[nodiscard]] Result<TlsSession> tls_server_session(TlsServer& server);
[[nodiscard]] Result<TlsSession> tls_client_session(TlsClient& client, const TlsPeer& peer);

/// How the certificate of the other end was verified or why it was not: the fields of `info` about it.
void describe_verification(SSL* ssl, TlsInfo& info);

[[nodiscard]] TlsBinding tls_binding_of(SSL* ssl);
[[nodiscard]] std::vector<std::string> certified_addresses_of(SSL* ssl);

/// What both sides of TLS have in common: versions, ciphers, groups, buffers (RFC 9325).
void set_tls_defaults(SSL_CTX* ctx);

/// The newest entry of OpenSSL's error queue in words, and the queue emptied.
[[nodiscard]] std::string openssl_error();

}  // namespace postern::net
