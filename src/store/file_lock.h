#pragma once

#include "base/result.h"

#include <string>
#include <utility>

namespace postern::store {

/// An exclusive lock on a file, held as long as the object lives; the kernel lets go of it when the process
/// dies.
class FileLock {
 public:
  /// Errors: Denied: another process holds it. Unavailable: the file cannot be made.
  [[nodiscard]] static Result<FileLock> take(const std::string& path);
  ~FileLock();
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace postern::store
