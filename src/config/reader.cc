#include "config/reader.h"

#include "config/names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace postern::config {
namespace {

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 4> kSizes{
    {{"KiB", 1U << 10U}, {"MiB", 1U << 20U}, {"GiB", 1U << 30U}, {"B", 1}}};
constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kTimes{
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};

/// "50MiB" -> 50 and the factor of its unit.
template <class Units>
Result<std::uint64_t> with_unit(const toml::node& node, const Units& units, const char* example) {
  const Error malformed = fail(Errc::Malformed, std::string("must be written like \"") + example + "\"");
  const auto text = node.value<std::string>();
  if (!text) return malformed;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text->data() + text->size() - end));
  constexpr std::uint64_t kMost = std::uint64_t{1} << 32U;
  if (error != std::errc{} || number > kMost) return malformed;
  for (const auto& [name, factor] : units) {
    if (unit == name) return number * static_cast<std::uint64_t>(factor);
  }
  return malformed;
}

}  // namespace

Error error_at(const std::string& file, const toml::node& node, const std::string& text) {
  const auto& begin = node.source().begin;
  return fail(Errc::Malformed,
              file + ":" + std::to_string(begin.line) + ":" + std::to_string(begin.column) + ": " + text);
}

Result<> read_value(const toml::node& node, bool& out) {
  const auto value = node.value_exact<bool>();
  if (!value) return fail(Errc::Malformed, "must be true or false");
  out = *value;
  return {};
}

Result<> read_value(const toml::node& node, std::string& out) {
  const auto value = node.value_exact<std::string>();
  if (!value) return fail(Errc::Malformed, "must be a text in quotes");
  out = *value;
  return {};
}

Result<> read_value(const toml::node& node, std::vector<std::string>& out) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return fail(Errc::Malformed, "must be a list of texts");
  out.clear();
  for (const toml::node& item : *array) {
    std::string text;
    POSTERN_CHECK(read_value(item, text));
    out.push_back(std::move(text));
  }
  return {};
}

Result<std::uint64_t> read_unsigned(const toml::node& node) {
  const auto value = node.value_exact<std::int64_t>();
  if (!value || *value < 0) return fail(Errc::Malformed, "must be a whole number");
  return static_cast<std::uint64_t>(*value);
}

Result<> read_value(const toml::node& node, Bytes& out) {
  POSTERN_TRY(out.count, with_unit(node, kSizes, "50MiB"));
  return {};
}

Result<std::chrono::milliseconds> read_duration(const toml::node& node) {
  POSTERN_TRY(const std::uint64_t value, with_unit(node, kTimes, "300s"));
  return std::chrono::milliseconds(static_cast<std::int64_t>(value));
}

std::string shown(Bytes value) {
  for (const auto& [name, factor] : {kSizes[2], kSizes[1], kSizes[0]}) {
    if (value.count >= factor && value.count % factor == 0)
      return std::to_string(value.count / factor) + std::string(name);
  }
  return std::to_string(value.count) + "B";
}

std::string shown(std::chrono::milliseconds value) {
  for (auto unit = kTimes.rbegin(); unit != kTimes.rend(); ++unit) {
    if (value.count() != 0 && value.count() % unit->second == 0)
      return std::to_string(value.count() / unit->second) + std::string(unit->first);
  }
  return "0s";
}

Result<> refuse_unknown(const toml::table& table, std::vector<std::string> known, const std::string& file) {
  Problems problems;
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const std::string near = nearest_name(name, known);
    problems.add(Result<>(
        error_at(file, node,
                 "unknown key \"" + name + "\"" + (near.empty() ? "" : "; did you mean \"" + near + "\"?"))));
  }
  return problems.outcome();
}

}  // namespace postern::config
