#pragma once

#include "dkim/canonical.h"

#include <memory>
#include <string>
#include <string_view>

namespace postern::dkim {

/// SHA-256 over the relaxed body, streamed. Memory: one piece of the body.
class BodyHash {
 public:
  BodyHash();
  ~BodyHash();
  BodyHash(BodyHash&&) noexcept;
  BodyHash& operator=(BodyHash&&) noexcept;

  void update(std::string_view body);
  /// The 32 octets of the hash; once.
  [[nodiscard]] std::string finish();

 private:
  struct Digest;
  std::unique_ptr<Digest> digest_;
  RelaxedBody canonical_;
  std::string piece_;
};

}  // namespace postern::dkim
