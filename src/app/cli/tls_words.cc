#include "app/cli/tls_words.h"

#include "delivery/options.h"

#include <fmt/format.h>

namespace postern::app::cli {

std::string shown_tls(const Result<delivery::TlsDecision>& tls) {
  if (!tls) return "not used now: " + tls.error().detail;
  std::string name;
  for (const auto& [each, policy] : delivery::option_names(delivery::TlsPolicy{})) {
    if (policy == tls->policy) name = each;
  }
  if (tls->peer && !tls->peer->tlsa.empty())
    return fmt::format("required ({}), {} TLSA records of {}", tls->reason, tls->peer->tlsa.size(),
                       tls->peer->name);
  return fmt::format("{} ({})", name, tls->reason);
}

}  // namespace postern::app::cli
