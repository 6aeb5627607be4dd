#include "store/testing/power_cut_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <new>

namespace postern::store::testing {
namespace {

using Verdict = PowerCutDisk::Verdict;

sqlite3_vfs* system_vfs() { return sqlite3_vfs_find("unix"); }

std::string next_name() {
  static std::atomic<int> number{0};
  return "power-cut-" + std::to_string(number++);
}

}  // namespace

/// An open file: SQLite allocates it together with the system VFS's own, which follows it in memory.
struct PowerCutFile : sqlite3_file {
  PowerCutDisk* disk = nullptr;
  std::string name;            // in the disk; empty: a temporary file that nothing depends on
  bool directory_due = false;  // its first sync has to sync the directory too
  [[nodiscard]] sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

struct PowerCutVfs::Calls {
  static PowerCutVfs& self(sqlite3_vfs* vfs) { return *static_cast<PowerCutVfs*>(vfs->pAppData); }
  static PowerCutFile& file(sqlite3_file* file) { return *static_cast<PowerCutFile*>(file); }

  static int code(Verdict verdict, int error) {
    switch (verdict) {
      case Verdict::Done:
        return SQLITE_OK;
      case Verdict::Full:
        return SQLITE_FULL;
      case Verdict::Error:
      case Verdict::Off:
        break;
    }
    return error;
  }

  // ---- files

  static int close(sqlite3_file* f) {
    PowerCutFile& self = file(f);
    const int closed = self.real()->pMethods->xClose(self.real());
    self.~PowerCutFile();
    return closed;
  }
  static int read(sqlite3_file* f, void* out, int count, sqlite3_int64 offset) {
    if (file(f).disk->is_off()) return SQLITE_IOERR_READ;
    return file(f).real()->pMethods->xRead(file(f).real(), out, count, offset);
  }
  static int write(sqlite3_file* f, const void* data, int count, sqlite3_int64 offset) {
    PowerCutFile& self = file(f);
    auto done = static_cast<std::size_t>(count);
    Verdict verdict = Verdict::Done;
    if (!self.name.empty()) {
      const std::string_view content(static_cast<const char*>(data), done);
      verdict = self.disk->write(self.name, static_cast<std::uint64_t>(offset), content, done);
    }
    if (done > 0) {
      const int written = self.real()->pMethods->xWrite(self.real(), data, static_cast<int>(done), offset);
      if (written != SQLITE_OK) return written;
    }
    return code(verdict, SQLITE_IOERR_WRITE);
  }
  static int truncate(sqlite3_file* f, sqlite3_int64 size) {
    PowerCutFile& self = file(f);
    if (!self.name.empty()) {
      const Verdict verdict = self.disk->truncate(self.name, static_cast<std::uint64_t>(size));
      if (verdict != Verdict::Done) return code(verdict, SQLITE_IOERR_TRUNCATE);
    }
    return self.real()->pMethods->xTruncate(self.real(), size);
  }
  static int sync(sqlite3_file* f, int) {
    PowerCutFile& self = file(f);
    if (self.name.empty()) return SQLITE_OK;
    const Verdict synced = self.disk->sync(self.name);
    if (synced != Verdict::Done) return code(synced, SQLITE_IOERR_FSYNC);
    if (!self.directory_due) return SQLITE_OK;
    self.directory_due = false;
    // As the system VFS: the first sync of a new journal or WAL syncs its directory too.
    return code(self.disk->sync_directory(), SQLITE_IOERR_DIR_FSYNC);
  }
  static int file_size(sqlite3_file* f, sqlite3_int64* size) {
    return file(f).real()->pMethods->xFileSize(file(f).real(), size);
  }
  static int lock(sqlite3_file* f, int level) {
    return file(f).real()->pMethods->xLock(file(f).real(), level);
  }
  static int unlock(sqlite3_file* f, int level) {
    return file(f).real()->pMethods->xUnlock(file(f).real(), level);
  }
  static int check_reserved(sqlite3_file* f, int* out) {
    return file(f).real()->pMethods->xCheckReservedLock(file(f).real(), out);
  }
  static int control(sqlite3_file* f, int operation, void* argument) {
    // Preallocation would change the file behind the model's back.
    if (operation == SQLITE_FCNTL_SIZE_HINT || operation == SQLITE_FCNTL_CHUNK_SIZE) return SQLITE_NOTFOUND;
    return file(f).real()->pMethods->xFileControl(file(f).real(), operation, argument);
  }
  static int sector_size(sqlite3_file* f) { return file(f).real()->pMethods->xSectorSize(file(f).real()); }
  static int characteristics(sqlite3_file* f) {
    return file(f).real()->pMethods->xDeviceCharacteristics(file(f).real());
  }
  // The index of the WAL is not part of what has to survive: it is made anew when nobody has the file open.
  static int shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
    return file(f).real()->pMethods->xShmMap(file(f).real(), page, size, extend, out);
  }
  static int shm_lock(sqlite3_file* f, int offset, int count, int flags) {
    return file(f).real()->pMethods->xShmLock(file(f).real(), offset, count, flags);
  }
  static void shm_barrier(sqlite3_file* f) { file(f).real()->pMethods->xShmBarrier(file(f).real()); }
  static int shm_unmap(sqlite3_file* f, int remove) {
    return file(f).real()->pMethods->xShmUnmap(file(f).real(), remove);
  }

  static const sqlite3_io_methods* methods() {
    // Version 2: no memory-mapped reads or writes of the files themselves.
    static const sqlite3_io_methods kMethods{
        2,         close,          read,    write,       truncate,        sync,    file_size, lock,
        unlock,    check_reserved, control, sector_size, characteristics, shm_map, shm_lock,  shm_barrier,
        shm_unmap, nullptr,        nullptr};
    return &kMethods;
  }

  // ---- the directory

  static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* f, int flags, int* out_flags) {
    auto* self = new (f) PowerCutFile;
    self->pMethods = nullptr;
    self->disk = &Calls::self(vfs).disk_;
    if (path != nullptr) self->name = std::filesystem::path(path).filename();
    if (!self->name.empty() && (flags & SQLITE_OPEN_CREATE) != 0) {
      self->directory_due = (flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL)) != 0;
      if (!std::filesystem::exists(path)) {
        const Verdict created = self->disk->create(self->name);
        if (created != Verdict::Done) return give_up(self, code(created, SQLITE_CANTOPEN));
      }
    }
    if (self->disk->is_off()) return give_up(self, SQLITE_CANTOPEN);
    const int opened = system_vfs()->xOpen(system_vfs(), path, self->real(), flags, out_flags);
    if (opened != SQLITE_OK) return give_up(self, opened);
    self->pMethods = methods();
    return SQLITE_OK;
  }
  static int give_up(PowerCutFile* file, int why) {
    file->~PowerCutFile();
    new (file) sqlite3_file{nullptr};  // no methods: SQLite does not call close()
    return why;
  }
  static int remove(sqlite3_vfs* vfs, const char* path, int sync_directory) {
    PowerCutDisk& disk = self(vfs).disk_;
    if (!std::filesystem::exists(path)) return SQLITE_IOERR_DELETE_NOENT;
    const Verdict removed = disk.remove(std::filesystem::path(path).filename());
    if (removed != Verdict::Done) return code(removed, SQLITE_IOERR_DELETE);
    const int unlinked = system_vfs()->xDelete(system_vfs(), path, 0);
    if (unlinked != SQLITE_OK || sync_directory == 0) return unlinked;
    return code(disk.sync_directory(), SQLITE_IOERR_DIR_FSYNC);
  }
  static int access(sqlite3_vfs*, const char* path, int flags, int* out) {
    return system_vfs()->xAccess(system_vfs(), path, flags, out);
  }
  static int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
    return system_vfs()->xFullPathname(system_vfs(), path, size, out);
  }
  static int randomness(sqlite3_vfs*, int size, char* out) {
    return system_vfs()->xRandomness(system_vfs(), size, out);
  }
  static int sleep(sqlite3_vfs*, int microseconds) {
    return system_vfs()->xSleep(system_vfs(), microseconds);
  }
  static int current_time(sqlite3_vfs*, double* out) { return system_vfs()->xCurrentTime(system_vfs(), out); }
  static int last_error(sqlite3_vfs*, int size, char* out) {
    return system_vfs()->xGetLastError(system_vfs(), size, out);
  }
};

PowerCutVfs::PowerCutVfs(std::string directory, PowerCutDisk& disk)
    : directory_(std::move(directory)), name_(next_name()), disk_(disk), vfs_(new sqlite3_vfs{}) {
  vfs_->iVersion = 1;
  vfs_->szOsFile = static_cast<int>(sizeof(PowerCutFile)) + system_vfs()->szOsFile;
  vfs_->mxPathname = system_vfs()->mxPathname;
  vfs_->zName = name_.c_str();
  vfs_->pAppData = this;
  vfs_->xOpen = Calls::open;
  vfs_->xDelete = Calls::remove;
  vfs_->xAccess = Calls::access;
  vfs_->xFullPathname = Calls::full_path;
  vfs_->xRandomness = Calls::randomness;
  vfs_->xSleep = Calls::sleep;
  vfs_->xCurrentTime = Calls::current_time;
  vfs_->xGetLastError = Calls::last_error;
  sqlite3_vfs_register(vfs_.get(), 0);
}

PowerCutVfs::~PowerCutVfs() { sqlite3_vfs_unregister(vfs_.get()); }

void PowerCutVfs::power_on() {
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    if (entry.is_regular_file()) std::filesystem::remove(entry.path());
  }
  for (const auto& [name, content] : disk_.survivors()) {
    std::ofstream(directory_ + "/" + name, std::ios::binary)
        .write(content.data(), static_cast<std::streamsize>(content.size()));
  }
}

}  // namespace postern::store::testing
