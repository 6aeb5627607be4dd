#include "delivery/options.h"

namespace postern::delivery {

Result<> Smarthost::validate() const {
  if (host.empty()) return fail(Errc::Malformed, "a smarthost needs host");
  if (user.empty() != password_file.empty()) {
    return fail(Errc::Malformed, "a smarthost needs both user and password_file, or neither");
  }
  if (!user.empty() && tls != TlsPolicy::Required && tls != TlsPolicy::Dane) {
    return fail(Errc::Malformed, "a smarthost with a password needs tls = \"required\" or \"dane\"");
  }
  return {};
}

Result<> Options::validate() const {
  if (mode == Mode::Smarthost && smarthost.empty()) {
    return fail(Errc::Malformed, "delivery.mode = \"smarthost\" needs delivery.smarthost = \"NAME\"");
  }
  if (mode == Mode::Direct && sign == Signing::None) {
    return fail(
        Errc::Malformed,
        "delivery.sign = \"none\" needs a smarthost that signs: mail never reaches an MX host unsigned");
  }
  if (first_retry > longest_retry) {
    return fail(Errc::Malformed, "delivery.first_retry is longer than delivery.longest_retry");
  }
  return {};
}

}  // namespace postern::delivery
