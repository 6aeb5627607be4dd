#pragma once

#include "base/result.h"
#include "mail/address.h"

#include <string>
#include <string_view>

namespace postern::accounts {

/// Addresses that may be sent from, written as an address in which "*" stands for any characters (also none):
///   sales@example.org     that address, and sales+anything@example.org
///   news-*@example.org    what begins so
///   *@example.org         every address of the domain
///   *@*.example.org       every address of the domains below it, at any depth; not of the domain itself
/// In the domain "*" can only be the whole first label. Case never matters: these are our own addresses.
/// Error: Malformed, naming the rule that is broken.
[[nodiscard]] Result<std::string> normal_pattern(std::string_view pattern);

/// Whether `pattern`, as normal_pattern() gives it, covers `mailbox`.
[[nodiscard]] bool pattern_matches(std::string_view pattern, const mail::Mailbox& mailbox);

}  // namespace postern::accounts
