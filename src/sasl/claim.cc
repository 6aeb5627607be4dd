#include "sasl/claim.h"

#include <algorithm>

namespace postern::sasl {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool another(const std::string& authzid, const std::string& authcid) {
  return !authzid.empty() && !std::equal(authzid.begin(), authzid.end(), authcid.begin(), authcid.end(),
                                         [](char a, char b) { return lower(a) == lower(b); });
}

}  // namespace

const std::string& claimed_name(const Claim& claim) {
  if (const auto* password = std::get_if<PasswordClaim>(&claim)) return password->authcid;
  if (const auto* proof = std::get_if<ProofClaim>(&claim)) return proof->authcid;
  if (const auto* token = std::get_if<TokenClaim>(&claim)) return token->authzid;
  return std::get<CertificateClaim>(claim).authzid;
}

bool asks_for_another(const Claim& claim) {
  if (const auto* password = std::get_if<PasswordClaim>(&claim))
    return another(password->authzid, password->authcid);
  if (const auto* proof = std::get_if<ProofClaim>(&claim)) return another(proof->authzid, proof->authcid);
  return false;  // token and certificate say who it is; the name is compared with that
}

}  // namespace postern::sasl
