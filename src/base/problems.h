#pragma once

#include "base/result.h"

#include <string>
#include <utility>

namespace postern {

/// Gathers what is wrong, so that one look finds all of it.
class Problems {
 public:
  template <class T>
  void add(const Result<T>& outcome) {
    if (outcome) return;
    if (text_.empty()) code_ = outcome.error().code;
    text_ += (text_.empty() ? "" : "\n") + outcome.error().detail;
  }
  [[nodiscard]] bool none() const { return text_.empty(); }
  /// One Error with a line for each; its code is that of the first.
  [[nodiscard]] Result<> outcome() const {
    if (none()) return {};
    return fail(code_, text_);
  }

 private:
  Errc code_ = Errc::Malformed;
  std::string text_;
};

}  // namespace postern
