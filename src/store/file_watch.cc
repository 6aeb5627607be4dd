#include "store/file_watch.h"

#include <sys/stat.h>

namespace postern::store {

bool FileWatch::may_have_changed() {
  struct stat found {};
  if (::stat(path_.c_str(), &found) != 0) return true;
  const bool same = found.st_mtim.tv_sec == written_.tv_sec && found.st_mtim.tv_nsec == written_.tv_nsec &&
                    found.st_size == size_ && found.st_ino == inode_;
  if (same && settled_) return false;
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  written_ = found.st_mtim;
  size_ = found.st_size;
  inode_ = found.st_ino;
  settled_ = written_.tv_sec + kSettled < now.tv_sec;
  return true;
}

}  // namespace postern::store
