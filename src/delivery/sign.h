#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "dkim/body_hash.h"
#include "dkim/key.h"
#include "dkim/signer.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace postern::delivery {

/// What a domain signs with, as the directory keeps it.
struct DomainKeyText {
  std::string selector;
  std::string pem;
};
/// The key of a domain, or nullopt when it has none. Thread-safe.
using KeySource = std::function<std::optional<DomainKeyText>(std::string_view domain)>;

/// Makes the DKIM-Signature of outgoing mail with the key its domain has now. Parsed keys are kept while
/// their text stays the same, so a key that was replaced is used from the next message on.
///
/// Threads  safe from any thread.
/// Errors   Unavailable: the domain has no key, or one that cannot be read. Mail waits, it never leaves
/// unsigned. See      RFC 6376, RFC 8301
class Signer {
 public:
  explicit Signer(KeySource keys) : keys_(std::move(keys)) {}

  /// The whole field with its CRLF, for a message whose header section is `header` and whose body hash is
  /// `body`.
  [[nodiscard]] Result<std::string> sign(const std::string& domain, TimePoint now, std::string_view header,
                                         const std::string& body) const;
  /// The same for a message in memory.
  [[nodiscard]] Result<std::string> sign_message(const std::string& domain, TimePoint now,
                                                 std::string_view message) const;

 private:
  struct Parsed {
    std::string pem;
    std::shared_ptr<const dkim::SigningKey> key;
  };
  [[nodiscard]] Result<std::shared_ptr<const dkim::SigningKey>> parsed(const std::string& domain,
                                                                       const std::string& pem) const;

  KeySource keys_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<std::string, Parsed> parsed_;
};

/// Splits a message that arrives in pieces into its header section and the hash of its body.
class MessageDigest {
 public:
  void update(std::string_view piece);
  /// Header section without the empty line.
  [[nodiscard]] const std::string& header() const { return header_; }
  /// Ends the body; once.
  [[nodiscard]] std::string finish();

 private:
  std::string header_;
  bool in_body_ = false;
  dkim::BodyHash body_;
};

}  // namespace postern::delivery
