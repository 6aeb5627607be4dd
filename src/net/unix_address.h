#pragma once

#include "base/result.h"

#include <sys/un.h>

#include <string>

namespace postern::net {

/// The address of the unix socket at `path`. A path too long for sockaddr_un (108 octets) is reached through
/// its directory's descriptor, which lives as long as this.
class UnixAddress {
 public:
  /// Errors: NotFound: no such directory. Malformed: the file name itself is too long.
  [[nodiscard]] static Result<UnixAddress> of(const std::string& path);
  ~UnixAddress();
  UnixAddress(UnixAddress&& other) noexcept;
  UnixAddress& operator=(UnixAddress&&) = delete;

  [[nodiscard]] const sockaddr* get() const;
  [[nodiscard]] socklen_t size() const { return sizeof(address_); }

 private:
  UnixAddress() = default;
  sockaddr_un address_{};
  int directory_ = -1;
};

}  // namespace postern::net
