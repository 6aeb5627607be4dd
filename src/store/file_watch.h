#pragma once

#include <sys/types.h>

#include <ctime>
#include <string>

namespace postern::store {

/// Tells with one stat(2) whether a file may have been written since the last look.
///
/// Time stamps are coarse, and two writes may share one. So only a stamp that was old when it was looked at
/// proves that nothing came after it: for kSettled after a write the answer stays "maybe".
/// Threads  one thread at a time.
class FileWatch {
 public:
  static constexpr time_t kSettled = 3;  ///< seconds; some file systems keep no finer stamps than two

  explicit FileWatch(std::string path) : path_(std::move(path)) {}
  /// Ask before reading the file: what is written after this call is seen by the next one.
  [[nodiscard]] bool may_have_changed();

 private:
  std::string path_;
  timespec written_{};
  off_t size_ = -1;
  ino_t inode_ = 0;
  bool settled_ = false;
};

}  // namespace postern::store
