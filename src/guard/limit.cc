#include "guard/limit.h"

#include <fmt/format.h>

#include <charconv>

namespace postern::guard {
namespace {

constexpr std::chrono::seconds kShortest{60};
constexpr std::chrono::seconds kLongest = std::chrono::days{31};
constexpr std::uint64_t kMostCount = 1'000'000'000;

std::optional<LimitAction> action_named(std::string_view name) {
  for (const LimitAction action : {LimitAction::Defer, LimitAction::Delay, LimitAction::Reject}) {
    if (name == to_string(action)) return action;
  }
  return std::nullopt;
}

bool whole(std::string_view digits, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return error == std::errc{} && end == digits.data() + digits.size() && out > 0;
}

Result<std::chrono::seconds> parse_window(std::string_view text) {
  std::uint64_t amount = 0;
  constexpr std::uint64_t kMostUnits = 50'000;
  if (text.size() < 2 || !whole(text.substr(0, text.size() - 1), amount) || amount > kMostUnits)
    return fail(Errc::Malformed, "no window");
  const auto units = static_cast<std::int64_t>(amount);
  switch (text.back()) {
    case 'm':
      return std::chrono::minutes(units);
    case 'h':
      return std::chrono::hours(units);
    case 'd':
      return std::chrono::days(units);
    default:
      return fail(Errc::Malformed, "no unit");
  }
}

}  // namespace

const char* to_string(LimitAction action) {
  switch (action) {
    case LimitAction::Defer:
      return "defer";
    case LimitAction::Delay:
      return "delay";
    case LimitAction::Reject:
      return "reject";
  }
  return "defer";
}

const char* to_string(Counted what) {
  switch (what) {
    case Counted::Messages:
      return "messages";
    case Counted::Recipients:
      return "recipients";
    case Counted::FirstTime:
      return "first_time";
  }
  return "messages";
}

Result<Limit> parse_limit(std::string_view text) {
  const auto malformed = [text](std::string_view why) {
    return fail(Errc::Malformed,
                fmt::format("not a limit such as \"100/1h\" or \"100/1h reject\": \"{}\"{}", text, why));
  };
  Limit limit;
  std::string_view numbers = text;
  if (const std::size_t space = text.find(' '); space != std::string_view::npos) {
    const std::optional<LimitAction> action = action_named(text.substr(space + 1));
    if (!action) return malformed(" (the action is defer, delay or reject)");
    limit.action = *action;
    numbers = text.substr(0, space);
  }
  const std::size_t slash = numbers.find('/');
  if (slash == std::string_view::npos) return malformed("");
  if (!whole(numbers.substr(0, slash), limit.count) || limit.count > kMostCount)
    return malformed(" (the count is 1 to 1000000000; who may send nothing is suspended)");
  const Result<std::chrono::seconds> window = parse_window(numbers.substr(slash + 1));
  if (!window) return malformed("");
  limit.window = *window;
  if (limit.window < kShortest || limit.window > kLongest)
    return fail(Errc::Malformed, fmt::format("\"{}\": a limit's window is 1m to 31d", text));
  return limit;
}

std::string to_string(const Limit& limit) {
  const auto count = limit.window.count();
  const char* action = limit.action == LimitAction::Delay    ? " delay"
                       : limit.action == LimitAction::Reject ? " reject"
                                                             : "";
  if (count % 86400 == 0) return fmt::format("{}/{}d{}", limit.count, count / 86400, action);
  if (count % 3600 == 0) return fmt::format("{}/{}h{}", limit.count, count / 3600, action);
  return fmt::format("{}/{}m{}", limit.count, count / 60, action);
}

Result<> add_limit(std::vector<Limit>& limits, std::string_view text) {
  constexpr std::size_t kMostLimits = 8;
  POSTERN_TRY(const Limit limit, parse_limit(text));
  if (limits.size() >= kMostLimits)
    return fail(Errc::Malformed, fmt::format("\"{}\": at most {} limits in one list", text, kMostLimits));
  for (const Limit& other : limits) {
    if (other.window == limit.window) {
      return fail(Errc::Malformed,
                  fmt::format("\"{}\" contradicts \"{}\": one window has one limit", text, to_string(other)));
    }
    const Limit& longer = other.window > limit.window ? other : limit;
    const Limit& shorter = other.window > limit.window ? limit : other;
    if (shorter.count > longer.count) {
      return fail(Errc::Malformed,
                  fmt::format("\"{}\" contradicts \"{}\": the shorter window allows more than the "
                              "longer one, so it is never reached",
                              to_string(shorter), to_string(longer)));
    }
  }
  limits.push_back(limit);
  return {};
}

LimitSet LimitOverrides::over(const LimitSet& base) const {
  LimitSet out;
  for (std::size_t i = 0; i < lists.size(); ++i) out.lists.at(i) = lists.at(i).value_or(base.lists.at(i));
  const bool recipients = lists.at(static_cast<std::size_t>(Counted::Recipients)).has_value();
  if (recipients && !lists.at(static_cast<std::size_t>(Counted::FirstTime)))
    out.of(Counted::FirstTime).clear();
  return out;
}

Result<LimitOverrides> parse_overrides(const std::vector<std::string>& lines) {
  LimitOverrides out;
  for (const std::string& line : lines) {
    const std::size_t space = line.find(' ');
    const std::string_view name = std::string_view(line).substr(0, space);
    bool known = false;
    for (const Counted what : kAllCounted) {
      if (name != to_string(what) || space == std::string::npos) continue;
      known = true;
      auto& list = out.lists.at(static_cast<std::size_t>(what));
      if (!list) list.emplace();
      if (const std::string_view text = std::string_view(line).substr(space + 1); text != "none")
        POSTERN_CHECK(add_limit(*list, text));
    }
    if (!known)
      return fail(Errc::Malformed, "\"" + line + "\": what is limited is messages, recipients or first_time");
  }
  return out;
}

}  // namespace postern::guard
