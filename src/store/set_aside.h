#pragma once

#include "base/result.h"

#include <string>

namespace postern::store {

/// Renames a damaged database with what belongs to it to "PATH.damaged-MILLISECONDS", and says so in the log, with
/// `effect`: what its loss means. Error: Unavailable, naming the file.
[[nodiscard]] Result<> set_aside(const std::string& path, const Error& why, const char* effect);

/// open(path), for files that the service can do without. A damaged one (Corrupt) is set aside, and open(path) begins
/// another. Errors: as open(), and set_aside().
template <class Open>
[[nodiscard]] auto open_or_begin_again(const std::string& path, const char* effect, const Open& open)
    -> decltype(open(path)) {
  auto opened = open(path);
  if (opened || opened.error().code != Errc::Corrupt) return opened;
  POSTERN_CHECK(set_aside(path, opened.error(), effect));
  return open(path);
}

}  // namespace postern::store
