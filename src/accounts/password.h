#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace postern::accounts {

/// Argon2id with libsodium's interactive cost (64 MiB), "$argon2id$...". Takes tens of milliseconds. Error:
/// Unavailable.
[[nodiscard]] Result<std::string> hash_password(std::string_view password);

/// Whether `password` belongs to `hash`: Argon2, any crypt(3) hash that libxcrypt knows ("$6$", "$y$", "$2b$"...), or
/// {SSHA}, {SSHA256}, {SSHA512} and their unsalted forms, with or without a prefix such as Dovecot's {CRYPT}. As slow as
/// the hash asks for.
[[nodiscard]] bool password_matches(std::string_view password, const std::string& hash);

/// What an import found: a hash that password_matches() understands, or the password itself ({PLAIN}, {CLEARTEXT}),
/// which has to be hashed before it is kept.
struct ImportedHash {
  std::string text;
  bool is_password = false;
};
/// Malformed: it is not understood, is cut off, or would cost seconds at every login.
[[nodiscard]] Result<ImportedHash> import_hash(const std::string& hash);

/// Whether `hash` is not what hash_password() makes today, so that it should be replaced when the password is known.
[[nodiscard]] bool is_outdated(const std::string& hash);

/// A hash with the cost of hash_password() that no account has: unknown names are checked against it, so that
/// they take as long as a wrong password.
[[nodiscard]] const std::string& nobodys_hash();

}  // namespace postern::accounts
