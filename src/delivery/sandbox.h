#pragma once

#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace postern::delivery {

/// One captured message, without its content.
struct SandboxEntry {
  QueueId id;
  std::string sender;  ///< reverse-path, empty for <>
  std::vector<std::string> recipients;
  TimePoint captured_at;
  std::size_t size = 0;
};

/// Outgoing mail kept instead of sent: one ID.eml as it would have left (signed), beside it an ID.json with
/// the envelope, in one directory.
///
/// Threads  safe from any thread and any process: files appear whole (temporary name, then rename) and the
/// .eml
///          before its .json, so whoever sees the .json can read the message.
/// Durable  both files are synced before capture() returns.
/// Errors   Unavailable: the file system refuses. NotFound: no such message. Corrupt: a .json nobody wrote.
class Sandbox {
 public:
  explicit Sandbox(std::string directory) : directory_(std::move(directory)) {}

  [[nodiscard]] Result<> capture(const SandboxEntry& entry, std::string_view content) const;
  /// Oldest first.
  [[nodiscard]] Result<std::vector<SandboxEntry>> list() const;
  [[nodiscard]] Result<SandboxEntry> find(QueueId id) const;
  /// The message as captured.
  [[nodiscard]] Result<std::string> read(QueueId id) const;

 private:
  [[nodiscard]] std::string path(QueueId id, std::string_view suffix) const;
  std::string directory_;
};

}  // namespace postern::delivery
