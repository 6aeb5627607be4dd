#pragma once

#include "app/parts.h"

namespace postern::app {

/// Who can tell who somebody is: the directory, the back end that it may ask, and whoever vouches for tokens.
/// Errors: an option of [ldap] or [oauth] that cannot work.
[[nodiscard]] Result<> build_logins(Parts& parts);

}  // namespace postern::app
