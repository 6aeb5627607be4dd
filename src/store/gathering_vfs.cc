#include "store/gathering_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace postern::store {
namespace {

constexpr std::size_t kMostGathered = std::size_t{64} * 1024;

std::string next_name() {
  static std::atomic<int> number{0};
  return "gathering-" + std::to_string(number++);
}

/// An open file: SQLite allocates it together with the base VFS's own, which follows it in memory.
struct File : sqlite3_file {
  bool gathers = false;
  std::unique_ptr<char[]> gathered;  // made with the first write
  std::size_t size = 0;
  sqlite3_int64 start = 0;  // where the gathered octets belong in the file

  [[nodiscard]] sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  [[nodiscard]] const sqlite3_io_methods& base() { return *real()->pMethods; }
  [[nodiscard]] sqlite3_int64 end() const { return start + static_cast<sqlite3_int64>(size); }
  [[nodiscard]] bool overlaps(sqlite3_int64 offset, int count) const {
    return size > 0 && offset < end() && offset + count > start;
  }

  /// What could not be written is forgotten: SQLite rolls the transaction back, and says it again if it matters.
  int flush() {
    if (size == 0) return SQLITE_OK;
    const auto count = static_cast<int>(size);
    size = 0;
    return base().xWrite(real(), gathered.get(), count, start);
  }
};

File& file(sqlite3_file* f) { return *static_cast<File*>(f); }

int close(sqlite3_file* f) {
  File& self = file(f);
  const int flushed = self.flush();
  const int closed = self.base().xClose(self.real());
  self.~File();
  return flushed != SQLITE_OK ? flushed : closed;
}

int read(sqlite3_file* f, void* out, int count, sqlite3_int64 offset) {
  File& self = file(f);
  if (self.overlaps(offset, count)) {
    const int flushed = self.flush();
    if (flushed != SQLITE_OK) return flushed;
  }
  return self.base().xRead(self.real(), out, count, offset);
}

int write(sqlite3_file* f, const void* data, int count, sqlite3_int64 offset) {
  File& self = file(f);
  const auto octets = static_cast<std::size_t>(count);
  if (self.size > 0 && (offset != self.end() || self.size + octets > kMostGathered)) {
    const int flushed = self.flush();
    if (flushed != SQLITE_OK) return flushed;
  }
  if (!self.gathers || octets > kMostGathered) return self.base().xWrite(self.real(), data, count, offset);
  if (!self.gathered) self.gathered = std::make_unique_for_overwrite<char[]>(kMostGathered);
  if (self.size == 0) self.start = offset;
  std::memcpy(self.gathered.get() + self.size, data, octets);
  self.size += octets;
  return SQLITE_OK;
}

int truncate(sqlite3_file* f, sqlite3_int64 size) {
  const int flushed = file(f).flush();
  return flushed != SQLITE_OK ? flushed : file(f).base().xTruncate(file(f).real(), size);
}

int sync(sqlite3_file* f, int flags) {
  const int flushed = file(f).flush();
  return flushed != SQLITE_OK ? flushed : file(f).base().xSync(file(f).real(), flags);
}

int file_size(sqlite3_file* f, sqlite3_int64* size) {
  const int flushed = file(f).flush();
  return flushed != SQLITE_OK ? flushed : file(f).base().xFileSize(file(f).real(), size);
}

int lock(sqlite3_file* f, int level) { return file(f).base().xLock(file(f).real(), level); }

int unlock(sqlite3_file* f, int level) {
  const int flushed = file(f).flush();
  const int unlocked = file(f).base().xUnlock(file(f).real(), level);
  return flushed != SQLITE_OK ? flushed : unlocked;
}

int check_reserved(sqlite3_file* f, int* out) {
  return file(f).base().xCheckReservedLock(file(f).real(), out);
}

int control(sqlite3_file* f, int operation, void* argument) {
  const int flushed = file(f).flush();
  return flushed != SQLITE_OK ? flushed : file(f).base().xFileControl(file(f).real(), operation, argument);
}

int sector_size(sqlite3_file* f) { return file(f).base().xSectorSize(file(f).real()); }
int characteristics(sqlite3_file* f) { return file(f).base().xDeviceCharacteristics(file(f).real()); }

int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return file(f).base().xShmMap(file(f).real(), page, size, extend, out);
}
int shm_lock(sqlite3_file* f, int offset, int count, int flags) {
  return file(f).base().xShmLock(file(f).real(), offset, count, flags);
}
void shm_barrier(sqlite3_file* f) { file(f).base().xShmBarrier(file(f).real()); }
int shm_unmap(sqlite3_file* f, int remove) { return file(f).base().xShmUnmap(file(f).real(), remove); }

/// Version 2: nothing is mapped into memory, so that every read and write comes by here.
constexpr sqlite3_io_methods kMethods{
    2,         close,          read,    write,       truncate,        sync,    file_size, lock,
    unlock,    check_reserved, control, sector_size, characteristics, shm_map, shm_lock,  shm_barrier,
    shm_unmap, nullptr,        nullptr};

}  // namespace

/// A copy of the base VFS, whose functions find in it what they need, with another way to open files.
struct GatheringVfs::Vfs : sqlite3_vfs {
  sqlite3_vfs* base;
  std::string own_name;
  explicit Vfs(sqlite3_vfs* over) : sqlite3_vfs(*over), base(over), own_name(next_name()) {}
};

struct GatheringVfs::Calls {
  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* f, int flags, int* out_flags) {
    sqlite3_vfs* const base = static_cast<Vfs*>(vfs)->base;
    auto* const self = new (f) File;
    self->pMethods = nullptr;
    // The log alone: what a commit wrote to it counts from its sync on, and SQLite looks at what each call says. The
    // last write of a checkpoint would come to light in a call whose answer SQLite does not look at.
    self->gathers = (flags & SQLITE_OPEN_WAL) != 0;
    const int opened = base->xOpen(base, path, self->real(), flags, out_flags);
    if (opened == SQLITE_OK) {
      self->pMethods = &kMethods;
    } else {
      self->~File();
      new (f) sqlite3_file{nullptr};  // no methods: SQLite does not call close()
    }
    return opened;
  }
};

GatheringVfs::GatheringVfs(const char* base) : vfs_(std::make_unique<Vfs>(sqlite3_vfs_find(base))) {
  vfs_->szOsFile += static_cast<int>(sizeof(File));
  vfs_->pNext = nullptr;
  vfs_->zName = vfs_->own_name.c_str();
  vfs_->xOpen = Calls::open;
  sqlite3_vfs_register(vfs_.get(), 0);
}

GatheringVfs::~GatheringVfs() { sqlite3_vfs_unregister(vfs_.get()); }

const char* GatheringVfs::name() const { return vfs_->own_name.c_str(); }

}  // namespace postern::store
