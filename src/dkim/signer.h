#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "dkim/body_hash.h"
#include "dkim/key.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::dkim {

struct SignOptions {
  std::string domain;                                 ///< d=, an A-label domain
  std::string selector;                               ///< s=
  TimePoint now;                                      ///< t=
  std::optional<std::chrono::seconds> expires_after;  ///< x= minus t=; absent: no x=
};

/// The field "DKIM-Signature: ...\r\n" for a message: rsa-sha256, relaxed/relaxed, never l= (RFC 6376 §3.5).
///
/// Signs every instance of the fields that say who, to whom, what and when, of MIME and List-* fields
/// (§5.4.1, RFC 8058 §4), and names From, To, Cc, Subject, Date, Reply-To, Message-ID and the MIME fields
/// once more than present, so that adding one breaks the signature (§5.4). `header` is the section with or
/// without its empty line; `body_hash` what BodyHash gave. Errors: Malformed (the header cannot be parsed),
/// Internal.
[[nodiscard]] Result<std::string> sign(const SigningKey& key, const SignOptions& options,
                                       std::string_view header, std::string_view body_hash);

/// What a check of a message that we signed ourselves found.
struct Verified {
  std::string domain;
  std::string selector;
};
/// Checks the top-most DKIM-Signature of `message` (relaxed/relaxed, rsa-sha256) with `key`: for showing a
/// newcomer that the signature holds. Errors: NotFound (no signature), Denied (does not verify; says whether
/// body or header), Malformed.
[[nodiscard]] Result<Verified> verify(const SigningKey& key, std::string_view message);

}  // namespace postern::dkim
