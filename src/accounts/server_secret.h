#pragma once

#include <array>
#include <string>
#include <string_view>

namespace postern::accounts {

/// A random key of this installation, kept in directory.db: makes stable values that nobody else can compute.
class ServerSecret {
 public:
  static constexpr std::size_t kSize = 32;
  /// `octets` of kSize.
  explicit ServerSecret(std::string octets);
  [[nodiscard]] static std::string generate();

  /// The SCRAM salt of a login name, also of one that does not exist, so that salts tell nothing about names.
  [[nodiscard]] std::string scram_salt(std::string_view name) const;
  /// What is kept of an app password: a keyed hash is enough for something of 130 random bits.
  [[nodiscard]] std::string app_password_digest(std::string_view password) const;

 private:
  [[nodiscard]] std::string keyed_hash(std::string_view purpose, std::string_view text,
                                       std::size_t size) const;
  const std::string key_;
};

/// A new app password: "postern_" and 26 characters of base 32, so 130 random bits. The beginning lets secret scanners
/// find one that got into a repository.
[[nodiscard]] std::string generate_app_password();
/// Whether `password` has that form.
[[nodiscard]] bool looks_like_app_password(std::string_view password);

}  // namespace postern::accounts
