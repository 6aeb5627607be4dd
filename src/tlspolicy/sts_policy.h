#pragma once

#include "base/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::tlspolicy {

/// The largest policy that is read (RFC 8461 §3.3).
inline constexpr std::size_t kMaxPolicy = std::size_t{64} * 1024;

/// A policy file (RFC 8461 §3.2).
struct StsPolicy {
  enum class Mode { None, Testing, Enforce };
  Mode mode = Mode::None;
  std::vector<std::string> mx;      ///< patterns, lower case
  std::chrono::seconds max_age{0};  ///< how long it may be believed

  /// Whether `host` fits a pattern: "*." stands for exactly one label at the left (§4.1).
  [[nodiscard]] bool names(std::string_view host) const;
};
[[nodiscard]] const char* to_string(StsPolicy::Mode mode);

/// Reads it. Unknown keys are ignored, of repeated ones the first counts (except mx), lines end in LF or CRLF.
/// Errors: Malformed, with the reason.
[[nodiscard]] Result<StsPolicy> parse_sts_policy(std::string_view text);

/// The id that a domain's TXT records announce, "v=STSv1; id=20260101;" (§3.1). Nothing when none does, or more
/// than one, or the id is missing.
[[nodiscard]] std::optional<std::string> announced_id(const std::vector<std::string>& txt);

/// "https://mta-sts.DOMAIN/.well-known/mta-sts.txt"
[[nodiscard]] std::string policy_url(const std::string& domain);

}  // namespace postern::tlspolicy
