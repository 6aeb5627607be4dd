#pragma once

#include "net/tls.h"

#include <openssl/ssl.h>

/// PEM files, and what is wrong with one in words. Private to net/.
namespace postern::net {

/// Puts certificate, chain and key into `ctx`. Errors: NotFound (cannot be read), Malformed; see TlsServer::load().
[[nodiscard]] Result<> use_certificate_files(SSL_CTX* ctx, const CertificateFiles& files);

}  // namespace postern::net
