#pragma once

#include "accounts/directory.h"
#include "guard/limits.h"

#include <boost/json/value.hpp>

#include <string>

namespace postern::app {

/// What limits the mail of the account `address` and of its app passwords, how far it is used and when that frees:
/// {"account":"...","limits":[{"of":...,"counts":...,"limit":...,"used":...,"left":...,...}]}. Error: NotFound.
[[nodiscard]] Result<boost::json::value> limits_report(accounts::Directory& directory, guard::Limits& limits,
                                                       const std::string& address);

}  // namespace postern::app
