#pragma once

#include <memory>
#include <string>

namespace postern::store {

/// An SQLite VFS that makes one write of many to the write-ahead log: SQLite writes it page by page, each in two
/// calls, one right behind the other. Other files are written as SQLite says.
///
/// What is gathered (at most 64 KiB a file) reaches the file at the latest with its next sync, and before anything
/// else happens to it: a read of the same place, a truncation, a question for its size. A gathered write that
/// fails is reported by the call that came upon it; until the sync SQLite has promised nothing.
/// Only for connections with Database::Sync::Full: a commit that is visible to others must have been synced.
/// Threads  as SQLite itself. Outlives every connection that was opened with it.
class GatheringVfs {
 public:
  /// Over the VFS of that name; nullptr: the system's.
  explicit GatheringVfs(const char* base);
  ~GatheringVfs();
  GatheringVfs(const GatheringVfs&) = delete;
  GatheringVfs& operator=(const GatheringVfs&) = delete;

  [[nodiscard]] const char* name() const;

 private:
  struct Vfs;
  struct Calls;
  std::unique_ptr<Vfs> vfs_;
};

}  // namespace postern::store
