#pragma once

#include "base/result.h"
#include "net/task.h"

#include <cstdint>
#include <string_view>
#include <utility>

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

  net::Task<Result<std::string_view>> next() override {
    std::string_view piece = std::exchange(pieces_[0], std::exchange(pieces_[1], {}));
    if (piece.empty()) piece = std::exchange(pieces_[0], {});
    co_return piece;
  }
  [[nodiscard]] std::uint64_t size() const override { return size_; }

 private:
  std::uint64_t size_;
  std::string_view pieces_[2];
};

}  // namespace postern::delivery
