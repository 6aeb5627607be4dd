#pragma once

#include "base/bytes.h"
#include "base/options.h"
#include "base/problems.h"
#include "base/result.h"

#include <toml++/toml.h>

#include <chrono>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

/// From TOML values to Options, by the rows of fields(). Private to config/.
namespace postern::config {

/// "file:line:column: text"
[[nodiscard]] Error error_at(const std::string& file, const toml::node& node, const std::string& text);

// One overload for each kind of value; the Error's detail is only the reason.
[[nodiscard]] Result<> read_value(const toml::node& node, bool& out);
[[nodiscard]] Result<> read_value(const toml::node& node, std::string& out);
[[nodiscard]] Result<> read_value(const toml::node& node, std::vector<std::string>& out);
[[nodiscard]] Result<> read_value(const toml::node& node, Bytes& out);
[[nodiscard]] Result<std::uint64_t> read_unsigned(const toml::node& node);
/// A duration of `kUnits` such as "300s", "5m", "20ms", "2h", "5d".
[[nodiscard]] Result<std::chrono::milliseconds> read_duration(const toml::node& node);
[[nodiscard]] std::string shown(Bytes value);
[[nodiscard]] std::string shown(std::chrono::milliseconds value);

template <std::unsigned_integral T>
[[nodiscard]] Result<> read_value(const toml::node& node, T& out) {
  POSTERN_TRY(const std::uint64_t value, read_unsigned(node));
  if (value > std::numeric_limits<T>::max()) return fail(Errc::Malformed, "is too large");
  out = static_cast<T>(value);
  return {};
}
template <class Rep, class Period>
[[nodiscard]] Result<> read_value(const toml::node& node, std::chrono::duration<Rep, Period>& out) {
  POSTERN_TRY(const std::chrono::milliseconds value, read_duration(node));
  out = std::chrono::duration_cast<std::chrono::duration<Rep, Period>>(value);
  if (out != value) return fail(Errc::Malformed, "is finer than this option knows");
  return {};
}
template <class E>
requires std::is_enum_v<E>
[[nodiscard]] Result<> read_value(const toml::node& node, E& out) {
  std::string text;
  POSTERN_CHECK(read_value(node, text));
  std::string all;
  for (const auto& [name, value] : option_names(E{})) {
    if (text == name) {
      out = value;
      return {};
    }
    all += (all.empty() ? "" : ", ") + std::string(name);
  }
  return fail(Errc::Malformed, "must be one of " + all);
}

template <class T>
[[nodiscard]] Result<> check_bounds(const T& value, const T& min, const T& max) {
  if constexpr (std::is_same_v<T, Bytes>) {
    if (value < min || max < value)
      return fail(Errc::Malformed, "must be from " + shown(min) + " to " + shown(max));
  } else if constexpr (std::unsigned_integral<T>) {
    if (value < min || max < value)
      return fail(Errc::Malformed, "must be from " + std::to_string(min) + " to " + std::to_string(max));
  } else if constexpr (requires { typename T::period; }) {
    if (value < min || max < value)
      return fail(Errc::Malformed, "must be from " + shown(min) + " to " + shown(max));
  }
  return {};
}

/// The keys of `Options::fields()`.
template <class Options>
[[nodiscard]] std::vector<std::string> keys_of() {
  return std::apply([](const auto&... rows) { return std::vector<std::string>{rows.name...}; },
                    Options::fields());
}

/// Fills `options` from `table`. An options type may have check(key): whether the value just read can be meant; the Error's
/// detail is the reason. `more`: keys that belong to somebody else. Unknown keys are errors. The Error names all that is
/// wrong, a line each; what was right is read.
[[nodiscard]] Result<> refuse_unknown(const toml::table& table, std::vector<std::string> known,
                                      const std::string& file);

template <class Options>
[[nodiscard]] Result<> read_table(const toml::table& table, Options& options, const std::string& file,
                                  const std::vector<std::string>& more = {}) {
  std::vector<std::string> known = keys_of<Options>();
  known.insert(known.end(), more.begin(), more.end());
  Problems problems;
  problems.add(refuse_unknown(table, std::move(known), file));
  const auto read_row = [&](const auto& row) {
    const toml::node* node = table.get(row.name);
    if (node == nullptr) return;
    auto& value = options.*(row.member);
    Result<> read = read_value(*node, value);
    if (read && row.bounded) read = check_bounds(value, row.min, row.max);
    if constexpr (requires { options.check(row.name); }) {
      if (read) read = options.check(row.name);
    }
    if (!read)
      problems.add(Result<>(error_at(file, *node, std::string(row.name) + " " + read.error().detail)));
  };
  std::apply([&](const auto&... rows) { (read_row(rows), ...); }, Options::fields());
  return problems.outcome();
}

}  // namespace postern::config
