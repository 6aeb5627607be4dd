// Tokens and key sets from a stranger. Laws: what is read is signed by an algorithm that we know and has the parts that it
// was made of; nothing verifies by a key that did not sign it; base64url is its own inverse.
#include "oauth/key_set.h"

#include "fuzz.h"
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace postern::oauth;
  static const auto kKeys = KeySet::parse(
      R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    const auto set = KeySet::parse(text);
    FUZZ_ASSERT(!set || set->size() <= 100);
    return 0;
  }
  if (const auto octets = base64url_decode(text)) FUZZ_ASSERT(base64url_encode(*octets) == text);
  const auto jwt = parse_jwt(text);
  if (!jwt) return 0;
  FUZZ_ASSERT(jwt->signed_part + '.' + base64url_encode(jwt->signature) == text);
  FUZZ_ASSERT(!kKeys->verify(*jwt));
  [[maybe_unused]] const auto checked = check_claims(jwt->claims, {"i", {"a"}, ""}, {});
  return 0;
}
