#pragma once

#include "base/clock.h"
#include "guard/watch/watch_store.h"

#include <string>

namespace postern::app {

struct NoticeFacts {
  const std::string& hostname;
  const std::string& to;
  TimePoint now;
  bool keeps_new_mail = true;  ///< what the account hands in meanwhile is kept, not refused
};

/// The mail about a hold: to the account's owner, or, when `facts.to` is another address, to an operator. With CRLF.
[[nodiscard]] std::string hold_notice(const NoticeFacts& facts, const guard::HeldAccount& hold);

}  // namespace postern::app
