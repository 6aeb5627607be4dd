#pragma once

#include "base/ids.h"

#include <string>
#include <string_view>

namespace postern::mail {

/// Whether `value` is one msg-id of RFC 5322 §3.6.4: <left@right>, no white space inside;
/// comments around it are allowed.
[[nodiscard]] bool valid_message_id(std::string_view value);
/// "<QUEUEID.random@hostname>": unique because the queue id is, unguessable because of the rest.
[[nodiscard]] std::string make_message_id(QueueId id, std::string_view hostname);

}  // namespace postern::mail
