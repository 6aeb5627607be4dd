#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace postern::store::testing {

/// What a disk holds of a few files in one directory, with everything that was not synced kept apart: the part
/// that a loss of power may take. The files' present contents are elsewhere (PowerCutVfs keeps them as real
/// files); this is the model of what lies on the platters.
///
/// At the cut each change since the last sync of its file is kept, lost or torn by the sector, whatever came
/// before or after it; the same goes for directory entries since the last sync of the directory. A sync that
/// fails loses the same way, for good: a later sync that succeeds does not bring those changes back, as on Linux.
/// Threads  safe from any thread.
class PowerCutDisk {
 public:
  static constexpr std::size_t kSector = 512;
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  /// What happens to one operation (a write, truncation, creation, removal or sync).
  enum class Verdict : std::uint8_t {
    Done,
    Full,   ///< no space; a write may have been done in part
    Error,  ///< I/O error
    Off,    ///< there is no power
  };
  /// What a disk may get wrong on purpose, to show that the tests notice.
  enum class Lie : std::uint8_t {
    None,
    FileSyncs,       ///< reports syncs of files as done, and does nothing
    DirectorySyncs,  ///< the same for directories
  };
  /// The operations number `first` to `first + count - 1` fail.
  struct Fault {
    std::uint64_t first = kNever;
    std::uint64_t count = 0;
    Verdict verdict = Verdict::Error;  ///< Full is for writes; syncs succeed on a full disk
  };

  explicit PowerCutDisk(std::uint64_t seed) : rng_(seed) {}

  /// The power goes when `operations` more have been done, and instead of the next.
  void cut_after(std::uint64_t operations);
  /// The power goes instead of the sync after `syncs` more.
  void cut_at_sync(std::uint64_t syncs);
  void lie(Lie lie);
  void fail(const Fault& fault);

  Verdict create(const std::string& name);
  /// `done`: how many octets of a failed write were written nevertheless.
  Verdict write(const std::string& name, std::uint64_t offset, std::string_view content, std::size_t& done);
  Verdict truncate(const std::string& name, std::uint64_t size);
  Verdict remove(const std::string& name);
  Verdict sync(const std::string& name);
  Verdict sync_directory();

  [[nodiscard]] bool is_off() const;
  [[nodiscard]] std::uint64_t operations() const;
  [[nodiscard]] std::uint64_t syncs() const;

  /// Cuts the power if it has not gone yet, and turns it on again: the files that are found, all of it durable.
  [[nodiscard]] std::map<std::string, std::string> survivors();

 private:
  struct Change {
    std::uint64_t offset = 0;  // or the new size
    std::string content;
    bool truncates = false;
  };
  struct File {
    std::string durable;
    std::vector<Change> pending;
  };
  using Entry = std::shared_ptr<File>;  // nullptr: no such file
  struct EntryChange {
    std::string name;
    Entry entry;
  };

  Verdict next_operation(bool may_be_full, bool is_sync);
  [[nodiscard]] bool lost();
  void apply(File& file, const Change& change, bool tear);
  void keep_some(File& file);
  void set_mood();

  mutable std::mutex mutex_;
  std::mt19937_64 rng_;
  double keep_ = 0;  // the chance of each un-synced change
  bool off_ = false;
  std::uint64_t operations_ = 0;
  std::uint64_t syncs_ = 0;
  std::uint64_t cut_operation_ = kNever;
  std::uint64_t cut_sync_ = kNever;
  Lie lie_ = Lie::None;
  Fault fault_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, Entry> durable_entries_;
  std::vector<EntryChange> pending_entries_;
};

}  // namespace postern::store::testing
