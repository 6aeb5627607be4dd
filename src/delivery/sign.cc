#include "delivery/sign.h"

#include <utility>

namespace postern::delivery {

Result<std::string> Signer::sign(const std::string& domain, TimePoint now, std::string_view header,
                                 const std::string& body) const {
  const std::optional<DomainKeyText> text = keys_(domain);
  if (!text) return fail(Errc::Unavailable, "no DKIM key for " + domain);
  POSTERN_TRY(const auto key, parsed(domain, text->pem));
  dkim::SignOptions options;
  options.domain = domain;
  options.selector = text->selector;
  options.now = now;
  return dkim::sign(*key, options, header, body);
}

Result<std::string> Signer::sign_message(const std::string& domain, TimePoint now,
                                         std::string_view message) const {
  MessageDigest digest;
  digest.update(message);
  const std::string body = digest.finish();
  return sign(domain, now, digest.header(), body);
}

Result<std::shared_ptr<const dkim::SigningKey>> Signer::parsed(const std::string& domain,
                                                               const std::string& pem) const {
  const std::lock_guard lock(mutex_);
  const auto known = parsed_.find(domain);
  if (known != parsed_.end() && known->second.pem == pem) return known->second.key;
  Result<dkim::SigningKey> key = dkim::SigningKey::from_pem(pem);
  if (!key)
    return fail(Errc::Unavailable, "the DKIM key of " + domain + " cannot be read: " + key.error().detail);
  auto shared = std::make_shared<const dkim::SigningKey>(*std::move(key));
  parsed_[domain] = Parsed{pem, shared};
  return std::shared_ptr<const dkim::SigningKey>(std::move(shared));
}

void MessageDigest::update(std::string_view piece) {
  if (in_body_) {
    body_.update(piece);
    return;
  }
  // The empty line may be cut anywhere between two pieces, so look again from three octets back.
  const std::size_t from = header_.size() < 3 ? 0 : header_.size() - 3;
  header_.append(piece);
  const bool empty_header = header_.starts_with("\r\n");
  const std::size_t end = empty_header ? 0 : header_.find("\r\n\r\n", from);
  if (end == std::string::npos) return;
  const std::size_t body_at = empty_header ? 2 : end + 4;
  in_body_ = true;
  body_.update(std::string_view(header_).substr(body_at));
  header_.resize(empty_header ? 0 : end + 2);
}

std::string MessageDigest::finish() { return body_.finish(); }

}  // namespace postern::delivery
