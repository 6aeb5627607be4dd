#pragma once

#include "base/result.h"

#include <string>

namespace postern::delivery {

/// The first line of the file `path`, which is a password or a token. Errors: NotFound: it cannot be read;
/// Malformed: the line is empty.
[[nodiscard]] Result<std::string> read_secret(const std::string& path);

}  // namespace postern::delivery
