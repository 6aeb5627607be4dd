#pragma once

#include "base/result.h"
#include "queue/queue.h"

#include <string_view>

namespace postern::admin {

/// Narrows `filter` by the words of `postern queue --where`:
///
///   where = term *( SP term )
///   term  = key "=" value              ; all of them must hold
///   key   = "id" / "account" / "sender" / "recipient" / "site" / "reason" / "state" / "older"
///   value = word / DQUOTE text DQUOTE  ; reason="mailbox full"
///
/// site: the recipient's domain. reason: the last status (4.2.2), or a part of the last reply. state: waiting or
/// held. older: accepted at least that long ago, as 90s, 15m, 2h or 3d.
/// Errors: Malformed, with what is wrong and what would be right.
[[nodiscard]] Result<> narrow(queue::Filter& filter, std::string_view where, TimePoint now);

}  // namespace postern::admin
