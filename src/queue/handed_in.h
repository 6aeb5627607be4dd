#pragma once

#include "base/clock.h"
#include "base/result.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace postern::queue {

/// A message that an account handed in, as the history remembers it.
struct HandedIn {
  TimePoint time;
  std::string account;
  std::string client;      ///< IP address
  std::string recipients;  ///< "a@x.example,b@y.example"
  bool bounced = false;    ///< a recipient does not exist
};

/// Takes client and recipients out of the detail of an "accepted" event:
/// "from 192.0.2.7, 51 octets, 2 recipients: a@x.example,b@y.example". False: an older record, which names no recipients.
[[nodiscard]] bool parse_handed_in(std::string_view detail, HandedIn& out);

/// Calls `take` for all that accounts handed in, by time. `path`: history.db; a server may use it at the same time.
/// @return how many records could not be used. Errors: Unavailable, Corrupt.
[[nodiscard]] Result<std::uint64_t> read_handed_in(const std::string& path,
                                                   const std::function<void(const HandedIn&)>& take);

}  // namespace postern::queue
