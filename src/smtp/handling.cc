#include "smtp/handling.h"

#include "smtp/ascii.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace postern::smtp {
namespace {

using std::chrono::seconds;

Error bad(std::string_view keyword) { return fail(Errc::Malformed, "bad value for " + std::string(keyword)); }

/// `text` as a number, when it is `least` to `most` digits and nothing else.
std::optional<std::int64_t> digits(std::string_view text, std::size_t least, std::size_t most) {
  std::int64_t value = 0;
  if (text.size() < least || text.size() > most) return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// by-value = by-time ";" by-mode [by-trace] ; by-time = ["-" / "+"] 1*9digit ; RFC 2852 §4
Result<DeliverBy> parse_by(std::string_view value) {
  const std::size_t semicolon = std::min(value.find(';'), value.size());
  std::string_view time = value.substr(0, semicolon);
  std::string_view mode = value.substr(std::min(semicolon + 1, value.size()));
  const bool negative = time.starts_with('-');
  if (negative || time.starts_with('+')) time.remove_prefix(1);
  const std::optional<std::int64_t> number = digits(time, 1, 9);
  if (!number || mode.empty() || mode.size() > 2) return bad("BY");
  DeliverBy by{seconds{negative ? -*number : *number}, DeliverBy::Mode::Notify, mode.size() == 2};
  if (to_upper(mode[0]) == 'R') by.mode = DeliverBy::Mode::Return;
  if (to_upper(mode[0]) != 'R' && to_upper(mode[0]) != 'N') return bad("BY");
  if (by.trace && to_upper(mode[1]) != 'T') return bad("BY");
  if (by.mode == DeliverBy::Mode::Return && by.within <= seconds{0}) return bad("BY");
  return by;
}

// future-release-integer = %x31-39 *8DIGIT ; RFC 4865 §4
Result<Hold> parse_hold_for(std::string_view value) {
  const std::optional<std::int64_t> number = digits(value, 1, 9);
  if (!number || value.front() == '0') return bad("HOLDFOR");
  return Hold{seconds{*number}};
}

// Internet-style-date-time-UTC = full-date "T" partial-time "Z" ; RFC 4865 §4, RFC 3339 §5.6
Result<Hold> parse_hold_until(std::string_view value) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (value.size() <= kShape.size() || to_upper(value.back()) != 'Z') return bad("HOLDUNTIL");
  std::array<unsigned, 6> part{};
  constexpr std::array<std::size_t, 6> kStart{0, 5, 8, 11, 14, 17};
  for (std::size_t i = 0; i < kShape.size(); ++i) {
    if (kShape[i] != '0' && to_upper(value[i]) != kShape[i]) return bad("HOLDUNTIL");
  }
  for (std::size_t i = 0; i < part.size(); ++i) {
    const std::size_t length = i == 0 ? 4 : 2;
    const std::optional<std::int64_t> number = digits(value.substr(kStart[i], length), length, length);
    if (!number) return bad("HOLDUNTIL");
    part[i] = static_cast<unsigned>(*number);
  }
  std::string_view fraction = value.substr(kShape.size(), value.size() - kShape.size() - 1);
  if (!fraction.empty() && (fraction.front() != '.' || !digits(fraction.substr(1), 1, 9)))
    return bad("HOLDUNTIL");
  const std::chrono::year_month_day day{std::chrono::year{static_cast<int>(part[0])},
                                        std::chrono::month{part[1]}, std::chrono::day{part[2]}};
  if (!day.ok() || part[3] > 23 || part[4] > 59 || part[5] > 60) return bad("HOLDUNTIL");
  const seconds time = std::chrono::hours{part[3]} + std::chrono::minutes{part[4]} + seconds{part[5]};
  // A fraction is rounded up: never before the time that was asked for.
  return Hold{TimePoint{std::chrono::sys_days{day} + time + seconds{fraction.empty() ? 0 : 1}}};
}

// priority-value = (["-"] NZDIGIT) / "0" ; RFC 6710 §6
Result<std::int8_t> parse_priority(std::string_view value) {
  const bool negative = value.starts_with('-');
  const std::optional<std::int64_t> number = digits(value.substr(negative ? 1 : 0), 1, 1);
  if (!number || (negative && *number == 0)) return bad("MT-PRIORITY");
  return static_cast<std::int8_t>(negative ? -*number : *number);
}

std::string date_time(TimePoint when) {
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date{day};
  const auto time = std::chrono::floor<seconds>(when - day).count();
  std::string out;
  const auto put = [&out](std::int64_t number, std::size_t width, char behind) {
    const std::string text = std::to_string(number);
    out.append(width - std::min(width, text.size()), '0');
    out += text;
    out += behind;
  };
  put(static_cast<int>(date.year()), 4, '-');
  put(static_cast<unsigned>(date.month()), 2, '-');
  put(static_cast<unsigned>(date.day()), 2, 'T');
  put(time / 3600, 2, ':');
  put(time / 60 % 60, 2, ':');
  put(time % 60, 2, 'Z');
  return out;
}

Result<> set_hold(Handling& handling, Result<Hold> hold) {
  if (!hold) return hold.error();
  if (handling.hold) return fail(Errc::Malformed, "HOLDFOR and HOLDUNTIL exclude each other");
  handling.hold = *hold;
  return {};
}

}  // namespace

TimePoint end_of(const Hold& hold, TimePoint accepted_at) {
  if (const auto* wait = std::get_if<seconds>(&hold)) return accepted_at + *wait;
  return std::get<TimePoint>(hold);
}

std::string to_string(const Hold& hold) {
  if (const auto* wait = std::get_if<seconds>(&hold)) return "for;" + std::to_string(wait->count());
  return "until;" + date_time(std::get<TimePoint>(hold));
}

std::string to_params(const Handling& handling) {
  std::string out;
  const auto add = [&out](const std::string& param) { out += (out.empty() ? "" : " ") + param; };
  if (handling.by) {
    add("BY=" + std::to_string(handling.by->within.count()) +
        (handling.by->mode == DeliverBy::Mode::Return ? ";R" : ";N") + (handling.by->trace ? "T" : ""));
  }
  if (handling.hold) {
    const std::string hold = to_string(*handling.hold);
    add((hold.starts_with("for") ? "HOLDFOR=" : "HOLDUNTIL=") + hold.substr(hold.find(';') + 1));
  }
  if (handling.priority) add("MT-PRIORITY=" + std::to_string(*handling.priority));
  if (handling.require_tls) add("REQUIRETLS");
  return out;
}

Result<Handling> parse_handling(std::string_view params) {
  Handling handling;
  while (!params.empty()) {
    const std::size_t end = std::min(params.find(' '), params.size());
    const std::string_view param = params.substr(0, end);
    params.remove_prefix(std::min(end + 1, params.size()));
    const std::size_t equals = param.find('=');
    std::optional<std::string_view> value;
    if (equals != std::string_view::npos) value = param.substr(equals + 1);
    POSTERN_TRY(const bool known, apply_handling(handling, param.substr(0, equals), value));
    if (!known) return fail(Errc::Malformed, "unknown parameter");
  }
  return handling;
}

Result<bool> apply_handling(Handling& handling, std::string_view keyword,
                            std::optional<std::string_view> value) {
  if (iequals(keyword, "BY")) {
    POSTERN_TRY(handling.by, parse_by(value.value_or("")));
  } else if (iequals(keyword, "HOLDFOR")) {
    POSTERN_CHECK(set_hold(handling, parse_hold_for(value.value_or(""))));
  } else if (iequals(keyword, "HOLDUNTIL")) {
    POSTERN_CHECK(set_hold(handling, parse_hold_until(value.value_or(""))));
  } else if (iequals(keyword, "MT-PRIORITY")) {
    POSTERN_TRY(handling.priority, parse_priority(value.value_or("")));
  } else if (iequals(keyword, "REQUIRETLS")) {
    if (value) return bad("REQUIRETLS");
    handling.require_tls = true;
  } else {
    return false;
  }
  return true;
}

}  // namespace postern::smtp
