#include "sasl/scram.h"

#include "base/base64.h"
#include "sasl/gs2.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <utility>

namespace postern::sasl {
namespace {

using Digest = ScramKeys::Digest;
constexpr std::size_t kMaxMessage = 2048;
constexpr std::size_t kMaxName = 255;

std::string random_nonce() {
  std::array<unsigned char, 18> octets{};
  if (RAND_bytes(octets.data(), static_cast<int>(octets.size())) != 1) return {};
  return base64_encode({reinterpret_cast<const char*>(octets.data()), octets.size()});
}

Digest hmac(const Digest& key, std::string_view text) {
  Digest out{};
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), nullptr);
  return out;
}

std::string_view octets(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// c-nonce = printable: %x21-2B / %x2D-7E
bool is_nonce(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~' && c != ','; });
}

/// The next attribute, which must be `key`= something; "" and `message` untouched when it is not.
std::optional<std::string_view> take(std::string_view& message, char key) {
  if (message.size() < 2 || message[0] != key || message[1] != '=') return std::nullopt;
  const std::size_t end = std::min(message.find(','), message.size());
  const std::string_view value = message.substr(2, end - 2);
  message.remove_prefix(std::min(end + 1, message.size()));
  return value;
}

}  // namespace

Scram::Scram(bool plus_is_offered, FindSecrets find, std::string server_nonce)
    : plus_(false),
      plus_is_offered_(plus_is_offered),
      find_(std::move(find)),
      nonce_(server_nonce.empty() ? random_nonce() : std::move(server_nonce)) {}

Scram::Scram(ChannelBinding binding, FindSecrets find, std::string server_nonce)
    : plus_(true),
      plus_is_offered_(true),
      binding_(std::move(binding)),
      find_(std::move(find)),
      nonce_(server_nonce.empty() ? random_nonce() : std::move(server_nonce)) {}

Step Scram::on_response(std::string_view response) {
  if (response.size() > kMaxMessage || nonce_.empty()) return Failed{};
  switch (std::exchange(stage_, Stage::Over)) {
    case Stage::First:
      return on_client_first(response);
    case Stage::Final:
      return on_client_final(response);
    case Stage::Over:
      break;
  }
  return Failed{};
}

std::optional<std::string> Scram::binding_data(const Gs2Header& header) const {
  using Flag = Gs2Header::Flag;
  if (!plus_) {
    if (header.flag == Flag::Used) return std::nullopt;
    if (header.flag == Flag::NotOfferedToMe && plus_is_offered_)
      return std::nullopt;  // RFC 5802 §6: downgrade
    return std::string{};
  }
  if (header.flag != Flag::Used) return std::nullopt;
  const std::string* data = header.binding_name == "tls-exporter"           ? &binding_.exporter
                            : header.binding_name == "tls-server-end-point" ? &binding_.server_end_point
                                                                            : nullptr;
  if (data == nullptr || data->empty()) return std::nullopt;
  return *data;
}

// client-first-message = gs2-header [ "m=" reserved "," ] "n=" username "," "r=" c-nonce [ "," extensions ]
Step Scram::on_client_first(std::string_view message) {
  const std::optional<Gs2Header> header = parse_gs2_header(message);
  if (!header) return Failed{};
  const std::optional<std::string> data = binding_data(*header);
  if (!data) return Failed{};
  std::string_view bare = message.substr(header->text.size());
  client_first_bare_ = bare;
  const std::optional<std::string_view> name = take(bare, 'n');  // an "m=" before it must be refused, and is
  const std::optional<std::string_view> client_nonce = take(bare, 'r');
  if (!name || !client_nonce || !is_nonce(*client_nonce)) return Failed{};
  const std::optional<std::string> decoded = decode_saslname(*name);
  if (!decoded) return Failed{};
  // RFC 5802 §5.1: a name that cannot be prepared ends the exchange.
  const Result<std::string> prepared = saslprep(*decoded);
  if (!prepared) return Failed{};
  authcid_ = *prepared;
  if (authcid_.size() > kMaxName) return Failed{};  // some characters become several
  authzid_ = header->authzid;
  channel_ = base64_encode(std::string(header->text) + *data);
  nonce_.insert(0, *client_nonce);
  secrets_ = find_(authcid_);
  server_first_ =
      "r=" + nonce_ + ",s=" + base64_encode(secrets_.salt) + ",i=" + std::to_string(secrets_.iterations);
  stage_ = Stage::Final;
  return Challenge{server_first_};
}

// client-final-message = "c=" cbind-input "," "r=" nonce [ "," extensions ] "," "p=" proof
Step Scram::on_client_final(std::string_view message) {
  const std::size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return Failed{};
  const std::string_view without_proof = message.substr(0, proof_at);
  std::string_view rest = without_proof;
  const std::optional<std::string_view> channel = take(rest, 'c');
  const std::optional<std::string_view> nonce = take(rest, 'r');
  const Result<std::string> proof = base64_decode(message.substr(proof_at + 3));
  if (!channel || !nonce || !proof || proof->size() != Digest{}.size() || *nonce != nonce_) return Failed{};
  const std::string auth_message =
      client_first_bare_ + ',' + server_first_ + ',' + std::string(without_proof);
  ProofClaim claim{authzid_, authcid_, std::nullopt};
  // Wrong binding data is what a man in the middle looks like: a wrong proof, counted as one.
  if (*channel == channel_) claim.proven = matching_keys(*proof, auth_message);
  if (claim.proven)
    server_final_ = "v=" + base64_encode(octets(hmac(claim.proven->server_key, auth_message)));
  return Claim{std::move(claim)};
}

std::optional<ScramKeys> Scram::matching_keys(std::string_view proof, const std::string& auth_message) const {
  static const ScramKeys kNobody{};
  std::vector<ScramKeys> candidates = secrets_.keys;
  const bool nobody = candidates.empty();
  if (nobody) candidates.push_back(kNobody);  // an unknown name costs what a known one does
  std::optional<ScramKeys> found;
  for (const ScramKeys& keys : candidates) {
    // ClientKey = ClientProof XOR HMAC(StoredKey, AuthMessage); right when H(ClientKey) = StoredKey (RFC 5802 §3)
    Digest client_key = hmac(keys.stored_key, auth_message);
    for (std::size_t i = 0; i < client_key.size(); ++i)
      client_key[i] = static_cast<unsigned char>(client_key[i] ^ static_cast<unsigned char>(proof[i]));
    Digest hashed{};
    SHA256(client_key.data(), client_key.size(), hashed.data());
    if (CRYPTO_memcmp(hashed.data(), keys.stored_key.data(), hashed.size()) == 0 && !nobody) found = keys;
  }
  return found;
}

}  // namespace postern::sasl
