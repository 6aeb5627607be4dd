#pragma once

#include "base/result.h"
#include "delivery/tls_decision.h"

#include <string>

namespace postern::app::cli {

/// "required (dane), 2 TLSA records of mx.example.net", or why the host is not used.
[[nodiscard]] std::string shown_tls(const Result<delivery::TlsDecision>& tls);

}  // namespace postern::app::cli
