#include "delivery/content.h"

#include <utility>

namespace postern::delivery {

net::Task<Result<std::string_view>> MemoryContent::next() {
  std::string_view piece = std::exchange(pieces_[0], std::exchange(pieces_[1], {}));
  if (piece.empty()) piece = std::exchange(pieces_[0], {});
  co_return piece;
}

net::Task<Result<std::string_view>> QueueContent::next() {
  if (!signature_.empty()) co_return std::exchange(signature_, {});
  Result<std::string> piece = co_await queue_.read(loop_, id_, number_);
  if (!piece) co_return piece.error();
  ++number_;
  piece_ = *std::move(piece);
  co_return std::string_view(piece_);
}

}  // namespace postern::delivery
