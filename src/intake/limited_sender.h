#pragma once

#include "accounts/directory.h"
#include "guard/limits.h"

#include <optional>
#include <string>

namespace postern::intake {

/// Whose limits mail of `account` from `client` counts against, as the directory has it now. No client: those of client
/// addresses are left out.
[[nodiscard]] guard::Sender limited_sender(accounts::Directory& directory, const accounts::Account& account,
                                           std::optional<net::IpAddress> client);

/// A guard's reason with what an operator finds it by in the log. "" stays "".
[[nodiscard]] std::string with_reference(const std::string& reason, SessionId session);

}  // namespace postern::intake
