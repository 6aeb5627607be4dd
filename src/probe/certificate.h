#pragma once

#include "base/result.h"
#include "net/tls.h"
#include "probe/observation.h"

#include <string>
#include <vector>

struct x509_st;

namespace postern::probe {

/// What there is to say about one certificate. Weak means: RSA or DSA below 2048 bits, EC below 224, or signed
/// with MD5 or SHA-1 (RFC 9325 §4.5); a root's own signature does not count.
[[nodiscard]] CertificateSeen describe(x509_st* certificate);

/// The first certificate of a PEM file. Errors: NotFound, Malformed; with the path.
[[nodiscard]] Result<CertificateSeen> read_certificate(const std::string& path);

/// One TLSA record against the chain as sent, leaf first; for SMTP only usages 2 and 3 count (RFC 7672 §3.1.3).
[[nodiscard]] bool tlsa_matches(const net::TlsaRecord& record, const std::vector<CertificateSeen>& chain);

}  // namespace postern::probe
