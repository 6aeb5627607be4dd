#include "net/unix_address.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace postern::net {

Result<UnixAddress> UnixAddress::of(const std::string& path) {
  UnixAddress made;
  made.address_.sun_family = AF_UNIX;
  std::string reachable = path;
  const std::size_t slash = path.rfind('/');
  if (path.size() >= sizeof(made.address_.sun_path) && slash != std::string::npos) {
    made.directory_ = ::open(path.substr(0, slash + 1).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (made.directory_ < 0) return fail(Errc::NotFound, path + ": " + std::strerror(errno));
    reachable = "/proc/self/fd/" + std::to_string(made.directory_) + path.substr(slash);
  }
  if (reachable.size() >= sizeof(made.address_.sun_path))
    return fail(Errc::Malformed, "socket path too long: " + path);
  std::memcpy(made.address_.sun_path, reachable.data(), reachable.size());
  return made;
}

UnixAddress::~UnixAddress() {
  if (directory_ >= 0) ::close(directory_);
}

UnixAddress::UnixAddress(UnixAddress&& other) noexcept
    : address_(other.address_), directory_(std::exchange(other.directory_, -1)) {}

const sockaddr* UnixAddress::get() const { return reinterpret_cast<const sockaddr*>(&address_); }

}  // namespace postern::net
