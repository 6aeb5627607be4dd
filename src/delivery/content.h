#pragma once

#include "base/ids.h"
#include "base/result.h"
#include "net/loop.h"
#include "net/task.h"
#include "queue/queue.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::delivery {

/// A message's octets as they leave, in pieces, so that a large one never is in memory as a whole.
class Content {
 public:
  virtual ~Content() = default;
  /// The next piece; empty: the end. Valid until the next call.
  /// Errors: Unavailable, Corrupt: the rest cannot be read now.
  [[nodiscard]] virtual net::Task<Result<std::string_view>> next() = 0;
  /// Octets in all, before dot-stuffing.
  [[nodiscard]] virtual std::uint64_t size() const = 0;
};

/// Content that is in memory: a signature field (or nothing) and the message after it. Borrows both.
class MemoryContent final : public Content {
 public:
  MemoryContent(std::string_view signature, std::string_view message)
      : size_(signature.size() + message.size()), pieces_{signature, message} {}

  net::Task<Result<std::string_view>> next() override;
  [[nodiscard]] std::uint64_t size() const override { return size_; }

 private:
  std::uint64_t size_;
  std::string_view pieces_[2];
};

/// Content that is read from the queue piece by piece, after a signature field (or nothing). Borrows the
/// signature.
class QueueContent final : public Content {
 public:
  QueueContent(queue::Queue& queue, net::Loop& loop, QueueId id, std::uint64_t size,
               std::string_view signature)
      : queue_(queue), loop_(loop), id_(id), size_(size + signature.size()), signature_(signature) {}

  net::Task<Result<std::string_view>> next() override;
  [[nodiscard]] std::uint64_t size() const override { return size_; }

 private:
  queue::Queue& queue_;
  net::Loop& loop_;
  QueueId id_;
  std::uint64_t size_;
  std::string_view signature_;
  std::uint32_t number_ = 0;
  std::string piece_;
};

}  // namespace postern::delivery
