#include "store/set_aside.h"

#include "base/clock.h"
#include "base/log.h"

#include <filesystem>

namespace postern::store {

Result<> set_aside(const std::string& path, const Error& why, const char* effect) {
  const std::string aside =
      path + ".damaged-" + std::to_string(SystemClock().now().time_since_epoch().count());
  std::error_code error;
  std::filesystem::rename(path, aside, error);
  if (error)
    return fail(Errc::Unavailable, path + " is damaged (" + why.detail + ") and cannot be set aside: " +
                                       error.message() + "; move it away, and another is begun");
  for (const char* suffix : {"-wal", "-shm"}) {
    std::error_code missing;  // neither has to exist
    std::filesystem::rename(path + suffix, aside + suffix, missing);
  }
  log::Event(log::Level::Error, "store.set_aside")
      .with("file", path)
      .with("as", aside)
      .with("why", why.detail)
      .with("effect", effect);
  return {};
}

}  // namespace postern::store
