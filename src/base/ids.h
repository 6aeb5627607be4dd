#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace postern {

/// A 64-bit id that cannot be mixed up with another kind of id.
template <class Tag>
struct StrongId {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  [[nodiscard]] constexpr explicit operator bool() const { return value != 0; }
};

using AccountId = StrongId<struct AccountTag>;

/// Names one message in the queue, in every log line, in the Received field and in `postern trace`.
/// 63 bits: 42 bits of milliseconds since 1970, then 21 random bits or a counter; so ids sort by time.
/// Text form: 13 characters of Crockford base 32 (digits and upper-case letters without I, L, O, U).
using QueueId = StrongId<struct QueueTag>;
/// Names one client connection in the log. Same text form.
using SessionId = StrongId<struct SessionTag>;

[[nodiscard]] std::string id_text(std::int64_t value);
[[nodiscard]] std::optional<std::int64_t> parse_id_text(std::string_view text);
template <class Tag>
[[nodiscard]] std::string to_string(StrongId<Tag> id) {
  return id_text(id.value);
}

/// A new id, unique in this process; `now_ms` is wall-clock milliseconds. Thread-safe.
[[nodiscard]] std::int64_t make_id(std::int64_t now_ms);

}  // namespace postern

template <class Tag>
struct std::hash<postern::StrongId<Tag>> {
  std::size_t operator()(postern::StrongId<Tag> id) const noexcept {
    return std::hash<std::int64_t>{}(id.value);
  }
};
