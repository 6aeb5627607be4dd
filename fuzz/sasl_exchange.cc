// Every mechanism, fed the responses of a stranger. Laws: an exchange ends within four responses; nothing is proven
// without the password; what a claim holds is within the limits that the directory counts on.
#include "sasl/mechanism.h"

#include "fuzz.h"
#include <array>
#include <string>
#include <string_view>

namespace {

using namespace postern::sasl;

Environment everything() {
  Environment environment{.tokens = true, .certificate = true, .binds = true};
  environment.find_binding = [] { return ChannelBinding{std::string(32, 'e'), std::string(32, 'c')}; };
  environment.find_secrets = [](std::string_view) {
    ScramSecrets secrets{"salt", 4096, {}};
    secrets.keys.push_back({});
    secrets.keys.back().stored_key.fill(7);
    return secrets;
  };
  return environment;
}

void check(const Claim& claim) {
  FUZZ_ASSERT(claimed_name(claim).size() <= 255 || std::holds_alternative<TokenClaim>(claim));
  if (const auto* proof = std::get_if<ProofClaim>(&claim)) FUZZ_ASSERT(!proof->proven);
  if (const auto* password = std::get_if<PasswordClaim>(&claim)) {
    FUZZ_ASSERT(!password->authcid.empty() && !password->password.empty() &&
                password->password.size() <= 255);
    FUZZ_ASSERT(password->authcid.find('\0') == std::string::npos);
  }
  if (const auto* token = std::get_if<TokenClaim>(&claim)) {
    FUZZ_ASSERT(!token->token.empty() && token->token.find_first_of("\r\n\1 \"") == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static constexpr std::array kNames{"PLAIN",       "LOGIN",   "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS",
                                     "OAUTHBEARER", "XOAUTH2", "EXTERNAL"};
  if (size == 0) return 0;
  static const Environment kEnvironment = everything();
  const auto mechanism = make_mechanism(kNames[data[0] % kNames.size()], kEnvironment);
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (int responses = 0;; ++responses) {
    FUZZ_ASSERT(responses < 4);
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const Step step = mechanism->on_response(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (const auto* claim = std::get_if<Claim>(&step)) check(*claim);
    if (!std::holds_alternative<Challenge>(step)) return 0;
  }
}
