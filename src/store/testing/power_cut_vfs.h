#pragma once

#include "store/testing/power_cut_disk.h"

#include <memory>
#include <string>

struct sqlite3_vfs;

namespace postern::store::testing {

/// An SQLite VFS over the system's own one: what it writes goes into real files of one directory, and to a
/// PowerCutDisk that decides about errors and knows what a loss of power would leave. Real syncs are not made.
///
/// Owns     the registration of the VFS under name().
/// Threads  as SQLite uses it; power_on() when no file is open.
class PowerCutVfs {
 public:
  PowerCutVfs(std::string directory, PowerCutDisk& disk);
  ~PowerCutVfs();
  PowerCutVfs(const PowerCutVfs&) = delete;
  PowerCutVfs& operator=(const PowerCutVfs&) = delete;

  [[nodiscard]] const char* name() const { return name_.c_str(); }
  /// Cuts the power if it is on, and leaves in the directory what a machine finds that starts again.
  void power_on();

  struct Calls;  // SQLite's callbacks

 private:
  const std::string directory_;
  const std::string name_;
  PowerCutDisk& disk_;
  const std::unique_ptr<sqlite3_vfs> vfs_;
};

}  // namespace postern::store::testing
