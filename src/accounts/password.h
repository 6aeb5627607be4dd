#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace postern::accounts {

/// Argon2id with libsodium's interactive cost (64 MiB), "$argon2id$...". Takes tens of milliseconds. Error:
/// Unavailable.
[[nodiscard]] Result<std::string> hash_password(std::string_view password);

/// Whether `password` belongs to `hash`: Argon2, or any crypt(3) hash that libxcrypt knows ("$6$", "$y$",
/// "$2b$"...), with or without Dovecot's {CRYPT}-like prefix. As slow as the hash asks for.
[[nodiscard]] bool password_matches(std::string_view password, const std::string& hash);

/// Whether password_matches() can ever say yes to `hash`: what an import accepts.
[[nodiscard]] bool known_hash(const std::string& hash);

/// A hash with the cost of hash_password() that no account has: unknown names are checked against it, so that
/// they take as long as a wrong password.
[[nodiscard]] const std::string& nobodys_hash();

}  // namespace postern::accounts
