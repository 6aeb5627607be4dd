#pragma once

#include <tl/expected.hpp>

#include <string>
#include <utility>

namespace postern {

/// What the caller may do about a failure, not where it came from.
enum class Errc {
  Malformed,    ///< the input breaks its grammar; asking again with the same input is useless
  Denied,       ///< understood and refused by a rule
  NotFound,     ///< the thing named does not exist
  Exhausted,    ///< a limit or a resource is used up; may work later
  Unavailable,  ///< something we need is not working now; try again later
  Timeout,      ///< the deadline passed
  Closed,       ///< the other side ended the conversation
  Corrupt,      ///< stored data is damaged; set it aside
  Internal,     ///< our own fault
};

[[nodiscard]] constexpr const char* to_string(Errc code) {
  switch (code) {
    case Errc::Malformed:
      return "malformed";
    case Errc::Denied:
      return "denied";
    case Errc::NotFound:
      return "not_found";
    case Errc::Exhausted:
      return "exhausted";
    case Errc::Unavailable:
      return "unavailable";
    case Errc::Timeout:
      return "timeout";
    case Errc::Closed:
      return "closed";
    case Errc::Corrupt:
      return "corrupt";
    case Errc::Internal:
      return "internal";
  }
  return "unknown";
}

/// A failure: its kind, and one sentence for a human (never secrets, never message content).
struct Error {
  Errc code = Errc::Internal;
  std::string detail;
  friend bool operator==(const Error&, const Error&) = default;
};

/// Either a value or an Error. Above net/ and store/ nothing throws, so this is how failure travels
/// (decision 0002). Dropping one is a compile error.
template <class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;
  Result() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): `return Error{...};` is the point.
  Result(Error error) : Base(tl::unexpect, std::move(error)) {}
};

/// `return fail(Errc::Malformed, "...")` in a function that returns Result<T>.
[[nodiscard]] inline Error fail(Errc code, std::string detail) { return Error{code, std::move(detail)}; }

}  // namespace postern

#define POSTERN_CONCAT_INNER(a, b) a##b
#define POSTERN_CONCAT(a, b) POSTERN_CONCAT_INNER(a, b)

#define POSTERN_TRY_AS(tmp, ret, decl, expr) \
  auto tmp = (expr);                         \
  if (!tmp) ret std::move(tmp).error();      \
  decl = *std::move(tmp)
#define POSTERN_CHECK_AS(tmp, ret, expr) \
  if (auto tmp = (expr); !tmp) ret std::move(tmp).error()

/// Statements, never expressions. `POSTERN_TRY(auto x, f());` binds the value or returns the error.
#define POSTERN_TRY(decl, ...) POSTERN_TRY_AS(POSTERN_CONCAT(result_, __LINE__), return, decl, (__VA_ARGS__))
#define POSTERN_CHECK(...) POSTERN_CHECK_AS(POSTERN_CONCAT(result_, __LINE__), return, (__VA_ARGS__))
/// The same inside coroutines; `expr` may hold one co_await.
#define POSTERN_CO_TRY(decl, ...) \
  POSTERN_TRY_AS(POSTERN_CONCAT(result_, __LINE__), co_return, decl, (__VA_ARGS__))
#define POSTERN_CO_CHECK(...)                                           \
  do {                                                                  \
    auto result_co_check = (__VA_ARGS__);                               \
    if (!result_co_check) co_return std::move(result_co_check).error(); \
  } while (false)
