#pragma once

#include "base/result.h"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <string>

namespace postern::admin {

/// Asks the server that listens on the control socket at `path`; waits up to a minute. For the command line:
/// it blocks.
/// Errors: Closed: no server listens there. Denied: no right to the socket. Unavailable: the conversation broke
/// off. Anything else is what the server answered.
[[nodiscard]] Result<boost::json::value> ask(const std::string& path, const boost::json::object& request);

}  // namespace postern::admin
