#pragma once

#include <limits>
#include <type_traits>

namespace postern {

/// Whether a changed value takes effect on SIGHUP or needs a restart.
enum class Reload { Live, Restart };

/// One configurable value of a module's Options: key, member, bounds, help. The one place where an option is
/// declared; config/ makes the TOML loader, the bounds check, `config explain` and docs/generated/options.md
/// of it. Types understood: bool, unsigned integers, Bytes, std::chrono durations, std::string,
/// std::vector<std::string>, and enums that have `option_names(E)` (an array of pairs, found by ADL).
template <class Struct, class T>
struct Field {
  const char* name;
  T Struct::*member;
  bool bounded;
  T min;
  T max;
  Reload reload;
  const char* help;
};

template <class Struct, class T>
constexpr Field<Struct, T> field(const char* name, T Struct::*member, std::type_identity_t<T> min,
                                 std::type_identity_t<T> max, Reload reload, const char* help) {
  return {name, member, true, min, max, reload, help};
}
template <class Struct, class T>
Field<Struct, T> field(const char* name, T Struct::*member, Reload reload, const char* help) {
  return {name, member, false, T{}, T{}, reload, help};
}

}  // namespace postern
