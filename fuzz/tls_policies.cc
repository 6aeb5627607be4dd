// What strangers publish about TLS. Laws: CRLF and LF make the same policy; a policy that was read names only hosts
// that fit a pattern; no report goes to what is not one address or https URL; record data is never read past its end.
#include "dns/rdata.h"
#include "tlspolicy/report_uris.h"
#include "tlspolicy/sts_policy.h"

#include "fuzz.h"
#include <string>

namespace {

using namespace postern;

std::string with_crlf(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const Result<tlspolicy::StsPolicy> policy = tlspolicy::parse_sts_policy(text);
  const Result<tlspolicy::StsPolicy> again = tlspolicy::parse_sts_policy(with_crlf(text));
  FUZZ_ASSERT(policy.has_value() == again.has_value());
  if (policy) {
    FUZZ_ASSERT(policy->mode == again->mode && policy->mx == again->mx && policy->max_age == again->max_age);
    FUZZ_ASSERT(policy->mode == tlspolicy::StsPolicy::Mode::None || !policy->mx.empty());
    FUZZ_ASSERT(!policy->names(""));
  }
  if (const auto id = tlspolicy::announced_id({text})) FUZZ_ASSERT(!id->empty() && id->size() <= 32);
  const tlspolicy::ReportUris uris = tlspolicy::parse_report_uris({text});
  FUZZ_ASSERT(uris.mail.size() + uris.https.size() <= tlspolicy::kMaxUris);
  for (const std::string& address : uris.mail) {
    FUZZ_ASSERT(address.find('@') != std::string::npos);
    FUZZ_ASSERT(address.find_first_of("\r\n <>,;") == std::string::npos);
  }
  for (const std::string& url : uris.https) FUZZ_ASSERT(url.starts_with("https:"));
  FUZZ_ASSERT(dns::text_from_rdata(text).size() <= text.size());
  const auto tlsa = dns::tlsa_from_rdata(text);
  FUZZ_ASSERT(tlsa.has_value() == (text.size() > 3));
  return 0;
}
