#pragma once

#include "base/result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::scan {

/// The body of one message while it is looked at.
///
/// Owns     a file without a name when there is more than fits into memory; gone with the process.
/// Threads  one at a time.
/// Durable  no: nothing has been promised to anybody yet.
/// Limits   `memory` octets in memory.
/// Errors   Unavailable: the file cannot be made, written or read.
class Spool {
 public:
  Spool(std::string directory, std::size_t memory) : directory_(std::move(directory)), memory_(memory) {}
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  [[nodiscard]] Result<> append(std::string_view content);
  /// Up to `max` octets from `offset` on; empty at the end.
  [[nodiscard]] Result<std::string> read(std::uint64_t offset, std::size_t max) const;
  [[nodiscard]] std::uint64_t size() const { return size_; }

 private:
  [[nodiscard]] Result<> open_file();
  [[nodiscard]] Result<> write_out(std::string_view content);

  const std::string directory_;
  const std::size_t memory_;
  std::string head_;  ///< all of it, until there is a file
  std::uint64_t size_ = 0;
  int file_ = -1;
};

}  // namespace postern::scan
